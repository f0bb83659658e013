//! The four verbs.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use dchat_wire::nat::reach_datagram;

use super::asker::Asker;
use super::event::{Config, Input, Output, Setup, Socket};
use super::family::Family;
use super::report::{Report, ServerReport};
use super::scope;
use crate::stun::{self, Message};

/// One classification, from its first datagram to its report.
///
/// Drain [`poll_output`](Self::poll_output) after `new` and after every other verb; call
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) says so. After
/// [`Output::Finished`] nothing has an effect.
#[derive(Debug)]
pub struct Classifier {
    servers: Vec<SocketAddr>,
    gateway: Option<IpAddr>,
    asker: Asker,
    families: [Family; 2],
    began: Instant,
    ends: Instant,
    finished: bool,
}

impl Classifier {
    /// Begins at once. `seed` has to be secret and used once: who can guess transaction ids can lie
    /// in a server's name.
    #[must_use]
    pub fn new(config: Config, setup: &Setup, seed: [u8; 32], now: Instant) -> Self {
        let mut asker = Asker::new(config, seed);
        let mut families = [false, true].map(|v6| {
            let locals = plain(setup.locals.iter().copied().filter(|a| is_v6(a) == v6));
            let untested = locals.is_empty() && !setup.locals.is_empty();
            let servers = setup
                .servers
                .iter()
                .filter(|server| !untested && is_v6(&server.address) == v6)
                .map(|server| super::event::Server {
                    address: canonical(server.address),
                    kind: server.kind,
                })
                .collect();
            Family::new(usize::from(v6), servers, locals, config.pace, now)
        });
        for family in &mut families {
            family.begin(&mut asker, now);
        }
        let mut classifier = Self {
            servers: plain(setup.servers.iter().map(|server| server.address)),
            gateway: setup.gateway,
            asker,
            families,
            began: now,
            ends: now + config.deadline,
            finished: false,
        };
        classifier.settle(now);
        classifier
    }

    /// Takes what happened.
    pub fn handle_input(&mut self, input: Input<'_>, now: Instant) {
        if self.finished {
            return;
        }
        match input {
            Input::Opened { socket, port } => self.asker.opened(socket, port),
            Input::Datagram {
                socket,
                from,
                bytes,
            } => self.datagram(socket, canonical(from), bytes, now),
            Input::Reached {
                helper,
                token,
                result,
            } => {
                for family in &mut self.families {
                    family.said(canonical(helper), token, result, now);
                }
            }
            Input::Gateway(address) => self.gateway = Some(address),
        }
        self.settle(now);
    }

    /// Repeats, gives up, and ends what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.finished {
            return;
        }
        self.asker.handle_timeout(now);
        self.settle(now);
    }

    /// The next thing to do; to be called until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.asker.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` once finished.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.finished {
            return None;
        }
        self.families
            .iter()
            .filter_map(Family::poll_timeout)
            .chain(self.asker.poll_timeout())
            .chain([self.ends])
            .min()
    }

    fn datagram(&mut self, socket: Socket, from: SocketAddr, bytes: &[u8], now: Instant) {
        if let Some(token) = reach_datagram::open(bytes) {
            let asked = self
                .families
                .iter_mut()
                .any(|family| family.reached(socket, from, token));
            self.asker.received += u32::from(asked);
        } else if let Ok(Message::Request(request)) = stun::decode(bytes) {
            let ours = self
                .families
                .iter_mut()
                .any(|family| family.returned(request.id));
            self.asker.received += u32::from(ours);
        } else {
            self.asker.datagram(socket, from, bytes, now);
        }
    }

    /// Lets everything that has become possible happen, and reports when nothing is left to wait for.
    fn settle(&mut self, now: Instant) {
        loop {
            while let Some((index, purpose, event)) = self.asker.poll_event() {
                if let Some(family) = self.families.get_mut(index) {
                    family.event(purpose, &event, &mut self.asker, now);
                }
            }
            for family in &mut self.families {
                family.advance(&mut self.asker, now);
            }
            if !self.asker.has_events() {
                break;
            }
        }
        if now >= self.ends || self.families.iter().all(Family::done) {
            self.finish(now);
        }
    }

    fn finish(&mut self, now: Instant) {
        self.finished = true;
        // What was still to be asked is pointless now.
        self.asker.discard();
        let [v4, v6] = [0, 1].map(|index| {
            self.families
                .get(index)
                .map(|family| family.report(&mut self.asker))
                .unwrap_or_default()
        });
        let servers = self
            .servers
            .iter()
            .map(|address| {
                let answers = self.families.iter().map(|f| f.answer_of(*address));
                let (rtt, mapped) = answers.fold((None, None), |(rtt, mapped), answer| {
                    (rtt.or(answer.0), mapped.or(answer.1))
                });
                ServerReport {
                    address: *address,
                    rtt,
                    mapped,
                }
            })
            .collect();
        let report = Report {
            udp: v4.works || v6.works,
            double_nat: double_nat(self.gateway, v4.public),
            v4,
            v6,
            servers,
            faults: core::mem::take(&mut self.asker.faults),
            sent: self.asker.sent,
            received: self.asker.received,
            took: now.saturating_duration_since(self.began),
        };
        let last = Output::Finished(Box::new(report));
        self.asker.outputs.push_back(last);
    }
}

/// A gateway whose own external address nobody outside sees, or can see, has another NAT behind it.
fn double_nat(gateway: Option<IpAddr>, public: Option<SocketAddr>) -> Option<bool> {
    let gateway = gateway?.to_canonical();
    if gateway.is_unspecified() || gateway.is_ipv6() {
        return None;
    }
    match public {
        Some(public) => Some(public.ip() != gateway),
        None => (!scope::is_global(gateway)).then_some(true),
    }
}

fn plain(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    addresses.map(canonical).collect()
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn is_v6(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_ipv6()
}
