//! Direct paths that are found with the peer's help.

use std::net::SocketAddr;

use dchat_nat::agent::{Outcome, Reason};
use dchat_wire::Address;
use dchat_wire::codec::List;
use dchat_wire::nat::{
    Allocation, Candidate, CandidateKind, Candidates, Filtering, Mapping, NatClass,
};

use super::net::{Net, addr, ms};
use crate::path::{ChannelAddress, Input, Leg, Output, PathKind, bounds};

const INSIDE: [&str; 2] = ["192.168.1.2:4001", "10.0.0.2:4001"];
const OUTSIDE: [&str; 2] = ["192.0.2.1:4001", "198.51.100.1:4001"];

fn class(mapping: Mapping, allocation: Allocation) -> NatClass {
    NatClass {
        mapping,
        filtering: Filtering::AddressAndPortDependent,
        allocation,
        ..NatClass::UNKNOWN
    }
}

fn easy() -> NatClass {
    class(Mapping::EndpointIndependent, Allocation::Preserving)
}

fn hard() -> NatClass {
    class(Mapping::AddressAndPortDependent, Allocation::Random)
}

/// Two peers behind NATs that show them as `OUTSIDE`, connected over a relay.
fn behind_nats() -> Net {
    let mut net = Net::new(&[INSIDE[0]], &[INSIDE[1]]);
    for node in 0..2 {
        net.shown.insert(addr(INSIDE[node]), addr(OUTSIDE[node]));
    }
    net.connect_relayed(ms(30));
    net
}

fn look_for_direct(net: &mut Net, classes: [NatClass; 2]) {
    for (node, class) in classes.into_iter().enumerate() {
        let known = [
            (CandidateKind::Host, INSIDE[node]),
            (CandidateKind::Reflexive, OUTSIDE[node]),
        ];
        net.traverse(node, class, &known);
    }
}

fn outcomes(net: &Net, node: usize) -> Vec<Outcome> {
    let events = net.nodes[node].events.iter();
    let outcomes = events.filter_map(|(_, event)| match event {
        Output::Outcome { outcome, .. } => Some(*outcome),
        _ => None,
    });
    outcomes.collect()
}

#[test]
fn two_easy_nats_are_crossed_and_the_outcome_told() {
    let mut net = behind_nats();
    look_for_direct(&mut net, [easy(), easy()]);
    net.talk(0, 0..20);
    for node in 0..2 {
        let path = net.path(node);
        assert_eq!(path.kind, PathKind::Direct);
        assert_eq!(path.remote, addr(OUTSIDE[1 - node]));
    }
    net.run(ms(3000));
    for node in 0..2 {
        let told = outcomes(&net, node);
        assert!(
            matches!(told.last(), Some(Outcome::Direct { .. })),
            "{told:?}"
        );
        let virt = net.nodes[node].virt;
        assert_eq!(net.nodes[node].switch.outcome(virt).as_ref(), told.last());
    }
    assert_eq!(net.nodes[1].got.len(), 20);
}

#[test]
fn an_agent_that_found_a_path_falls_silent_with_the_connection() {
    let mut net = behind_nats();
    look_for_direct(&mut net, [easy(), easy()]);
    net.run(ms(60_000));
    for node in &net.nodes {
        assert_eq!(node.switch.poll_timeout(), None);
    }
}

/// Checks DC-NAT-033 (positive).
#[test]
fn after_the_direct_path_was_lost_another_is_found() {
    let mut net = behind_nats();
    look_for_direct(&mut net, [easy(), easy()]);
    net.talk(0, 0..50);
    assert_eq!(net.path(0).kind, PathKind::Direct);
    // The dialer's NAT forgets its mapping and makes another.
    net.shown.insert(addr(INSIDE[0]), addr("192.0.2.1:5555"));
    net.talk_reliably(1, 100..400, ms(20));
    for node in 0..2 {
        assert_eq!(net.path(node).kind, PathKind::Direct);
    }
    assert_eq!(net.path(1).remote, addr("192.0.2.1:5555"));
}

#[test]
fn candidates_that_lie_cost_few_probes_each_and_lead_nowhere() {
    let mut net = behind_nats();
    net.traverse(0, easy(), &[(CandidateKind::Reflexive, OUTSIDE[0])]);
    let virt = net.nodes[0].virt;
    let mut sent = Vec::new();
    for generation in 1..200u32 {
        let candidates = (0..24u32).map(|at| {
            let ip = std::net::Ipv4Addr::from(0x0808_0000 + generation * 24 + at);
            Candidate {
                kind: CandidateKind::Reflexive,
                address: Address::direct((ip, 53).into()),
            }
        });
        let candidates = Candidates {
            generation,
            class: easy(),
            candidates: List::new(candidates.collect::<Vec<_>>()).unwrap(),
            extensions: Default::default(),
        };
        net.input(0, Input::Candidates { virt, candidates });
        net.talk(
            0,
            u64::from(generation) * 10..u64::from(generation) * 10 + 10,
        );
        sent.push(net.nodes[0].probes.len());
    }
    assert_eq!(net.path(0).kind, PathKind::Relayed);
    let strangers = net.nodes[0].probes.iter();
    let strangers = strangers.filter(|(to, _)| to.port() == 53);
    let (mut hosts, mut probes) = (0, 0);
    for (_, count) in strangers {
        hosts += 1;
        probes += count;
    }
    // In 40 s: the agent's ledger bounds both.
    assert!(hosts <= 48, "{hosts} hosts");
    assert!(probes <= 48 * 32, "{probes} probes");
    assert!(sent.last().unwrap() <= &(48 + 4));
}

#[test]
fn addresses_of_this_process_and_of_this_machine_are_never_asked() {
    let mut net = behind_nats();
    net.traverse(0, easy(), &[(CandidateKind::Reflexive, OUTSIDE[0])]);
    let virt = net.nodes[0].virt;
    let inside = [
        "[fd64:6368:6174:1::1]:4001",
        "[fd64:6368:6174:2::1]:4001",
        "127.0.0.1:4001",
        "224.0.0.1:4001",
    ];
    let before = net.nodes[0].probes.clone();
    let candidates = inside.map(|text| Candidate {
        kind: CandidateKind::Host,
        address: Address::direct(addr(text)),
    });
    for candidate in candidates {
        if !candidate.address.names_one_socket() {
            continue;
        }
        let candidates = Candidates {
            generation: 1,
            class: easy(),
            candidates: List::new(vec![candidate]).unwrap(),
            extensions: Default::default(),
        };
        net.input(0, Input::Candidates { virt, candidates });
    }
    net.run(ms(5000));
    assert_eq!(net.nodes[0].probes, before);
}

#[test]
fn a_socket_of_a_scatter_that_is_answered_becomes_the_connections_leg() {
    let mut net = behind_nats();
    // Nothing passes between the usual sockets, and of the extra ones only from the eighth.
    net.dead.insert(addr(OUTSIDE[0]));
    let ip = addr(INSIDE[0]).ip();
    let closed = (20_000..20_500).filter(|port| *port != 20_007);
    net.dead
        .extend(closed.map(|port| SocketAddr::new(ip, port)));
    look_for_direct(&mut net, [hard(), easy()]);
    net.talk_reliably(0, 0..500, ms(20));
    assert_eq!(
        net.path(0).kind,
        PathKind::Direct,
        "{:?}",
        outcomes(&net, 0)
    );
    let leg = net.path(0).leg;
    let eighth = SocketAddr::new(ip, 20_007);
    assert_eq!(net.nodes[0].adopted.get(&leg), Some(&eighth));
    assert_eq!(net.path(1).remote, eighth);
    assert!(net.nodes[0].extras.is_empty(), "the others are closed");
    assert_eq!(net.nodes[1].got.len(), 500);
    // It goes with its connection.
    let virt = net.nodes[0].virt;
    net.input(0, Input::Release { virt });
    net.run(bounds::LINGER + ms(1));
    assert!(net.nodes[0].adopted.is_empty());
}

/// Checks DC-NAT-017 (positive).
#[test]
fn without_a_way_the_relay_carries_on_and_says_why() {
    let mut net = behind_nats();
    net.dead.extend(OUTSIDE.map(addr));
    look_for_direct(&mut net, [easy(), easy()]);
    net.talk(0, 0..1500);
    assert_eq!(net.path(0).kind, PathKind::Relayed);
    assert_eq!(net.nodes[1].got.len(), 1500 - 1);
    let told = outcomes(&net, 0);
    assert!(
        matches!(told.last(), Some(Outcome::Relayed(reason)) if *reason != Reason::StillTrying),
        "{told:?}"
    );
}

#[test]
fn a_channel_is_not_dialed_by_its_address() {
    let net = behind_nats();
    let (_, channel) = net.relays[0].ends[0];
    let there = ChannelAddress(channel).socket_addr();
    assert_eq!(net.nodes[0].switch.legs_to(there).count(), 0);
}

#[test]
fn a_leg_of_one_connection_is_no_others() {
    let mut net = Net::new(&["192.0.2.1:4001"], &[OUTSIDE[1]]);
    let bound = addr("192.0.2.1:20007");
    let switch = &mut net.nodes[0].switch;
    let leg = switch.add_leg(Leg::Adopted { bound }).unwrap();
    assert!(switch.legs_to(addr(OUTSIDE[1])).all(|other| other != leg));
}
