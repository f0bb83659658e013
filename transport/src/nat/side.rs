//! What arrives on our own socket beside QUIC and probes: others' STUN questions, answers to ours,
//! and the datagrams we asked others to send.
//!
//! * Questions are answered, with no more bytes than they have, when the node serves REACH.
//! * Everything goes to whoever listens at the moment: a survey, a test of reachability.
//! * Bounds: [`LISTENERS`] at a time, [`WAITING`] datagrams for each; more are dropped, as on any
//!   network. Answers: [`ANSWERS_PER_S`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::path::canonical;
use crate::socket::{Paths, SideChannel, SideDatagram};
use crate::sync::lock;

/// Surveys and tests at a time.
const LISTENERS: usize = 8;
/// Datagrams that wait for one of them.
const WAITING: usize = 64;
/// STUN answers a second: a survey takes some 20, and a flood shall not take the processor.
const ANSWERS_PER_S: u32 = 2_000;

/// The datagrams beside QUIC of one endpoint.
#[derive(Debug)]
pub(crate) struct Side {
    paths: Paths,
    listeners: Mutex<Vec<mpsc::Sender<SideDatagram>>>,
    budget: Mutex<Budget>,
}

/// Answers left in the second that began then.
#[derive(Debug)]
struct Budget {
    since: Instant,
    left: u32,
}

impl Budget {
    fn take(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self {
                since: now,
                left: ANSWERS_PER_S,
            };
        }
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }
}

impl Side {
    pub(crate) fn new(paths: Paths) -> Self {
        Self {
            paths,
            listeners: Mutex::default(),
            budget: Mutex::new(Budget {
                since: Instant::now(),
                left: ANSWERS_PER_S,
            }),
        }
    }

    /// Everything that arrives from now on; `None` while too many listen.
    pub(crate) fn listen(&self) -> Option<mpsc::Receiver<SideDatagram>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut listeners = lock(&self.listeners);
        listeners.retain(|listener| !listener.is_closed());
        (listeners.len() < LISTENERS).then(|| {
            listeners.push(sender);
            receiver
        })
    }

    /// Sends from our own socket; whether it went out.
    pub(crate) fn send(&self, to: SocketAddr, datagram: &[u8]) -> bool {
        self.paths.send_side(None, None, to, datagram).is_some()
    }

    /// The address of ours to which another socket that sends to `to` has to be bound, so that it
    /// comes from where our own would: a wildcard unless ours is bound to one.
    pub(crate) fn beside(&self, to: SocketAddr) -> IpAddr {
        let bound = self.paths.local_addrs();
        let same = bound.iter().find(|own| own.is_ipv4() == to.is_ipv4());
        same.map_or_else(
            || match to {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            },
            SocketAddr::ip,
        )
    }

    /// Serves `channel` until the socket is gone. Questions are answered if `serve`.
    pub(crate) async fn run(&self, mut channel: SideChannel, serve: bool) {
        while let Some(datagram) = channel.recv().await {
            if serve {
                self.answer(&datagram);
            }
            let mut listeners = lock(&self.listeners);
            listeners.retain(|listener| {
                let sent = listener.try_send(datagram.clone());
                !matches!(sent, Err(mpsc::error::TrySendError::Closed(_)))
            });
        }
    }

    fn answer(&self, datagram: &SideDatagram) {
        let from = canonical(datagram.from);
        if !is_question(&datagram.bytes) || !lock(&self.budget).take(Instant::now()) {
            return;
        }
        if let Some(answer) = dchat_nat::stun::answer(&datagram.bytes, from) {
            // A full buffer loses an answer, as the network may.
            let (leg, local) = (Some(datagram.leg), datagram.local);
            let _ = self.paths.send_side(leg, local, datagram.from, &answer);
        }
    }
}

/// Whether the class bits are those of a request (RFC 8489 §5), so that nothing else is read twice.
fn is_question(bytes: &[u8]) -> bool {
    let class = |bytes: &[u8]| Some((bytes.first()? & 0x01, bytes.get(1)? & 0x10));
    dchat_nat::stun::is_stun(bytes) && class(bytes) == Some((0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_limited_by_the_second() {
        let start = Instant::now();
        let mut budget = Budget {
            since: start,
            left: ANSWERS_PER_S,
        };
        for _ in 0..ANSWERS_PER_S {
            assert!(budget.take(start));
        }
        assert!(!budget.take(start));
        assert!(budget.take(start + Duration::from_secs(1)));
    }

    #[test]
    fn only_requests_are_questions() {
        let id = dchat_nat::stun::TransactionId([7; 12]);
        let question = dchat_nat::stun::request(id, dchat_nat::stun::Change::Nothing);
        assert!(is_question(&question));
        let from = SocketAddr::from(([192, 0, 2, 1], 9));
        let answer = dchat_nat::stun::answer(&question, from).unwrap_or_default();
        assert!(!answer.is_empty());
        assert!(!is_question(&answer));
        assert!(!is_question(&[0; 64]));
    }
}
