//! What the commands print.

use dchat_spec::sim::gossip::reconcile::full;
use dchat_spec::sim::gossip::{Gap, Manner, Plan, reconcile, run};

const PLAN: Plan = Plan {
    members: 60,
    seed: 1,
    loss: 0.05,
    manner: Manner::Datagrams,
    churn_per_min: 0.1,
    partition_min: 0.5,
    hostile: 0.1,
    messages: 20,
    authors: 5,
    idle_min: 1.0,
};

#[test]
fn the_same_seed_gives_the_same_events_and_another_gives_others() {
    let (one, again) = (run(&PLAN), run(&PLAN));
    assert_eq!(one.trace_hash, again.trace_hash);
    assert_eq!(format!("{one:?}"), format!("{again:?}"));
    assert_eq!(one.delivered, 1.0);
    assert!(one.heal_s_p99 > 0.0);
    let other = run(&Plan { seed: 2, ..PLAN });
    assert_ne!(one.trace_hash, other.trace_hash);
}

#[test]
fn what_is_missing_is_found_for_the_price_the_issue_names() {
    let mut all = full(100_000);
    let gap = |missing, seed| Gap {
        log: 100_000,
        missing,
        seed,
    };
    let equal = reconcile(&mut all, gap(0, 1));
    assert!(equal.bytes <= 24 && equal.round_trips() <= 0.5);
    for seed in 0..10 {
        let ten = reconcile(&mut all, gap(10, seed));
        assert_eq!(ten.found, 10);
        assert!(ten.bytes <= 600, "{ten:?}");
    }
    let thousand = reconcile(&mut all, gap(1000, 1));
    assert_eq!(thousand.found, 1000);
    assert!(thousand.bytes <= 20_000, "{thousand:?}");
}
