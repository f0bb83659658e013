//! Our own candidates: the addresses at which a trusted peer may find us.
//!
//! * State: what is known of our NAT, and the candidates of each kind.
//! * Inputs: the candidates of one kind, replacing those before. Output: all, best first.
//! * Bounds: [`limits::CANDIDATES`](dchat_wire::limits::CANDIDATES) of each kind and in all; the
//!   kinds give way to one another so that none is missing.

use std::collections::BTreeMap;

use dchat_nat::agent;
use dchat_wire::nat::{Candidate, CandidateKind, NatClass};
use dchat_wire::{Address, limits};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct OwnCandidates {
    class: NatClass,
    kinds: BTreeMap<CandidateKind, Vec<Candidate>>,
}

impl Default for OwnCandidates {
    fn default() -> Self {
        Self {
            class: NatClass::UNKNOWN,
            kinds: BTreeMap::new(),
        }
    }
}

impl OwnCandidates {
    /// All of it, for the path switch.
    pub(crate) fn local(&self) -> agent::Local {
        agent::Local {
            class: self.class.clone(),
            candidates: self.all(),
        }
    }

    /// This is another network: what others saw on the one before, and what its gateway opened, says
    /// nothing any more.
    pub(crate) fn forget_outside(&mut self) {
        self.class = NatClass::UNKNOWN;
        self.kinds.remove(&CandidateKind::Mapped);
        self.kinds.remove(&CandidateKind::Reflexive);
    }

    /// Sets what is known of our NAT.
    pub(crate) fn set_class(&mut self, class: NatClass) {
        self.class = class;
    }

    /// Replaces the candidates of one kind; others among them are left out.
    pub(crate) fn set(&mut self, kind: CandidateKind, candidates: Vec<Candidate>) {
        let mut candidates = candidates;
        candidates.retain(|candidate| candidate.kind == kind);
        candidates.truncate(limits::CANDIDATES);
        self.kinds.insert(kind, candidates);
    }

    /// As [`set`](Self::set), from addresses.
    pub(crate) fn set_addresses(&mut self, kind: CandidateKind, addresses: &[Address]) {
        let candidate = |address: &Address| Candidate {
            kind,
            address: *address,
        };
        self.set(kind, addresses.iter().map(candidate).collect());
    }

    /// All: each address once, under the first kind that has it. While they are too many, the kind
    /// with most gives its last.
    fn all(&self) -> Vec<Candidate> {
        let mut seen: Vec<Address> = Vec::new();
        let mut kinds: Vec<Vec<Candidate>> = Vec::new();
        for candidates in self.kinds.values() {
            let mut fresh = candidates.clone();
            fresh.retain(|candidate| {
                let new = !seen.contains(&candidate.address);
                seen.push(candidate.address);
                new
            });
            kinds.push(fresh);
        }
        while kinds.iter().map(Vec::len).sum::<usize>() > limits::CANDIDATES {
            if let Some(longest) = kinds.iter_mut().max_by_key(|kind| kind.len()) {
                longest.pop();
            }
        }
        kinds.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(net: u8, count: u16) -> Vec<Address> {
        (0..count)
            .map(|port| Address::direct(([192, 0, net, 1], port + 1).into()))
            .collect()
    }

    #[test]
    fn a_kind_replaces_its_own_and_leaves_the_others() {
        let mut own = OwnCandidates::default();
        own.set_addresses(CandidateKind::Host, &addresses(1, 2));
        own.set_addresses(CandidateKind::Mapped, &addresses(2, 1));
        own.set_addresses(CandidateKind::Host, &addresses(3, 1));
        let all: Vec<Address> = own.all().iter().map(|one| one.address).collect();
        assert_eq!(all, [addresses(3, 1), addresses(2, 1)].concat());
    }

    #[test]
    fn on_another_network_only_interfaces_and_circuits_are_left() {
        let mut own = OwnCandidates::default();
        own.set_class(NatClass {
            mapping: dchat_wire::nat::Mapping::EndpointIndependent,
            ..NatClass::UNKNOWN
        });
        own.set_addresses(CandidateKind::Host, &addresses(1, 1));
        own.set_addresses(CandidateKind::Mapped, &addresses(2, 1));
        own.set_addresses(CandidateKind::Reflexive, &addresses(3, 1));
        own.set_addresses(CandidateKind::Relayed, &addresses(4, 1));
        own.forget_outside();
        let local = own.local();
        assert_eq!(local.class, NatClass::UNKNOWN);
        let left: Vec<Address> = local.candidates.iter().map(|one| one.address).collect();
        assert_eq!(left, [addresses(1, 1), addresses(4, 1)].concat());
    }

    #[test]
    fn an_address_known_twice_is_said_once() {
        let mut own = OwnCandidates::default();
        own.set_addresses(CandidateKind::Host, &addresses(1, 1));
        own.set_addresses(CandidateKind::Reflexive, &addresses(1, 1));
        let all = own.all();
        assert_eq!(all.len(), 1);
        assert!(all.iter().all(|one| one.kind == CandidateKind::Host));
    }

    #[test]
    fn many_interfaces_leave_room_for_the_other_kinds() {
        let mut own = OwnCandidates::default();
        own.set_addresses(CandidateKind::Host, &addresses(1, 100));
        own.set_addresses(CandidateKind::Reflexive, &addresses(2, 2));
        let all = own.all();
        assert_eq!(all.len(), limits::CANDIDATES);
        let reflexive = all
            .iter()
            .filter(|one| one.kind == CandidateKind::Reflexive);
        assert_eq!(reflexive.count(), 2);
    }
}
