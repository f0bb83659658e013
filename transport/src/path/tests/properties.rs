//! What holds whatever arrives.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_nat::agent;
use dchat_wire::codec::List;
use dchat_wire::nat::{Candidate, CandidateKind, Candidates, NatClass};
use dchat_wire::probe::Probe;
use dchat_wire::{Address, limits};
use proptest::prelude::*;

use super::net::{Net, addr, initial, keys, ms, relay_id, relay_socket, short, udp};
use crate::path::{
    Arrival, ChannelAddress, Config, Input, Leg, LegId, Output, Switch, Verdict, bounds,
};

const PEER: &str = "198.51.100.1:1";

/// Something an attacker, the network or the node does.
#[derive(Clone, Debug)]
enum Op {
    Initial {
        from: u16,
        scid: u8,
    },
    Short {
        from: u16,
        known: bool,
        len: usize,
    },
    Ask {
        from: u16,
        valid: bool,
        transaction: u8,
    },
    Noise {
        from: u16,
        bytes: Vec<u8>,
    },
    Data {
        len: usize,
    },
    Offer {
        ports: Vec<u16>,
    },
    Interfaces,
    Failed,
    Wait {
        ms: u64,
    },
    Release,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (2..40u16, any::<u8>()).prop_map(|(from, scid)| Op::Initial { from, scid }),
        5 => (1..40u16, any::<bool>(), 9..1400usize)
            .prop_map(|(from, known, len)| Op::Short { from, known, len }),
        4 => (1..40u16, any::<bool>(), any::<u8>())
            .prop_map(|(from, valid, transaction)| Op::Ask { from, valid, transaction }),
        3 => (1..40u16, prop::collection::vec(any::<u8>(), 0..1300))
            .prop_map(|(from, bytes)| Op::Noise { from, bytes }),
        5 => (20..1400usize).prop_map(|len| Op::Data { len }),
        1 => prop::collection::vec(40..80u16, 0..20).prop_map(|ports| Op::Offer { ports }),
        1 => Just(Op::Interfaces),
        1 => Just(Op::Failed),
        6 => (0..3000u64).prop_map(|ms| Op::Wait { ms }),
        1 => Just(Op::Release),
    ]
}

fn port(port: u16) -> SocketAddr {
    (Ipv4Addr::new(198, 51, 100, 1), port).into()
}

fn arrival(from: u16) -> Arrival {
    Arrival {
        leg: LegId(0),
        local: None,
        from: port(from),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Nothing answers a probe here, so no address but the peer's is ever proven.
    /// Checks DC-CONN-048 (negative), DC-CONN-049 (negative), DC-CONN-051 (negative).
    /// Checks DC-NAT-028 (negative).
    #[test]
    fn an_unproven_address_gets_no_more_than_its_few_probes_or_what_it_sent(
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let config = Config { virtual_addresses: 24, provisional: 8 };
        let mut switch = Switch::new(config, vec![udp("192.0.2.1:4001")], [3; 32]);
        let mut now = Instant::now();
        let (keys, theirs) = keys(5);
        let virt = switch.dial(LegId(0), addr(PEER));
        switch.outbound(virt, &initial(b"random00", b"ours 001"), 1200, now);
        switch.handle_input(Input::Attach { virt, keys }, now);
        let mut received: BTreeMap<SocketAddr, usize> = BTreeMap::new();
        let mut sent: BTreeMap<SocketAddr, usize> = BTreeMap::new();
        // Each offer starts an address anew.
        let mut offers = 1;
        for op in ops {
            let mut inbound = |switch: &mut Switch, from, bytes: &[u8]| {
                *received.entry(port(from)).or_default() += bytes.len();
                switch.inbound(arrival(from), bytes, now)
            };
            match op {
                Op::Initial { from, scid } => {
                    inbound(&mut switch, from, &initial(b"random00", &[scid]));
                }
                Op::Short { from, known, len } => {
                    let dcid = if known { b"ours 001" } else { b"unknown0" };
                    let verdict = inbound(&mut switch, from, &short(dcid, b"", len));
                    if known && switch.is_attached(virt) {
                        prop_assert_eq!(verdict, Verdict::Deliver(virt));
                    }
                }
                Op::Ask { from, valid, transaction } => {
                    let ask = Probe::Ask { transaction: [transaction; 8] };
                    let mut bytes = ask.seal(&theirs.ours, 64);
                    bytes[50] ^= u8::from(!valid);
                    inbound(&mut switch, from, &bytes);
                }
                Op::Noise { from, bytes } => {
                    inbound(&mut switch, from, &bytes);
                }
                Op::Data { len } => {
                    let packet = short(b"theirs00", b"", len);
                    if let Some(ways) = switch.outbound(virt, &packet, len, now) {
                        prop_assert_eq!(ways.route.remote, addr(PEER));
                        prop_assert_eq!(ways.copy, None);
                    }
                }
                Op::Offer { ports } => {
                    offers += 1;
                    let remotes = ports.into_iter().map(port).collect();
                    switch.handle_input(Input::Offer { virt, remotes }, now);
                }
                Op::Interfaces => switch.handle_input(Input::InterfacesChanged, now),
                Op::Failed => {
                    let route = crate::path::Route {
                        leg: LegId(0),
                        local: None,
                        remote: addr(PEER),
                    };
                    switch.handle_input(Input::SendFailed { virt, route }, now);
                }
                Op::Wait { ms } => now += Duration::from_millis(ms),
                Op::Release => {
                    switch.handle_input(Input::Release { virt }, now);
                }
            }
            switch.handle_timeout(now);
            while let Some(output) = switch.poll_output() {
                match output {
                    Output::Transmit { route, datagram, .. } => {
                        prop_assert_eq!(datagram.len(), limits::PROBE);
                        *sent.entry(route.remote).or_default() += datagram.len();
                    }
                    Output::Switched { .. } => prop_assert!(false, "to where?"),
                    Output::Observed { .. } | Output::Lost { .. } => {}
                    other => prop_assert!(false, "without an agent: {other:?}"),
                }
            }
            prop_assert!(switch.poll_timeout().is_none_or(|at| at > now), "busy loop");
            let stats = switch.stats();
            prop_assert!(stats.virtual_addresses <= config.virtual_addresses);
            prop_assert!(stats.cids <= config.virtual_addresses * 2 * bounds::CIDS);
        }
        for (to, bytes) in sent.iter().filter(|(to, _)| **to != addr(PEER)) {
            // Beside probes there are answers: one for each question, as long as that.
            let from = received.get(to).copied().unwrap_or(0);
            let free = offers * bounds::UNPROVEN_PROBES * limits::PROBE;
            prop_assert!(*bytes <= free + 2 * from, "{bytes} to {to}, {from} from there");
        }
    }

    /// Whatever a contact says, and whatever becomes of relays, data goes only over what has carried
    /// the connection, questions are small, and time goes on.
    /// Checks DC-CONN-048 (negative), DC-CONN-051 (negative), DC-NAT-012 (positive, negative).
    #[test]
    fn with_an_agent_and_relays_data_still_goes_to_proven_paths_only(
        ops in prop::collection::vec((0..9u8, any::<u16>()), 1..120),
    ) {
        let udp = vec![udp("192.0.2.1:4001")];
        let mut switch = Switch::new(Config::default(), udp, [3; 32]);
        let mut now = Instant::now();
        let relay = |number: u32| Leg::Relay {
            relay: relay_id(number),
            socket: relay_socket(number),
        };
        let first = switch.add_leg(relay(0)).unwrap();
        let carried = ChannelAddress(7).socket_addr();
        let virt = switch.dial(first, carried);
        switch.outbound(virt, &initial(b"random00", b"ours 001"), 1200, now);
        switch.handle_input(Input::Attach { virt, keys: keys(5).0 }, now);
        let (ours, theirs) = (relay_id(1), relay_id(2));
        let (config, seed) = (agent::Config::default(), [4; 32]);
        switch.handle_input(Input::Traverse { virt, config, ours, theirs, seed }, now);
        let mut generation = 0;
        let mut legs = vec![first];
        let mut questions: BTreeMap<std::net::IpAddr, usize> = BTreeMap::new();
        for (op, value) in ops {
            let leg = legs[usize::from(value) % legs.len()];
            let channel = u32::from(value % 16);
            let candidates = || (0..value % 24).map(|at| Candidate {
                kind: CandidateKind::ALL[usize::from(at % 3)],
                address: Address::direct(port(value.wrapping_add(at * 7).max(1))),
            });
            match op {
                0 => legs.extend(switch.add_leg(relay(1))),
                1 => switch.handle_input(Input::LegGone { leg }, now),
                2 => switch.handle_input(Input::ChannelClosed { leg, channel }, now),
                3 => switch.handle_input(Input::OfferRelayed { virt, leg, channel }, now),
                4 => {
                    generation += 1;
                    let candidates = Candidates {
                        generation,
                        class: NatClass::UNKNOWN,
                        candidates: List::first_of(candidates()),
                        extensions: Default::default(),
                    };
                    switch.handle_input(Input::Candidates { virt, candidates }, now);
                }
                5 => {
                    let local = agent::Local {
                        class: NatClass::UNKNOWN,
                        candidates: candidates().collect(),
                    };
                    switch.handle_input(Input::Local { virt, local }, now);
                }
                6 => switch.handle_input(Input::InterfacesChanged, now),
                _ => now += Duration::from_millis(u64::from(value) % 2000),
            }
            let packet = short(b"theirs00", b"", 300);
            if let Some(ways) = switch.outbound(virt, &packet, 300, now) {
                prop_assert_eq!((ways.route.leg, ways.route.remote), (first, carried));
                prop_assert_eq!(ways.copy, None, "nothing has answered");
            }
            switch.handle_timeout(now);
            while let Some(output) = switch.poll_output() {
                match output {
                    Output::Transmit { route, datagram, .. } => {
                        let proven = (route.leg, route.remote) == (first, carried);
                        prop_assert!(proven || datagram.len() == limits::PROBE);
                        if ChannelAddress::from_socket_addr(route.remote).is_none() {
                            *questions.entry(route.remote.ip()).or_default() += 1;
                        }
                    }
                    Output::Switched { .. } => prop_assert!(false, "to where?"),
                    _ => {}
                }
            }
            prop_assert!(switch.poll_timeout().is_none_or(|at| at > now), "busy loop");
        }
        // All candidates are ports of one host; the agent's ledger counts them together.
        let most = usize::from(agent::bounds::PROBES_PER_IP) + agent::bounds::REFLEXIVE_PAIRS;
        prop_assert!(questions.values().all(|count| *count <= most), "{questions:?}");
    }

    /// Whatever the delays, and wherever a NAT moves either side to, traffic finds its way again,
    /// and the layers above never see another address.
    /// Checks DC-CONN-051 (positive).
    #[test]
    fn traffic_resumes_after_any_sequence_of_moves(
        delay in 1..150u64,
        moves in prop::collection::vec((0..2usize, 1..5000u16), 1..6),
    ) {
        let mut net = Net::new(&["192.0.2.1:4001"], &["198.51.100.1:4001"]);
        net.default_delay = ms(delay);
        net.connect();
        let mut seq = 0;
        for (side, port) in moves {
            net.talk(0, seq..seq + 20);
            let bound = net.nodes[side].addrs[0];
            net.shown.insert(bound, (Ipv4Addr::new(203, 0, 113, side as u8), port).into());
            // The side that moved is the one that can be found: it speaks.
            net.talk(side, seq + 100..seq + 220);
            net.run(ms(2 * delay));
            prop_assert_eq!(net.path(1 - side).remote, net.shown_as(bound));
            net.talk(1 - side, seq + 300..seq + 310);
            net.run(ms(2 * delay));
            prop_assert!((seq + 300..seq + 310).all(|seq| net.nodes[side].got.contains(&seq)));
            seq += 1000;
        }
        prop_assert!(net.nodes.iter().all(|node| node.delivered.len() == 1));
    }
}

/// Checks DC-CONN-049 (positive).
#[test]
fn one_offer_means_one_probe_to_an_address_that_never_answers() {
    let mut net = Net::connected(&["192.0.2.1:4001"], &["198.51.100.1:4001"]);
    let victims: Vec<String> = (1..=16)
        .map(|host| format!("203.0.113.{host}:53"))
        .collect();
    let victims: Vec<&str> = victims.iter().map(String::as_str).collect();
    net.offer(0, &victims);
    net.talk(0, 0..2000);
    for victim in victims {
        assert_eq!(
            net.nodes[0].sent.get(&addr(victim)),
            Some(&limits::PROBE),
            "{victim}"
        );
    }
}

/// Checks DC-CONN-045 (negative).
#[test]
fn a_captured_question_is_answered_once() {
    let mut net = Net::connected(&["192.0.2.1:4001"], &["198.51.100.1:4001"]);
    let (dialer, _) = keys(1);
    let ask = Probe::Ask {
        transaction: *b"captured",
    };
    let bytes = ask.seal(&dialer.ours, 64);
    let before = net.nodes[1].switch.stats().answers_sent;
    for port in 1..50u16 {
        let from: SocketAddr = (Ipv4Addr::new(203, 0, 113, 9), port).into();
        net.inject(from, addr("198.51.100.1:4001"), bytes.clone());
        net.run(ms(50));
    }
    assert_eq!(net.nodes[1].switch.stats().answers_sent, before + 1);
}

/// Checks DC-CONN-046 (negative).
#[test]
fn an_answer_is_never_longer_than_its_question() {
    let mut net = Net::connected(&["192.0.2.1:4001"], &["198.51.100.1:4001"]);
    let (dialer, _) = keys(1);
    let from = addr("203.0.113.9:9");
    let ask = Probe::Ask {
        transaction: *b"question",
    };
    net.inject(from, addr("198.51.100.1:4001"), ask.seal(&dialer.ours, 64));
    net.run(ms(50));
    // An answer and one question of our own: the address has shown the key.
    assert_eq!(net.nodes[1].sent.get(&from), Some(&128));
}
