//! A flash crowd.

use super::super::population::Person;
use super::plan::{Plan, Report};
use super::summary::{quantile_of, summary};
use super::town::{MINUTE, filled};
use crate::sim::Rng;

/// Half as many nodes again join within a minute, each with one seed. Lookups go on all the while;
/// the report is about these. At the end it is counted how many siblings the newcomers know.
pub(super) fn run(plan: &Plan) -> Report {
    let mut world = filled(plan);
    world.run(5_000);
    world.reset();
    let mut rng = Rng::new(plan.seed, "crowd", 0);
    let crowd = plan.nodes / 2;
    let begin = world.now();
    let lookups = plan.lookups.unwrap_or(10_000);
    let mut searched = 0_u32;
    let mut newcomers = Vec::new();
    for number in 0..crowd {
        world.run(begin + MINUTE * u64::from(number) / u64::from(crowd));
        while u64::from(searched) * u64::from(crowd) < u64::from(number) * u64::from(lookups) {
            searched += 1;
            let target = world.random_key();
            let node = u32::try_from(world.draw(u64::from(plan.nodes))).unwrap_or_default();
            world.find(node, target);
        }
        let node = world.add(Person::random(&mut rng));
        let seeds: Vec<u32> = world.random_honest().into_iter().collect();
        world.join(node, &seeds, None);
        newcomers.push(node);
    }
    world.run(begin + MINUTE + 15_000);
    let mut report = summary(&mut world);
    let mut known: Vec<u32> = newcomers
        .iter()
        .map(|node| super::join::known(&world, *node) as u32)
        .collect();
    report
        .more
        .push(("siblings_p05", f64::from(quantile_of(&mut known, 0.05))));
    report
        .more
        .push(("siblings_p50", f64::from(quantile_of(&mut known, 0.5))));
    report
}
