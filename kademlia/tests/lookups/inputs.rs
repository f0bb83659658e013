//! Any input at any time: nothing panics, and nothing grows beyond its bounds.

use std::net::IpAddr;
use std::time::Duration;

use dchat_kademlia::call::{Answer, Known, Nodes, Question};
use dchat_kademlia::node::{Asker, CallId, Fault, HEARD, Input, Node, Output, UPKEEP};
use dchat_kademlia::{Config, Contact, Key, Subnet, Time};
use dchat_wire::dht::Refusal;
use proptest::prelude::*;

use crate::net::{hash, key};

#[derive(Clone, Debug)]
enum Event {
    Answer(u32, u8, Vec<u16>),
    Fail(u32, u8),
    Seen(u16, bool, bool),
    Gone(u16),
    Seed(u16),
    Serving(bool),
    Resumed,
    Asked(u16, u8, u16),
    Search(u8, u16),
    Cancel(u32),
    Wait(u32),
    Poll(u8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0..80_u32, any::<u8>(), prop::collection::vec(any::<u16>(), 0..20))
            .prop_map(|(call, kind, nodes)| Event::Answer(call, kind, nodes)),
        2 => (0..80_u32, any::<u8>()).prop_map(|(call, fault)| Event::Fail(call, fault)),
        4 => (any::<u16>(), any::<bool>(), any::<bool>()).prop_map(|(n, a, b)| Event::Seen(n, a, b)),
        1 => any::<u16>().prop_map(Event::Gone),
        2 => any::<u16>().prop_map(Event::Seed),
        1 => any::<bool>().prop_map(Event::Serving),
        1 => Just(Event::Resumed),
        4 => (any::<u16>(), any::<u8>(), any::<u16>()).prop_map(|(n, k, t)| Event::Asked(n, k, t)),
        2 => (any::<u8>(), any::<u16>()).prop_map(|(kind, target)| Event::Search(kind, target)),
        1 => (0..20_u32).prop_map(Event::Cancel),
        4 => (0..2_000_000_u32).prop_map(Event::Wait),
        8 => any::<u8>().prop_map(Event::Poll),
    ];
    prop::collection::vec(event, 0..300)
}

fn contact(number: u16) -> Contact<u32> {
    let [a, b] = (number / 4).to_be_bytes();
    Contact {
        at: key(&[1, u64::from(number)]),
        subnet: Subnet::of(IpAddr::from([90, a, b, 1])),
        handle: u32::from(number),
    }
}

fn answer(kind: u8, numbers: &[u16]) -> Answer<u32> {
    let mut nodes = Nodes::default();
    for number in numbers {
        nodes.push(contact(*number));
    }
    match kind % 6 {
        0 => Answer::Pong,
        1 | 2 => Answer::Nodes(nodes),
        3 => Answer::Values {
            records: Vec::new(),
            held: u16::from(kind),
            token: [kind; 16],
            nodes,
        },
        4 => Answer::Stored { keep_s: u32::MAX },
        _ => Answer::Refused {
            reason: Refusal::ALL[usize::from(kind) % Refusal::ALL.len()],
            retry_after_s: u32::MAX,
        },
    }
}

fn question(kind: u8, target: u16) -> Question {
    let target = key(&[2, u64::from(target)]);
    match kind % 3 {
        0 => Question::Ping,
        1 => Question::Find {
            target,
            want: kind,
            known: Known::default(),
        },
        _ => Question::Get {
            key: target,
            want: kind,
            known: Known::default(),
            have: Vec::new(),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_panics_or_grows_without_bound(events in events()) {
        let config = Config::default();
        let mut now = Time(1_800_000_000_000);
        let mut node: Node<u32> = Node::new(config.clone(), Key(hash(&[3])), hash(&[4]), now);
        node.handle_input(Input::Serving(true), now);
        let mut searches = Vec::new();
        let mut open = 0_usize;
        for event in events {
            match event {
                Event::Answer(call, kind, nodes) => {
                    let answer = answer(kind, &nodes);
                    node.handle_input(Input::Answered { call: CallId(call), answer }, now);
                }
                Event::Fail(call, fault) => {
                    let faults = [Fault::Unreachable, Fault::Busy, Fault::Misbehaved];
                    let fault = faults[usize::from(fault) % 3];
                    node.handle_input(Input::Failed { call: CallId(call), fault }, now);
                }
                Event::Seen(number, ours, measured) => {
                    let rtt = measured.then(|| Duration::from_millis(u64::from(number)));
                    node.handle_input(Input::Seen { contact: contact(number), rtt, ours }, now);
                }
                Event::Gone(number) => node.handle_input(Input::Gone { handle: u32::from(number) }, now),
                Event::Seed(number) => node.handle_input(Input::Seed { contact: contact(number) }, now),
                Event::Serving(serving) => node.handle_input(Input::Serving(serving), now),
                Event::Resumed => node.handle_input(Input::Resumed, now),
                Event::Asked(number, kind, target) => {
                    let contact = contact(number);
                    let asker = Asker { subnet: contact.subnet, id: contact.at.0, contact: Some(contact) };
                    node.answer(&asker, &question(kind, target), now);
                }
                Event::Search(kind, target) => {
                    let target = key(&[2, u64::from(target)]);
                    let search = if kind % 2 == 0 { node.find(target, now) } else { node.get(target, 1, now) };
                    searches.push(search);
                    open += 1;
                }
                Event::Cancel(index) => {
                    if let Some(search) = searches.get(index as usize) {
                        node.cancel(*search);
                    }
                }
                Event::Wait(ms) => {
                    now = now + Duration::from_millis(u64::from(ms));
                    node.handle_timeout(now);
                }
                Event::Poll(most) => {
                    for _ in 0..most {
                        match node.poll_output() {
                            Some(Output::Done { outcome, .. }) => {
                                open = open.saturating_sub(1);
                                prop_assert!(outcome.nodes.len() <= 20);
                            }
                            Some(Output::Call { .. }) => {}
                            None => break,
                        }
                    }
                }
            }
            let stat = node.stat();
            prop_assert!(stat.searches <= config.searches + 1, "ours, and one of the node's own");
            prop_assert!(stat.queued <= config.queued);
            prop_assert!(stat.in_flight <= config.in_flight + UPKEEP);
            prop_assert!(stat.contacts <= 128 + 64 + 40 + 20 * 32);
        }
        const { assert!(HEARD < 100) };
        // Left alone, every lookup ends and the node comes to rest.
        for _ in 0..200 {
            now = now + Duration::from_secs(1);
            node.handle_timeout(now);
            while node.poll_output().is_some() {}
        }
        prop_assert_eq!(node.stat().searches, 0);
        prop_assert_eq!(node.stat().queued, 0);
    }
}
