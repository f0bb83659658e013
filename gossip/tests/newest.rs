//! The newest items first, for who comes late.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_gossip::node::{Input, Load, Output};
use dchat_gossip::{Item, Message, Time, Verdict};
use support::{Pair, START, log_of};

/// Checks DC-GOSSIP-052 (positive), DC-GOSSIP-053 (positive, negative).
#[test]
fn a_newcomer_is_shown_the_newest_before_their_turn_and_gets_everything_once() {
    let mut pair = Pair::new();
    pair.write(0, 200);
    let shown = pair.meet();
    let early: Vec<u32> = shown.early.iter().map(|item| item.seq()).collect();
    assert_eq!(early, (151..=200).rev().collect::<Vec<u32>>());
    let delivered: Vec<u32> = shown.delivered.iter().map(|item| item.seq()).collect();
    assert_eq!(delivered, (1..=200).collect::<Vec<u32>>());
    assert_eq!(shown.came_again, 0);
}

/// Checks DC-GOSSIP-054 (positive).
#[test]
fn who_was_shown_something_early_writes_after_it() {
    let mut pair = Pair::new();
    pair.write(0, 200);
    let newest = pair.newest_of(0);
    let mut draft = None;
    pair.meet_until(|node, shown| {
        let early = shown.early.iter().any(|item| item.hash() == newest.hash());
        if early && draft.is_none() {
            draft = Some(node.draft(log_of(1), Time(START)));
        }
    });
    assert!(draft.unwrap().lamport > newest.signed().header.lamport);
}

/// Member 0 has 200 items, and answers the question of member 1 with the last of them; what member 1
/// says to that, by this verdict.
fn answered(verdict: Verdict) -> (Pair, Vec<Output<u8>>) {
    let mut pair = Pair::new();
    pair.write(0, 200);
    pair.give(1, Input::Contacts(vec![0]));
    pair.give(1, Input::Up(0));
    let (nonce, answer, alone) = (1, true, false);
    let message = Message::Open {
        nonce,
        answer,
        alone,
    };
    let said = pair.give(1, Input::Received { from: 0, message });
    let asked = said.iter().any(|output| {
        let message = match output {
            Output::Send { message, .. } => message,
            _ => return false,
        };
        matches!(message, Message::Fetch { most: 50, .. })
    });
    assert!(asked);
    let (hops, item) = (u8::MAX, pair.newest_of(0));
    let message = Message::Push { hops, item };
    let input = Input::Received { from: 0, message };
    pair.nodes[1].handle_input(input, pair.now, &mut |_: &Item| verdict);
    let said = std::iter::from_fn(|| pair.nodes[1].poll_output()).collect();
    (pair, said)
}

fn is_early(output: &Output<u8>) -> bool {
    matches!(output, Output::Early { .. })
}

/// Checks DC-GOSSIP-053 (negative).
#[test]
fn what_is_shown_early_is_not_held() {
    let (pair, said) = answered(Verdict::Accept);
    assert!(said.iter().any(is_early));
    let frontier = pair.nodes[1].frontier();
    let held = frontier.find(&log_of(0)).and_then(|log| frontier.tip(log));
    assert_eq!(held.unwrap().seq, 0);
    assert_eq!(frontier.clone().total(0), 0);
}

/// Checks DC-GOSSIP-054 (negative).
#[test]
fn what_is_rejected_is_not_shown_early() {
    let (pair, said) = answered(Verdict::Reject);
    assert!(!said.iter().any(is_early));
    assert_eq!(pair.nodes[1].stat().rejected, 1);
}

#[test]
fn who_lacks_nothing_newer_is_sent_nothing_twice() {
    let mut pair = Pair::new();
    pair.write(0, 60);
    pair.meet();
    pair.part();
    let shown = pair.meet();
    assert_eq!((shown.delivered.len(), shown.came_again), (0, 0));
}

/// Checks DC-GOSSIP-052 (negative), DC-GOSSIP-046 (negative).
#[test]
fn no_more_is_loaded_than_fits_and_no_more_often_than_is_useful() {
    let mut pair = Pair::new();
    pair.write(0, 3);
    pair.meet();
    let mut loads = 0;
    for _ in 0..100 {
        let message = Message::Fetch {
            from: dchat_gossip::range::Key::FIRST,
            to: dchat_gossip::range::Key::END,
            most: u16::MAX,
        };
        for output in pair.give(0, Input::Received { from: 1, message }) {
            if let Output::Load(Load::Newest { most, .. }) = output {
                assert!(most <= 128);
                loads += 1;
            }
        }
    }
    assert!((1..=10).contains(&loads), "{loads}");
}
