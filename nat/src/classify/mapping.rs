//! What the public address depends on: the vote over what servers say.

use std::net::SocketAddr;

use dchat_wire::nat::Mapping;

use super::report::Lacking;

/// What one server says of the main socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Testimony {
    /// Who runs it: a server and its other addresses are one operator, and have one vote.
    pub(super) operator: usize,
    pub(super) server: SocketAddr,
    pub(super) mapped: SocketAddr,
}

/// What the testimonies amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) mapping: Mapping,
    pub(super) public: Option<SocketAddr>,
    pub(super) lacking: Option<Lacking>,
    /// Operators whom most others contradict.
    pub(super) outvoted: Vec<usize>,
}

/// How one operator's addresses see us.
enum Word {
    /// All alike.
    One(SocketAddr),
    /// Not alike: the mapping depends on the destination.
    Split,
}

/// The verdict over testimonies in the order they were given; `locals` are the socket's own addresses.
pub(super) fn verdict(testimonies: &[Testimony], locals: &[SocketAddr]) -> Verdict {
    let Some(first) = testimonies.first() else {
        return Verdict {
            lacking: Some(Lacking::Answer),
            ..Verdict::default()
        };
    };
    let words = words(testimonies);
    let support = |address: SocketAddr| {
        words
            .iter()
            .filter(|(_, word)| matches!(word, Word::One(seen) if *seen == address))
            .count()
    };
    let best = words
        .iter()
        .filter_map(|(_, word)| match word {
            Word::One(address) => Some((support(*address), *address)),
            Word::Split => None,
        })
        .max_by_key(|(votes, _)| *votes);
    match best {
        Some((votes, address)) if votes >= 2 && 2 * votes > words.len() => Verdict {
            outvoted: dissenters(&words, address),
            ..independent(address, locals)
        },
        Some((votes, _)) if votes >= 2 => Verdict {
            public: Some(first.mapped),
            lacking: Some(Lacking::Majority),
            ..Verdict::default()
        },
        Some((_, address)) if words.len() == 1 => {
            if locals.contains(&address) || hosts(testimonies.iter()) >= 2 {
                independent(address, locals)
            } else {
                Verdict {
                    public: Some(address),
                    lacking: Some(Lacking::SecondServer),
                    ..Verdict::default()
                }
            }
        }
        // As many answers as operators: the address depends on who looks.
        _ if words.len() > 1 && disputed(testimonies, &words) => Verdict {
            public: Some(first.mapped),
            lacking: Some(Lacking::Majority),
            ..Verdict::default()
        },
        _ => dependent(testimonies, &words, first.mapped),
    }
}

/// Whether testimonies contradict each other by host: from here on the ports of one host matter.
pub(super) fn depends(testimonies: &[Testimony]) -> bool {
    testimonies.iter().any(|one| {
        testimonies
            .iter()
            .any(|other| one.server.ip() != other.server.ip() && one.mapped != other.mapped)
    })
}

fn independent(address: SocketAddr, locals: &[SocketAddr]) -> Verdict {
    Verdict {
        mapping: if locals.contains(&address) {
            Mapping::None
        } else {
            Mapping::EndpointIndependent
        },
        public: Some(address),
        ..Verdict::default()
    }
}

/// Two ports of one host decide; each host that shows both has a vote.
fn dependent(testimonies: &[Testimony], words: &[(usize, Word)], first: SocketAddr) -> Verdict {
    let mut same = 0;
    let mut differ = 0;
    for (operator, _) in words {
        match ports(testimonies, *operator) {
            Some(true) => same += 1,
            Some(false) => differ += 1,
            None => {}
        }
    }
    let (mapping, lacking) = match same.cmp(&differ) {
        core::cmp::Ordering::Greater => (Mapping::AddressDependent, None),
        core::cmp::Ordering::Less => (Mapping::AddressAndPortDependent, None),
        core::cmp::Ordering::Equal => (
            Mapping::AddressAndPortDependent,
            Some(Lacking::MappingByPort),
        ),
    };
    Verdict {
        mapping,
        public: Some(first),
        lacking,
        outvoted: Vec::new(),
    }
}

/// Whether two ports of one host of the operator's see the same address; `None` without two.
fn ports(testimonies: &[Testimony], operator: usize) -> Option<bool> {
    let own = || testimonies.iter().filter(|t| t.operator == operator);
    let mut found = None;
    for one in own() {
        for other in own() {
            if one.server.ip() == other.server.ip() && one.server.port() != other.server.port() {
                let same = one.mapped == other.mapped;
                found = Some(found.unwrap_or(true) && same);
            }
        }
    }
    found
}

/// One word for each operator, in order of first appearance.
fn words(testimonies: &[Testimony]) -> Vec<(usize, Word)> {
    let mut words: Vec<(usize, Word)> = Vec::new();
    for testimony in testimonies {
        match words.iter_mut().find(|(of, _)| *of == testimony.operator) {
            None => words.push((testimony.operator, Word::One(testimony.mapped))),
            Some((_, word @ Word::One(_))) => {
                if !matches!(word, Word::One(seen) if *seen == testimony.mapped) {
                    *word = Word::Split;
                }
            }
            Some((_, Word::Split)) => {}
        }
    }
    words
}

fn dissenters(words: &[(usize, Word)], address: SocketAddr) -> Vec<usize> {
    words
        .iter()
        .filter(|(_, word)| !matches!(word, Word::One(seen) if *seen == address))
        .map(|(operator, _)| *operator)
        .collect()
}

/// Whether someone who sees us alike from two hosts, which no dependent mapping does, is contradicted:
/// each then says that the other lies.
fn disputed(testimonies: &[Testimony], words: &[(usize, Word)]) -> bool {
    words.iter().any(|(operator, word)| {
        matches!(word, Word::One(_))
            && hosts(testimonies.iter().filter(|t| t.operator == *operator)) >= 2
    })
}

fn hosts<'a>(testimonies: impl Iterator<Item = &'a Testimony>) -> usize {
    let mut hosts: Vec<_> = testimonies.map(|t| t.server.ip()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts.len()
}
