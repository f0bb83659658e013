//! How fast a node finds its place.

use dchat_kademlia::call::K;

use super::super::population::Person;
use super::super::world::World;
use super::plan::{Plan, Report};
use super::summary::{quantile_of, summary};
use super::town::filled;
use crate::sim::Rng;

/// Of the 20 true siblings, those that a node has to know.
const ENOUGH: usize = 18;
/// Milliseconds after which a join counts as failed.
const PATIENCE: u64 = 30_000;

/// Nodes join one after the other, each with one seed. The time until 18 of the 20 nodes nearest to
/// it are among its siblings is looked up every 50 ms.
pub(super) fn run(plan: &Plan) -> Report {
    let mut world = filled(plan);
    world.run(5_000);
    world.reset();
    let mut rng = Rng::new(plan.seed, "newcomers", 0);
    let joins = plan.lookups.unwrap_or(500);
    let mut took: Vec<u32> = Vec::new();
    for _ in 0..joins {
        let node = world.add(Person::random(&mut rng));
        let seeds: Vec<u32> = world.random_honest().into_iter().collect();
        let began = world.now();
        world.join(node, &seeds, None);
        while known(&world, node) < ENOUGH && world.now() - began < PATIENCE {
            world.run(world.now() + 50);
        }
        took.push(u32::try_from(world.now() - began).unwrap_or(u32::MAX));
    }
    let mut report = summary(&mut world);
    let late = took.iter().filter(|ms| u64::from(**ms) >= PATIENCE).count();
    report.lookups = u64::from(joins);
    report.success = 1.0 - late as f64 / f64::from(joins.max(1));
    report.latency_ms_p50 = quantile_of(&mut took, 0.5);
    report.latency_ms_p95 = quantile_of(&mut took, 0.95);
    report
        .more
        .push(("join_ms_max", f64::from(quantile_of(&mut took, 1.0))));
    report
}

/// How many of the nearest nodes are among its siblings.
pub(super) fn known(world: &World, node: u32) -> usize {
    let at = world.people()[node as usize].at;
    let truth = world.truth().nearest(&at, K, |other| other != node);
    let Some(core) = world.node(node) else {
        return 0;
    };
    let siblings: Vec<u32> = core
        .siblings()
        .iter()
        .map(|entry| entry.contact().handle)
        .collect();
    truth.iter().filter(|node| siblings.contains(node)).count()
}
