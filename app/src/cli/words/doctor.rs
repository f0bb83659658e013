//! The report of `doctor` for a person.

use crate::api::{Allocation, Behaviour, Doctor, Nat, Reachability};
use crate::text;

/// One line a finding, then the advice.
#[must_use]
pub(crate) fn doctor(doctor: &Doctor) -> Vec<String> {
    let mut lines = vec![
        format!("UDP           {}", yes(doctor.udp)),
        format!("IPv4          {}", yes(doctor.ipv4)),
        format!("IPv6          {}", yes(doctor.ipv6)),
        format!("NAT           {}", nat(&doctor.nat)),
        format!("Port mapping  {}", port_mapping(doctor)),
        format!("Reachable     {}", reachability(doctor.reachability)),
    ];
    for public in &doctor.nat.public {
        lines.push(format!("Seen as       {}", text::line(public)));
    }
    for relay in &doctor.relays {
        let rtt = relay
            .rtt_ms
            .map_or_else(|| "not reached".to_owned(), |rtt| format!("{rtt:.1} ms"));
        lines.push(format!("Relay         {}  {rtt}", text::line(&relay.addr)));
    }
    if let Some(peer) = &doctor.peer {
        lines.push(format!("Peer          {}", text::line(&peer.explanation)));
    }
    for advice in &doctor.advice {
        lines.push(format!("* {}", text::line(advice)));
    }
    lines
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn nat(nat: &Nat) -> String {
    if nat.mapping == Some(Behaviour::None) {
        return match nat.filtering {
            Some(Behaviour::None) => "none".to_owned(),
            Some(filtering) => format!("none, but a firewall: filtering {}", behaviour(filtering)),
            None => "none; whether there is a firewall is not known".to_owned(),
        };
    }
    let or_unknown = |known: Option<&'static str>| known.unwrap_or("unknown");
    let mut words = format!(
        "mapping {}, filtering {}, ports {}",
        or_unknown(nat.mapping.map(behaviour)),
        or_unknown(nat.filtering.map(behaviour)),
        or_unknown(nat.allocation.map(allocation)),
    );
    if nat.double == Some(true) {
        words.push_str(", two in a row");
    }
    if let Some(seconds) = nat.lifetime_s {
        words.push_str(&format!(", forgets after {seconds} s"));
    }
    words
}

fn behaviour(behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::EndpointIndependent => "endpoint-independent",
        Behaviour::AddressDependent => "address-dependent",
        Behaviour::AddressAndPortDependent => "address-and-port-dependent",
        Behaviour::None => "none",
    }
}

fn allocation(allocation: Allocation) -> &'static str {
    match allocation {
        Allocation::Preserving => "preserved",
        Allocation::Sequential => "sequential",
        Allocation::Block => "from a block",
        Allocation::Random => "random",
    }
}

fn port_mapping(doctor: &Doctor) -> String {
    let mapping = &doctor.port_mapping;
    let by = [
        (mapping.upnp, "UPnP"),
        (mapping.nat_pmp, "NAT-PMP"),
        (mapping.pcp, "PCP"),
    ];
    let by: Vec<&str> = by
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, name)| *name)
        .collect();
    if by.is_empty() {
        "none".to_owned()
    } else {
        by.join(", ")
    }
}

fn reachability(reachability: Reachability) -> &'static str {
    match reachability {
        Reachability::Public => "by everybody",
        Reachability::Private => "not by strangers",
        Reachability::Unknown => "not known: too few nodes have tried",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{DoctorRelay, PortMapping};

    fn behind_a_nat() -> Doctor {
        Doctor {
            udp: true,
            ipv4: true,
            ipv6: false,
            nat: Nat {
                mapping: Some(Behaviour::AddressAndPortDependent),
                filtering: Some(Behaviour::AddressDependent),
                allocation: None,
                double: Some(true),
                lifetime_s: Some(30),
                public: vec!["192.0.2.1:4001".to_owned()],
                ..Nat::default()
            },
            port_mapping: PortMapping {
                upnp: true,
                nat_pmp: false,
                pcp: true,
            },
            reachability: Reachability::Private,
            relays: vec![DoctorRelay {
                addr: "/ip4/\u{1b}[31m".to_owned(),
                rtt_ms: None,
            }],
            advice: vec!["Do this.".to_owned()],
            peer: None,
        }
    }

    #[test]
    fn every_finding_is_told_and_nothing_controls_the_terminal() {
        let lines = doctor(&behind_a_nat()).join("\n");
        for part in [
            "mapping address-and-port-dependent, filtering address-dependent, ports unknown, two \
             in a row, forgets after 30 s",
            "UPnP, PCP",
            "not by strangers",
            "Seen as       192.0.2.1:4001",
            "not reached",
            "* Do this.",
        ] {
            assert!(lines.contains(part), "{part} in {lines}");
        }
        assert!(!lines.contains('\u{1b}'));
    }

    #[test]
    fn no_nat_is_told_apart_from_a_firewall() {
        let with = |filtering| {
            nat(&Nat {
                mapping: Some(Behaviour::None),
                filtering,
                ..Nat::default()
            })
        };
        assert_eq!(with(Some(Behaviour::None)), "none");
        assert!(with(Some(Behaviour::AddressDependent)).contains("a firewall"));
        assert!(with(None).contains("not known"));
    }
}
