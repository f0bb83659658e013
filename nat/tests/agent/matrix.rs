//! Who reaches whom directly: all ordered pairs of profiles.
//!
//! `NAT_SEEDS=1000 cargo test -p dchat-nat --test agent matrix -- --nocapture` prints the tables of
//! more runs.

use std::time::Duration;

use dchat_nat::agent::{Outcome, Reason};
use dchat_wire::nat::Mapping;

use crate::oracle::traversable;
use crate::profile::{Profile, profiles};
use crate::world::{Link, World};

const LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default)]
struct Cell {
    runs: u32,
    direct: u32,
    /// Per run that became direct: time since candidates were known, in ms and in round trips.
    millis: Vec<u64>,
    rtts: Vec<f64>,
    probes: Vec<u32>,
    reason: Option<Reason>,
}

impl Cell {
    fn share(&self) -> f64 {
        f64::from(self.direct) / f64::from(self.runs)
    }

    fn within(&self, millis: u64) -> f64 {
        let soon = self.millis.iter().filter(|took| **took <= millis).count();
        soon as f64 / f64::from(self.runs)
    }
}

fn quantile<T: Copy + PartialOrd>(values: &[T], share: f64) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

fn seeds() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long the test may take is the caller's business"
    )]
    let set = std::env::var("NAT_SEEDS").ok();
    set.and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

fn link(seed: u64, loss: f64) -> Link {
    let mut random = crate::nat::Random::new(seed ^ 0x00c0_ffee);
    let direct = Duration::from_millis(5 + random.below(70));
    Link {
        direct,
        relayed: direct + Duration::from_millis(random.below(60)),
        reflector: Duration::from_millis(10 + random.below(80)),
        loss,
    }
}

fn run(a: &Profile, b: &Profile, seeds: u64, loss: f64, strangers: u64) -> Cell {
    let mut cell = Cell::default();
    let pair = blake3::hash(format!("{} {}", a.name, b.name).as_bytes());
    let pair = u64::from(pair.as_bytes()[0]) << 32 | u64::from(pair.as_bytes()[1]) << 40;
    for seed in (0..seeds).map(|seed| seed ^ pair) {
        let link = link(seed, loss);
        let round_trip = link.direct * 2;
        let mut world = World::new([a, b], link, seed);
        for host in &mut world.hosts {
            host.nats
                .iter_mut()
                .for_each(|nat| nat.strangers = strangers);
        }
        world.introduce();
        world.run(Duration::from_secs(25), World::both_concluded);
        // Late answers and what is left of a volley count too.
        world.run(Duration::from_secs(26), World::both_direct);
        cell.runs += 1;
        cell.probes
            .push(world.hosts.iter().map(|host| host.probes).sum());
        let known = world.hosts.iter().filter_map(|host| host.informed).max();
        let done = world
            .hosts
            .iter()
            .filter_map(|host| host.direct)
            .map(|direct| direct.0);
        if world.both_direct() {
            let took = done
                .max()
                .unwrap()
                .saturating_duration_since(known.unwrap());
            cell.millis.push(took.as_millis() as u64);
            cell.rtts
                .push(took.as_secs_f64() / round_trip.as_secs_f64());
            cell.direct += u32::from(took <= LIMIT);
        } else {
            for host in &world.hosts {
                let (_, outcome) = host.outcomes.last().expect("every attempt ends");
                if let Outcome::Relayed(reason) = outcome {
                    cell.reason = Some(*reason);
                }
            }
        }
    }
    cell
}

fn table(loss: f64) -> Vec<(Profile, Profile, bool, Cell)> {
    let profiles = profiles();
    let mut cells = Vec::new();
    println!(
        "\n{:>10} {:>10} free   direct  p50ms  p99ms  p50rtt  p99rtt probes99 reason",
        "a", "b"
    );
    for a in &profiles {
        for b in &profiles {
            let cell = run(a, b, seeds(), loss, 0);
            let free = traversable(a, b);
            println!(
                "{:>10} {:>10} {:>4} {:>8.4} {:>6} {:>6} {:>7.2} {:>7.2} {:>8} {}",
                a.name,
                b.name,
                if free { "yes" } else { "no" },
                cell.share(),
                quantile(&cell.millis, 0.5).unwrap_or_default(),
                quantile(&cell.millis, 0.99).unwrap_or_default(),
                quantile(&cell.rtts, 0.5).unwrap_or_default(),
                quantile(&cell.rtts, 0.99).unwrap_or_default(),
                quantile(&cell.probes, 0.99).unwrap_or_default(),
                cell.reason
                    .map(|reason| format!("{reason:?}"))
                    .unwrap_or_default(),
            );
            cells.push((a.clone(), b.clone(), free, cell));
        }
    }
    cells
}

/// Fails only where a rate of `share` would give this result in one of a million runs, so that few
/// seeds judge mildly and many strictly.
fn at_least(found: f64, runs: u32, share: f64, what: &str) {
    let spread = 4.75 * (share * (1.0 - share) / f64::from(runs)).sqrt();
    assert!(
        found + spread + 0.5 / f64::from(runs) >= share,
        "{what}: {found:.4} of {runs} runs instead of {share}"
    );
}

fn is_easy(profile: &Profile) -> bool {
    matches!(
        profile.class().mapping,
        Mapping::None | Mapping::EndpointIndependent
    )
}

fn judge(loss: f64) {
    let free_share = if loss == 0.0 { 0.999 } else { 0.99 };
    for (a, b, free, cell) in table(loss) {
        let what = format!("{} × {} at loss {loss}", a.name, b.name);
        if free {
            at_least(cell.share(), cell.runs, free_share, &what);
        }
        let hard = match (is_easy(&a), is_easy(&b)) {
            (true, false) => &b,
            (false, true) => &a,
            (true, true) => {
                assert!(free, "{what}");
                let median = quantile(&cell.rtts, 0.5).unwrap_or(f64::MAX);
                // A start some milliseconds later than the peer's counts as well.
                let limit = if loss == 0.0 { 1.1 } else { 1.5 };
                assert!(median <= limit, "{what}: {median} round trips");
                if cell.runs >= 100 {
                    let slow = quantile(&cell.rtts, 0.99).unwrap_or(f64::MAX);
                    assert!(slow <= 3.0, "{what}: {slow} round trips");
                }
                continue;
            }
            (false, false) => {
                if (a.name, b.name) == ("seq", "seq") {
                    at_least(cell.share(), cell.runs, 0.9, &what);
                }
                continue;
            }
        };
        match hard.name {
            "seq" => at_least(cell.within(2000), cell.runs, 0.99, &what),
            "block" => at_least(cell.within(3000), cell.runs, 0.99, &what),
            _ => {
                at_least(cell.share(), cell.runs, 0.98, &what);
                let most = cell.probes.iter().max();
                assert!(most <= Some(&1200), "{what}: {most:?} probes");
            }
        }
    }
}

/// Checks DC-NAT-015 (positive).
#[test]
fn without_loss_every_pair_does_what_it_can() {
    judge(0.0);
}

#[test]
fn with_loss_of_one_in_twenty_every_pair_does_what_it_can() {
    judge(0.05);
}

#[test]
fn strangers_behind_a_sequential_nat_do_not_spoil_the_prediction() {
    let profiles = profiles();
    let find = |name| {
        profiles
            .iter()
            .find(|profile| profile.name == name)
            .unwrap()
    };
    let (easy, sequential) = (find("eim/apdf"), find("seq"));
    let runs = seeds().max(50);
    let cell = run(easy, sequential, runs, 0.01, 3);
    println!("eim/apdf × seq with strangers: {:.4}", cell.share());
    at_least(cell.share(), cell.runs, 0.99, "eim/apdf × seq");
    let cell = run(sequential, sequential, runs, 0.01, 1);
    println!("seq × seq with strangers: {:.4}", cell.share());
    at_least(cell.share(), cell.runs, 0.5, "seq × seq");
}
