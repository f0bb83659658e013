//! All attackers against one node.

use dchat_kademlia::Subnet;
use dchat_kademlia::call::K;

use super::super::population::{Person, key_near, random_subnet};
use super::super::world::World;
use super::plan::{Plan, Report};
use super::summary::summary;
use super::town::{MINUTE, filled};
use crate::sim::Rng;

/// Ids of the attacker.
const IDS: u32 = 10_000;
/// Honest neighbours of the victim that the attackers also talk to.
const NEIGHBOURS: usize = 2 * K;
/// Attackers that talk to each of these.
const CALLERS: usize = 100;

/// In each trial, a quarter of the attackers' ids are ground next to a victim and the others are
/// anywhere, all in two subnets. They make themselves known to the victim's neighbours; the victim
/// restarts with what it remembers and one bootstrap node; all attackers call on it within a minute.
/// Two minutes later its 20 nearest siblings are looked at.
pub(super) fn run(plan: &Plan) -> Report {
    let mut world = filled(plan);
    let mut rng = Rng::new(plan.seed, "eclipse", 0);
    let first = world.people().len() as u32;
    for _ in 0..IDS {
        let mut person = Person::random(&mut rng);
        person.conduct = plan.conduct;
        world.add(person);
    }
    world.reset();
    let trials = plan.lookups.unwrap_or(200);
    let (mut worst, mut sum, mut enough) = (K, 0, 0_u32);
    let mut worst_true = K;
    for _ in 0..trials {
        let victim = u32::try_from(rng.below(u64::from(plan.nodes))).unwrap_or_default();
        let (honest, right) = trial(&mut world, &mut rng, victim, first);
        worst = worst.min(honest);
        worst_true = worst_true.min(right);
        sum += honest;
        enough += u32::from(honest >= 15);
    }
    let mut report = summary(&mut world);
    report.lookups = u64::from(trials);
    report.success = f64::from(enough) / f64::from(trials.max(1));
    report.more.push(("honest_siblings_min", worst as f64));
    report.more.push((
        "honest_siblings_mean",
        sum as f64 / f64::from(trials.max(1)),
    ));
    report.more.push(("true_siblings_min", worst_true as f64));
    report
}

/// How many of the victim's 20 nearest siblings are honest, and how many of the 20 nearest honest
/// nodes it knows.
fn trial(world: &mut World, rng: &mut Rng, victim: u32, first: u32) -> (usize, usize) {
    let at = world.people()[victim as usize].at;
    let bits = (first.max(2)).ilog2() + 6;
    let subnets: [Subnet; 2] = [random_subnet(rng), random_subnet(rng)];
    for number in 0..IDS {
        let place = if number % 4 == 0 {
            key_near(rng, &at, bits)
        } else {
            super::super::population::random_key(rng)
        };
        if let Some(person) = world.person_mut(first + number) {
            person.at = place;
            person.subnet = subnets[number as usize % 2];
        }
        world.haunt(first + number);
    }
    let neighbours = world
        .truth()
        .nearest(&at, NEIGHBOURS, |n| n < first && n != victim);
    for neighbour in neighbours {
        for caller in 0..CALLERS as u32 {
            world.knock(first + 4 * caller % IDS, neighbour);
        }
    }
    world.leave(victim);
    world.run(world.now() + MINUTE);
    let mut seeds = world.people()[victim as usize].known.clone();
    seeds.extend(world.random_honest());
    world.join(victim, &seeds, None);
    let begin = world.now();
    for number in 0..IDS {
        world.run(begin + MINUTE * u64::from(number) / u64::from(IDS));
        world.knock(first + number, victim);
    }
    world.run(world.now() + 2 * MINUTE);
    let siblings: Vec<u32> = world.node(victim).map_or(Vec::new(), |core| {
        core.siblings()
            .iter()
            .map(|entry| entry.contact().handle)
            .collect()
    });
    let honest = siblings
        .iter()
        .take(K)
        .filter(|node| **node < first)
        .count();
    let truth = world.truth().nearest(&at, K, |n| n < first && n != victim);
    let right = truth.iter().filter(|node| siblings.contains(node)).count();
    for number in 0..IDS {
        world.leave(first + number);
    }
    (honest, right)
}
