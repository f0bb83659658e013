//! What once kept two members apart for good.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use dchat_gossip::log::{Proof, Window};
use dchat_gossip::node::{Input, Node, Output};
use dchat_gossip::{Config, Item, Message, Time, Verdict};
use dchat_wire::gossip::{Mark, Sketched};
use support::{Pair, START, Shown, item, log_of};

const ACCEPT: fn(&Item) -> Verdict = |_| Verdict::Accept;

/// Two items of `author` for one place.
fn fork(pair: &Pair, author: u8) -> (Arc<Item>, Arc<Item>) {
    let draft = pair.nodes[0].draft(log_of(author), pair.now);
    (item(author, &draft, b"one"), item(author, &draft, b"two"))
}

/// Checks DC-GOSSIP-024 (positive).
#[test]
fn who_announces_a_closed_log_is_sent_the_proof() {
    let mut pair = Pair::new();
    pair.write(0, 1);
    pair.meet();
    let (one, other) = fork(&pair, 9);
    let proof = Proof::new(Arc::clone(&one), Arc::clone(&other), &mut { ACCEPT }).unwrap();
    let outputs = pair.give(
        0,
        Input::Contradiction {
            one: Arc::clone(&one),
            other,
        },
    );
    // Member 1 does not hear of it, and says that it holds the log.
    for output in outputs {
        if !matches!(output, Output::Send { .. }) {
            pair.carry(0, vec![output], &mut Shown::default());
        }
    }
    let mark = Mark {
        log: one.log().prefix(),
        seq: 1,
        age: 0,
    };
    let message = Message::Announce(vec![mark]);
    let outputs = pair.give(0, Input::Received { from: 1, message });
    let mut shown = Shown::default();
    pair.carry(0, outputs, &mut shown);
    assert_eq!(shown.proofs.len(), 1, "it has learnt of it");
    assert_eq!(shown.proofs[0].log(), proof.log());
}

/// Checks DC-GOSSIP-029 (positive).
#[test]
fn who_asks_for_everything_is_told_of_what_it_is_taken_to_hold_too() {
    let mut pair = Pair::new();
    pair.write(0, 3);
    pair.meet();
    // Member 1 has it all and says so; having lost it, it asks for everything.
    let mark = Mark {
        log: log_of(0).prefix(),
        seq: 3,
        age: u16::MAX,
    };
    let message = Message::Announce(vec![mark]);
    pair.give(0, Input::Received { from: 1, message });
    let horizon = (pair.now.0 / 3_600_000) as u32 - 24;
    let message = Message::Sketch {
        salt: 1,
        of: Sketched::Sequences,
        horizon,
        first: 0,
        cells: Vec::new(),
    };
    let outputs = pair.give(0, Input::Received { from: 1, message });
    pair.carry(0, outputs, &mut Shown::default());
    pair.now = pair.now + Duration::from_secs(1);
    pair.nodes[0].handle_timeout(pair.now);
    let told = std::iter::from_fn(|| pair.nodes[0].poll_output()).any(|output| {
        matches!(output, Output::Send { message: Message::Announce(marks), .. }
            if marks.iter().any(|mark| mark.log == log_of(0).prefix() && mark.seq == 3))
    });
    assert!(told);
}

/// The horizon of the first digest of a member that keeps items for `window`.
fn begins_a_round_as_of(window: Duration) -> u32 {
    let config = Arc::new(Config {
        window: Window(window),
        ..Config::default()
    });
    let mut node = Node::new(config, 0_u8, (1, 2), Time(START + 1_799_999));
    let message = Message::Open {
        nonce: 7,
        answer: false,
        alone: true,
    };
    let input = Input::Received { from: 1, message };
    let now = Time(START + 1_799_999);
    node.handle_input(input, now, &mut |_: &Item| Verdict::Accept);
    loop {
        while let Some(output) = node.poll_output() {
            if let Output::Send {
                message: Message::Digest(digest),
                ..
            } = output
            {
                return digest.horizon;
            }
        }
        let due = node.poll_timeout();
        assert!(due < now + Duration::from_secs(120), "no round begins");
        node.handle_timeout(due);
    }
}

/// Checks DC-GOSSIP-055 (positive).
#[test]
fn a_digest_is_as_of_the_hour_in_which_the_window_begins() {
    let hour = |ms: u64| (ms / 3_600_000) as u32;
    let of = |minutes: u64| begins_a_round_as_of(Duration::from_secs(60 * minutes));
    let now = START + 1_799_999;
    assert_eq!(of(1440), hour(now) - 24);
    assert_eq!(of(120), hour(now) - 2);
    assert_eq!(of(31), hour(now - 31 * 60_000));
}

/// Checks DC-GOSSIP-055 (negative).
#[test]
fn a_window_without_a_beginning_does_not_turn_over() {
    assert_eq!(begins_a_round_as_of(Duration::MAX), 0);
    assert_eq!(
        begins_a_round_as_of(Duration::from_millis(START + 10_000_000)),
        0
    );
}

/// Checks DC-GOSSIP-056 (positive, negative).
#[test]
fn items_that_are_early_do_not_keep_two_members_comparing() {
    let mut pair = Pair::new();
    pair.ahead[0] = Duration::from_secs(900);
    pair.write(0, 3);
    pair.meet();
    let sketches = |pair: &Pair| pair.nodes[0].stat().sketches + pair.nodes[1].stat().sketches;
    let before = sketches(&pair);
    // Both have seen by now that it changes nothing.
    pair.meet();
    pair.meet();
    assert!(pair.nodes[1].frontier().is_empty(), "they are early");
    assert!(
        sketches(&pair) - before <= 16,
        "{}",
        sketches(&pair) - before
    );
    // Their time comes.
    for _ in 0..15 {
        pair.meet();
    }
    assert_eq!(pair.nodes[1].root(), pair.nodes[0].root());
}
