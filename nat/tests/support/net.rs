//! The internet around the host, and the loop that drives a classification through it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_nat::classify::{
    Classifier, Config, Input, Output, Report, Server, ServerKind, Setup, Socket,
};
use dchat_nat::stun::{self, Change, Message};
use dchat_wire::nat::{ReachFrom, ReachResult, reach_datagram};
use stun_rs::attributes::discovery::OtherAddress;
use stun_rs::attributes::stun::XorMappedAddress;
use stun_rs::{MessageClass, MessageEncoder, StunMessageBuilder};

use super::nat::{Nat, Rng};

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Honest,
    /// Does not answer at all.
    Dead,
    /// Says everyone is seen here.
    Lies(SocketAddr),
    /// Answers every question with an address of its own making, another one each time.
    Babbles,
    /// Answers CHANGE-REQUEST from where it was asked.
    IgnoresChange,
    /// Names an other address that does not answer, and from which nothing comes.
    NamesFalseOther,
    /// A node that says it sent a REACH and does not.
    Withholds,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    pub(crate) other: Option<SocketAddr>,
    pub(crate) kind: ServerKind,
    pub(crate) manner: Manner,
}

pub(crate) struct Net {
    pub(crate) host: SocketAddr,
    /// Innermost first.
    pub(crate) nats: Vec<Nat>,
    pub(crate) servers: Vec<Host>,
    pub(crate) loss: f64,
    pub(crate) cut: bool,
    pub(crate) cross_traffic: f64,
    pub(crate) rtt: Duration,
    rng: Rng,
    queue: BTreeMap<(Instant, u64), Event>,
    serial: u64,
    fresh: BTreeMap<u8, u16>,
}

enum Event {
    AtServer {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    AtNats {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    Asked {
        helper: SocketAddr,
        from: ReachFrom,
        token: [u8; 16],
        target: SocketAddr,
    },
    Said {
        helper: SocketAddr,
        token: [u8; 16],
        result: ReachResult,
    },
}

impl Net {
    pub(crate) fn new(host: SocketAddr, nats: Vec<Nat>, servers: Vec<Host>, seed: u64) -> Self {
        Self {
            host,
            nats,
            servers,
            loss: 0.0,
            cut: false,
            cross_traffic: 0.0,
            rtt: Duration::from_millis(40),
            rng: Rng(seed ^ 0x5eed),
            queue: BTreeMap::new(),
            serial: 0,
            fresh: BTreeMap::new(),
        }
    }

    pub(crate) fn setup(&self) -> Setup {
        Setup {
            servers: self
                .servers
                .iter()
                .map(|host| Server {
                    address: host.address,
                    kind: host.kind,
                })
                .collect(),
            locals: vec![self.host],
            gateway: None,
        }
    }

    /// Runs a classification to its report.
    pub(crate) fn classify(&mut self, seed: u64) -> Report {
        let setup = self.setup();
        self.classify_with(Config::default(), &setup, seed)
    }

    pub(crate) fn classify_with(&mut self, config: Config, setup: &Setup, seed: u64) -> Report {
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&seed.to_le_bytes());
        let mut now = Instant::now();
        let mut classifier = Classifier::new(config, setup, secret, now);
        for _ in 0..10_000 {
            while let Some(output) = classifier.poll_output() {
                match output {
                    Output::Finished(report) => {
                        assert_eq!(classifier.poll_timeout(), None);
                        return *report;
                    }
                    Output::Send {
                        socket,
                        to,
                        datagram,
                    } => {
                        let port = self.port(socket);
                        if let Socket::Fresh(_) = socket {
                            classifier.handle_input(Input::Opened { socket, port }, now);
                        }
                        self.send(SocketAddr::new(self.host.ip(), port), to, datagram, now);
                    }
                    Output::Reach {
                        helper,
                        from,
                        token,
                        target,
                    } => self.later(
                        now,
                        1,
                        Event::Asked {
                            helper,
                            from,
                            token,
                            target,
                        },
                    ),
                }
            }
            let due = classifier.poll_timeout().expect("ends by itself");
            match self.queue.first_key_value().map(|((at, _), _)| *at) {
                Some(at) if at <= due => {
                    now = at;
                    let (_, event) = self.queue.pop_first().expect("not empty");
                    self.happen(event, &mut classifier, now);
                }
                _ => {
                    now = due.max(now);
                    classifier.handle_timeout(now);
                }
            }
        }
        panic!("the classification does not end");
    }

    fn port(&mut self, socket: Socket) -> u16 {
        match socket {
            Socket::Main => self.host.port(),
            Socket::Fresh(nth) => {
                let rng = &mut self.rng;
                *self
                    .fresh
                    .entry(nth)
                    .or_insert_with(|| 32_768 + rng.below(28_000) as u16)
            }
        }
    }

    fn later(&mut self, now: Instant, halves: u32, event: Event) {
        let jitter = Duration::from_micros(self.rng.below(2_000));
        self.serial += 1;
        let key = (now + self.rtt / 2 * halves + jitter, self.serial);
        self.queue.insert(key, event);
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>, now: Instant) {
        assert!(
            bytes.len() <= 80,
            "no question is longer than {}",
            bytes.len()
        );
        if self.cut || self.rng.chance(self.loss) {
            return;
        }
        let mut seen = from;
        for index in 0..self.nats.len() {
            if self.rng.chance(self.cross_traffic) {
                self.nats[index].cross_traffic();
            }
            let translates = self.nats[index].mapping != dchat_wire::nat::Mapping::None;
            seen = self.nats[index].outbound(seen, to);
            if translates && self.nats[index].outside == to.ip() {
                if self.nats[index].hairpin {
                    self.inward(index + 1, seen, to, bytes, now);
                }
                return;
            }
        }
        let event = Event::AtServer {
            from: seen,
            to,
            bytes,
        };
        self.later(now, 1, event);
    }

    /// Through the NATs below `level`, and to the host.
    fn inward(
        &mut self,
        level: usize,
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
        now: Instant,
    ) {
        let mut target = to;
        for index in (0..level).rev() {
            let Some(inside) = self.nats[index].inbound(from, target.port()) else {
                return;
            };
            target = inside;
        }
        self.serial += 1;
        let key = (now + Duration::from_micros(500), self.serial);
        let event = Event::AtNats {
            from,
            to: target,
            bytes,
        };
        self.queue.insert(key, event);
    }

    fn happen(&mut self, event: Event, classifier: &mut Classifier, now: Instant) {
        match event {
            Event::AtServer { from, to, bytes } => self.serve(from, to, &bytes, now),
            Event::AtNats { from, to, bytes } => {
                let socket = if to.port() == self.host.port() {
                    Socket::Main
                } else {
                    match self.fresh.iter().find(|(_, port)| **port == to.port()) {
                        Some((nth, _)) => Socket::Fresh(*nth),
                        None => return,
                    }
                };
                let input = Input::Datagram {
                    socket,
                    from,
                    bytes: &bytes,
                };
                classifier.handle_input(input, now);
            }
            Event::Asked {
                helper,
                from,
                token,
                target,
            } => {
                let host = *self.by_address(helper).expect("a known helper");
                let source = match from {
                    ReachFrom::OtherPort => SocketAddr::new(helper.ip(), helper.port() + 7),
                    ReachFrom::OtherNode => "198.51.100.77:4001".parse().unwrap(),
                    ReachFrom::Here => helper,
                };
                if host.manner != Manner::Withholds {
                    let bytes = reach_datagram::seal(&token).to_vec();
                    self.answer(source, target, bytes, now);
                }
                let result = ReachResult::Sent;
                self.later(
                    now,
                    1,
                    Event::Said {
                        helper,
                        token,
                        result,
                    },
                );
            }
            Event::Said {
                helper,
                token,
                result,
            } => classifier.handle_input(
                Input::Reached {
                    helper,
                    token,
                    result,
                },
                now,
            ),
        }
    }

    fn by_address(&self, address: SocketAddr) -> Option<&Host> {
        self.servers.iter().find(|host| {
            host.address == address
                || host.other.is_some_and(|other| {
                    other == address
                        || SocketAddr::new(host.address.ip(), other.port()) == address
                        || SocketAddr::new(other.ip(), host.address.port()) == address
                })
        })
    }

    fn serve(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8], now: Instant) {
        let Some(host) = self.by_address(to).copied() else {
            return;
        };
        let Ok(Message::Request(request)) = stun::decode(bytes) else {
            return;
        };
        let mapped = match host.manner {
            Manner::Dead => return,
            Manner::NamesFalseOther if to != host.address || request.change != Change::Nothing => {
                return;
            }
            Manner::Lies(address) => address,
            Manner::Babbles => SocketAddr::new(
                IpAddr::from([203, 0, 113, self.rng.below(250) as u8 + 1]),
                1_024 + self.rng.below(60_000) as u16,
            ),
            _ => from,
        };
        let mut source = to;
        if request.change != Change::Nothing && host.manner != Manner::IgnoresChange {
            let Some(other) = host.other else {
                return;
            };
            source.set_port(if to.port() == host.address.port() {
                other.port()
            } else {
                host.address.port()
            });
            if request.change == Change::AddressAndPort {
                source.set_ip(if to.ip() == host.address.ip() {
                    other.ip()
                } else {
                    host.address.ip()
                });
            }
        }
        let mut builder =
            StunMessageBuilder::new(stun_rs::methods::BINDING, MessageClass::SuccessResponse)
                .with_transaction_id(stun_rs::TransactionId::from(&request.id.0))
                .with_attribute(XorMappedAddress::from(mapped));
        if let Some(other) = host.other {
            builder = builder.with_attribute(OtherAddress::from(other));
        }
        let mut buffer = vec![0; 200];
        let length = MessageEncoder::default()
            .encode(&mut buffer, &builder.build())
            .expect("fits");
        buffer.truncate(length);
        self.answer(source, from, buffer, now);
    }

    /// From a server to the outermost NAT, or the host itself.
    fn answer(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>, now: Instant) {
        if self.cut || self.rng.chance(self.loss) {
            return;
        }
        // The way in is the NATs' state when it was sent, which nothing here changes meanwhile.
        let mut target = to;
        for nat in self.nats.iter().rev() {
            let Some(inside) = nat.inbound(from, target.port()) else {
                return;
            };
            target = inside;
        }
        let event = Event::AtNats {
            from,
            to: target,
            bytes,
        };
        self.later(now, 1, event);
    }
}
