//! What is known of what stands between us and the world.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dchat_nat::classify::Report;
use dchat_nat::reach::Verdict;
use dchat_nat::scope::is_global;
use dchat_wire::Address;
use dchat_wire::nat::{Candidate, CandidateKind, NatClass};

use super::portmap::PortMapping;

/// The newest of everything.
#[derive(Clone, Debug, Default)]
pub struct NatStatus {
    /// The last survey, if there was one on this network.
    pub report: Option<Arc<Report>>,
    /// What came of asking gateways.
    pub port_mapping: PortMapping,
    /// Whether strangers can reach us.
    pub reachability: Verdict,
    /// For how long the NAT keeps a mapping that nothing uses, once that was measured.
    pub lifetime: Option<Duration>,
}

impl NatStatus {
    /// What the NATs do: of IPv4, where there are most, unless only IPv6 works.
    #[must_use]
    pub fn class(&self) -> NatClass {
        match &self.report {
            Some(report) if report.v4.works || !report.v6.works => report.v4.class.clone(),
            Some(report) => report.v6.class.clone(),
            None => NatClass::UNKNOWN,
        }
    }

    /// Our addresses as others see them, without those in `own`.
    #[must_use]
    pub fn reflexive(&self, own: &[SocketAddr]) -> Vec<Candidate> {
        let seen = self.report.iter().flat_map(|report| {
            let families = [report.v4.public, report.v6.public];
            families.into_iter().flatten()
        });
        seen.filter(|addr| !own.contains(addr))
            .map(|addr| candidate(CandidateKind::Reflexive, addr))
            .collect()
    }

    /// The addresses that gateways gave us.
    #[must_use]
    pub fn mapped(&self) -> Vec<Candidate> {
        let addrs = self.port_mapping.addrs().into_iter();
        addrs
            .map(|addr| candidate(CandidateKind::Mapped, addr))
            .collect()
    }

    /// Whether there is a second NAT behind the gateway's: by the survey, or because the address the
    /// gateway has outside is none of the world.
    #[must_use]
    pub fn double_nat(&self) -> Option<bool> {
        let surveyed = self.report.as_ref().and_then(|report| report.double_nat);
        let private = self.gateway_ip().map(|ip| !is_global(ip));
        surveyed.or(private.filter(|private| *private))
    }

    /// The address at which strangers could most likely reach us: mapped by a gateway into the world,
    /// as others see us, or else one of `own` that is of the world.
    pub(super) fn reachable_at(&self, own: &[SocketAddr]) -> Option<SocketAddr> {
        let mapped = self.port_mapping.addrs().into_iter();
        let seen = self.report.iter().flat_map(|report| {
            let families = [report.v4.public, report.v6.public];
            families.into_iter().flatten()
        });
        mapped
            .filter(|addr| is_global(addr.ip()))
            .chain(seen)
            .chain(own.iter().copied().filter(|addr| is_global(addr.ip())))
            .next()
    }

    /// The IPv4 address that a gateway says it has outside.
    pub(super) fn gateway_ip(&self) -> Option<IpAddr> {
        let mut addrs = self.port_mapping.addrs().into_iter();
        addrs.find(SocketAddr::is_ipv4).map(|addr| addr.ip())
    }
}

fn candidate(kind: CandidateKind, addr: SocketAddr) -> Candidate {
    Candidate {
        kind,
        address: Address::direct(addr),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use super::*;
    use crate::nat::MappingState;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn mapped(text: &str) -> NatStatus {
        let port_mapping = PortMapping {
            pcp: MappingState::Mapped(addr(text)),
            upnp: MappingState::Mapped(addr(text)),
            ..PortMapping::default()
        };
        NatStatus {
            port_mapping,
            ..NatStatus::default()
        }
    }

    #[test]
    fn a_gateway_with_a_private_address_outside_is_behind_another_nat() {
        assert_eq!(mapped("100.64.3.4:4001").double_nat(), Some(true));
        assert_eq!(mapped("198.51.100.4:4001").double_nat(), None);
        assert_eq!(NatStatus::default().double_nat(), None);
    }

    #[test]
    fn strangers_come_to_a_mapping_of_the_world_or_to_an_address_of_it() {
        let own = [addr("192.168.1.2:4001"), addr("[2001:db8::2]:4001")];
        let world = mapped("198.51.100.4:4001");
        assert_eq!(world.reachable_at(&own), Some(addr("198.51.100.4:4001")));
        let private = mapped("10.0.0.4:4001");
        assert_eq!(private.reachable_at(&own), Some(own[1]));
        assert_eq!(NatStatus::default().reachable_at(&own[..1]), None);
    }

    #[test]
    fn what_two_protocols_mapped_is_one_candidate() {
        let candidates = mapped("198.51.100.4:4001").mapped();
        let kinds: Vec<CandidateKind> = candidates.iter().map(|one| one.kind).collect();
        assert_eq!(kinds, [CandidateKind::Mapped]);
    }
}
