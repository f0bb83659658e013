//! A room that gathers, talks, is disturbed, and falls silent.

use dchat_gossip::Config;

use super::churn::LAST_RETURN;
use super::plan::{Plan, Report};
use super::tally::{Histogram, Tally};
use super::world::{Setting, World};

/// Until everybody has found neighbours.
const GATHER: u64 = 60_000;
/// How often every author writes before it is measured, so that trees have settled.
const WARM_UP: u32 = 8;
/// Between two messages, unless a split leaves more time.
const GAP: u64 = 100;
/// How long what is missing may take in the end.
const SETTLE: u64 = 120_000;
/// Until digests are as rare as they become.
const CALM_DOWN: u64 = 180_000;
/// Authors from whom flooding is computed.
const SAMPLES: usize = 20;

/// Runs a plan.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let mut world = World::new(Setting {
        members: plan.members,
        seed: plan.seed,
        loss: plan.loss,
        manner: plan.manner,
        hostile: plan.hostile,
        config: Config::default(),
    });
    world.run(GATHER);
    let mut run = Run::new(plan, &mut world);
    let cold = run.cold(&mut world);
    run.warm_up(&mut world);
    let flood = run.flooding(&world);
    let warm = run.talk(&mut world);
    let healed = run.heal(&mut world);
    let settled = run.settle(&mut world);
    let delivered = run.delivered(&world);
    let histories = world.histories();
    let idle = run.idle(&mut world);
    let members = world.members().iter().filter(|member| member.up).count();
    let mut report = Report {
        members: u32::try_from(members).unwrap_or(u32::MAX),
        messages: plan.messages,
        delivered,
        duplicates_mean: warm.duplicates_mean(),
        bytes_ratio: warm.bytes_ratio(),
        latency_ms_p50: warm.latency.quantile(0.5),
        latency_ms_p99: warm.latency.quantile(0.99),
        latency_ms_max: warm.latency.quantile(1.0),
        heal_s_p99: healed.p99,
        idle_bytes_per_node_s: idle,
        deliveries: run.deliveries,
        trace_hash: world.digest(),
        kinds: warm.each(),
        more: vec![
            ("histories", histories as f64),
            ("settled_s", settled),
            ("cold_duplicates_mean", cold.duplicates_mean()),
            ("cold_bytes_ratio", cold.bytes_ratio()),
            ("cold_latency_ms_p99", cold.latency.quantile(0.99) as f64),
            ("flood_ms_p99", flood.quantile(0.99) as f64),
            ("disorder", run.disorder as f64),
            ("forged_sent_on", run.forged as f64),
            ("shunned", run.shunned as f64),
            ("shunned_honest", run.shunned_honest as f64),
        ],
    };
    if plan.partition_min > 0.0 {
        report.more.push(("heal_s_max", healed.max));
        report.more.push(("heal_bytes_ratio", healed.bytes_ratio));
        report
            .more
            .push(("heal_duplicates_mean", healed.duplicates_mean));
    }
    report
}

#[derive(Default)]
struct Healed {
    p99: f64,
    max: f64,
    bytes_ratio: f64,
    duplicates_mean: f64,
}

/// A run under way.
struct Run<'a> {
    plan: &'a Plan,
    authors: Vec<u32>,
    deliveries: u64,
    disorder: u64,
    forged: u64,
    shunned: usize,
    shunned_honest: usize,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, world: &mut World) -> Self {
        let honest: Vec<u32> = world.honest().collect();
        let authors = (plan.authors as usize).clamp(1, honest.len().max(1));
        let authors = (0..authors)
            .map(|at| honest[at * honest.len() / authors])
            .collect();
        let mut run = Self {
            plan,
            authors,
            deliveries: 0,
            disorder: 0,
            forged: 0,
            shunned: 0,
            shunned_honest: 0,
        };
        run.take(world);
        run
    }

    /// What was counted since it was last taken.
    fn take(&mut self, world: &mut World) -> Tally {
        let tally = world.tally().clone();
        world.reset();
        self.deliveries += tally.delivered;
        self.disorder += tally.disorder;
        self.forged += tally.forged;
        self.shunned += tally.shunned.len();
        let honest = |(who, whom): &&(u32, u32)| {
            let hostile = |node: u32| world.members()[node as usize].conduct.is_hostile();
            !hostile(*who) && !hostile(*whom)
        };
        self.shunned_honest += tally.shunned.iter().filter(honest).count();
        tally
    }

    fn write(&mut self, world: &mut World, turn: u32) {
        let at = turn as usize % self.authors.len();
        if world.write(self.authors[at]) {
            return;
        }
        // It is away: another takes its place.
        let honest: Vec<u32> = world.honest().collect();
        if let Some(author) = honest.get((turn as usize * 7919) % honest.len().max(1)) {
            self.authors[at] = *author;
            world.write(*author);
        }
    }

    /// Everybody's first message.
    fn cold(&mut self, world: &mut World) -> Tally {
        self.round(world);
        self.take(world)
    }

    fn round(&mut self, world: &mut World) {
        for turn in 0..self.authors.len() as u32 {
            self.write(world, turn);
            world.run(2 * GAP);
        }
        world.until_whole(SETTLE / 2);
        // What is announced late belongs to it as well.
        world.run(1000);
    }

    fn warm_up(&mut self, world: &mut World) {
        for _ in 1..WARM_UP {
            self.round(world);
        }
        self.take(world);
    }

    fn flooding(&self, world: &World) -> Histogram {
        let mut flood = Histogram::default();
        for author in self.authors.iter().take(SAMPLES) {
            world.flooding(*author, &mut flood);
        }
        flood
    }

    /// The messages that are measured, in a split room over the time it is split.
    fn talk(&mut self, world: &mut World) -> Tally {
        world.churn(self.plan.churn_per_min);
        let split = (self.plan.partition_min * 60_000.0) as u64;
        let mut gap = GAP;
        if split > 0 {
            world.split();
            gap = split / u64::from(self.plan.messages.max(1));
        }
        let began = world.now();
        for turn in 0..self.plan.messages {
            self.write(world, turn);
            world.run(gap);
        }
        let left = split.saturating_sub(world.now() - began);
        world.run(left);
        if split == 0 && self.plan.churn_per_min == 0.0 {
            world.until_whole(SETTLE / 2);
        }
        if split == 0 {
            world.run(1000);
        }
        self.take(world)
    }

    fn heal(&mut self, world: &mut World) -> Healed {
        if self.plan.partition_min == 0.0 {
            return Healed::default();
        }
        let began = world.now();
        let there: Vec<u32> = world.honest().collect();
        world.heal();
        for _ in 0..SETTLE / 4 / 100 {
            world.run(100);
            if world.is_whole() {
                break;
            }
        }
        let all = world.library().count();
        let mut took: Vec<u64> = Vec::new();
        for node in there {
            let member = &world.members()[node as usize];
            if member.up && member.since <= began {
                let whole = member.held == all;
                took.push(if whole {
                    member.whole.saturating_sub(began)
                } else {
                    SETTLE
                });
            }
        }
        took.sort_unstable();
        let last = took.len().saturating_sub(1);
        let at = |part: f64| {
            took.get((last as f64 * part).ceil() as usize)
                .copied()
                .unwrap_or(0)
        };
        let tally = self.take(world);
        Healed {
            p99: at(0.99) as f64 / 1000.0,
            max: at(1.0) as f64 / 1000.0,
            bytes_ratio: tally.bytes_ratio(),
            duplicates_mean: tally.duplicates_mean(),
        }
    }

    /// Nobody goes any more, and who is away comes back; seconds from then until everybody online
    /// holds everything.
    fn settle(&mut self, world: &mut World) -> f64 {
        world.churn(0.0);
        if self.plan.churn_per_min > 0.0 {
            world.run(LAST_RETURN);
        }
        let took = world.until_whole(SETTLE).unwrap_or(SETTLE);
        self.take(world);
        took as f64 / 1000.0
    }

    fn delivered(&self, world: &World) -> f64 {
        let all = u64::from(world.library().count());
        let (mut held, mut wanted) = (0, 0);
        for node in world.honest() {
            held += u64::from(world.members()[node as usize].held);
            wanted += all;
        }
        held as f64 / wanted.max(1) as f64
    }

    fn idle(&mut self, world: &mut World) -> f64 {
        let span = (self.plan.idle_min * 60_000.0) as u64;
        if span == 0 {
            return 0.0;
        }
        world.quiet();
        world.run(CALM_DOWN);
        self.take(world);
        world.run(span);
        let honest = world.honest().count();
        let tally = self.take(world);
        tally.bytes() as f64 * 1000.0 / span as f64 / honest.max(1) as f64
    }
}
