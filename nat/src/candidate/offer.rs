//! Which of our addresses the peer is told.

use dchat_wire::List;
use dchat_wire::limits::CANDIDATES;
use dchat_wire::nat::{Candidate, CandidateKind};

use super::interleave;
use super::scope::{Permit, Scope};
use super::target::direct;

/// The best of `ours`, each address once, in the order in which the peer should try them: addresses
/// that mean nothing elsewhere are left out, and of many of one kind the last ones.
#[must_use]
pub fn offer(ours: &[Candidate], permit: &Permit) -> List<Candidate, CANDIDATES> {
    let mut groups: [Vec<Candidate>; 5] = Default::default();
    for candidate in ours {
        let group = match (candidate.kind, direct(candidate)) {
            (CandidateKind::Relayed, _) => 4,
            (_, None) => continue,
            (_, Some(addr)) => match (permit.scope(addr), addr.is_ipv6()) {
                (None, _) => continue,
                (Some(Scope::Global), true) => 0,
                (Some(Scope::Global), false) => 1,
                (Some(Scope::Private | Scope::Loopback), false) => 2,
                (Some(Scope::Private | Scope::Loopback), true) => 3,
            },
        };
        let Some(group) = groups.get_mut(group) else {
            continue;
        };
        if group.iter().all(|known| known.address != candidate.address) {
            group.push(candidate.clone());
        }
    }
    // What a STUN server or the gateway saw is worth more than one of many interfaces.
    if let Some(public) = groups.get_mut(1) {
        public.sort_by_key(|candidate| std::cmp::Reverse(candidate.kind));
    }
    List::first_of(interleave(groups))
}
