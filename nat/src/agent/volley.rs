//! The probes of one round of guessing, one after another.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_wire::nat::Prediction;

use super::bounds;
use super::io::Socket;
use super::rng::{Rng, Shuffle};
use crate::plan::{Law, Part, Shots, ports};

/// Ports tried on the other side of a prediction: the sample's own, and those a counter that runs
/// the other way would give.
const BEHIND: u16 = 4;
/// From the start of one pass to the start of the next, at least.
const PASS: Duration = Duration::from_millis(150);

/// Which ports of the peer are tried.
#[derive(Clone, Copy, Debug)]
enum Ports {
    /// Those that follow in sequence, then a few before.
    Sequence { first: u16, stride: u16, count: u16 },
    /// Some of a range, in random order.
    Among { first: u16, shuffle: Shuffle },
}

impl Ports {
    fn at(&self, index: u16) -> u16 {
        match self {
            Self::Sequence {
                first,
                stride,
                count,
            } => {
                let steps = if index < *count {
                    index
                } else {
                    // count → −1, count + 1 → −2, …
                    count.wrapping_sub(index).wrapping_sub(1)
                };
                first.wrapping_add(stride.wrapping_mul(steps))
            }
            Self::Among { first, shuffle } => first.wrapping_add(shuffle.at(index)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Aim {
    /// From every extra socket to one address.
    Seen(SocketAddr),
    /// From the usual socket to many ports.
    Spray(IpAddr, Ports),
    /// From the i-th extra socket to the `step`·i-th port.
    Count(IpAddr, Ports, u16),
    /// From all extra sockets to `each` ports.
    Grid(IpAddr, Ports, u16),
}

/// What one round sends.
#[derive(Clone, Debug)]
pub(super) struct Volley {
    aim: Aim,
    /// Probes of one pass.
    shots: u16,
    passes: u8,
    /// Of this pass.
    fired: u16,
    /// From one pass to the next, at least.
    every: Duration,
    pass_began: Instant,
    due: Option<Instant>,
}

/// Where the peer is guessed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Where it is seen.
    pub(super) seen: SocketAddr,
    /// How its NAT gives ports.
    pub(super) law: Law,
    /// What it predicts itself.
    pub(super) prediction: Option<(u16, u16, u16)>,
    /// Sockets it sends from.
    pub(super) sockets: u16,
    /// Ports of our own NAT that guesses from one socket may take.
    pub(super) spare: u16,
}

impl Mark {
    /// `None` when the peer predicts nothing where it has to, or another IP than it is seen at.
    pub(super) fn new(
        seen: SocketAddr,
        law: Law,
        prediction: Option<&Prediction>,
        sockets: u16,
        spare: u16,
    ) -> Option<Self> {
        let prediction = match (law, prediction) {
            (Law::Among { .. }, _) => None,
            (Law::Sequence { .. }, Some(prediction)) => {
                let address = prediction.address.socket();
                if address.ip() != seen.ip() || prediction.count == 0 {
                    return None;
                }
                Some((address.port(), prediction.stride, prediction.count))
            }
            (Law::Sequence { .. }, None) => return None,
        };
        Some(Self {
            seen,
            law,
            prediction,
            sockets,
            spare,
        })
    }

    fn ports(&self, ahead: u16, rng: &mut Rng) -> Ports {
        match (self.law, self.prediction) {
            (_, Some((first, stride, _))) => Ports::Sequence {
                first,
                stride,
                count: ahead,
            },
            (Law::Among { first, len }, None) => Ports::Among {
                first,
                shuffle: Shuffle::new(len, rng),
            },
            (Law::Sequence { stride }, None) => Ports::Sequence {
                first: self.seen.port(),
                stride,
                count: 1,
            },
        }
    }
}

impl Volley {
    /// The probes of our part. `sockets` are the extra ones we have; passes are spread over the time
    /// the peer takes.
    pub(super) fn new(
        shots: Shots,
        sockets: u16,
        mark: &Mark,
        peer_takes: Duration,
        rng: &mut Rng,
        now: Instant,
    ) -> Self {
        let ip = mark.seen.ip();
        let (aim, shots, passes) = match shots {
            Shots::Scatter { passes } => (Aim::Seen(mark.seen), sockets, passes),
            Shots::Spray => {
                let count = mark.prediction.map_or(0, |(_, _, count)| count);
                let (shots, passes) = spray(mark.law, count, mark.sockets);
                let shots = shots.min(mark.spare);
                let ahead = shots.saturating_sub(BEHIND).max(1);
                (Aim::Spray(ip, mark.ports(ahead, rng)), shots, passes)
            }
            Shots::Count { step, passes } => (
                Aim::Count(ip, mark.ports(u16::MAX, rng), step),
                sockets,
                passes,
            ),
            Shots::Grid { each, passes } => (
                Aim::Grid(ip, mark.ports(u16::MAX, rng), each.max(1)),
                sockets.saturating_mul(each.max(1)),
                passes,
            ),
        };
        Self {
            aim,
            shots,
            passes,
            fired: 0,
            every: PASS.max(peer_takes / u32::from(passes.max(1))),
            pass_began: now,
            due: (shots > 0 && passes > 0).then_some(now),
        }
    }

    /// When the next probe is due; `None` when all were sent.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due
    }

    /// Sends nothing before then.
    pub(super) fn hold(&mut self, until: Instant) {
        self.due = self.due.map(|due| due.max(until));
    }

    /// The next probe, if one is due. `None` beside it when there is no such port.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Socket, SocketAddr)> {
        loop {
            self.due.filter(|due| *due <= now)?;
            let shot = self.shot(self.fired);
            self.fired += 1;
            if self.fired >= self.shots {
                self.fired = 0;
                self.passes = self.passes.saturating_sub(1);
                let again = (self.pass_began + self.every).max(now);
                self.pass_began = again;
                self.due = (self.passes > 0).then_some(again);
            }
            if shot.1.port() != 0 {
                return Some(shot);
            }
        }
    }

    fn shot(&self, index: u16) -> (Socket, SocketAddr) {
        match &self.aim {
            Aim::Seen(remote) => (Socket::Extra(index), *remote),
            Aim::Spray(ip, ports) => (Socket::Main, SocketAddr::new(*ip, ports.at(index))),
            Aim::Count(ip, ports, step) => {
                let port = ports.at(index.saturating_mul(*step));
                (Socket::Extra(index), SocketAddr::new(*ip, port))
            }
            Aim::Grid(ip, ports, each) => {
                let port = match ports {
                    // All sockets to the same few ports.
                    Ports::Sequence { .. } => ports.at(index % each),
                    Ports::Among { .. } => ports.at(index),
                };
                (Socket::Extra(index / each), SocketAddr::new(*ip, port))
            }
        }
    }
}

/// Ports tried in one pass, and passes, against this many sockets behind a NAT of this law.
fn spray(law: Law, predicted: u16, sockets: u16) -> (u16, u8) {
    match law {
        Law::Sequence { .. } => (predicted.min(bounds::PREDICTED) + BEHIND, 4),
        Law::Among { len, .. } => {
            let shots = ports(len, sockets);
            let small = u32::from(shots) + u32::from(sockets) <= bounds::SMALL;
            (shots, if small { 3 } else { 1 })
        }
    }
}

/// How long a part takes to be fired at a NAT of this law behind which there are `sockets`, from
/// behind one that has `spare` ports for it.
pub(super) fn takes(part: Part, law: Law, sockets: u16, spare: u16) -> Duration {
    let (shots, passes) = match part.shots {
        Shots::Scatter { passes } | Shots::Count { passes, .. } => (part.sockets, passes),
        Shots::Spray => {
            let (shots, passes) = spray(law, bounds::PREDICTED / 4, sockets);
            (shots.min(spare), passes)
        }
        Shots::Grid { each, passes } => (part.sockets.saturating_mul(each), passes),
    };
    (bounds::PACE * u32::from(shots)).max(PASS) * u32::from(passes)
}
