//! Rows, and answers about their ranges.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeSet;

use dchat_gossip::range::{Archive, Key, answer};
use dchat_wire::gossip::Span;
use proptest::prelude::*;

const SALT: u64 = 7;

fn key(number: u64) -> Key {
    Key {
        lamport: number / 3,
        hash: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
    }
}

fn ends(span: &Span) -> (Key, Key) {
    ((&span.from).into(), (&span.to).into())
}

/// What somebody who holds `ours` finds to lack by asking one who holds `theirs`, one range a
/// question, and how many questions that takes.
fn compared(ours: &Archive, theirs: &Archive) -> (BTreeSet<Key>, usize) {
    let (mut lacking, mut questions) = (BTreeSet::new(), 0);
    let held: BTreeSet<&Key> = ours.range(Key::FIRST, Key::END).iter().collect();
    let mut left = vec![ours.span(SALT, Key::FIRST, Key::END)];
    while let Some(whole) = left.pop() {
        questions += 1;
        let mut reached = ends(&whole).0;
        for part in answer(theirs, SALT, std::slice::from_ref(&whole)) {
            let (from, to) = ends(&part);
            assert!(reached <= from && from < to && to <= ends(&whole).1);
            assert!(part.count <= 128 || ends(&part) != ends(&whole));
            reached = to;
            let here = ours.span(SALT, from, to);
            if part.count <= 128 || here.count == 0 {
                let there = theirs.range(from, to).iter();
                lacking.extend(there.filter(|key| !held.contains(key)));
            } else if here != part {
                left.push(here);
            }
        }
    }
    (lacking, questions)
}

#[test]
fn who_has_nothing_is_told_so_in_one_question() {
    let full: Archive = (0..100_000).map(key).collect();
    let (lacking, questions) = compared(&Archive::default(), &full);
    assert_eq!((lacking.len(), questions), (100_000, 1));
}

#[test]
fn who_lacks_a_little_asks_little() {
    let full: Archive = (0..50_000).map(key).collect();
    let ours: Archive = (0..50_000)
        .filter(|number| number % 5000 != 77)
        .map(key)
        .collect();
    let (lacking, questions) = compared(&ours, &full);
    assert_eq!(lacking.len(), 10);
    assert!(questions <= 60, "{questions}");
}

#[test]
fn equal_rows_cost_one_question() {
    let row: Archive = (0..10_000).map(key).collect();
    assert_eq!(compared(&row, &row), (BTreeSet::new(), 1));
    let (lacking, _) = compared(&row, &Archive::default());
    assert!(lacking.is_empty());
}

#[test]
fn an_item_is_in_the_row_once_and_in_its_place() {
    let row: Archive = [3, 1, 2, 3, 1].map(key).into_iter().collect();
    let mut sorted = [1, 2, 3].map(key);
    sorted.sort();
    assert_eq!(row.range(Key::FIRST, Key::END), sorted);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn of_any_two_rows_all_that_differs_is_found(
        shared in proptest::collection::btree_set(0..20_000_u64, 0..2000),
        theirs in proptest::collection::btree_set(0..20_000_u64, 0..600),
        ours in proptest::collection::btree_set(0..20_000_u64, 0..600),
    ) {
        let full: Archive = shared.union(&theirs).copied().map(key).collect();
        let mine: Archive = shared.union(&ours).copied().map(key).collect();
        let lacking: BTreeSet<Key> = theirs
            .iter()
            .filter(|number| !shared.contains(number) && !ours.contains(number))
            .copied()
            .map(key)
            .collect();
        prop_assert_eq!(compared(&mine, &full).0, lacking);
    }
}
