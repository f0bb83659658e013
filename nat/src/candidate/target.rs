//! The peer's candidates, as what to probe.

use std::net::{IpAddr, SocketAddr};

use dchat_wire::Address;
use dchat_wire::nat::{Candidate, CandidateKind};

use super::interleave;
use super::scope::{Permit, Scope};

/// How good a path to an address would be; the lesser the better. In the spirit of RFC 8445 §5.1.2:
/// nearer first, then without translation, then IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// On this machine or in this network.
    Near,
    /// The host itself, over IPv6.
    Host6,
    /// The host itself, over IPv4.
    Host4,
    /// Through a mapping that the gateway confirmed.
    Mapped,
    /// Through a mapping that lasts while it is used.
    Reflexive,
}

/// An address of the peer that may be probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub remote: SocketAddr,
    /// How far it means the same host.
    pub scope: Scope,
    /// How good it would be.
    pub rank: Rank,
}

impl Target {
    /// What an address is, if it may be probed. `kind` is `None` for a peer-reflexive one.
    #[must_use]
    pub fn new(remote: SocketAddr, kind: Option<CandidateKind>, permit: &Permit) -> Option<Self> {
        let scope = permit.scope(remote)?;
        let rank = match (scope, kind) {
            (Scope::Loopback | Scope::Private, _) => Rank::Near,
            (Scope::Global, _) if remote.is_ipv6() => Rank::Host6,
            (Scope::Global, Some(CandidateKind::Host)) => Rank::Host4,
            (Scope::Global, Some(CandidateKind::Mapped)) => Rank::Mapped,
            (Scope::Global, _) => Rank::Reflexive,
        };
        Some(Self {
            remote,
            scope,
            rank,
        })
    }
}

/// What to probe of `theirs`, in order: each address once, circuits and forbidden ones left out, and
/// at most `private` private ones, those most like one of `ours` first.
#[must_use]
pub fn targets(
    theirs: &[Candidate],
    ours: &[Candidate],
    permit: &Permit,
    private: usize,
) -> Vec<Target> {
    let (mut global6, mut global4, mut near) = (Vec::new(), Vec::new(), Vec::new());
    for candidate in theirs {
        let Some(remote) = direct(candidate) else {
            continue;
        };
        let Some(target) = Target::new(remote, Some(candidate.kind), permit) else {
            continue;
        };
        let group = match (target.scope, remote.is_ipv6()) {
            (Scope::Loopback | Scope::Private, _) => &mut near,
            (Scope::Global, true) => &mut global6,
            (Scope::Global, false) => &mut global4,
        };
        if group.iter().all(|known: &Target| known.remote != remote) {
            group.push(target);
        }
    }
    // Where the peer is seen comes before what it may have besides.
    global4.sort_by_key(|target| std::cmp::Reverse(target.rank));
    near.sort_by_key(|target| std::cmp::Reverse(likeness(target.remote.ip(), ours)));
    near.truncate(private);
    interleave([global6, global4, near])
}

/// Where a peer with these candidates is seen over IPv4: from there its packets come if its NAT
/// maps alike for all, and there its NAT's ports are.
#[must_use]
pub fn seen(candidates: &[Candidate], permit: &Permit) -> Option<SocketAddr> {
    let order = |candidate: &Candidate| match candidate.kind {
        CandidateKind::Reflexive => Some(0),
        CandidateKind::Host => Some(1),
        CandidateKind::Mapped => Some(2),
        CandidateKind::Relayed => None,
    };
    candidates
        .iter()
        .filter_map(|candidate| {
            let addr = direct(candidate).filter(SocketAddr::is_ipv4)?;
            let scope = permit.scope(addr)?;
            let order = order(candidate)?;
            // A private host address is seen by nobody outside.
            (scope == Scope::Global || order == 0).then_some((
                std::cmp::Reverse(scope),
                order,
                addr,
            ))
        })
        .min_by_key(|(scope, order, _)| (*scope, *order))
        .map(|(_, _, addr)| addr)
}

/// The socket of a direct candidate.
pub(super) fn direct(candidate: &Candidate) -> Option<SocketAddr> {
    match candidate.address {
        Address::Direct { socket, .. } if candidate.kind != CandidateKind::Relayed => Some(socket),
        Address::Direct { .. } | Address::Circuit { .. } => None,
    }
}

/// Leading bits that `ip` has in common with the most similar of `ours`.
fn likeness(ip: IpAddr, ours: &[Candidate]) -> u32 {
    ours.iter()
        .filter_map(direct)
        .map(|our| match (our.ip(), ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => 0,
        })
        .max()
        .unwrap_or(0)
}
