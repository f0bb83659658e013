//! What stands between this node and others: the endpoint's findings as the interface tells them.

use std::net::SocketAddr;
use std::time::Duration;

use dchat_nat::agent::{Outcome, Reason, Side};
use dchat_nat::classify::{FamilyReport, Lacking};
use dchat_nat::reach::Verdict;
use dchat_transport as transport;
use dchat_wire::PeerId;
use dchat_wire::nat::{self, Filtering, Mapping};
use transport::nat::{MappingState, NatStatus, StunServer};

use crate::api::{
    Allocation, Behaviour, Doctor, DoctorRelay, Nat, PathKind, PeerPath, PortMapping, Reachability,
};

/// How long the relays and nodes of the settings get to be connected before the question is put: a
/// handshake, and no more of the two seconds that a report may take.
const CONNECTING: Duration = Duration::from_millis(300);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// What is asked.
#[derive(Debug)]
pub(super) struct Question {
    /// Servers to ask.
    pub(super) stun: Vec<StunServer>,
    /// Nodes that are being connected to: how many.
    pub(super) expected: usize,
    /// Also how this peer is reached.
    pub(super) peer: Option<PeerId>,
    /// Whether everything goes through relays.
    pub(super) relay_only: bool,
}

/// Finds out.
pub(super) async fn diagnose(endpoint: &transport::Endpoint, question: Question) -> Doctor {
    let all_there = async {
        while endpoint.connections().len() < question.expected {
            tokio::time::sleep(LOOK).await;
        }
    };
    // Who is not there by then is not asked.
    let _ = tokio::time::timeout(CONNECTING, all_there).await;
    let asked = !question.stun.is_empty() || !endpoint.connections().is_empty();
    let status = endpoint.diagnose(&question.stun).await;
    let relays = relays(endpoint);
    let peer = question
        .peer
        .map(|peer| peer_path(endpoint, peer, question.relay_only));
    report(&status, asked, relays, peer)
}

fn relays(endpoint: &transport::Endpoint) -> Vec<DoctorRelay> {
    let relays = endpoint.relays();
    relays
        .iter()
        .map(|relay| DoctorRelay {
            addr: relay.address.to_string(),
            rtt_ms: Some(relay.rtt.as_secs_f64() * 1000.0),
        })
        .collect()
}

fn report(
    status: &NatStatus,
    asked: bool,
    relays: Vec<DoctorRelay>,
    peer: Option<PeerPath>,
) -> Doctor {
    let found = status.report.as_deref();
    let v4 = found.map(|report| &report.v4);
    let v6 = found.map(|report| &report.v6);
    let of_family = match (v4, v6) {
        (Some(v4), Some(v6)) if !v4.works && v6.works => Some(v6),
        (v4, _) => v4,
    };
    let mut doctor = Doctor {
        udp: found.is_some_and(|report| report.udp) || !relays.is_empty(),
        ipv4: v4.is_some_and(|family| family.works),
        ipv6: v6.is_some_and(|family| family.works),
        nat: nat_of(status, of_family),
        port_mapping: PortMapping {
            upnp: is_mapped(status.port_mapping.upnp),
            nat_pmp: is_mapped(status.port_mapping.nat_pmp),
            pcp: is_mapped(status.port_mapping.pcp),
        },
        reachability: match status.reachability {
            Verdict::Unknown => Reachability::Unknown,
            Verdict::Public(_) => Reachability::Public,
            Verdict::Private => Reachability::Private,
        },
        relays,
        advice: Vec::new(),
        peer,
    };
    doctor.advice = advice(&doctor, asked, of_family);
    doctor
}

fn nat_of(status: &NatStatus, family: Option<&FamilyReport>) -> Nat {
    let report = status.report.as_deref();
    let families = report.map(|report| [&report.v4, &report.v6]);
    let public = families
        .into_iter()
        .flatten()
        .filter_map(|family| family.public);
    Nat {
        mapping: family.and_then(|family| mapping(family.class.mapping)),
        filtering: family.and_then(|family| filtering(family.class.filtering)),
        allocation: family.and_then(|family| allocation(family.class.allocation)),
        hairpin: family.and_then(|family| family.hairpin),
        lifetime_s: status.lifetime.map(|lifetime| lifetime.as_secs()),
        double: status.double_nat(),
        public: public.map(|addr: SocketAddr| addr.to_string()).collect(),
    }
}

fn mapping(mapping: Mapping) -> Option<Behaviour> {
    match mapping {
        Mapping::Unknown => None,
        Mapping::None => Some(Behaviour::None),
        Mapping::EndpointIndependent => Some(Behaviour::EndpointIndependent),
        Mapping::AddressDependent => Some(Behaviour::AddressDependent),
        Mapping::AddressAndPortDependent => Some(Behaviour::AddressAndPortDependent),
    }
}

fn filtering(filtering: Filtering) -> Option<Behaviour> {
    match filtering {
        Filtering::Unknown => None,
        Filtering::None => Some(Behaviour::None),
        Filtering::EndpointIndependent => Some(Behaviour::EndpointIndependent),
        Filtering::AddressDependent => Some(Behaviour::AddressDependent),
        Filtering::AddressAndPortDependent => Some(Behaviour::AddressAndPortDependent),
    }
}

fn allocation(allocation: nat::Allocation) -> Option<Allocation> {
    match allocation {
        nat::Allocation::Unknown => None,
        nat::Allocation::Preserving => Some(Allocation::Preserving),
        nat::Allocation::Sequential => Some(Allocation::Sequential),
        nat::Allocation::Block => Some(Allocation::Block),
        nat::Allocation::Random => Some(Allocation::Random),
    }
}

fn is_mapped(state: MappingState) -> bool {
    matches!(state, MappingState::Mapped(_))
}

/// What a person can do, the most useful first.
fn advice(doctor: &Doctor, asked: bool, family: Option<&FamilyReport>) -> Vec<String> {
    let mut advice = Vec::new();
    let mut say = |text: &str| advice.push(text.to_owned());
    if !asked {
        say(
            "Nobody was there to ask. Name a STUN server with --stun HOST:PORT, or a relay with \
             --relay ADDR.",
        );
        return advice;
    }
    if !doctor.udp {
        say(
            "No UDP datagram was answered: a firewall blocks UDP, or the servers are down. DChat \
             needs UDP; ask whoever runs this network, or use another one.",
        );
        return advice;
    }
    let lacking = |what| family.is_some_and(|family| family.lacking.contains(&what));
    if lacking(Lacking::SecondServer) || lacking(Lacking::Filtering) {
        say(
            "Not everything could be found out: name a second STUN server with --stun, or one \
             that answers from two addresses.",
        );
    }
    let mapped = [
        doctor.port_mapping.upnp,
        doctor.port_mapping.nat_pmp,
        doctor.port_mapping.pcp,
    ];
    let by_destination = matches!(
        doctor.nat.mapping,
        Some(Behaviour::AddressDependent | Behaviour::AddressAndPortDependent)
    );
    if doctor.nat.double == Some(true) {
        say(
            "There are two NATs in a row. Switch the inner router to bridge mode, or switch on \
             port mapping on both.",
        );
    } else if by_destination && !mapped.contains(&true) {
        say(
            "The NAT gives each destination another port, which makes direct connections harder. \
             Switch on UPnP, NAT-PMP or PCP in the router, or forward a UDP port to this machine \
             and listen on it with --listen.",
        );
    }
    if doctor.relays.is_empty()
        && doctor.reachability != Reachability::Public
        && doctor.nat.mapping != Some(Behaviour::None)
    {
        say(
            "No relay holds a reservation: others may not reach this node. Name one with --relay \
             ADDR, or a node to find one by with --bootstrap ADDR.",
        );
    }
    advice
}

/// How `peer` is reached, and why not better.
fn peer_path(endpoint: &transport::Endpoint, peer: PeerId, relay_only: bool) -> PeerPath {
    let Some(connection) = endpoint.connection(&peer) else {
        return PeerPath {
            peer_id: peer.to_string(),
            path: None,
            addr: None,
            reason: "not-connected".to_owned(),
            explanation: "not connected: it is off, or none of its known addresses answers"
                .to_owned(),
        };
    };
    let path = connection.path();
    let (kind, (reason, explanation)) = match path.kind {
        transport::PathKind::Direct => (
            PathKind::Direct,
            (
                "direct",
                "reached directly, with nobody in between".to_owned(),
            ),
        ),
        transport::PathKind::Relayed => (
            PathKind::Relay,
            why_relayed(connection.search(), relay_only),
        ),
    };
    PeerPath {
        peer_id: peer.to_string(),
        path: Some(kind),
        addr: Some(path.addr.to_string()),
        reason: reason.to_owned(),
        explanation,
    }
}

fn why_relayed(search: Option<Outcome>, relay_only: bool) -> (&'static str, String) {
    let (code, why) = match search {
        _ if relay_only => ("relay-only", "relay-only mode is on".to_owned()),
        None => (
            "no-search",
            "the peer is no accepted contact, or knows no hole punching".to_owned(),
        ),
        // It was reached directly, and packets still go the other way for a moment.
        Some(Outcome::Direct { .. }) => ("still-trying", "about to become direct".to_owned()),
        Some(Outcome::Relayed(reason)) => (reason_code(reason), reason.to_string()),
    };
    (code, format!("relayed: {why}"))
}

fn reason_code(reason: Reason) -> &'static str {
    match reason {
        Reason::RelayOnly => "relay-only",
        Reason::StillTrying => "still-trying",
        Reason::PeerDoesNotPunch => "peer-does-not-punch",
        Reason::NoCandidates(Side::Ours) => "no-candidates",
        Reason::NoCandidates(Side::Theirs) => "peer-has-no-candidates",
        Reason::NoCommonFamily => "no-common-family",
        Reason::UdpBlocked(Side::Ours) => "udp-blocked",
        Reason::UdpBlocked(Side::Theirs) => "peer-udp-blocked",
        Reason::BothSymmetric => "both-symmetric",
        Reason::PortsUnpredictable => "ports-unpredictable",
        Reason::SampleFailed => "sample-failed",
        Reason::Filtered => "filtered",
        Reason::OneWay => "one-way",
        Reason::Exhausted { .. } => "exhausted",
        Reason::Limited => "limited",
    }
}
