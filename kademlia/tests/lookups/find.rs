//! Who is nearest.

use std::time::Duration;

use dchat_kademlia::Config;
use dchat_kademlia::call::{Answer, Question};
use dchat_kademlia::node::{Input, Output};

use crate::net::*;

fn still() -> Config {
    Config {
        maintain: false,
        ..Config::default()
    }
}

fn acquainted(count: usize, seed: u64) -> Net {
    let config = still();
    let mut net = Net::new(count, &config, seed);
    net.acquaint(&config);
    net
}

/// Checks DC-DHT-023 (positive), DC-DHT-024 (positive).
#[test]
fn the_twenty_nearest_are_found_exactly_in_two_steps_or_so() {
    let mut net = acquainted(500, 1);
    net.loss = 10;
    let (mut hops, mut calls) = (0, 0);
    for lookup in 0..50 {
        let from = (lookup * 37 % 500) as u32;
        let target = key(&[2, lookup]);
        let search = net.nodes[from as usize].find(target, net.now);
        let outcome = net.finish(from, search);
        let found: Vec<_> = outcome.nodes.iter().map(|node| node.handle).collect();
        assert_eq!(found, net.nearest(&target, 20, |other| other != from));
        assert!(outcome.complete);
        hops += u32::from(outcome.hops);
        calls += u32::from(outcome.calls);
    }
    assert!(hops <= 2 * 50, "{hops} steps in 50 lookups");
    assert!(calls <= 28 * 50, "{calls} questions in 50 lookups");
}

/// Checks DC-DHT-023 (negative), DC-DHT-024 (negative).
#[test]
fn who_is_down_is_left_out_and_replaced() {
    let mut net = acquainted(300, 2);
    let target = key(&[3]);
    for dead in net
        .nearest(&target, 6, |other| other != 0)
        .into_iter()
        .step_by(2)
    {
        net.up[dead as usize] = false;
    }
    let search = net.nodes[0].find(target, net.now);
    let outcome = net.finish(0, search);
    let found: Vec<_> = outcome.nodes.iter().map(|node| node.handle).collect();
    assert_eq!(found, net.nearest(&target, 20, |other| other != 0));
    assert!(outcome.complete);
}

#[test]
fn in_a_network_of_seven_all_others_are_found() {
    let mut net = acquainted(7, 3);
    let search = net.nodes[0].find(key(&[4]), net.now);
    let outcome = net.finish(0, search);
    assert_eq!(outcome.nodes.len(), 6);
    assert!(outcome.complete);
}

#[test]
fn who_knows_nobody_is_told_so_at_once() {
    let mut net = Net::new(1, &still(), 4);
    let search = net.nodes[0].find(key(&[5]), net.now);
    net.drain(0);
    let outcome = net.done.remove(&(0, search)).unwrap();
    assert!(outcome.nodes.is_empty());
    assert_eq!(outcome.calls, 0);
}

#[test]
fn when_time_runs_out_what_was_found_is_handed_over() {
    let config = Config {
        deadline: Duration::from_millis(600),
        ..still()
    };
    let mut net = Net::new(300, &config, 5);
    net.acquaint(&config);
    let target = key(&[6]);
    for silent in net.nearest(&target, 5, |other| other != 0) {
        net.manner[silent as usize] = Manner::Silent;
    }
    let begun = net.now;
    let search = net.nodes[0].find(target, net.now);
    let outcome = net.finish(0, search);
    assert!(net.now.since(begun) < Duration::from_millis(700));
    assert!(!outcome.complete);
    assert!(outcome.nodes.len() >= 10);
}

#[test]
fn while_closing_in_another_is_asked_beside_one_that_is_late() {
    let mut net = acquainted(300, 6);
    let newcomer = net.add(&still());
    for other in 0..8 {
        let contact = net.contact(other);
        let seen = Input::Seen {
            contact,
            rtt: None,
            ours: true,
        };
        net.nodes[newcomer as usize].handle_input(seen, net.now);
    }
    let target = key(&[7]);
    for node in net.nodes[newcomer as usize].closest(&target, 3).iter() {
        net.manner[node.handle as usize] = Manner::Silent;
    }
    let search = net.nodes[newcomer as usize].find(target, net.now);
    net.drain(newcomer);
    assert_eq!(net.nodes[newcomer as usize].stat().in_flight, 3);
    net.run(Duration::from_secs(2));
    let asked = net.nodes[newcomer as usize].stat().asked;
    assert!(asked > 3, "others are asked before the first have failed");
    let outcome = net.finish(newcomer, search);
    assert_eq!(outcome.nodes.len(), 20);
}

#[test]
fn questions_under_way_and_lookups_waiting_are_bounded() {
    let config = Config {
        queued: 10,
        ..still()
    };
    let mut net = Net::new(300, &config, 7);
    net.acquaint(&config);
    let searches: Vec<_> = (0..30)
        .map(|number| net.nodes[0].find(key(&[8, number]), net.now))
        .collect();
    let stat = net.nodes[0].stat();
    assert_eq!((stat.searches, stat.queued), (8, 10));
    let mut complete = 0;
    for search in searches {
        complete += u32::from(net.finish(0, search).complete);
        assert!(net.nodes[0].stat().in_flight <= config.in_flight);
    }
    assert_eq!(complete, 18, "the others were turned down");
}

#[test]
fn a_cancelled_lookup_says_nothing_more_and_lets_the_next_one_in() {
    let mut net = acquainted(300, 8);
    let searches: Vec<_> = (0..9)
        .map(|number| net.nodes[0].find(key(&[9, number]), net.now))
        .collect();
    net.nodes[0].cancel(searches[0]);
    assert_eq!(net.nodes[0].stat().queued, 0);
    net.drain(0);
    net.run(Duration::from_secs(10));
    assert_eq!(net.done.len(), 8);
    assert!(!net.done.contains_key(&(0, searches[0])));
}

#[test]
fn who_leaves_hands_over_every_lookup_also_those_that_wait() {
    let mut net = acquainted(300, 9);
    let searches: Vec<_> = (0..20)
        .map(|number| net.nodes[0].find(key(&[10, number]), net.now))
        .collect();
    let now = net.now;
    net.nodes[0].leave(now);
    net.drain(0);
    assert!(
        searches
            .iter()
            .all(|search| net.done.contains_key(&(0, *search)))
    );
    assert_eq!(net.nodes[0].poll_timeout(), None);
}

#[test]
fn the_same_seed_gives_the_same_questions() {
    let trace = || {
        let config = Config::default();
        let mut net = Net::new(200, &config, 10);
        net.acquaint(&config);
        net.loss = 20;
        let mut trace = Vec::new();
        for lookup in 0..10 {
            let search = net.nodes[lookup].find(key(&[11, lookup as u64]), net.now);
            let outcome = net.finish(lookup as u32, search);
            let found: Vec<_> = outcome.nodes.iter().map(|node| node.handle).collect();
            trace.push((net.now, outcome.calls, found, net.questions));
        }
        trace
    };
    assert_eq!(trace(), trace());
}

#[test]
fn once_closed_in_only_news_is_asked_for() {
    let mut net = acquainted(500, 11);
    let target = key(&[12]);
    net.nodes[0].find(target, net.now);
    let mut last = None;
    let mut queue = Vec::new();
    loop {
        while let Some(output) = net.nodes[0].poll_output() {
            if let Output::Call { call, to, question } = output {
                queue.push((call, to));
                last = Some(question);
            }
        }
        let Some((call, to)) = queue.pop() else { break };
        let asker = net.asker(0);
        let now = net.now;
        let answer = net.nodes[to.handle as usize].answer(&asker, last.as_ref().unwrap(), now);
        assert!(matches!(answer, Answer::Nodes(_)));
        net.nodes[0].handle_input(Input::Answered { call, answer }, now);
    }
    let Some(Question::Find { want, known, .. }) = last else {
        panic!("the last question is no Find");
    };
    assert!(want < 20);
    assert!(known.len() >= 20);
}
