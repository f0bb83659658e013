//! Catching up on an archive.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use dchat_gossip::Time;
use dchat_gossip::range::{Archive, CatchUp, IN_FLIGHT, Key, Request, answer, fetch};
use dchat_wire::gossip::Span;
use proptest::prelude::*;

fn archive(keys: impl IntoIterator<Item = u64>) -> Archive {
    let mut archive = Archive::new();
    for number in keys {
        archive.insert(key(number));
    }
    archive
}

fn key(number: u64) -> Key {
    Key {
        lamport: number / 3,
        hash: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
    }
}

#[derive(Default, Debug)]
struct Cost {
    questions: usize,
    fetched: usize,
    repeated: usize,
    most_under_way: usize,
}

/// Fills `ours` from `theirs`, every peer answering at once.
fn run(ours: &mut Archive, theirs: &[Archive]) -> Cost {
    let mut cost = Cost::default();
    let mut catch_up = CatchUp::new(7, (0..theirs.len()).collect(), 50);
    let mut under_way = Vec::new();
    for turn in 0..100_000_u64 {
        let now = Time(turn);
        while let Some(request) = catch_up.poll_request(ours, now) {
            under_way.push(request);
        }
        cost.most_under_way = cost.most_under_way.max(under_way.len());
        if under_way.is_empty() {
            assert!(catch_up.is_done());
            return cost;
        }
        match under_way.remove(0) {
            (peer, Request::Range(question)) => {
                cost.questions += 1;
                let said = answer(&theirs[peer], question.salt, &question.spans);
                assert!(catch_up.spans(peer, &said, ours));
            }
            (peer, Request::Fetch(wanted)) => {
                for key in fetch(&theirs[peer], &wanted) {
                    let new = ours.insert(key);
                    cost.fetched += 1;
                    cost.repeated += usize::from(!new);
                    catch_up.came(peer, key, new, now);
                }
            }
        }
    }
    panic!("no end");
}

#[test]
fn who_has_nothing_gets_everything_once_and_asks_little() {
    let full = archive(0..100_000);
    let mut ours = Archive::new();
    let cost = run(&mut ours, &[full.clone(), full.clone(), full]);
    assert_eq!(ours.len(), 100_000);
    assert_eq!(cost.repeated, 0);
    assert!(cost.questions <= 4, "{cost:?}");
    assert!(cost.most_under_way <= 3 * IN_FLIGHT);
}

/// Checks DC-GOSSIP-046 (positive).
#[test]
fn who_lacks_a_little_asks_for_little_more() {
    let full = archive(0..50_000);
    let mut ours = archive((0..50_000).filter(|number| number % 5000 != 77));
    let cost = run(&mut ours, &[full]);
    assert_eq!(ours.len(), 50_000);
    assert!(cost.fetched <= 10 * 128 && cost.questions <= 60, "{cost:?}");
}

#[test]
fn equal_archives_cost_one_question() {
    let mut ours = archive(0..10_000);
    let cost = run(&mut ours.clone(), &[ours.clone()]);
    assert_eq!((cost.questions, cost.fetched), (1, 0));
    let empty = Archive::new();
    assert_eq!(run(&mut ours, &[empty]).fetched, 0);
}

/// Checks DC-GOSSIP-045 (negative).
#[test]
fn a_range_without_end_is_no_answer() {
    let ours = archive(0..10);
    let mut catch_up = CatchUp::new(7, vec![0, 1], 0);
    let (peer, _) = catch_up.poll_request(&ours, Time(0)).unwrap();
    let same = Span {
        from: Key::FIRST.into(),
        to: Key::END.into(),
        count: 1_000_000,
        sum: 1,
    };
    assert!(!catch_up.spans(peer, &[same.clone()], &ours));
    // The other is asked instead, and may not go in circles either.
    let (other, _) = catch_up.poll_request(&ours, Time(0)).unwrap();
    assert_ne!(other, peer);
    let part = |from: u64, to: u64| Span {
        from: key(from).into(),
        to: key(to).into(),
        ..same.clone()
    };
    assert!(!catch_up.spans(other, &[part(50, 90), part(0, 60)], &ours));
    assert!(catch_up.is_done());
}

/// Checks DC-GOSSIP-046 (negative).
#[test]
fn who_does_not_answer_is_asked_after_the_others() {
    let ours = Archive::new();
    let mut catch_up = CatchUp::new(7, vec![0, 1], 0);
    let (first, _) = catch_up.poll_request(&ours, Time(0)).unwrap();
    assert!(
        catch_up.poll_request(&ours, Time(1)).is_none(),
        "one request for a range"
    );
    catch_up.handle_timeout(catch_up.poll_timeout().unwrap());
    let (second, _) = catch_up.poll_request(&ours, Time(5001)).unwrap();
    assert_ne!(first, second);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Checks DC-GOSSIP-045 (positive).
    #[test]
    fn any_two_archives_become_their_union(
        shared in proptest::collection::btree_set(0..20_000_u64, 0..2000),
        theirs in proptest::collection::btree_set(0..20_000_u64, 0..600),
        ours in proptest::collection::btree_set(0..20_000_u64, 0..600),
    ) {
        let full = archive(shared.union(&theirs).copied());
        let mut mine = archive(shared.union(&ours).copied());
        run(&mut mine, &[full]);
        let mut all = shared.clone();
        all.extend(&theirs);
        all.extend(&ours);
        prop_assert_eq!(mine.len(), all.len());
    }
}
