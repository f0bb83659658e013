//! What a member answers to who compares ranges with it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::collections::VecDeque;
use std::time::Duration;

use dchat_gossip::Message;
use dchat_gossip::node::{Input, Load, Output};
use dchat_gossip::range::{Archive, Key};
use dchat_wire::gossip::Span;
use support::{Pair, Shown};

/// Everything, of which so many items are held, with this sum.
fn everything(count: u32, sum: u64) -> Span {
    Span {
        from: Key::FIRST.into(),
        to: Key::END.into(),
        count,
        sum,
    }
}

fn question(spans: Vec<Span>, newest: u16) -> Message<u8> {
    Message::Range {
        salt: 7,
        spans,
        newest,
    }
}

/// Two members, of whom 0 wrote so many items and 1 has them.
fn pair(items: u32) -> Pair {
    let mut pair = Pair::new();
    pair.write(0, items);
    pair.meet();
    pair
}

/// What member 0 says to questions of member 1, and how often it had its row loaded.
#[derive(Default)]
struct Said {
    spans: Vec<Vec<Span>>,
    pushed: Vec<u32>,
    /// Items that were pushed before the first spans.
    before: usize,
    rows: usize,
}

fn asked(pair: &mut Pair, questions: impl IntoIterator<Item = Message<u8>>) -> Said {
    let mut said = Said::default();
    for message in questions {
        let outputs = pair.give(0, Input::Received { from: 1, message });
        let mut outputs = VecDeque::from(outputs);
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Send {
                    message: Message::Spans { salt, spans },
                    ..
                } => {
                    assert_eq!(salt, 7);
                    said.spans.push(spans);
                }
                Output::Send {
                    message: Message::Push { hops, item },
                    ..
                } => {
                    assert_eq!(hops, u8::MAX);
                    said.pushed.push(item.seq());
                    said.before += usize::from(said.spans.is_empty());
                }
                Output::Load(load) => {
                    said.rows += usize::from(matches!(load, Load::Row { .. }));
                    let output = Output::Load(load);
                    let (_, input) = pair.follows(0, output, &mut Shown::default()).unwrap();
                    outputs.extend(pair.give(0, input));
                }
                _ => {}
            }
        }
    }
    said
}

/// Checks DC-GOSSIP-046 (positive).
#[test]
fn a_range_that_differs_is_answered_with_what_is_held() {
    let mut pair = pair(3);
    let said = asked(&mut pair, [question(vec![everything(0, 0)], 0)]);
    let [spans] = &said.spans[..] else {
        panic!("{:?}", said.spans);
    };
    let [whole] = &spans[..] else {
        panic!("{spans:?}");
    };
    assert_eq!((whole.count, said.rows), (3, 1));
    let equal = everything(whole.count, whole.sum);
    let said = asked(&mut pair, [question(vec![equal], 0)]);
    assert_eq!((said.spans, said.rows), (vec![vec![]], 0));
}

#[test]
fn a_long_range_is_answered_in_parts_that_are_the_whole() {
    let mut pair = pair(200);
    let said = asked(&mut pair, [question(vec![everything(0, 0)], 0)]);
    let parts = &said.spans[0];
    assert_eq!(parts.len(), 16);
    assert!(parts.windows(2).all(|two| two[0].to == two[1].from));
    assert_eq!(parts.iter().map(|part| part.count).sum::<u32>(), 200);
}

/// Checks DC-GOSSIP-046 (positive).
#[test]
fn the_newest_come_before_the_answer() {
    let mut pair = pair(9);
    let ask = || question(vec![everything(0, 0)], 2);
    let said = asked(&mut pair, [ask()]);
    assert_eq!((said.pushed, said.before), (vec![9, 8], 2));
    // The row is there by now.
    let said = asked(&mut pair, [ask()]);
    assert_eq!((said.pushed, said.before), (vec![9, 8], 2));
    assert_eq!((said.spans.len(), said.rows), (1, 0));
}

/// Checks DC-GOSSIP-047 (negative).
#[test]
fn whoever_asks_on_and_on_is_answered_a_few_times_and_the_row_is_made_once() {
    let mut pair = pair(3);
    let questions = (0..100).map(|_| question(vec![everything(0, 0)], 0));
    let said = asked(&mut pair, questions);
    assert!((1..=10).contains(&said.spans.len()), "{}", said.spans.len());
    assert_eq!(said.rows, 1);
    assert_eq!(pair.nodes[0].neighbours().count(), 0);
}

#[test]
fn a_row_is_kept_for_some_seconds() {
    let mut pair = pair(3);
    let ask = || question(vec![everything(0, 0)], 0);
    assert_eq!(asked(&mut pair, [ask()]).rows, 1);
    let made = pair.now;
    assert!(pair.nodes[0].poll_timeout() <= made + Duration::from_secs(10));
    pair.now = made + Duration::from_secs(9);
    pair.nodes[0].handle_timeout(pair.now);
    assert_eq!(asked(&mut pair, [ask()]).rows, 0);
    pair.now = made + Duration::from_secs(11);
    pair.nodes[0].handle_timeout(pair.now);
    assert_eq!(asked(&mut pair, [ask()]).rows, 1);
}

/// Checks DC-GOSSIP-046 (negative).
#[test]
fn where_the_driver_withholds_the_row_nobody_is_answered() {
    let mut pair = pair(3);
    for round in 0..3 {
        let message = question(vec![everything(0, 0)], 0);
        let outputs = pair.give(0, Input::Received { from: 1, message });
        let row = |output: &Output<u8>| matches!(output, Output::Load(Load::Row { .. }));
        assert_eq!(outputs.iter().any(row), round == 0);
        let outputs = pair.give(0, Input::LoadedRow(None));
        assert!(outputs.is_empty(), "{outputs:?}");
    }
}

#[test]
fn who_left_before_the_row_was_there_is_not_answered() {
    let mut pair = pair(3);
    let message = question(vec![everything(0, 0)], 0);
    pair.give(0, Input::Received { from: 1, message });
    pair.give(0, Input::Down(1));
    let outputs = pair.give(0, Input::LoadedRow(Some(vec![Key::FIRST])));
    let spans = |output: &Output<u8>| {
        let message = match output {
            Output::Send { message, .. } => message,
            _ => return false,
        };
        matches!(message, Message::Spans { .. })
    };
    assert!(!outputs.iter().any(spans), "{outputs:?}");
}

#[test]
fn what_is_asked_for_twice_is_summed_once() {
    let row: Archive = (0..1000)
        .map(|at| Key {
            lamport: at,
            hash: at,
        })
        .collect();
    let asked = vec![everything(0, 0); 4];
    let parts = dchat_gossip::range::answer(&row, 7, &asked);
    assert_eq!(parts.len(), 16);
}
