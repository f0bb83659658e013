//! Records whose publishers never come back.

use super::super::job::Ended;
use super::plan::{Plan, Report};
use super::summary::{holders, part, summary};
use super::town::{HOUR, MINUTE, grown, publish, search};

/// Median session when none is given, in minutes.
const MEDIAN: f64 = 60.0;
/// Records.
const RECORDS: u32 = 1_000;

/// Stores records, lets everybody come and go for 72 hours, and looks for them at the end; then half
/// of the network leaves at once, and they are looked for again.
pub(super) fn run(plan: &Plan) -> Report {
    let mut plan = plan.clone();
    plan.churn_median_min.get_or_insert(MEDIAN);
    let mut world = grown(&plan);
    publish(&mut world, &plan, RECORDS.min(plan.nodes), 10 * MINUTE);
    world.reset();
    let hours = plan.hours.unwrap_or(72.0);
    world.run(world.now() + (hours * HOUR as f64) as u64);
    let upkeep = world.tally();
    let lookups = plan.lookups.unwrap_or(20_000);
    search(&mut world, lookups, 10 * MINUTE, 0);
    let mut report = summary(&mut world);
    holders(&world, &mut report);
    report.bytes_per_node_s = upkeep.bytes_per_node_s();
    super::mass_exit::exodus(&mut world);
    world.reset();
    world.run(world.now() + 5 * MINUTE);
    search(&mut world, lookups, 5 * MINUTE, 0);
    let gets: Vec<&Ended> = world.ended().iter().collect();
    report
        .more
        .push(("success_after_exit", part(&gets, |get| get.value)));
    report
}
