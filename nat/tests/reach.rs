//! Dial-back: what proves that strangers reach us, and what a node does for another.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and begin at any time"
)]

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_nat::reach::{Ask, Config, Input, Limits, Output, Policy, Reachability, Task, Verdict};
use dchat_wire::address::Address;
use dchat_wire::extension::Extensions;
use dchat_wire::id::PeerId;
use dchat_wire::nat::{Reach, ReachFrom, ReachResult, reach_datagram};
use proptest::prelude::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Distinct peers: the first points of the curve found from `nth` on.
fn peer(nth: u8) -> PeerId {
    (0..=255)
        .find_map(|last| {
            let mut key = [nth; 32];
            key[0] = last;
            key[31] = 0;
            PeerId::from_public_key(key).ok()
        })
        .unwrap()
}

fn ours() -> SocketAddr {
    address("203.0.113.5:4001")
}

fn nodes() -> Vec<(PeerId, SocketAddr)> {
    vec![
        (peer(1), address("198.51.100.1:4001")),
        (peer(2), address("192.0.2.2:4001")),
        (peer(3), address("198.18.3.3:4001")),
    ]
}

struct Lab {
    reachability: Reachability,
    now: Instant,
}

impl Lab {
    fn new() -> Self {
        let now = Instant::now();
        let mut lab = Self {
            reachability: Reachability::new(Config::default(), [5; 32], now),
            now,
        };
        lab.input(Input::Address(Some(ours())));
        lab.input(Input::Nodes(nodes()));
        lab
    }

    fn input(&mut self, input: Input) {
        self.reachability.handle_input(input, self.now);
    }

    fn asks(&mut self) -> Vec<Ask> {
        let mut asks = Vec::new();
        while let Some(output) = self.reachability.poll_output() {
            if let Output::Ask(ask) = output {
                asks.push(ask);
            }
        }
        asks
    }

    fn arrives(&mut self, from: &str, token: [u8; 16], contacted: bool) {
        let (from, bytes) = (address(from), reach_datagram::seal(&token).to_vec());
        self.input(Input::Datagram {
            from,
            bytes,
            contacted,
        });
    }

    fn said(&mut self, token: [u8; 16], result: ReachResult) {
        self.input(Input::Reached { token, result });
    }

    /// Runs for `time`, with every node saying it sent, and `arrive` telling from where something does.
    fn run(&mut self, time: Duration, arrive: impl Fn(&Ask) -> Option<&'static str>) -> usize {
        let end = self.now + time;
        let mut asked = 0;
        loop {
            for ask in self.asks() {
                asked += 1;
                self.said(ask.token, ReachResult::Sent);
                if let Some(from) = arrive(&ask) {
                    self.arrives(from, ask.token, false);
                }
            }
            match self.reachability.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = at.max(self.now);
                    self.reachability.handle_timeout(self.now);
                }
                _ => {
                    self.now = end;
                    return asked;
                }
            }
        }
    }

    fn verdict(&self) -> Verdict {
        self.reachability.verdict()
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Checks DC-NAT-008 (positive).
#[test]
fn arrivals_from_two_subnets_make_it_public() {
    let mut lab = Lab::new();
    let asks = lab.asks();
    assert_eq!(asks.len(), 3);
    assert!(asks.iter().all(|ask| ask.target == ours()));
    lab.arrives("198.18.50.1:4001", asks[0].token, false);
    assert_eq!(lab.verdict(), Verdict::Unknown);
    lab.arrives("198.18.60.1:4001", asks[1].token, false);
    assert_eq!(lab.verdict(), Verdict::Public(ours()));
}

/// Checks DC-NAT-008 (negative).
#[test]
fn two_arrivals_from_one_subnet_are_one() {
    let mut lab = Lab::new();
    let asks = lab.asks();
    lab.arrives("198.18.50.1:4001", asks[0].token, false);
    lab.arrives("198.18.50.2:4001", asks[1].token, false);
    assert_eq!(lab.verdict(), Verdict::Unknown);
}

/// Checks DC-NAT-008 (negative).
#[test]
fn what_was_sent_to_before_proves_nothing() {
    let mut lab = Lab::new();
    let asks = lab.asks();
    lab.arrives("198.18.50.1:4001", asks[0].token, true);
    lab.arrives("198.18.60.1:4001", asks[1].token, true);
    // Nor does what the asked node sends itself.
    lab.arrives("198.51.100.1:9", asks[0].token, false);
    lab.arrives("192.0.2.2:9", asks[1].token, false);
    assert_eq!(lab.verdict(), Verdict::Unknown);
}

#[test]
fn nodes_that_only_know_acquaintances_of_ours_do_not_make_it_private() {
    let mut lab = Lab::new();
    let began = lab.now;
    while lab.now < began + MINUTE {
        for ask in lab.asks() {
            lab.said(ask.token, ReachResult::Sent);
            lab.arrives("198.18.50.1:4001", ask.token, true);
        }
        let next = lab.reachability.poll_timeout();
        lab.now = next
            .unwrap_or(began + MINUTE)
            .max(lab.now + Duration::from_millis(1));
        lab.reachability.handle_timeout(lab.now);
    }
    assert_eq!(lab.verdict(), Verdict::Unknown);
}

#[test]
fn tokens_nobody_gave_out_prove_nothing() {
    let mut lab = Lab::new();
    lab.asks();
    lab.arrives("198.18.50.1:4001", [1; 16], false);
    lab.arrives("198.18.60.1:4001", [2; 16], false);
    assert_eq!(lab.verdict(), Verdict::Unknown);
}

#[test]
fn silence_after_several_nodes_sent_makes_it_private() {
    let mut lab = Lab::new();
    let asked = lab.run(MINUTE, |_| None);
    assert_eq!(asked, 9);
    assert_eq!(lab.verdict(), Verdict::Private);
}

#[test]
fn nodes_that_cannot_ask_another_leave_it_unknown() {
    let mut lab = Lab::new();
    for ask in lab.asks() {
        lab.said(ask.token, ReachResult::Unable);
    }
    assert_eq!(lab.verdict(), Verdict::Unknown);
    assert!(lab.asks().is_empty());
}

#[test]
fn one_lying_node_neither_makes_it_private_nor_public() {
    let mut lab = Lab::new();
    lab.input(Input::Nodes(vec![nodes()[0]]));
    lab.input(Input::NetworkChanged);
    lab.run(MINUTE, |_| None);
    assert_eq!(lab.verdict(), Verdict::Unknown);
}

#[test]
fn a_node_that_withholds_is_named_when_others_show_it_is_public() {
    let mut lab = Lab::new();
    let mut silent = Vec::new();
    let began = lab.now;
    while lab.now < began + MINUTE && lab.verdict() == Verdict::Unknown {
        while let Some(output) = lab.reachability.poll_output() {
            match output {
                Output::Ask(ask) => {
                    lab.said(ask.token, ReachResult::Sent);
                    if ask.node == peer(2) {
                        lab.arrives("198.18.50.1:4001", ask.token, false);
                    }
                    // The third one's first two are lost.
                    if ask.node == peer(3) && lab.now > began + Duration::from_secs(3) {
                        lab.arrives("198.18.60.1:4001", ask.token, false);
                    }
                }
                Output::Silent(nodes) => silent = nodes,
                Output::Changed(_) => {}
            }
        }
        if let Some(at) = lab.reachability.poll_timeout() {
            lab.now = at;
            lab.reachability.handle_timeout(at);
        }
    }
    while let Some(output) = lab.reachability.poll_output() {
        if let Output::Silent(nodes) = output {
            silent = nodes;
        }
    }
    assert_eq!(lab.verdict(), Verdict::Public(ours()));
    assert_eq!(silent, [peer(1)]);
}

#[test]
fn nodes_of_one_subnet_are_asked_once() {
    let mut lab = Lab::new();
    lab.asks();
    lab.input(Input::Nodes(vec![
        (peer(1), address("198.51.100.1:4001")),
        (peer(2), address("198.51.100.2:4001")),
    ]));
    lab.input(Input::NetworkChanged);
    assert_eq!(lab.asks().len(), 1);
}

/// Checks DC-NAT-038 (positive).
#[test]
fn public_is_tested_again_and_a_change_is_noticed() {
    let mut lab = Lab::new();
    let open = |ask: &Ask| {
        Some(if ask.node == peer(1) {
            "198.18.50.1:4001"
        } else {
            "198.18.60.1:4001"
        })
    };
    lab.run(MINUTE, open);
    assert_eq!(lab.verdict(), Verdict::Public(ours()));
    assert!(lab.run(30 * MINUTE, open) >= 2);
    assert_eq!(lab.verdict(), Verdict::Public(ours()));
    lab.run(30 * MINUTE, |_| None);
    assert_eq!(lab.verdict(), Verdict::Private);
}

#[test]
fn public_expires_when_nobody_is_left_to_ask() {
    let mut lab = Lab::new();
    lab.run(MINUTE, |ask| {
        Some(if ask.node == peer(1) {
            "198.18.50.1:4001"
        } else {
            "198.18.60.1:4001"
        })
    });
    lab.input(Input::Nodes(Vec::new()));
    lab.run(50 * MINUTE, |_| None);
    assert_eq!(lab.verdict(), Verdict::Public(ours()));
    lab.run(30 * MINUTE, |_| None);
    assert_eq!(lab.verdict(), Verdict::Unknown);
}

/// Checks DC-NAT-038 (positive).
#[test]
fn another_address_voids_the_verdict_and_is_tested_at_once() {
    let mut lab = Lab::new();
    lab.run(MINUTE, |_| None);
    assert_eq!(lab.verdict(), Verdict::Private);
    lab.input(Input::Address(Some(address("203.0.113.6:4001"))));
    assert_eq!(lab.verdict(), Verdict::Unknown);
    let asks = lab.asks();
    assert_eq!(asks.len(), 3);
    assert_eq!(asks[0].target, address("203.0.113.6:4001"));
}

/// Checks DC-NAT-038 (negative).
#[test]
fn private_is_tested_more_and_more_rarely() {
    let mut lab = Lab::new();
    lab.run(10 * 60 * MINUTE, |_| None);
    let before = lab.run(5 * 60 * MINUTE, |_| None);
    // Every 30 min, 3 nodes, 3 questions.
    assert!((81..=99).contains(&before), "{before}");
}

fn reach(from: ReachFrom, target: &str) -> Reach {
    Reach {
        token: [7; 16],
        from,
        target: Address::direct(address(target)),
        extensions: Extensions::default(),
    }
}

/// Checks DC-NAT-005 (positive, negative).
#[test]
fn a_node_sends_to_the_askers_own_address_only() {
    let now = Instant::now();
    let mut policy = Policy::new(Limits::default(), now);
    let seen = address("203.0.113.5:4001");
    let mut decide = |from, target| policy.decide(&reach(from, target), peer(1), seen, now);
    assert_eq!(
        decide(ReachFrom::OtherPort, "203.0.113.5:9000"),
        Ok(Task::OtherPort {
            target: address("203.0.113.5:9000")
        })
    );
    assert!(decide(ReachFrom::OtherNode, "203.0.113.5:9000").is_ok());
    for from in [ReachFrom::OtherPort, ReachFrom::OtherNode] {
        assert_eq!(
            decide(from, "203.0.113.6:9000"),
            Err(ReachResult::Forbidden)
        );
        assert_eq!(decide(from, "203.0.113.5:53"), Err(ReachResult::Forbidden));
    }
}

/// Checks DC-NAT-021 (positive, negative).
#[test]
fn for_a_third_node_it_sends_to_public_addresses_and_never_into_its_own_site() {
    let now = Instant::now();
    let mut policy = Policy::new(Limits::default(), now);
    let mut decide = |seen: &str, target| {
        policy.decide(&reach(ReachFrom::Here, target), peer(1), address(seen), now)
    };
    assert!(decide("198.51.100.1:4001", "203.0.113.5:4001").is_ok());
    for inside in [
        "192.168.1.1:4001",
        "127.0.0.1:4001",
        "100.64.0.1:4001",
        "169.254.1.1:4001",
        "[fe80::1]:4001",
        "[fd00::1]:4001",
    ] {
        assert_eq!(
            decide("198.51.100.1:4001", inside),
            Err(ReachResult::Forbidden),
            "{inside}"
        );
    }
    // Who is in the site itself may.
    assert!(decide("192.168.1.7:4001", "192.168.1.1:4001").is_ok());
}

#[test]
fn a_circuit_is_no_target() {
    let now = Instant::now();
    let mut policy = Policy::new(Limits::default(), now);
    let request = Reach {
        target: Address::Circuit {
            socket: address("203.0.113.5:4001"),
            relay: peer(2),
            peer: None,
        },
        ..reach(ReachFrom::OtherPort, "203.0.113.5:4001")
    };
    assert_eq!(
        policy.decide(&request, peer(1), address("203.0.113.5:4001"), now),
        Err(ReachResult::Forbidden)
    );
}

/// Checks DC-NAT-006 (positive, negative).
#[test]
fn an_asker_has_a_burst_and_then_one_every_five_seconds() {
    let mut now = Instant::now();
    let mut policy = Policy::new(Limits::default(), now);
    let mut count = |now| {
        (0..100)
            .filter(|_| {
                policy
                    .decide(
                        &reach(ReachFrom::OtherPort, "203.0.113.5:4001"),
                        peer(1),
                        address("203.0.113.5:4001"),
                        now,
                    )
                    .is_ok()
            })
            .count()
    };
    assert_eq!(count(now), 16);
    now += Duration::from_secs(5);
    assert_eq!(count(now), 1);
    now += Duration::from_secs(3_600);
    assert_eq!(count(now), 16);
}

/// Checks DC-NAT-006 (negative).
#[test]
fn many_askers_together_cannot_flood_one_address_or_subnet() {
    let now = Instant::now();
    let limits = Limits {
        node: 10_000,
        ..Limits::default()
    };
    let mut policy = Policy::new(limits, now);
    let mut send = |nth: u8, target: String| {
        policy
            .decide(
                &reach(ReachFrom::Here, &target),
                peer(nth),
                address("198.51.100.1:4001"),
                now,
            )
            .is_ok()
    };
    let one = (0..200)
        .filter(|n| send(*n as u8, "203.0.113.5:4001".into()))
        .count();
    assert_eq!(one, 32);
    let subnet = (0..200)
        .filter(|n| send(*n as u8, format!("203.0.113.{n}:4001")))
        .count();
    assert_eq!(one + subnet, 64);
}

#[test]
fn a_full_table_refuses_and_recovers() {
    let mut now = Instant::now();
    let limits = Limits {
        entries: 4,
        ..Limits::default()
    };
    let mut policy = Policy::new(limits, now);
    let mut send = |nth: u8, now| {
        policy
            .decide(
                &reach(ReachFrom::OtherPort, "203.0.113.5:4001"),
                peer(nth),
                address("203.0.113.5:4001"),
                now,
            )
            .is_ok()
    };
    assert!((1..=4).all(|nth| send(nth, now)));
    assert!(!send(5, now));
    now += Duration::from_secs(6);
    assert!(send(5, now));
}

/// Checks DC-NAT-007 (positive, negative).
#[test]
fn the_other_node_is_in_another_subnet_and_of_the_targets_family() {
    let all = [
        (peer(1), address("203.0.113.9:4001")),
        (peer(2), address("198.51.100.9:4001")),
        (peer(3), address("[2001:db8::1]:4001")),
        (peer(4), address("10.0.0.1:4001")),
        (peer(5), address("192.0.2.9:4001")),
    ];
    let us: [IpAddr; 1] = ["198.51.100.1".parse().unwrap()];
    let target = address("203.0.113.5:4001");
    assert_eq!(Policy::other_node(&all, &us, target), Some(peer(5)));
    assert_eq!(Policy::other_node(&all[..4], &us, target), None);
}

proptest! {
    /// Whatever is asked by whomever: what is sent stays within the bucket of the node.
    #[test]
    fn the_node_as_a_whole_is_bounded(
        requests in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>(), 0_u64..200), 1..400)
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut policy = Policy::new(Limits::default(), start);
        let mut sent = 0_u32;
        for (asker, net, host, pause) in requests {
            now += Duration::from_millis(pause);
            let target = format!("198.{net}.100.{host}:4001");
            let from = address("198.51.100.1:4001");
            let decided = policy.decide(&reach(ReachFrom::Here, &target), peer(asker), from, now);
            sent += u32::from(decided.is_ok());
            let passed = u32::try_from((now - start).as_millis() / 50).unwrap();
            prop_assert!(sent <= 128 + passed);
        }
    }
}
