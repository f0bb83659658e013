//! Lookups in a network in its steady state: without churn, or with it.

use super::plan::{Plan, Report};
use super::summary::{holders, summary};
use super::town::{HOUR, MINUTE, filled, grown, publish, search};

/// Milliseconds over which a static network's lookups are spread.
const SPREAD: u64 = 60_000;

pub(super) fn run(plan: &Plan) -> Report {
    match plan.churn_median_min {
        None => still(plan),
        Some(_) => churning(plan),
    }
}

/// Each node makes one lookup on average, within a minute.
fn still(plan: &Plan) -> Report {
    let mut world = filled(plan);
    world.run(1_000);
    world.reset();
    search(&mut world, plan.lookups.unwrap_or(plan.nodes), SPREAD, 1);
    summary(&mut world)
}

/// Half of the lookups are for records, which were stored once, before, and whose publishers never
/// come back to them.
fn churning(plan: &Plan) -> Report {
    let mut world = grown(plan);
    publish(
        &mut world,
        plan,
        (plan.nodes / 10).clamp(20, 1000),
        5 * MINUTE,
    );
    world.reset();
    let span = (plan.hours.unwrap_or(1.0) * HOUR as f64) as u64;
    search(&mut world, plan.lookups.unwrap_or(20_000), span, 2);
    let mut report = summary(&mut world);
    holders(&world, &mut report);
    report
}
