//! Rooms under loss, churn and splits.

use dchat_spec::sim::gossip::Manner;
use dchat_spec::sim::gossip::conduct::Conduct;

use super::{ends_equal, gathered, talk};

/// Checks DC-GOSSIP-011 (negative), DC-GOSSIP-021 (negative).
#[test]
fn a_fifth_of_all_frames_lost_or_late_loses_no_item() {
    for manner in [Manner::Datagrams, Manner::Streams] {
        let mut world = gathered(150, 4, 0.2, manner);
        talk(&mut world, 150, 50);
        ends_equal(&mut world, 20_000);
        let p99 = world.tally().latency.quantile(0.99);
        assert!(p99 <= 1000, "{p99}");
        assert!(world.tally().shunned.is_empty(), "nobody is to blame");
    }
}

/// Checks DC-GOSSIP-049 (positive).
#[test]
fn loss_and_churn_and_a_split_end_in_one_history() {
    let mut world = gathered(150, 5, 0.2, Manner::Datagrams);
    talk(&mut world, 50, 50);
    world.churn(0.2);
    world.split();
    for _ in 0..12 {
        talk(&mut world, 10, 50);
        world.run(4000);
    }
    world.churn(0.0);
    world.heal();
    let took = ends_equal(&mut world, 60_000);
    assert!(took <= 20_000, "{took} ms");
}

/// Checks DC-GOSSIP-021 (positive), DC-GOSSIP-043 (positive).
#[test]
fn who_comes_late_or_comes_back_catches_up() {
    let mut world = gathered(60, 6, 0.0, Manner::Datagrams);
    world.leave(7, false);
    talk(&mut world, 300, 20);
    let late = world.add(Conduct::Honest);
    world.come_back(7);
    ends_equal(&mut world, 20_000);
    assert_eq!(world.members()[late as usize].held, 300);
}
