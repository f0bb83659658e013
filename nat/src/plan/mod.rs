//! How two NATs are to be got through: a pure function of their classes.
//!
//! Ordinary probes to every known address, with the source of each incoming probe asked back, get
//! through whatever needs no guessing ([`traversable`]). What is left are pairs in which a port has
//! to be guessed. Two shapes of guessing exist.
//!
//! * **Target and sprayer.** One side, whose NAT gives each destination another port, opens mappings
//!   towards the other's known address; the other tries ports from its one socket. It works when the
//!   target's filter admits the sprayer's packet and its answer finds the way back. How many ports
//!   are tried against how many mappings follows from the [`Law`]: a few after a sample, a part of a
//!   block, or hundreds against hundreds (a birthday).
//! * **Both guess.** When neither's port is known and both filter by port, the i-th packet of one
//!   has to leave from just the port that the j-th of the other goes to, and the reverse. With two
//!   sequential NATs one side counts by one and the other by two: whatever the two counters were off,
//!   the two lines cross, so one pair matches. With a block on one side that is left to chance.
//!
//! Both sides compute the same plan from the same two classes; [`Part`] is what ours does.

mod law;
mod odds;

use dchat_wire::nat::{Filtering, Mapping, NatClass};

pub use law::Law;
pub(crate) use odds::ports;
pub use odds::{Shape, shape};

use crate::agent::bounds;

/// Mappings opened by a target whose ports follow in sequence.
const SEQUENCE_SOCKETS: u16 = 4;
/// Ports tried after a sample; strangers' connections through the same NAT take some of them.
const SEQUENCE_PORTS: u16 = 12;
/// Packets of each side when both count.
const CROSSING: u16 = 24;
/// Below these odds of a whole attempt, in percent, guessing on both sides is not worth its packets.
const WORTH: u32 = 10;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Ordinary probes get through.
    Direct,
    /// Ports have to be guessed; this is our part.
    Guess(Part),
    /// Nothing gets through; see [`Hopeless`].
    Relay(Hopeless),
}

/// Why nothing gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hopeless {
    /// Both sides' ports are unknown, and too many to guess.
    BothSymmetric,
}

/// Our part in guessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whether we send the first PUNCH of a round.
    pub starts: bool,
    /// Whether a round of ours needs a sample, taken just before the PUNCH that tells it.
    pub sample: bool,
    /// Extra sockets we open.
    pub sockets: u16,
    /// What we fire.
    pub shots: Shots,
    /// Rounds at most.
    pub rounds: u8,
}

impl Part {
    /// Whether it cannot be played without extra sockets.
    #[must_use]
    pub fn needs_sockets(&self) -> bool {
        self.shots != Shots::Spray
    }
}

/// Which packets one side sends in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shots {
    /// From each extra socket to where the peer is seen.
    Scatter {
        /// Times over, for what was lost.
        passes: u8,
    },
    /// From the usual socket to ports of the peer: those it predicts, or of its block.
    Spray,
    /// From the i-th extra socket to the `step`·i-th port that the peer predicts.
    Count {
        /// 1 or 2.
        step: u16,
        /// Times over.
        passes: u8,
    },
    /// From all extra sockets to ports of the peer, `each` from every one.
    Grid {
        /// Packets of one socket.
        each: u16,
        /// Times over.
        passes: u8,
    },
}

/// The plan for us, whose NAT is `ours`. `controlling` says that our PeerId is the smaller one.
/// `sockets` is how many extra ones we may open.
#[must_use]
pub fn plan(ours: &NatClass, theirs: &NatClass, controlling: bool, sockets: u16) -> Plan {
    if traversable(ours, theirs) {
        return Plan::Direct;
    }
    let we = target_works(theirs, ours).then(|| Law::of(ours).cost());
    let they = target_works(ours, theirs).then(|| Law::of(theirs).cost());
    match (we, they) {
        (Some(we), Some(they)) if we == they && controlling => target(ours, theirs, sockets),
        (Some(we), they) if they.is_none_or(|they| we < they) => target(ours, theirs, sockets),
        (_, Some(_)) => sprayer(),
        _ => both_guess(Law::of(ours), Law::of(theirs), controlling, sockets),
    }
}

/// Whether ordinary probes can open a path on which both ends keep one address: nobody has to
/// guess a port. What is unknown counts as translated alike for all, and filtered by port.
#[must_use]
pub fn traversable(a: &NatClass, b: &NatClass) -> bool {
    let one_way = |a: &NatClass, b: &NatClass| {
        // b's packets come to a's known address; a's answers return to where they came from.
        let to_known = known(a) && (known(b) || admits_ip(a));
        // a's probe comes to the address others saw b at, and tells b where a's packets come from;
        // b's answers come from elsewhere. One of the two must keep its port for the other's IP.
        let to_seen =
            admits_all(b) && admits_ip(a) && (keeps_port_for_ip(a) || keeps_port_for_ip(b));
        to_known || to_seen
    };
    one_way(a, b) || one_way(b, a)
}

/// Whether `target` can open mappings of which `sprayer` finds one.
fn target_works(sprayer: &NatClass, target: &NatClass) -> bool {
    // The target can learn where the sprayer's packets come from, and send there beforehand.
    let source_known = known(sprayer) || (keeps_port_for_ip(sprayer) && admits_all(target));
    let comes_in = admits_ip(target) || source_known;
    let answer_returns = admits_ip(sprayer) || keeps_port_for_ip(target) || source_known;
    let settles = source_known || keeps_port_for_ip(sprayer) || keeps_port_for_ip(target);
    !known(target) && comes_in && answer_returns && settles
}

fn sprayer() -> Plan {
    Plan::Guess(Part {
        starts: false,
        sample: false,
        sockets: 0,
        shots: Shots::Spray,
        rounds: bounds::ROUNDS,
    })
}

fn target(ours: &NatClass, theirs: &NatClass, sockets: u16) -> Plan {
    Plan::Guess(match Law::of(ours) {
        Law::Sequence { .. } => Part {
            starts: true,
            sample: true,
            sockets: SEQUENCE_SOCKETS.min(sockets),
            shots: Shots::Scatter { passes: 4 },
            rounds: bounds::ROUNDS,
        },
        Law::Among { len, .. } => {
            let (shape, rounds) = odds::rounds(len, spare_ports(theirs), sockets);
            let small = shape.both() <= bounds::SMALL;
            Part {
                starts: true,
                sample: false,
                sockets: shape.sockets,
                shots: Shots::Scatter {
                    passes: if small { 3 } else { 1 },
                },
                rounds,
            }
        }
    })
}

fn both_guess(ours: Law, theirs: Law, controlling: bool, sockets: u16) -> Plan {
    let hopeless = Plan::Relay(Hopeless::BothSymmetric);
    let part = |sample, sockets, shots, rounds| {
        Plan::Guess(Part {
            starts: controlling,
            sample,
            sockets,
            shots,
            rounds,
        })
    };
    match (ours, theirs) {
        (Law::Sequence { .. }, Law::Sequence { .. }) => {
            let step = if controlling { 1 } else { 2 };
            let passes = 2;
            part(
                true,
                CROSSING.min(sockets),
                Shots::Count { step, passes },
                bounds::ROUNDS,
            )
        }
        (Law::Sequence { .. }, Law::Among { len, .. }) => {
            let all = u32::from(lent(len)).min(bounds::PLANNED - u32::from(CROSSING));
            if odds::one_sided(len, all) < WORTH {
                return hopeless;
            }
            let passes = 4;
            part(
                true,
                CROSSING.min(sockets),
                Shots::Grid { each: 1, passes },
                1,
            )
        }
        (Law::Among { len, .. }, Law::Sequence { .. }) => {
            let all = u32::from(lent(len)).min(bounds::PLANNED - u32::from(CROSSING));
            if odds::one_sided(len, all) < WORTH {
                return hopeless;
            }
            let each = CROSSING;
            let wanted = (all / u32::from(each)) as u16;
            part(
                false,
                wanted.min(sockets),
                Shots::Grid { each, passes: 1 },
                1,
            )
        }
        (Law::Among { len: a, .. }, Law::Among { len: b, .. }) => {
            let half = u32::from(lent(a).min(lent(b))).min(bounds::PLANNED / 2);
            if odds::two_sided(a, b, half) < WORTH {
                return hopeless;
            }
            let each = CROSSING;
            let wanted = (half / u32::from(each)) as u16;
            part(
                false,
                wanted.min(sockets),
                Shots::Grid { each, passes: 1 },
                1,
            )
        }
    }
}

/// Mappings that may be opened in a block of `len` ports: the rest is for the host's other traffic.
pub(crate) fn lent(len: u16) -> u16 {
    len - len / 4
}

/// Ports of a NAT that guesses from one socket behind it may take: each takes one where every
/// destination has another, and a block has few.
pub(crate) fn spare_ports(class: &NatClass) -> u16 {
    match (class.mapping, Law::of(class)) {
        (Mapping::AddressAndPortDependent, Law::Among { len, .. }) => lent(len),
        _ => bounds::GUESSES,
    }
}

/// How many ports after a sample are told to the peer.
#[must_use]
pub fn predicted_ports(part: &Part) -> u16 {
    match part.shots {
        Shots::Scatter { .. } => SEQUENCE_PORTS,
        Shots::Spray | Shots::Count { .. } | Shots::Grid { .. } => CROSSING,
    }
}

/// The address others see is the one everybody is to use.
fn known(class: &NatClass) -> bool {
    match class.mapping {
        Mapping::Unknown | Mapping::None | Mapping::EndpointIndependent => true,
        Mapping::AddressDependent | Mapping::AddressAndPortDependent => false,
    }
}

/// All packets to one IP leave from one port.
fn keeps_port_for_ip(class: &NatClass) -> bool {
    class.mapping != Mapping::AddressAndPortDependent
}

fn admits_all(class: &NatClass) -> bool {
    matches!(
        class.filtering,
        Filtering::None | Filtering::EndpointIndependent
    )
}

/// Lets in what comes from an IP that something was sent to.
fn admits_ip(class: &NatClass) -> bool {
    admits_all(class) || class.filtering == Filtering::AddressDependent
}

#[cfg(test)]
mod tests;
