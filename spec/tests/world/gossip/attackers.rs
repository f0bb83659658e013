//! Rooms with members that do harm.

use dchat_gossip::{Message, Time};
use dchat_spec::sim::gossip::conduct::Conduct;
use dchat_spec::sim::gossip::{Manner, Setting, World, library};

use super::{ends_equal, gathered, talk, with};

/// Checks DC-GOSSIP-023 (positive), DC-GOSSIP-024 (positive).
#[test]
fn an_author_who_contradicts_itself_harms_nobody_else() {
    let mut world = gathered(100, 7, 0.0, Manner::Datagrams);
    talk(&mut world, 30, 50);
    // One who has not written, so that no honest message is lost with its log.
    world.equivocate(1);
    talk(&mut world, 30, 50);
    world.run(30_000);
    let log = library::log_of(1);
    let closed = world.nodes().iter().filter(|node| {
        let tip = node
            .frontier()
            .find(&log)
            .and_then(|log| node.frontier().tip(log));
        tip.is_some_and(|tip| tip.closed)
    });
    assert_eq!(closed.count(), 100, "everybody has evidence");
    ends_equal(&mut world, 1000);
}

/// Checks DC-GOSSIP-019 (negative), DC-GOSSIP-038 (negative), DC-GOSSIP-040 (negative).
#[test]
fn an_invalid_item_travels_one_hop_and_who_sends_it_is_shunned() {
    let mut world = gathered(50, 8, 0.0, Manner::Datagrams);
    let to = world.nodes()[3].neighbours().next().unwrap();
    let draft = world.nodes()[3].draft(library::log_of(3), Time(world.now()));
    for text in 0..3 {
        let item = library::forge(3, &draft, vec![text; 100]).unwrap();
        world.inject(3, to, Message::Push { hops: 3, item });
    }
    world.run(10_000);
    let rejected: u64 = world.nodes().iter().map(|node| node.stat().rejected).sum();
    assert_eq!((rejected, world.tally().delivered), (3, 0));
    assert_eq!(world.tally().shunned, [(to, 3)]);
    assert_eq!(world.tally().forged, 0);
}

/// Checks DC-GOSSIP-032 (negative), DC-GOSSIP-035 (negative), DC-GOSSIP-049 (negative).
#[test]
fn a_third_of_attackers_keeps_nothing_from_the_others() {
    let mut world = with(Setting {
        hostile: 0.33,
        ..Setting::calm(100, 9)
    });
    talk(&mut world, 100, 50);
    let took = world.until_whole(10_000);
    assert!(took.is_some_and(|took| took <= 3000), "{took:?}");
    assert_eq!((world.tally().forged, world.tally().disorder), (0, 0));
    let hostile = |node: u32| world.members()[node as usize].conduct.is_hostile();
    let wrongly = |(who, whom): &&(u32, u32)| !hostile(*who) && !hostile(*whom);
    assert_eq!(world.tally().shunned.iter().filter(wrongly).count(), 0);
}

/// Frames of every kind with numbers at random, to everybody.
/// Checks DC-GOSSIP-020 (negative), DC-GOSSIP-047 (negative), DC-GOSSIP-048 (negative).
#[test]
fn floods_take_a_bounded_part_of_memory_and_nobody_elses_items() {
    let mut world = World::new(Setting::calm(30, 12));
    for _ in 0..5 {
        world.add(Conduct::Flooding);
    }
    world.run(45_000);
    talk(&mut world, 20, 500);
    for node in world.nodes() {
        let stat = node.stat();
        let bounded = stat.wanted <= 4096 && stat.parked <= 2048 && stat.passive <= 64;
        assert!(bounded, "{stat:?}");
    }
    ends_equal(&mut world, 30_000);
    assert_eq!(world.tally().forged, 0);
}
