//! How the networks of the scenarios come to be.

use super::super::adversary::Conduct;
use super::super::churn::Sessions;
use super::super::population::Person;
use super::super::records;
use super::super::world::{EPOCH, Setting, World};
use super::plan::Plan;
use crate::sim::Rng;

/// A minute, in milliseconds.
pub(super) const MINUTE: u64 = 60_000;
/// An hour, in milliseconds.
pub(super) const HOUR: u64 = 60 * MINUTE;
/// Milliseconds within which the nodes of a growing network join, one after the other.
const GROWTH: u64 = 10 * MINUTE;

/// A network without churn, whose tables are full.
pub(super) fn filled(plan: &Plan) -> World {
    let mut setting = Setting::new(plan.seed);
    setting.acquainted = true;
    let mut world = World::new(setting);
    populate(&mut world, plan, plan.nodes, plan.hostile);
    world.fill();
    world
}

/// A network that grew by real joins and is given time to settle. With churn it is in its steady
/// state from the start on: those who are there have what is left of a session, and as many are
/// away.
pub(super) fn grown(plan: &Plan) -> World {
    let mut setting = Setting::new(plan.seed);
    setting.churn = plan.churn_median_min.map(Sessions::with_median);
    let mut world = World::new(setting);
    populate(&mut world, plan, plan.nodes, plan.hostile);
    let mut rng = Rng::new(plan.seed, "growth", 0);
    for node in 0..plan.nodes {
        world.run(
            world
                .now()
                .max(GROWTH * u64::from(node) / u64::from(plan.nodes)),
        );
        let seeds: Vec<u32> = world.random_honest().into_iter().collect();
        let stay = plan
            .churn_median_min
            .map(|m| GROWTH + Sessions::with_median(m).rest(&mut rng));
        world.join(node, &seeds, stay);
    }
    if let Some(median) = plan.churn_median_min {
        let sessions = Sessions::with_median(median);
        // Attackers never leave, so only the honest have doubles who are away.
        let honest = (f64::from(plan.nodes) * (1.0 - plan.hostile)) as u32;
        let first = plan.nodes;
        populate(&mut world, plan, honest, 0.0);
        for node in first..first + honest {
            let away = sessions.rest(&mut rng);
            world.join_at(world.now() + away, node);
        }
        let settle = ((median / 2.0).clamp(15.0, 60.0) * MINUTE as f64) as u64;
        world.run(world.now() + settle);
    } else {
        world.run(world.now() + 10 * MINUTE);
    }
    world
}

/// A network that everybody joins within `span` milliseconds, by the three who were there first.
pub(super) fn crowded(plan: &Plan, span: u64) -> World {
    let mut world = World::new(Setting::new(plan.seed));
    populate(&mut world, plan, plan.nodes, plan.hostile);
    for node in 0..plan.nodes {
        let due = span * u64::from(node) / u64::from(plan.nodes);
        world.run(world.now().max(due));
        let seeds: Vec<u32> = (0..node.min(3)).collect();
        world.join(node, &seeds, None);
    }
    world
}

fn populate(world: &mut World, plan: &Plan, count: u32, hostile: f64) {
    let first = world.people().len() as u64;
    let mut rng = Rng::new(plan.seed, "population", first);
    for _ in 0..count {
        let mut person = Person::random(&mut rng);
        // The first is honest, so that there is somebody to join by.
        if !world.people().is_empty() && rng.chance(hostile) {
            person.conduct = plan.conduct;
        }
        world.add(person);
    }
}

/// Signs `count` records and lets random honest nodes store them within `span` milliseconds.
pub(super) fn publish(world: &mut World, plan: &Plan, count: u32, span: u64) {
    publish_by(world, plan, count, span, settled);
}

/// The same by whom `chosen` names.
pub(super) fn publish_by(
    world: &mut World,
    plan: &Plan,
    count: u32,
    span: u64,
    mut chosen: impl FnMut(&mut World) -> Option<u32>,
) {
    let begin = world.now();
    for number in 0..count {
        world.run(begin + span * u64::from(number) / u64::from(count));
        let sequence = 2;
        let filed = records::file(plan.seed, number, sequence, EPOCH + world.now());
        if matches!(plan.conduct, Conduct::Stale) {
            let old = records::file(plan.seed, number, sequence - 1, EPOCH + world.now());
            world.hoard(old.key, old.record);
        } else if matches!(plan.conduct, Conduct::Forging) {
            world.hoard(filed.key, filed.record.clone());
        }
        let record = world.file(filed);
        if let Some(publisher) = chosen(world) {
            world.put(publisher, record);
        }
    }
    world.run(begin + span + 15_000);
}

/// An honest node that has been there for a minute, or from the beginning: who stores a record waits
/// until it has joined.
fn settled(world: &mut World) -> Option<u32> {
    for _ in 0..100 {
        let node = world.random_honest()?;
        let since = world.people()[node as usize].since;
        if since == 0 || since + MINUTE <= world.now() {
            return Some(node);
        }
    }
    None
}

/// Lets random honest nodes make `count` lookups at random times within `span` milliseconds, every
/// `every_find`-th of them for nodes and the others for records.
pub(super) fn search(world: &mut World, count: u32, span: u64, every_find: u32) {
    let begin = world.now();
    let records = world.filed().len() as u64;
    for number in 0..count {
        world.run(begin + span * u64::from(number) / u64::from(count.max(1)));
        let Some(node) = world.random_honest() else {
            continue;
        };
        if records == 0 || every_find != 0 && number % every_find == 0 {
            let target = world.random_key();
            world.find(node, target);
        } else {
            let record = world.draw(records);
            world.get(node, u32::try_from(record).unwrap_or_default());
        }
    }
    world.run(begin + span);
    let end = world.now() + 15_000;
    while world.under_way() > 0 && world.now() < end {
        world.run(world.now() + 100);
    }
}
