//! What a node answers, to whom, and what that costs it.

use dchat_kademlia::call::{Answer, Known, Question};
use dchat_kademlia::node::{Asker, Input};
use dchat_kademlia::{Config, Subnet, Time};
use dchat_wire::dht::Refusal;

use crate::net::*;

fn still() -> Config {
    Config {
        maintain: false,
        ..Config::default()
    }
}

fn find(number: u64) -> Question {
    Question::Find {
        target: key(&[1, number]),
        want: 20,
        known: Known::default(),
    }
}

fn asker(number: u64, subnet: Subnet) -> Asker<u32> {
    Asker {
        subnet,
        id: hash(&[2, number]),
        contact: None,
    }
}

fn is_refused(answer: &Answer<u32>, why: Refusal) -> bool {
    matches!(answer, Answer::Refused { reason, .. } if *reason == why)
}

/// Checks DC-DHT-005 (positive, negative).
#[test]
fn a_client_answers_nothing() {
    let mut net = Net::new(2, &still(), 1);
    let (asker, now) = (net.asker(1), net.now);
    net.nodes[0].handle_input(Input::Serving(false), now);
    let answer = net.nodes[0].answer(&asker, &Question::Ping, now);
    assert!(is_refused(&answer, Refusal::NotServing));
    net.nodes[0].handle_input(Input::Serving(true), now);
    assert!(matches!(
        net.nodes[0].answer(&asker, &Question::Ping, now),
        Answer::Pong
    ));
}

#[test]
fn an_answer_leaves_out_the_asker_and_whom_it_knows() {
    let mut net = Net::new(200, &still(), 2);
    net.acquaint(&still());
    let target = net.keys[50];
    let near = net.nodes[0].closest(&target, 10);
    let mut known = Known::default();
    near.iter()
        .step_by(2)
        .for_each(|node| assert!(known.push(node.at.tail())));
    let asker = net.asker(near.iter().nth(1).unwrap().handle);
    let question = Question::Find {
        target,
        want: 20,
        known,
    };
    let now = net.now;
    let Answer::Nodes(nodes) = net.nodes[0].answer(&asker, &question, now) else {
        panic!("no nodes");
    };
    assert_eq!(nodes.len(), 20);
    assert!(
        nodes
            .iter()
            .all(|node| known.iter().all(|tail| tail != node.at.tail()))
    );
    assert!(
        nodes
            .iter()
            .all(|node| Some(node.at) != asker.contact.map(|contact| contact.at))
    );
}

#[test]
fn no_more_than_twenty_are_named_whatever_is_wanted() {
    let mut net = Net::new(200, &still(), 3);
    net.acquaint(&still());
    let (asker, now) = (net.asker(1), net.now);
    for want in [0, 1, 20, 21, u8::MAX] {
        let question = Question::Find {
            target: key(&[4]),
            want,
            known: Known::default(),
        };
        let Answer::Nodes(nodes) = net.nodes[0].answer(&asker, &question, now) else {
            panic!("no nodes");
        };
        assert_eq!(nodes.len(), usize::from(want).min(20));
    }
}

/// Checks DC-DHT-021 (negative).
#[test]
fn ten_thousand_questions_a_second_of_one_subnet_leave_the_others_alone() {
    let mut net = Net::new(100, &still(), 4);
    net.acquaint(&still());
    let flood = Subnet::of([45, 1, 2, 3].into());
    let mut answered = (0, 0);
    for number in 0..10_000_u64 {
        let now = Time(net.now.0 + number / 10);
        let answer = net.nodes[0].answer(&asker(number, flood), &find(number), now);
        answered.0 += usize::from(!is_refused(&answer, Refusal::TooMany));
        if number % 100 == 0 {
            let honest = asker(number, net.subnets[1 + number as usize % 99]);
            let answer = net.nodes[0].answer(&honest, &find(number), now);
            answered.1 += usize::from(matches!(answer, Answer::Nodes(_)));
        }
    }
    let (most, burst) = Config::default().subnet_rate;
    assert!(answered.0 <= usize::from(most) + usize::from(burst));
    assert_eq!(answered.1, 100);
}

/// Checks DC-DHT-021 (positive, negative).
#[test]
fn one_asker_gets_its_rate_and_no_more() {
    let mut net = Net::new(2, &still(), 5);
    let (asker, now) = (net.asker(1), net.now);
    let (rate, burst) = Config::default().asker_rate;
    let mut answered = 0;
    for ms in 0..10_000 {
        let answer = net.nodes[0].answer(&asker, &Question::Ping, Time(now.0 + ms));
        answered += u64::from(matches!(answer, Answer::Pong));
    }
    let most = u64::from(burst) + 10 * u64::from(rate);
    assert!((most - 1..=most).contains(&answered), "{answered}");
}

/// Checks DC-DHT-031 (negative).
#[test]
fn a_put_without_a_token_of_ours_is_refused() {
    use std::sync::Arc;
    let mut net = Net::new(2, &still(), 6);
    let (asker, now) = (net.asker(1), net.now);
    let record = dchat_wire::record::SignedRecord {
        body: dchat_wire::codec::Bytes::default(),
        signature: [0; 64],
    };
    let put = |token| Question::Put {
        key: key(&[7]),
        token,
        record: Arc::new(record.clone()),
    };
    let answer = net.nodes[0].answer(&asker, &put([0; 16]), now);
    assert!(is_refused(&answer, Refusal::BadToken));
    let get = Question::Get {
        key: key(&[7]),
        want: 0,
        known: Known::default(),
        have: Vec::new(),
    };
    let Answer::Values { token, .. } = net.nodes[0].answer(&asker, &get, now) else {
        panic!("no values");
    };
    let answer = net.nodes[0].answer(&asker, &put(token), now);
    assert!(is_refused(&answer, Refusal::BadRecord));
}
