//! What others can do to a lookup, and what not.

use dchat_kademlia::call::{Answer, Nodes};
use dchat_kademlia::node::{Input, Output};
use dchat_kademlia::{Config, Key};

use crate::net::*;

fn acquainted(count: usize, seed: u64, hostile: impl Fn(usize) -> Manner) -> Net {
    let config = Config {
        maintain: false,
        ..Config::default()
    };
    let mut net = Net::new(count, &config, seed);
    net.acquaint(&config);
    for index in 0..count {
        net.manner[index] = hostile(index);
    }
    net
}

/// Checks DC-DHT-023 (negative), DC-DHT-024 (negative).
#[test]
fn a_fifth_that_is_silent_delays_but_misleads_nobody() {
    let silent = |index| {
        if index % 5 == 1 {
            Manner::Silent
        } else {
            Manner::Honest
        }
    };
    let mut net = acquainted(500, 1, silent);
    for lookup in 0..20 {
        let from = (lookup * 5) as u32;
        let target = key(&[2, lookup]);
        let search = net.nodes[from as usize].find(target, net.now);
        let outcome = net.finish(from, search);
        let found: Vec<_> = outcome.nodes.iter().map(|node| node.handle).collect();
        let truth = net.nearest(&target, 20, |other| other != from && other % 5 != 1);
        assert_eq!(found, truth);
    }
}

#[test]
fn a_fifth_that_names_only_its_like_hides_nobody() {
    let colluding = |index| {
        if index % 5 == 1 {
            Manner::Colluding
        } else {
            Manner::Honest
        }
    };
    let mut net = acquainted(500, 2, colluding);
    for lookup in 0..20 {
        let from = (lookup * 5) as u32;
        let target = key(&[3, lookup]);
        let search = net.nodes[from as usize].find(target, net.now);
        let outcome = net.finish(from, search);
        let found: Vec<_> = outcome.nodes.iter().map(|node| node.handle).collect();
        assert_eq!(found, net.nearest(&target, 20, |other| other != from));
    }
}

/// `newcomer` has heard of these, by itself.
fn knows(net: &mut Net, newcomer: u32, known: &[u32]) {
    for other in known {
        let seen = Input::Seen {
            contact: net.contact(*other),
            rtt: None,
            ours: true,
        };
        net.nodes[newcomer as usize].handle_input(seen, net.now);
    }
}

/// A sixth of 600 nodes and these are of one kind.
fn collude(net: &mut Net, hostile: &[u32]) {
    let sixth = (7..600).step_by(6);
    for other in sixth.chain(hostile.iter().map(|other| *other as usize)) {
        net.manner[other] = Manner::Colluding;
    }
}

#[test]
fn when_the_first_steps_are_hostile_the_density_gives_it_away_and_other_paths_are_taken() {
    let mut net = acquainted(600, 3, |_| Manner::Honest);
    let config = Config {
        maintain: false,
        ..Config::default()
    };
    // A newcomer knows its neighbours and three elsewhere, and those and a sixth of all are of one
    // kind.
    let newcomer = net.add(&config);
    let at = net.keys[newcomer as usize];
    let target = at.with_bit_turned(0).with_bit_turned(3);
    let mut known = net.nearest(&at, 40, |other| other != newcomer);
    let hostile = net.nearest(&target, 3, |_| true);
    known.extend(&hostile);
    knows(&mut net, newcomer, &known);
    collude(&mut net, &hostile);
    let search = net.nodes[newcomer as usize].find(target, net.now);
    let outcome = net.finish(newcomer, search);
    let found: Vec<_> = outcome.nodes.iter().map(|node| node.handle).collect();
    assert_eq!(found, net.nearest(&target, 20, |other| other != newcomer));
    assert!(outcome.evidence.paths > 1);
    assert!(outcome.evidence.paths_agreed > 1);
}

#[test]
fn when_the_other_paths_begin_at_hostile_nodes_too_the_nearest_contacts_are_asked() {
    let mut net = acquainted(600, 3, |_| Manner::Honest);
    let config = Config {
        maintain: false,
        ..Config::default()
    };
    let newcomer = net.add(&config);
    let at = net.keys[newcomer as usize];
    let target = at.with_bit_turned(0).with_bit_turned(3);
    let mut hostile = net.nearest(&target, 3, |_| true);
    for bit in 0..8 {
        let elsewhere = target.with_bit_turned(bit);
        hostile.extend(net.nearest(&elsewhere, 1, |other| other != newcomer));
    }
    let mut known = net.nearest(&at, 40, |other| other != newcomer);
    known.extend(&hostile);
    knows(&mut net, newcomer, &known);
    collude(&mut net, &hostile);
    let search = net.nodes[newcomer as usize].find(target, net.now);
    let outcome = net.finish(newcomer, search);
    let found: Vec<_> = outcome.nodes.iter().map(|node| node.handle).collect();
    assert_eq!(found, net.nearest(&target, 20, |other| other != newcomer));
    assert!(outcome.evidence.paths > config.paths);
}

/// Checks DC-DHT-012 (negative).
#[test]
fn one_subnet_gets_three_places_in_a_result() {
    let config = Config {
        maintain: false,
        ..Config::default()
    };
    let mut net = Net::new(300, &config, 4);
    let target = key(&[5]);
    let crowd = net.subnets[299];
    for number in 0..30 {
        let mut at = target;
        at.0[4..].copy_from_slice(&hash(&[6, number])[4..]);
        net.add_at(&config, at, crowd);
    }
    net.acquaint(&config);
    let search = net.nodes[0].find(target, net.now);
    let outcome = net.finish(0, search);
    let of_one = outcome.nodes.iter().filter(|node| node.subnet == crowd);
    assert!(of_one.count() <= 3);
    assert!(outcome.nodes.len() >= 17);
}

/// Answers of all kinds to all kinds of questions.
fn wrong_answers(question: &dchat_kademlia::call::Question) -> Vec<Answer<u32>> {
    use dchat_kademlia::call::Question;
    let values = Answer::Values {
        records: Vec::new(),
        held: u16::MAX,
        token: [0; 16],
        nodes: Nodes::default(),
    };
    let nodes = Answer::Nodes(Nodes::default());
    let stored = Answer::Stored { keep_s: u32::MAX };
    match question {
        Question::Find { .. } => vec![Answer::Pong, values, stored],
        Question::Get { .. } => vec![Answer::Pong, nodes, stored],
        Question::Ping | Question::Put { .. } => vec![nodes, values],
    }
}

/// Checks DC-DHT-011 (negative).
#[test]
fn answers_of_the_wrong_kind_are_no_answers_and_end_the_acquaintance() {
    let mut net = acquainted(300, 5, |_| Manner::Honest);
    net.nodes[0].find(key(&[7]), net.now);
    let now = net.now;
    let mut asked = 0;
    while let Some(output) = net.nodes[0].poll_output() {
        let Output::Call { call, to, question } = output else {
            continue;
        };
        asked += 1;
        let answers = wrong_answers(&question);
        let answer = answers[asked % answers.len()].clone();
        net.nodes[0].handle_input(Input::Answered { call, answer }, now);
        assert!(net.nodes[0].table().entry(&to.at).is_none());
    }
    assert!(asked >= 20);
}

#[test]
fn answers_nobody_asked_for_change_nothing() {
    let mut net = acquainted(300, 6, |_| Manner::Honest);
    let target = key(&[8]);
    net.nodes[0].find(target, net.now);
    let now = net.now;
    let mut calls = Vec::new();
    while let Some(output) = net.nodes[0].poll_output() {
        if let Output::Call { call, .. } = output {
            calls.push(call);
        }
    }
    let before = net.nodes[0].stat();
    for id in 1000..2000 {
        let mut nodes = Nodes::default();
        nodes.push(dchat_kademlia::Contact {
            at: Key(hash(&[9, u64::from(id)])),
            ..net.contact(1)
        });
        let call = dchat_kademlia::node::CallId(id);
        let answer = Answer::Nodes(nodes);
        net.nodes[0].handle_input(Input::Answered { call, answer }, now);
    }
    assert!(net.nodes[0].poll_output().is_none());
    let after = net.nodes[0].stat();
    assert_eq!(before.contacts, after.contacts);
    assert_eq!(before.in_flight, after.in_flight);
    // The second answer to a question is one nobody asked for, too.
    let answer = Answer::Nodes(Nodes::default());
    let input = Input::Answered {
        call: calls[0],
        answer,
    };
    net.nodes[0].handle_input(input.clone(), now);
    let once = net.nodes[0].stat().in_flight;
    net.nodes[0].handle_input(input, now);
    assert!(net.nodes[0].stat().in_flight >= once);
}
