//! Half of the network leaves at once.

use super::super::job::Ended;
use super::super::world::World;
use super::plan::{Plan, Report};
use super::summary::{holders, part, summary};
use super::town::{MINUTE, grown, publish, search};

/// Records are stored; half of the nodes go. They are looked for at once, and again after five
/// minutes: the report is about the latter.
pub(super) fn run(plan: &Plan) -> Report {
    let mut world = grown(plan);
    publish(
        &mut world,
        plan,
        (plan.nodes / 10).clamp(20, 1000),
        5 * MINUTE,
    );
    world.run(world.now() + 5 * MINUTE);
    exodus(&mut world);
    world.reset();
    let lookups = plan.lookups.unwrap_or(10_000);
    search(&mut world, lookups, MINUTE, 2);
    let first: Vec<&Ended> = world.ended().iter().collect();
    let gets: Vec<&Ended> = first
        .iter()
        .filter(|e| e.aim != super::super::job::Aim::Find)
        .copied()
        .collect();
    let at_once = part(&gets, |e| e.value);
    world.run(world.now() + 4 * MINUTE);
    world.reset();
    search(&mut world, lookups, 5 * MINUTE, 2);
    let mut report = summary(&mut world);
    holders(&world, &mut report);
    report.more.push(("success_first_minute", at_once));
    report
}

/// Every other node goes.
pub(super) fn exodus(world: &mut World) {
    let mut live: Vec<u32> = world.live().to_vec();
    live.sort_unstable();
    for node in live {
        if world.draw(2) == 0 {
            world.leave(node);
        }
    }
}
