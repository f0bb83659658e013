//! Hosts, servers and NATs of the tests.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use dchat_nat::classify::{Report, ServerKind};
use dchat_wire::nat::{Filtering, Mapping};

use crate::support::nat::{Nat, Ports};
use crate::support::net::{Host, Manner, Net};

pub(crate) const INSIDE: &str = "192.168.1.10:4001";
pub(crate) const OUTSIDE: [u8; 4] = [203, 0, 113, 5];

pub(crate) const MAPPINGS: [Mapping; 3] = [
    Mapping::EndpointIndependent,
    Mapping::AddressDependent,
    Mapping::AddressAndPortDependent,
];
pub(crate) const FILTERINGS: [Filtering; 3] = [
    Filtering::EndpointIndependent,
    Filtering::AddressDependent,
    Filtering::AddressAndPortDependent,
];

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn plain(text: &str) -> Host {
    Host {
        address: address(text),
        other: None,
        kind: ServerKind::Stun,
        manner: Manner::Honest,
    }
}

pub(crate) fn rfc5780(text: &str, other: &str) -> Host {
    Host {
        other: Some(address(other)),
        ..plain(text)
    }
}

pub(crate) fn node(text: &str) -> Host {
    Host {
        kind: ServerKind::Node,
        ..plain(text)
    }
}

pub(crate) fn ordinary() -> Vec<Host> {
    vec![
        rfc5780("198.51.100.1:3478", "192.0.2.1:3479"),
        plain("198.51.100.20:3478"),
        plain("192.0.2.30:3478"),
    ]
}

pub(crate) fn nodes() -> Vec<Host> {
    vec![
        node("198.51.100.1:4001"),
        node("192.0.2.2:4001"),
        plain("198.51.100.20:3478"),
        plain("198.51.100.20:3479"),
    ]
}

pub(crate) fn nat(
    mapping: Mapping,
    filtering: Filtering,
    ports: Ports,
    hairpin: bool,
    seed: u64,
) -> Nat {
    Nat::new(
        mapping,
        filtering,
        ports,
        hairpin,
        IpAddr::from(OUTSIDE),
        seed,
    )
}

pub(crate) fn net(nat: Nat, servers: Vec<Host>, seed: u64) -> Net {
    Net::new(address(INSIDE), vec![nat], servers, seed)
}

pub(crate) fn within_bounds(report: &Report) {
    assert!(report.sent <= 40, "{} sent", report.sent);
    assert!(report.took <= Duration::from_secs(2), "{:?}", report.took);
}
