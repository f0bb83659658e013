//! Rooms that nothing disturbs.

use dchat_gossip::Input;
use dchat_spec::sim::gossip::tally::Histogram;
use dchat_spec::sim::gossip::{Manner, World};

use super::{ends_equal, talk};

fn gathered(members: u32, seed: u64) -> World {
    super::gathered(members, seed, 0.0, Manner::Datagrams)
}

#[test]
fn a_room_of_nine_is_a_full_mesh_with_hardly_a_duplicate() {
    let mut world = gathered(9, 1);
    assert!(
        world
            .nodes()
            .iter()
            .all(|node| node.neighbours().count() == 8)
    );
    talk(&mut world, 50, 100);
    ends_equal(&mut world, 1000);
    // One in a hundred: an announcement over two short links may overtake a push over a long one.
    assert!(world.tally().duplicates_mean() <= 0.01);
    assert!(world.tally().latency.quantile(1.0) <= 50, "one hop");
}

/// Checks DC-GOSSIP-035 (positive).
#[test]
fn neighbours_are_bounded_and_half_of_them_chosen() {
    let world = gathered(200, 2);
    for node in world.nodes() {
        let degree = node.neighbours().count();
        assert!((6..=12).contains(&degree), "{degree}");
        assert!(node.chosen() >= 3, "{}", node.chosen());
    }
}

#[test]
fn trees_come_close_to_flooding_without_duplicates() {
    let mut world = gathered(200, 3);
    talk(&mut world, 200, 50);
    ends_equal(&mut world, 5000);
    world.run(1000);
    world.reset();
    talk(&mut world, 100, 50);
    ends_equal(&mut world, 5000);
    let mut flooding = Histogram::default();
    for author in 0..10 {
        world.flooding(author * 20, &mut flooding);
    }
    let (ours, best) = (
        world.tally().latency.quantile(0.99),
        flooding.quantile(0.99),
    );
    assert!(ours as f64 <= 1.25 * best as f64, "{ours} and {best}");
    assert!(world.tally().duplicates_mean() <= 0.05);
    assert!(world.tally().bytes_ratio() <= 1.35);
}

#[test]
fn a_quiet_room_costs_next_to_nothing() {
    let mut world = gathered(100, 10);
    talk(&mut world, 20, 50);
    ends_equal(&mut world, 5000);
    world.run(120_000);
    world.reset();
    world.run(600_000);
    let rate = world.tally().bytes() as f64 / 600.0 / 100.0;
    assert!(rate <= 16.0, "{rate}");
}

/// Checks DC-GOSSIP-012 (negative).
#[test]
fn an_overflow_turns_items_into_announcements_and_loses_none() {
    let mut world = gathered(20, 11);
    talk(&mut world, 20, 50);
    ends_equal(&mut world, 5000);
    let peers: Vec<u32> = world.nodes()[0].neighbours().collect();
    let congest = |world: &mut World, congested| {
        for peer in peers.iter().copied() {
            world.input(0, Input::Congested { peer, congested });
        }
    };
    congest(&mut world, true);
    world.reset();
    for _ in 0..30 {
        assert!(world.write(0));
    }
    world.run(2000);
    assert!(!world.tally().kinds.contains_key("push"));
    congest(&mut world, false);
    ends_equal(&mut world, 5000);
}
