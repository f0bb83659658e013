//! What the public address depends on: the vote over what servers say.

use std::net::{IpAddr, SocketAddr};

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

/// Whether two operators see us at `ip`: only then is anything sent there, as a single one could name
/// a victim's.
pub(super) fn vouched(testimonies: &[Testimony], ip: IpAddr) -> bool {
    let mut operators: Vec<usize> = testimonies
        .iter()
        .filter(|testimony| testimony.mapped.ip() == ip)
        .map(|testimony| testimony.operator)
        .collect();
    operators.sort_unstable();
    operators.dedup();
    operators.len() >= 2
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

#[cfg(test)]
mod tests {
    use super::*;

    const X: &str = "203.0.113.5:4001";
    const Y: &str = "203.0.113.5:4002";
    const Z: &str = "203.0.113.5:4003";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap_or(SocketAddr::from(([0; 4], 0)))
    }

    /// Operator, its host and port, what it sees.
    fn judge(said: &[(usize, &str, &str)], local: &str) -> Verdict {
        let testimonies: Vec<Testimony> = said
            .iter()
            .map(|(operator, server, mapped)| Testimony {
                operator: *operator,
                server: address(server),
                mapped: address(mapped),
            })
            .collect();
        verdict(&testimonies, &[address(local)])
    }

    const INSIDE: &str = "192.168.1.10:4001";
    const A: &str = "198.51.100.1:3478";
    const A_OTHER_PORT: &str = "198.51.100.1:3479";
    const A_OTHER: &str = "192.0.2.1:3479";
    const B: &str = "198.51.100.20:3478";
    const C: &str = "192.0.2.30:3478";
    const D: &str = "192.0.2.40:3478";

    /// Checks DC-NAT-036 (negative).
    #[test]
    fn nobody_says_nothing() {
        let verdict = judge(&[], INSIDE);
        assert_eq!(verdict.mapping, Mapping::Unknown);
        assert_eq!(verdict.lacking, Some(Lacking::Answer));
    }

    #[test]
    fn one_voice_suffices_only_for_an_address_of_ours() {
        assert_eq!(judge(&[(0, A, X)], X).mapping, Mapping::None);
        let verdict = judge(&[(0, A, X)], INSIDE);
        assert_eq!(verdict.mapping, Mapping::Unknown);
        assert_eq!(verdict.public, Some(address(X)));
        assert_eq!(verdict.lacking, Some(Lacking::SecondServer));
    }

    #[test]
    fn one_operator_with_two_hosts_suffices() {
        let verdict = judge(&[(0, A, X), (0, A_OTHER, X)], INSIDE);
        assert_eq!(verdict.mapping, Mapping::EndpointIndependent);
    }

    #[test]
    fn two_ports_of_one_host_are_no_second_voice() {
        let verdict = judge(&[(0, A, X), (0, A_OTHER_PORT, X)], INSIDE);
        assert_eq!(verdict.lacking, Some(Lacking::SecondServer));
    }

    /// Checks DC-NAT-036 (positive).
    #[test]
    fn a_majority_wins_and_names_the_rest() {
        let verdict = judge(&[(0, A, Y), (1, B, X), (2, C, X)], INSIDE);
        assert_eq!(verdict.mapping, Mapping::EndpointIndependent);
        assert_eq!(verdict.public, Some(address(X)));
        assert_eq!(verdict.outvoted, [0]);
    }

    #[test]
    fn two_against_two_is_no_majority() {
        let verdict = judge(&[(0, A, X), (1, B, X), (2, C, Y), (3, D, Y)], INSIDE);
        assert_eq!(verdict.mapping, Mapping::Unknown);
        assert_eq!(verdict.lacking, Some(Lacking::Majority));
        assert_eq!(verdict.outvoted, [0_usize; 0]);
    }

    #[test]
    fn a_liars_second_host_gives_it_no_second_vote() {
        let verdict = judge(&[(0, A, X), (0, A_OTHER, X), (1, B, Y)], INSIDE);
        assert_eq!(verdict.mapping, Mapping::Unknown);
        assert_eq!(verdict.lacking, Some(Lacking::Majority));
    }

    #[test]
    fn two_ports_of_one_host_tell_on_what_it_depends() {
        let same = judge(
            &[(0, A, X), (1, B, Y), (0, A_OTHER, Z), (0, A_OTHER_PORT, X)],
            INSIDE,
        );
        assert_eq!(same.mapping, Mapping::AddressDependent);
        let differ = judge(&[(0, A, X), (1, B, Y), (0, A_OTHER_PORT, Z)], INSIDE);
        assert_eq!(differ.mapping, Mapping::AddressAndPortDependent);
    }

    #[test]
    fn without_two_ports_the_stricter_one_is_told_with_what_is_lacking() {
        let verdict = judge(&[(0, A, X), (1, B, Y)], INSIDE);
        assert_eq!(verdict.mapping, Mapping::AddressAndPortDependent);
        assert_eq!(verdict.lacking, Some(Lacking::MappingByPort));
        assert_eq!(verdict.public, Some(address(X)));
    }

    /// Checks DC-NAT-035 (positive, negative).
    #[test]
    fn only_what_two_operators_see_is_vouched_for() {
        let of = |operator, mapped| Testimony {
            operator,
            server: address(A),
            mapped: address(mapped),
        };
        let ip = address(X).ip();
        assert!(!vouched(&[of(0, X), of(0, Y)], ip));
        assert!(vouched(&[of(0, X), of(1, Y)], ip));
        assert!(!vouched(&[of(0, X), of(1, "192.0.2.66:4001")], ip));
    }
}
