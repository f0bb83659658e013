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
