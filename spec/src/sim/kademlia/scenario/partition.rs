//! Two halves that do not reach each other, and then do.

use super::plan::{Plan, Report};
use super::summary::summary;
use super::town::{HOUR, MINUTE, grown, publish};

/// The halves are apart for half an hour, or `--hours`; five minutes after they are joined again
/// each looks for nodes of the other by their positions.
pub(super) fn run(plan: &Plan) -> Report {
    let mut world = grown(plan);
    let live: Vec<u32> = world.live().to_vec();
    for node in live {
        let side = world.draw(2) as u8;
        if let Some(person) = world.person_mut(node) {
            person.side = side;
        }
    }
    publish(&mut world, plan, 100, MINUTE);
    world.part(true);
    world.run(world.now() + (plan.hours.unwrap_or(0.5) * HOUR as f64) as u64);
    world.part(false);
    world.run(world.now() + 5 * MINUTE);
    world.reset();
    let lookups = plan.lookups.unwrap_or(10_000);
    let begin = world.now();
    for number in 0..lookups {
        world.run(begin + MINUTE * u64::from(number) / u64::from(lookups));
        let (Some(from), Some(to)) = (world.random_honest(), world.random_honest()) else {
            continue;
        };
        let people = world.people();
        if people[from as usize].side != people[to as usize].side {
            let target = people[to as usize].at;
            world.find(from, target);
        }
    }
    world.run(begin + MINUTE + 15_000);
    summary(&mut world)
}
