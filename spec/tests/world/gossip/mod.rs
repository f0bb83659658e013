//! The world of rooms, and the production core in it.

mod attackers;
mod disturbed;
mod quiet;
mod report;

use dchat_spec::sim::gossip::{Manner, Setting, World};

/// A room whose members have found each other.
fn gathered(members: u32, seed: u64, loss: f64, manner: Manner) -> World {
    with(Setting {
        loss,
        manner,
        ..Setting::calm(members, seed)
    })
}

fn with(setting: Setting) -> World {
    let mut world = World::new(setting);
    world.run(45_000);
    world
}

/// Has up to ten honest members write in turn.
fn talk(world: &mut World, messages: u32, gap: u64) {
    for turn in 0..messages {
        let honest: Vec<u32> = world.honest().collect();
        let authors = honest.len().min(10);
        let author = honest[turn as usize % authors * honest.len() / authors];
        assert!(world.write(author));
        world.run(gap);
    }
}

/// Milliseconds until all is equal.
#[track_caller]
fn ends_equal(world: &mut World, within: u64) -> u64 {
    let took = world.until_whole(within);
    assert_eq!(world.histories(), 1, "different histories after {took:?}");
    assert_eq!(world.tally().disorder, 0, "out of order or twice");
    took.expect("somebody lacks something")
}
