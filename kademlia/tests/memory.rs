//! What a node weighs, and that answering allocates nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dchat_kademlia::call::{Answer, Known, Question};
use dchat_kademlia::node::{Asker, Input, Node};
use dchat_kademlia::table::Entry;
use dchat_kademlia::{Config, Contact, Key, Subnet, Time};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const NOW: Time = Time(1_800_000_000_000);

fn contact(number: u32) -> Contact<u32> {
    let [_, a, b, c] = number.to_be_bytes();
    Contact {
        at: Key(*blake3::hash(&number.to_le_bytes()).as_bytes()),
        subnet: Subnet::of(IpAddr::from([80 + a, b, c, 1])),
        handle: number,
    }
}

fn asker(number: u32) -> Asker<u32> {
    let contact = contact(number);
    Asker {
        subnet: contact.subnet,
        id: contact.at.0,
        contact: Some(contact),
    }
}

/// One test, for the heap is everybody's.
#[test]
fn a_node_is_small_and_answers_without_the_heap() {
    assert!(size_of::<Entry<u32>>() <= 64);
    let config = Arc::new(Config::default());
    let before = HEAP.current_usage();
    let mut node: Node<u32> = Node::new(Arc::clone(&config), contact(0).at, [1; 32], NOW);
    let empty = size_of_val(&node) + HEAP.current_usage() - before;
    assert!(empty <= 4096, "an empty node takes {empty} bytes");

    node.handle_input(Input::Serving(true), NOW);
    for number in 1..200_000 {
        let contact = contact(number);
        let rtt = Some(Duration::from_millis(50));
        node.handle_input(
            Input::Seen {
                contact,
                rtt,
                ours: true,
            },
            NOW,
        );
    }
    while node.poll_output().is_some() {}
    let full = size_of_val(&node) + HEAP.current_usage() - before;
    let contacts = node.stat().contacts;
    assert!(contacts >= 400, "{contacts} contacts");
    assert!(full <= 31 * 1024, "{contacts} contacts take {full} bytes");

    // The first question of somebody may make room for what is counted about askers.
    let find = |number: u32| Question::Find {
        target: contact(number).at,
        want: 20,
        known: Known::default(),
    };
    node.answer(&asker(1), &find(1), NOW);
    node.answer(&asker(1), &Question::Ping, NOW);
    HEAP.reset_peak_usage();
    let resting = HEAP.current_usage();
    for number in 0..90 {
        let question = find(number);
        assert!(matches!(
            node.answer(&asker(1), &question, NOW),
            Answer::Nodes(_)
        ));
        assert!(matches!(
            node.answer(&asker(1), &Question::Ping, NOW),
            Answer::Pong
        ));
    }
    assert_eq!(HEAP.peak_usage(), resting, "answering allocates");
}
