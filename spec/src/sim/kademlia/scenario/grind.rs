//! Attackers next to keys.

use super::super::population::{Person, key_near};
use super::super::records;
use super::super::world::{EPOCH, Setting, World};
use super::plan::{Plan, Report};
use super::summary::{holders, summary};
use super::town::search;
use crate::sim::Rng;

/// Ids ground next to each key.
const GROUND: u32 = 100;

/// Ids are ground next to the places of public keys before anything is stored there; then records
/// are stored and looked for. Attackers collude: they name only each other, say nothing is stored,
/// and drop what they are given. Each has a subnet of its own, which is the worst case.
pub(super) fn run(plan: &Plan) -> Report {
    let mut setting = Setting::new(plan.seed);
    setting.acquainted = true;
    let mut world = World::new(setting);
    let mut rng = Rng::new(plan.seed, "grind", 0);
    for _ in 0..plan.nodes {
        world.add(Person::random(&mut rng));
    }
    // All attackers together are at most a tenth of the network.
    let keys = (plan.nodes / (10 * GROUND)).clamp(1, 50);
    // Ten bits nearer than the nearest honest node is expected to be.
    let bits = plan.nodes.max(2).ilog2() + 10;
    for number in 0..keys {
        let filed = records::file(plan.seed, number, 1, EPOCH);
        for _ in 0..GROUND {
            let mut person = Person::random(&mut rng);
            person.at = key_near(&mut rng, &filed.key, bits);
            person.conduct = plan.conduct;
            world.add(person);
        }
        world.file(filed);
    }
    world.fill();
    world.run(1_000);
    for record in 0..keys {
        if let Some(publisher) = world.random_honest() {
            world.put(publisher, record);
        }
    }
    world.run(20_000);
    let stored: Vec<f64> = world
        .ended()
        .iter()
        .map(|put| f64::from(put.stored))
        .collect();
    world.reset();
    search(&mut world, plan.lookups.unwrap_or(5_000), 60_000, 0);
    let mut report = summary(&mut world);
    report.more.push(("keys", f64::from(keys)));
    holders(&world, &mut report);
    report.more.push((
        "stored_mean",
        stored.iter().sum::<f64>() / stored.len().max(1) as f64,
    ));
    report
}
