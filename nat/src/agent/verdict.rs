//! Why an attempt failed.

use dchat_wire::nat::{Candidate, CandidateKind};

use super::attempt::Attempt;
use super::machine::Agent;
use super::outcome::{Reason, Side};
use super::punching::Failure;
use crate::candidate::Scope;
use crate::plan::{Hopeless, Plan};

impl Agent {
    /// The first reason that applies, the ones that nothing could have helped first.
    pub(super) fn verdict(&self, attempt: &Attempt) -> Reason {
        let (Some(local), Some(theirs)) = (&self.local, &self.theirs) else {
            return Reason::PeerDoesNotPunch;
        };
        let sides = [
            (Side::Ours, local.candidates.as_slice()),
            (Side::Theirs, theirs.candidates.as_slice()),
        ];
        for (side, candidates) in sides {
            if !self.families(candidates).contains(&true) {
                return Reason::NoCandidates(side);
            }
        }
        let [ours, theirs] = sides.map(|(_, candidates)| self.families(candidates));
        if !ours
            .iter()
            .zip(theirs)
            .any(|(ours, theirs)| *ours && theirs)
        {
            return Reason::NoCommonFamily;
        }
        for (side, candidates) in sides {
            if !self.is_seen(candidates) {
                return Reason::UdpBlocked(side);
            }
        }
        match (attempt.plan, &attempt.punching) {
            (Plan::Relay(Hopeless::BothSymmetric), _) => Reason::BothSymmetric,
            (Plan::Guess(_), None) => Reason::PortsUnpredictable,
            (Plan::Guess(_), Some(_)) if attempt.limited => Reason::Limited,
            (Plan::Guess(_), Some(punching)) => match punching.failure() {
                // Once may be a loss on the way to the relay, which delays what comes after it.
                Failure::Silent if self.punched || self.failures == 0 => Reason::StillTrying,
                Failure::Silent => Reason::PeerDoesNotPunch,
                Failure::NoSample => Reason::SampleFailed,
                Failure::Missed => Reason::Exhausted {
                    probes: attempt.probes,
                },
            },
            (Plan::Direct, _) if attempt.limited => Reason::Limited,
            (Plan::Direct, _) if attempt.asked => Reason::OneWay,
            (Plan::Direct, _) => Reason::Filtered,
        }
    }

    /// Whether there are addresses to probe over IPv4 and over IPv6.
    fn families(&self, candidates: &[Candidate]) -> [bool; 2] {
        [false, true].map(|v6| {
            candidates.iter().any(|candidate| {
                let addr = candidate.address.socket();
                candidate.kind != CandidateKind::Relayed
                    && addr.is_ipv6() == v6
                    && self.permit.scope(addr).is_some()
            })
        })
    }

    /// Whether anybody outside sees this side.
    fn is_seen(&self, candidates: &[Candidate]) -> bool {
        candidates.iter().any(|candidate| {
            let scope = self.permit.scope(candidate.address.socket());
            match candidate.kind {
                CandidateKind::Relayed => false,
                CandidateKind::Host => scope == Some(Scope::Global),
                CandidateKind::Mapped | CandidateKind::Reflexive => scope.is_some(),
            }
        })
    }
}
