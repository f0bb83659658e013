//! Coming and going.

use std::time::Duration;

use dchat_kademlia::call::{Answer, Nodes, Question};
use dchat_kademlia::node::{Fault, Input, Output};
use dchat_kademlia::{Config, Key};

use crate::net::*;

fn acquainted(count: usize, seed: u64) -> (Net, Config) {
    let config = Config::default();
    let mut net = Net::new(count, &config, seed);
    net.acquaint(&config);
    (net, config)
}

/// How many of the twenty nearest nodes that are up `index` has among its contacts.
fn true_siblings(net: &Net, index: u32) -> usize {
    let node = &net.nodes[index as usize];
    let nearest = net.nearest(&node.at(), 20, |other| other != index);
    let known = |other: &&u32| node.table().entry(&net.keys[**other as usize]).is_some();
    nearest.iter().filter(known).count()
}

/// Checks DC-DHT-017 (positive).
#[test]
fn with_one_seed_the_neighbours_are_known_within_three_seconds() {
    let (mut net, config) = acquainted(300, 1);
    let newcomer = net.add(&config);
    let contact = net.contact(17);
    net.nodes[newcomer as usize].handle_input(Input::Seed { contact }, net.now);
    net.drain(newcomer);
    net.run(Duration::from_secs(3));
    assert!(true_siblings(&net, newcomer) >= 18);
}

#[test]
fn whoever_was_led_among_colluding_nodes_finds_out_by_a_few_honest_contacts_anywhere() {
    let (mut net, config) = acquainted(600, 5);
    let newcomer = net.add(&config);
    for colluding in (1..600).step_by(4) {
        net.manner[colluding] = Manner::Colluding;
    }
    let contact = net.contact(17);
    net.nodes[newcomer as usize].handle_input(Input::Seed { contact }, net.now);
    net.drain(newcomer);
    net.run(Duration::from_secs(15));
    assert!(true_siblings(&net, newcomer) <= 10);
    // It meets more of them, and honest nodes of whom a lookup of its own position asks nobody: for
    // each way to begin somewhere else, one of the others is nearer.
    let at = net.keys[newcomer as usize];
    let others = net.nearest(&at, 150, |other| other % 4 == 1).split_off(40);
    let far = |from: &Key, node: u32| from.distance(&net.keys[node as usize]);
    let is_never_first = |node: u32| {
        (0..8).all(|bit| {
            let from = at.with_bit_turned(bit);
            others
                .iter()
                .any(|other| far(&from, *other) < far(&from, node))
        })
    };
    let is_honest = |node: u32| node % 4 != 1 && node != newcomer;
    let honest = net.nearest(&at, 600, |node| is_honest(node) && is_never_first(node));
    let honest = honest[honest.len() - 30..].to_vec();
    for other in others.into_iter().chain(honest) {
        let seen = Input::Seen {
            contact: net.contact(other),
            rtt: None,
            ours: true,
        };
        net.nodes[newcomer as usize].handle_input(seen, net.now);
    }
    net.drain(newcomer);
    net.run(Duration::from_secs(45));
    assert!(true_siblings(&net, newcomer) >= 18);
}

#[test]
fn the_neighbours_of_a_newcomer_soon_know_it_and_name_it() {
    let (mut net, config) = acquainted(300, 2);
    let newcomer = net.add(&config);
    let contact = net.contact(17);
    net.nodes[newcomer as usize].handle_input(Input::Seed { contact }, net.now);
    net.drain(newcomer);
    net.run(Duration::from_secs(20));
    let at = net.keys[newcomer as usize];
    for neighbour in net.nearest(&at, 20, |other| other != newcomer) {
        let named = net.nodes[neighbour as usize].closest(&at, 1);
        assert_eq!(named.iter().next().map(|node| node.handle), Some(newcomer));
    }
}

#[test]
fn a_table_grows_in_all_directions_from_one_seed() {
    let (mut net, config) = acquainted(250, 3);
    let newcomer = net.add(&config);
    let contact = net.contact(17);
    net.nodes[newcomer as usize].handle_input(Input::Seed { contact }, net.now);
    net.drain(newcomer);
    net.run(Duration::from_secs(3600));
    let sizes: Vec<_> = net.nodes[newcomer as usize].table().sizes().collect();
    assert!(
        sizes.iter().take(4).all(|size| *size >= config.fill),
        "{sizes:?}"
    );
}

/// Checks DC-DHT-010 (positive, negative).
#[test]
fn whoever_asks_is_verified_before_it_is_a_contact() {
    let (mut net, config) = acquainted(60, 4);
    let stranger = net.add(&config);
    let asker = net.asker(stranger);
    let now = net.now;
    let node = &mut net.nodes[0];
    let known = node.table().len();
    node.answer(&asker, &Question::Ping, now);
    assert_eq!(node.table().len(), known);
    node.handle_timeout(now + Duration::from_secs(1));
    let mut pinged = None;
    while let Some(output) = node.poll_output() {
        if let Output::Call {
            call,
            to,
            question: Question::Ping,
        } = output
            && to.handle == stranger
        {
            pinged = Some(call);
        }
    }
    let answered = Input::Answered {
        call: pinged.unwrap(),
        answer: Answer::Pong,
    };
    node.handle_input(answered, now + Duration::from_secs(2));
    assert!(node.table().entry(&net.keys[stranger as usize]).is_some());
}

/// Checks DC-DHT-010 (negative).
#[test]
fn whom_others_name_is_no_contact_until_it_answers() {
    let (mut net, config) = acquainted(60, 5);
    let ghost = net.add(&config);
    net.up[ghost as usize] = false;
    let mut nodes = Nodes::default();
    nodes.push(net.contact(ghost));
    let target = net.keys[ghost as usize];
    net.nodes[0].find(target, net.now);
    let now = net.now;
    while let Some(output) = net.nodes[0].poll_output() {
        if let Output::Call { call, to, .. } = output {
            let input = if to.handle == ghost {
                let fault = Fault::Unreachable;
                Input::Failed { call, fault }
            } else {
                let answer = Answer::Nodes(nodes);
                Input::Answered { call, answer }
            };
            net.nodes[0].handle_input(input, now);
        }
    }
    assert!(net.nodes[0].table().entry(&target).is_none());
    assert!(
        net.nodes[0]
            .closest(&target, 1)
            .iter()
            .all(|node| node.at != target)
    );
}

#[test]
fn who_leaves_is_forgotten_by_whoever_asks_it_next() {
    let (mut net, _) = acquainted(60, 6);
    let now = net.now;
    net.nodes[5].leave(now);
    let at = net.keys[5];
    net.run(Duration::from_secs(600));
    let knowing = (0..60).filter(|other| net.nodes[*other].table().entry(&at).is_some());
    assert_eq!(knowing.count(), 0);
}

/// Checks DC-DHT-011 (positive).
#[test]
fn a_goodbye_is_believed_at_once() {
    let (mut net, _) = acquainted(60, 7);
    let now = net.now;
    net.nodes[0].handle_input(Input::Gone { handle: 5 }, now);
    assert!(net.nodes[0].table().entry(&net.keys[5]).is_none());
}

/// Checks DC-DHT-017 (negative).
#[test]
fn whoever_names_us_does_not_make_us_ask_ourselves() {
    let mut net = Net::new(30, &Config::default(), 8);
    let now = net.now;
    let contact = net.contact(1);
    net.nodes[0].handle_input(Input::Seed { contact }, now);
    let mut nodes = Nodes::default();
    (0..20).for_each(|other| assert!(nodes.push(net.contact(other))));
    for second in 0..600 {
        let now = now + Duration::from_secs(second);
        net.nodes[0].handle_timeout(now);
        while let Some(output) = net.nodes[0].poll_output() {
            let Output::Call { call, to, question } = output else {
                continue;
            };
            assert_ne!(to.handle, 0);
            let answer = match question {
                Question::Find { .. } => Answer::Nodes(nodes),
                _ => Answer::Pong,
            };
            net.nodes[0].handle_input(Input::Answered { call, answer }, now);
        }
    }
}
