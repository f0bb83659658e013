//! A network that did not exist a minute ago.

use super::super::job::{Aim, Ended};
use super::super::world::World;
use super::mass_exit::exodus;
use super::plan::{Plan, Report};
use super::summary::{part, summary};
use super::town::{MINUTE, crowded, publish_by, search};

/// Milliseconds within which everybody starts, knowing the first three.
const START: u64 = 20_000;

/// Everybody starts within twenty seconds; ten more later everybody is looked for while each tenth
/// stores a record. Then half leave at once. The report is about the lookups of the minute after
/// that; how it was before stands beside it.
pub(super) fn run(plan: &Plan) -> Report {
    let mut world = crowded(plan, START);
    world.run(START + 10_000);
    let records = (plan.nodes / 10).clamp(20, 1000);
    publish_by(&mut world, plan, records, 5_000, World::random_honest);
    world.reset();
    let lookups = plan.lookups.unwrap_or(2_000);
    search(&mut world, lookups, MINUTE / 2, 2);
    let before = summary(&mut world);
    let first: Vec<&Ended> = world.ended().iter().collect();
    let finds: Vec<&Ended> = first
        .iter()
        .filter(|e| e.aim == Aim::Find)
        .copied()
        .collect();
    let nearest = part(&finds, |e| e.nearest);
    exodus(&mut world);
    world.reset();
    search(&mut world, lookups, MINUTE, 2);
    let mut report = summary(&mut world);
    report.more.push(("before_success", before.success));
    report.more.push(("before_exact20", before.exact20));
    report
        .more
        .push(("before_overlap20", before.overlap20_mean));
    report.more.push(("before_nearest", nearest));
    report
}
