//! Whatever arrives and whenever: a classification ends in time, within its budget, and sends only where
//! it may.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and begin at any time"
)]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_nat::classify::{
    Classifier, Config, FRESH, Input, LifetimeConfig, LifetimeInput, LifetimeOutput, LifetimeProbe,
    Output, Server, ServerKind, Setup, Socket,
};
use dchat_nat::stun::{self, Message};
use dchat_wire::nat::{ReachResult, reach_datagram};
use proptest::prelude::*;
use stun_rs::attributes::discovery::OtherAddress;
use stun_rs::attributes::stun::XorMappedAddress;
use stun_rs::{MessageClass, MessageEncoder, StunMessageBuilder};

#[derive(Clone, Debug)]
enum Step {
    /// Answers the nth datagram sent, truly or with any addresses, from where it went or elsewhere.
    Answer {
        nth: usize,
        mapped: SocketAddr,
        other: Option<SocketAddr>,
        from: Option<SocketAddr>,
    },
    Reached {
        nth: usize,
        result: ReachResult,
    },
    ReachDatagram {
        nth: usize,
        socket: Socket,
        from: SocketAddr,
    },
    Bytes {
        socket: Socket,
        from: SocketAddr,
        bytes: Vec<u8>,
    },
    Echo {
        nth: usize,
        socket: Socket,
        from: SocketAddr,
    },
    Opened {
        socket: Socket,
        port: u16,
    },
    Gateway(IpAddr),
    Pause(u64),
}

fn any_address() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        (any::<[u8; 4]>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip.into(), port)),
        (0_u8..4, 0_u16..4)
            .prop_map(|(host, port)| SocketAddr::new([198, 51, 100, host].into(), 3478 + port)),
        (0_u16..3).prop_map(|port| SocketAddr::new([203, 0, 113, 5].into(), 4001 + port)),
        (any::<u16>(), any::<u16>()).prop_map(|(host, port)| SocketAddr::new(
            IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host]),
            port
        )),
    ]
}

fn any_socket() -> impl Strategy<Value = Socket> {
    prop_oneof![Just(Socket::Main), any::<u8>().prop_map(Socket::Fresh)]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (
            any::<usize>(),
            any_address(),
            prop::option::of(any_address()),
            prop::option::weighted(0.2, any_address())
        )
            .prop_map(|(nth, mapped, other, from)| Step::Answer { nth, mapped, other, from }),
        2 => (any::<usize>(), prop::sample::select(ReachResult::ALL.to_vec()))
            .prop_map(|(nth, result)| Step::Reached { nth, result }),
        2 => (any::<usize>(), any_socket(), any_address())
            .prop_map(|(nth, socket, from)| Step::ReachDatagram { nth, socket, from }),
        1 => (any_socket(), any_address(), prop::collection::vec(any::<u8>(), 0..100))
            .prop_map(|(socket, from, bytes)| Step::Bytes { socket, from, bytes }),
        1 => (any::<usize>(), any_socket(), any_address())
            .prop_map(|(nth, socket, from)| Step::Echo { nth, socket, from }),
        1 => (any_socket(), any::<u16>())
            .prop_map(|(socket, port)| Step::Opened { socket, port }),
        1 => any::<[u8; 4]>().prop_map(|ip| Step::Gateway(ip.into())),
        4 => (0_u64..200).prop_map(Step::Pause),
    ]
}

fn reply(datagram: &[u8], mapped: SocketAddr, other: Option<SocketAddr>) -> Option<Vec<u8>> {
    let Ok(Message::Request(request)) = stun::decode(datagram) else {
        return None;
    };
    let mut builder =
        StunMessageBuilder::new(stun_rs::methods::BINDING, MessageClass::SuccessResponse)
            .with_transaction_id(stun_rs::TransactionId::from(&request.id.0))
            .with_attribute(XorMappedAddress::from(mapped));
    if let Some(other) = other {
        builder = builder.with_attribute(OtherAddress::from(other));
    }
    let mut bytes = vec![0; 200];
    let length = MessageEncoder::default()
        .encode(&mut bytes, &builder.build())
        .unwrap();
    bytes.truncate(length);
    Some(bytes)
}

fn servers() -> Vec<Server> {
    let server = |text: &str, kind| Server {
        address: text.parse().unwrap(),
        kind,
    };
    vec![
        server("198.51.100.1:3478", ServerKind::Stun),
        server("198.51.100.2:3478", ServerKind::Node),
        server("192.0.2.1:3478", ServerKind::Stun),
        server("198.51.100.2:3479", ServerKind::Stun),
        server("[2001:db8::1]:3478", ServerKind::Stun),
        server("[2001:db8::2]:3478", ServerKind::Node),
    ]
}

type Sent = (Socket, SocketAddr, Vec<u8>);

/// Checks DC-NAT-035 (negative).
#[test]
fn a_host_has_one_voice_though_another_server_calls_it_its_other_address() {
    let [one, another]: [SocketAddr; 2] =
        ["198.51.100.1:3478", "192.0.2.1:3478"].map(|text| text.parse().unwrap());
    let again: SocketAddr = "198.51.100.1:3479".parse().unwrap();
    let victim: SocketAddr = "203.0.113.77:9".parse().unwrap();
    let servers = [one, another].map(|address| Server {
        address,
        kind: ServerKind::Stun,
    });
    let setup = Setup {
        servers: servers.to_vec(),
        locals: vec!["192.168.1.10:4001".parse().unwrap()],
        gateway: None,
    };
    let mut now = Instant::now();
    let mut classifier = Classifier::new(Config::default(), &setup, [1; 32], now);
    loop {
        match classifier.poll_output() {
            Some(Output::Send {
                socket,
                to,
                datagram,
            }) => {
                assert!(to == one || to.ip() == another.ip(), "{to} is asked");
                let (mapped, other) = match to == one {
                    true => (victim, None),
                    false => ("203.0.113.5:4001".parse().unwrap(), Some(again)),
                };
                let bytes = reply(&datagram, mapped, other).unwrap();
                let input = Input::Datagram {
                    socket,
                    from: to,
                    bytes: &bytes,
                };
                classifier.handle_input(input, now);
            }
            Some(Output::Reach { .. }) => panic!("there is no node"),
            Some(Output::Finished(_)) => break,
            None => {
                now = classifier.poll_timeout().unwrap().max(now);
                classifier.handle_timeout(now);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Checks DC-NAT-034 (negative), DC-NAT-035 (negative).
    #[test]
    fn a_classification_ends_in_time_and_within_its_budget(
        steps in prop::collection::vec(any_step(), 0..150),
        packets in prop_oneof![Just(40_u32), 0_u32..60],
    ) {
        let start = Instant::now();
        let mut now = start;
        let config = Config { packets, ..Config::default() };
        let setup = Setup {
            servers: servers(),
            locals: vec!["192.168.1.10:4001".parse().unwrap(), "[2001:db8::9]:4001".parse().unwrap()],
            gateway: None,
        };
        let mut classifier = Classifier::new(config, &setup, [1; 32], now);
        let mut sent: Vec<Sent> = Vec::new();
        let mut tokens: Vec<(SocketAddr, [u8; 16])> = Vec::new();
        let mut named: BTreeSet<IpAddr> = servers().iter().map(|s| s.address.ip()).collect();
        let mut said: BTreeSet<(SocketAddr, IpAddr)> = BTreeSet::new();
        let mut finished = None;
        let mut steps = steps.into_iter();
        while finished.is_none() {
            let mut outputs = 0;
            while let Some(output) = classifier.poll_output() {
                outputs += 1;
                prop_assert!(outputs < 100);
                match output {
                    Output::Send { socket, to, datagram } => {
                        prop_assert!(datagram.len() <= 72);
                        if let Socket::Fresh(nth) = socket {
                            prop_assert!(usize::from(nth) < FRESH);
                        }
                        // A server, what one of them named as its other address, or an address two
                        // of them see us at.
                        let seers: BTreeSet<IpAddr> = said
                            .iter()
                            .filter(|(_, seen)| *seen == to.ip())
                            .map(|(server, _)| server.ip())
                            .collect();
                        prop_assert!(named.contains(&to.ip()) || seers.len() >= 2, "{to}");
                        sent.push((socket, to, datagram));
                    }
                    Output::Reach { helper, token, .. } => tokens.push((helper, token)),
                    Output::Finished(report) => finished = Some(report),
                }
            }
            if finished.is_some() {
                break;
            }
            match steps.next() {
                None => {
                    let due = classifier.poll_timeout().unwrap();
                    now = now.max(due);
                    classifier.handle_timeout(now);
                }
                Some(Step::Pause(pause)) => {
                    now += Duration::from_millis(pause);
                    classifier.handle_timeout(now);
                }
                Some(Step::Answer { nth, mapped, other, from }) => {
                    if let Some((socket, to, datagram)) = sent.get(nth % sent.len().max(1)) {
                        named.extend(other.map(|other| other.ip()));
                        said.insert((*to, mapped.ip()));
                        if let Some(bytes) = reply(datagram, mapped, other) {
                            let from = from.unwrap_or(*to);
                            let input = Input::Datagram { socket: *socket, from, bytes: &bytes };
                            classifier.handle_input(input, now);
                        }
                    }
                }
                Some(Step::Echo { nth, socket, from }) => {
                    if let Some((_, _, bytes)) = sent.get(nth % sent.len().max(1)) {
                        classifier.handle_input(Input::Datagram { socket, from, bytes }, now);
                    }
                }
                Some(Step::Reached { nth, result }) => {
                    if let Some((helper, token)) = tokens.get(nth % tokens.len().max(1)).copied() {
                        classifier.handle_input(Input::Reached { helper, token, result }, now);
                    }
                }
                Some(Step::ReachDatagram { nth, socket, from }) => {
                    if let Some((_, token)) = tokens.get(nth % tokens.len().max(1)) {
                        let bytes = reach_datagram::seal(token);
                        classifier.handle_input(Input::Datagram { socket, from, bytes: &bytes }, now);
                    }
                }
                Some(Step::Bytes { socket, from, bytes }) => {
                    classifier.handle_input(Input::Datagram { socket, from, bytes: &bytes }, now);
                }
                Some(Step::Opened { socket, port }) => {
                    classifier.handle_input(Input::Opened { socket, port }, now);
                }
                Some(Step::Gateway(address)) => {
                    classifier.handle_input(Input::Gateway(address), now);
                }
            }
            prop_assert!(sent.len() <= packets as usize);
        }
        let report = finished.unwrap();
        prop_assert_eq!(classifier.poll_timeout(), None);
        prop_assert!(report.took <= Config::default().deadline + Duration::from_millis(200));
        prop_assert!(report.sent <= packets);
        prop_assert_eq!(report.sent as usize, sent.len());
        prop_assert!(report.faults.len() <= 64);
        prop_assert_eq!(report.servers.len(), 6);
    }

    #[test]
    fn a_lifetime_search_ends_whatever_is_said(
        answers in prop::collection::vec((0_u8..6, any::<usize>(), any::<u16>()), 0..300),
        node in any::<bool>(),
        keeps_ports in any::<bool>(),
    ) {
        let kind = if node { ServerKind::Node } else { ServerKind::Stun };
        let server = Server { address: "198.51.100.1:4001".parse().unwrap(), kind };
        let start = Instant::now();
        let mut now = start;
        let mut probe =
            LifetimeProbe::new(LifetimeConfig::default(), server, keeps_ports, [1; 32], now);
        let (mut sent, mut tokens): (Vec<Sent>, Vec<[u8; 16]>) = (Vec::new(), Vec::new());
        let mut answers = answers.into_iter();
        'ends: for round in 0.. {
            prop_assert!(round < 20_000);
            while let Some(output) = probe.poll_output() {
                match output {
                    LifetimeOutput::Finished(_) => break 'ends,
                    LifetimeOutput::Send { socket, to, datagram } => {
                        sent.push((socket, to, datagram));
                    }
                    LifetimeOutput::Reach { token, .. } => tokens.push(token),
                    LifetimeOutput::Close(_) => {}
                }
            }
            match answers.next() {
                Some((0..=1, nth, port)) if !sent.is_empty() => {
                    let (socket, to, datagram) = &sent[nth % sent.len()];
                    let mapped = SocketAddr::new([203, 0, 113, 5].into(), port);
                    let bytes = reply(datagram, mapped, None).unwrap();
                    let input = LifetimeInput::Datagram { socket: *socket, from: *to, bytes: &bytes };
                    probe.handle_input(input, now);
                }
                Some((2, nth, _)) if !tokens.is_empty() => {
                    let bytes = reach_datagram::seal(&tokens[nth % tokens.len()]);
                    let socket = Socket::Fresh((nth % 5) as u8);
                    let from = server.address;
                    probe.handle_input(LifetimeInput::Datagram { socket, from, bytes: &bytes }, now);
                }
                Some((3, nth, port)) if !tokens.is_empty() => {
                    let token = tokens[nth % tokens.len()];
                    let result = ReachResult::ALL[usize::from(port) % 4];
                    probe.handle_input(LifetimeInput::Reached { token, result }, now);
                }
                _ => {
                    if let Some(due) = probe.poll_timeout() {
                        now = due.max(now);
                        probe.handle_timeout(now);
                    }
                }
            }
        }
        prop_assert!(now - start < Duration::from_secs(24 * 3600));
        prop_assert_eq!(probe.poll_timeout(), None);
    }
}
