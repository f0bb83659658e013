//! What is done in a world, and what it shows.

mod bad_input;
mod crowd;
mod durability;
mod eclipse;
mod flash;
mod grind;
mod join;
mod mass_exit;
mod partition;
mod plan;
mod steady;
mod summary;
mod town;

pub use plan::{Plan, Report, Scenario};

/// Runs a plan. `memory` says how many bytes the process holds: the world itself cannot know.
pub fn run(plan: &Plan, memory: &mut dyn FnMut() -> u64) -> Report {
    match plan.scenario {
        Scenario::Steady => steady::run(plan),
        Scenario::Grind => grind::run(plan),
        Scenario::Eclipse => eclipse::run(plan),
        Scenario::Durability => durability::run(plan),
        Scenario::MassExit => mass_exit::run(plan),
        Scenario::Partition => partition::run(plan),
        Scenario::Join => join::run(plan),
        Scenario::Flash => flash::run(plan),
        Scenario::Crowd => crowd::run(plan),
        Scenario::BadInput => bad_input::run(plan, memory),
    }
}
