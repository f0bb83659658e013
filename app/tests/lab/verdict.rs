//! What two NATs allow, computed by sending packets through two emulated ones.
//!
//! It is found out apart from the product's own planning, which it could otherwise not disprove.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use super::packet;
use super::profile::Profile;
use super::translator::{Allocation, Behaviour, Dependence, Translator, Verdict};

/// The socket of either side, in networks that look alike.
const INSIDE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 10), 4001);
/// Where both have shown themselves before.
const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 3478);
/// After so many exchanges there is nothing more to learn.
const EXCHANGES: usize = 4;

/// How two peers come to speak directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Without guessing a port.
    Known,
    /// One port follows another.
    Sequence,
    /// One port of a block is found.
    Block,
    /// One port of all is found.
    Birthday,
    /// Both would have to guess: they may stay relayed.
    Luck,
}

impl Way {
    /// How long the way may take from the first contact over a relay, on a machine with other
    /// things to do; `None` if it need not succeed. The world holds the product to a fifth of it.
    pub fn patience(self) -> Option<Duration> {
        match self {
            Self::Known | Self::Sequence => Some(Duration::from_secs(10)),
            Self::Block => Some(Duration::from_secs(15)),
            Self::Birthday => Some(Duration::from_secs(50)),
            Self::Luck => None,
        }
    }
}

/// How peers in these places come to speak directly.
pub fn way(a: Profile, b: Profile) -> Way {
    let (Some(one), Some(two)) = (opened(a), opened(b)) else {
        return Way::Known;
    };
    if a.has_v6() && b.has_v6() || traversable(one, two) {
        return Way::Known;
    }
    let hard = match (one.mapping, two.mapping) {
        (Dependence::Endpoint, _) => two,
        (_, Dependence::Endpoint) => one,
        _ => return Way::Luck,
    };
    match hard.allocation {
        Allocation::Sequential(_) => Way::Sequence,
        Allocation::Block(_) => Way::Block,
        Allocation::Preserving | Allocation::Random => Way::Birthday,
    }
}

/// Why a pair that has to guess stays relayed, as `doctor` names it where only nodes were asked.
pub fn reason(a: Profile, b: Profile) -> &'static str {
    let (Some(one), Some(two)) = (opened(a), opened(b)) else {
        return "direct";
    };
    let [one, two] = [one, two].map(as_nodes_see);
    let follows = |behaviour: Behaviour| {
        matches!(
            behaviour.allocation,
            Allocation::Sequential(_) | Allocation::Block(_)
        )
    };
    if guessable(one, two) || follows(one) && follows(two) {
        "exhausted"
    } else {
        "both-symmetric"
    }
}

/// Nodes have one port each: whether a mapping depends on more than the address they cannot see, and
/// the worst is believed.
fn as_nodes_see(behaviour: Behaviour) -> Behaviour {
    let mapping = match behaviour.mapping {
        Dependence::Address => Dependence::AddressAndPort,
        other => other,
    };
    Behaviour {
        mapping,
        ..behaviour
    }
}

/// Whether a path opens once one side alone has guessed where the other's packets leave.
fn guessable(a: Behaviour, b: Behaviour) -> bool {
    let now = Instant::now();
    [0, 1].into_iter().any(|guesser| {
        let mut sides = [Side::new(a, 1, now), Side::new(b, 2, now)];
        for _ in 0..EXCHANGES {
            for from in [0, 1] {
                let mut targets = sides[1 - from].seen_at.clone();
                if from == guesser {
                    targets.extend(&sides[1 - from].left_as);
                }
                for target in targets {
                    let open = opens(&mut sides, from, target, now);
                    // Again, now that whatever had to be asked for first has been.
                    if open && opens(&mut sides, from, target, now) {
                        return true;
                    }
                }
            }
        }
        false
    })
}

/// What a place does to a node that opens its port where that can be had: everybody is let in.
fn opened(profile: Profile) -> Option<Behaviour> {
    let behaviour = profile.behaviour()?;
    Some(match profile {
        Profile::PortMapping => Behaviour {
            filtering: Dependence::Endpoint,
            ..behaviour
        },
        _ => behaviour,
    })
}

/// Whether packets to addresses that are known, or were seen as a sender's, open a path on which
/// both ends keep one address.
pub fn traversable(a: Behaviour, b: Behaviour) -> bool {
    let now = Instant::now();
    let mut sides = [Side::new(a, 1, now), Side::new(b, 2, now)];
    for exchange in 0..EXCHANGES {
        for from in [0, 1] {
            let targets: Vec<_> = sides[1 - from].seen_at.iter().copied().collect();
            for target in targets {
                if opens(&mut sides, from, target, now) && exchange > 0 {
                    return true;
                }
            }
        }
    }
    false
}

/// Sends to `target` and back to where that came from; whether the answer came from `target`.
fn opens(sides: &mut [Side; 2], from: usize, target: SocketAddrV4, now: Instant) -> bool {
    let Some(source) = sides.carry(from, target, now) else {
        return false;
    };
    sides[from].seen_at.insert(source);
    let answered = sides.carry(1 - from, source, now);
    sides[1 - from].seen_at.extend(answered);
    answered == Some(target)
}

struct Side {
    nat: Translator,
    /// Where packets of this side have been seen to come from.
    seen_at: BTreeSet<SocketAddrV4>,
    /// Where they have left its NAT, whether they got anywhere or not.
    left_as: BTreeSet<SocketAddrV4>,
}

impl Side {
    fn new(behaviour: Behaviour, number: u8, now: Instant) -> Self {
        let public = Ipv4Addr::new(203, 0, 113, number);
        let mut nat = Translator::new(behaviour, public, u64::from(number));
        let mut packet = packet::udp(INSIDE, SERVER);
        assert_eq!(nat.outbound(&mut packet, now), Verdict::Out);
        Self {
            nat,
            seen_at: source(&packet).into_iter().collect(),
            left_as: BTreeSet::new(),
        }
    }
}

trait Carry {
    /// Carries a packet of one side to a target; where the other side sees it come from, if it
    /// gets there.
    fn carry(&mut self, from: usize, target: SocketAddrV4, now: Instant) -> Option<SocketAddrV4>;
}

impl Carry for [Side; 2] {
    fn carry(&mut self, from: usize, target: SocketAddrV4, now: Instant) -> Option<SocketAddrV4> {
        let mut packet = packet::udp(INSIDE, target);
        let out = self[from].nat.outbound(&mut packet, now) == Verdict::Out;
        if out {
            self[from].left_as.extend(source(&packet));
        }
        let to = &mut self[1 - from].nat;
        let there = out && to.public() == *target.ip();
        (there && to.inbound(&mut packet, now) == Verdict::In)
            .then(|| source(&packet))
            .flatten()
    }
}

fn source(packet: &[u8]) -> Option<SocketAddrV4> {
    match packet::flow(packet)?.source {
        SocketAddr::V4(source) => Some(source),
        SocketAddr::V6(_) => None,
    }
}
