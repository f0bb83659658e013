//! Measures the congestion control against quinn's own, in virtual time.
//!
//! `cargo bench -p dchat-transport --bench congestion` prints every table;
//! add `-- NAME…` for some of: `lossy long-fat fairness survival switching queueing loopback`.
//! All but the last use an emulated link (see `tests/support`) and give the same numbers on any
//! machine; `loopback` runs real sockets and is as noisy as the machine.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement prints, and one that cannot go on must stop"
)]

mod loopback;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use dchat_transport::congestion::{PathControl, PathId, recommended_transport_config};
use quinn_proto::{TransportConfig, congestion::CubicConfig};
use support::{FlowConfig, Link, LinkId, World, flow::allowing};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MB: f64 = 1e6;
const MBIT: u64 = 125_000;
const ENDLESS: u64 = u64::MAX / 2;

fn main() {
    let scenarios: [(&str, fn()); 7] = [
        ("lossy", lossy),
        ("long-fat", long_fat),
        ("fairness", fairness),
        ("survival", survival),
        ("switching", switching),
        ("queueing", queueing),
        ("loopback", loopback::run),
    ];
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    for (name, run) in scenarios {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            run();
            println!();
        }
    }
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sender {
    /// quinn with nothing set.
    Default,
    /// quinn's CUBIC with our windows.
    Cubic,
    /// Ours with the recommended settings.
    Ours,
}

fn add(
    world: &mut World,
    sender: Sender,
    (forward, back): (LinkId, LinkId),
    streams: usize,
    total: u64,
    start: Duration,
    seed: u64,
) -> PathControl {
    let control = PathControl::new(PathId(0), world.now(), seed);
    let ours = || recommended_transport_config(&control);
    let cubic = || {
        let mut config = ours();
        config.congestion_controller_factory(Arc::new(CubicConfig::default()));
        config
    };
    let (client, server) = match sender {
        Sender::Default => (TransportConfig::default(), TransportConfig::default()),
        Sender::Cubic => (cubic(), cubic()),
        Sender::Ours => (ours(), cubic()),
    };
    world.add_flow(FlowConfig {
        client,
        server: allowing(server, streams.max(1)),
        streams,
        total,
        forward,
        back,
        start,
        seed: seed as u8,
    });
    control
}

/// A duplex link with the same rate, queue and loss each way.
fn duplex(
    world: &mut World,
    rate: u64,
    rtt: Duration,
    queue: u64,
    loss: f64,
    seed: u64,
) -> (LinkId, LinkId) {
    let forward = world.add_link(Link::new(rate, rtt / 2, queue, loss, seed));
    let back = world.add_link(Link::new(rate, rtt / 2, queue, loss, !seed));
    (forward, back)
}

fn bdp(rate: u64, rtt: Duration) -> u64 {
    (rate as f64 * rtt.as_secs_f64()) as u64
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let index = ((sorted.len() as f64 - 1.0) * share).round() as usize;
    sorted[index]
}

fn bulk(
    sender: Sender,
    rate: u64,
    rtt: Duration,
    queue: u64,
    loss: f64,
    total: u64,
    seed: u64,
) -> (f64, World) {
    let mut world = World::new();
    let links = duplex(&mut world, rate, rtt, queue, loss, seed);
    add(&mut world, sender, links, 1, total, Duration::ZERO, seed);
    world.run_to_completion(SECOND * 1000);
    let flow = &world.flows[0];
    assert!(flow.failure().is_none(), "{sender:?}: {:?}", flow.failure());
    let speed = flow.progress.received as f64 / world.elapsed().as_secs_f64() / MB;
    (speed, world)
}

fn lossy() {
    println!(
        "(a) 50 ms RTT, 1 % loss each way, queue of 1 BDP, one stream; MB/s, median (min..max) of 5 seeds"
    );
    for mbit in [20, 100, 1000] {
        let rate = mbit * MBIT;
        let queue = bdp(rate, 50 * MS);
        let mut medians = Vec::new();
        for (sender, total) in [
            (Sender::Default, 8_000_000),
            (Sender::Cubic, 8_000_000),
            (Sender::Ours, 64_000_000),
        ] {
            let mut speeds: Vec<f64> = (1..=5)
                .map(|seed| bulk(sender, rate, 50 * MS, queue, 0.01, total, seed).0)
                .collect();
            speeds.sort_by(f64::total_cmp);
            println!(
                "  {mbit:4} Mbit/s {sender:8?} {:7.2} ({:.2}..{:.2})",
                percentile(&speeds, 0.5),
                speeds[0],
                speeds[4]
            );
            medians.push(percentile(&speeds, 0.5));
        }
        println!(
            "  {mbit:4} Mbit/s ours / default = {:.1}  (target 10)",
            medians[2] / medians[0]
        );
    }
}

fn long_fat() {
    println!("(b) 50 ms RTT, no loss, 1 Gbit/s, one stream of 256 MB; MB/s");
    for (name, queue) in [
        ("1 BDP", 6_250_000),
        ("1/4 BDP", 1_562_500),
        ("150 kB", 150_000),
    ] {
        let mut speeds = Vec::new();
        for sender in [Sender::Default, Sender::Cubic, Sender::Ours] {
            let (speed, _) = bulk(sender, 1000 * MBIT, 50 * MS, queue, 0.0, 256_000_000, 1);
            println!("  queue {name:8} {sender:8?} {speed:7.2}");
            speeds.push(speed);
        }
        println!(
            "  queue {name:8} ours / default = {:.2}  (target 3)",
            speeds[2] / speeds[0]
        );
    }
}

fn fairness() {
    println!(
        "(c) two flows, 50 ms RTT, queue of 1 BDP, 60 s; share of the first, % (target 40..60)"
    );
    for mbit in [20, 100] {
        for (name, first, second, head_start) in [
            ("ours, CUBIC together", Sender::Ours, Sender::Cubic, 0),
            ("ours 5 s first", Sender::Ours, Sender::Cubic, 5),
            ("ours 5 s second", Sender::Cubic, Sender::Ours, 5),
            ("ours, ours together", Sender::Ours, Sender::Ours, 0),
            ("ours, ours 5 s later", Sender::Ours, Sender::Ours, 5),
            ("CUBIC, CUBIC 5 s later", Sender::Cubic, Sender::Cubic, 5),
        ] {
            let mut shares = Vec::new();
            let mut used = 0.0;
            for seed in 1..=3 {
                let (share, utilisation) = share(mbit, first, second, head_start, seed);
                let ours_first = second != Sender::Ours || first == Sender::Ours;
                shares.push(if ours_first { share } else { 1.0 - share } * 100.0);
                used += utilisation / 3.0;
            }
            shares.sort_by(f64::total_cmp);
            println!(
                "  {mbit:3} Mbit/s {name:24} {:5.1} ({:.1}..{:.1}), link used {:.0} %",
                shares[1],
                shares[0],
                shares[2],
                used * 100.0
            );
        }
    }
}

/// Share of the first flow and use of the link over 60 s from the second one's start.
fn share(mbit: u64, first: Sender, second: Sender, head_start: u32, seed: u64) -> (f64, f64) {
    let rate = mbit * MBIT;
    let mut world = World::new();
    let links = duplex(&mut world, rate, 50 * MS, bdp(rate, 50 * MS), 0.0, seed);
    let a = add(&mut world, first, links, 1, ENDLESS, Duration::ZERO, seed);
    let b = add(
        &mut world,
        second,
        links,
        1,
        ENDLESS,
        SECOND * head_start,
        seed + 100,
    );
    world.run_until(SECOND * head_start);
    let before = [0, 1].map(|flow| world.flows[flow].progress.received);
    let trace = std::env::var_os("DCHAT_BENCH_TRACE").is_some();
    for second in 1..=60 {
        world.run_until(SECOND * (head_start + second));
        if trace {
            let got = [0, 1].map(|flow| world.flows[flow].progress.received);
            println!(
                "    {second:3} {got:?} {:?} {:?}",
                a.snapshot(),
                b.snapshot()
            );
        }
    }
    let after = [0, 1].map(|flow| world.flows[flow].progress.received);
    let got = [0, 1].map(|flow| (after[flow] - before[flow]) as f64);
    let sum = got[0] + got[1];
    (got[0] / sum, sum / (rate as f64 * 60.0))
}

fn survival() {
    println!(
        "(d) 50 ms, 1 % loss, 100 Mbit/s and 1 Gbit/s, one stream of 64 MB, 20 seeds each: connections aborted"
    );
    for (mbit, name, share) in [
        (100, "1 BDP", 1.0),
        (1000, "1 BDP", 1.0),
        (1000, "1/20 BDP", 0.05),
    ] {
        let rate = mbit * MBIT;
        let queue = (bdp(rate, 50 * MS) as f64 * share) as u64;
        let mut aborted = 0;
        let mut speeds = Vec::new();
        for seed in 1..=20 {
            let mut world = World::new();
            let links = duplex(&mut world, rate, 50 * MS, queue, 0.01, seed);
            add(
                &mut world,
                Sender::Ours,
                links,
                1,
                64_000_000,
                Duration::ZERO,
                seed,
            );
            world.run_to_completion(SECOND * 1000);
            if world.flows[0].is_finished() {
                speeds.push(64.0 / world.elapsed().as_secs_f64());
            } else {
                aborted += 1;
            }
        }
        speeds.sort_by(f64::total_cmp);
        println!(
            "  {mbit:4} Mbit/s, queue {name:8}: {aborted} of 20; MB/s {:.1} ({:.1}..{:.1})",
            percentile(&speeds, 0.5),
            speeds[0],
            speeds[speeds.len() - 1]
        );
    }
}

/// Round trips of the switched links, and their rate in Mbit/s.
const PATHS: [(u32, u64); 3] = [(2, 100), (40, 100), (80, 100)];

fn switching() {
    println!(
        "(e) switching among 100 Mbit/s links of 2, 40 and 80 ms RTT, queue of 1 BDP (at least 50 kB), 8 streams"
    );
    println!(
        "    MB/s delivered on each link over its later visits, longest time without a read in them"
    );
    for sender in [Sender::Ours, Sender::Cubic] {
        for visit in [100, 250, 500, 1000] {
            switch_every(sender, visit * MS);
        }
    }
    for sender in [Sender::Ours, Sender::Cubic] {
        for (from, to) in [(1, 0), (1, 2), (2, 0), (0, 2)] {
            let gap = leave_dead_path(sender, from, to);
            println!(
                "  {sender:5?} path of {} ms dead for 1 s, then left for {} ms: first read {} ms after the switch",
                PATHS[from].0,
                PATHS[to].0,
                gap.as_millis()
            );
        }
    }
}

fn three_paths(sender: Sender) -> (World, PathControl, Vec<(LinkId, LinkId)>) {
    let mut world = World::new();
    let links: Vec<_> = PATHS
        .iter()
        .map(|&(rtt, mbit)| {
            let queue = bdp(mbit * MBIT, rtt * MS).max(50_000);
            duplex(&mut world, mbit * MBIT, rtt * MS, queue, 0.0, 1)
        })
        .collect();
    let control = add(&mut world, sender, links[0], 8, ENDLESS, Duration::ZERO, 1);
    (world, control, links)
}

fn switch_to(world: &mut World, control: &PathControl, links: &[(LinkId, LinkId)], path: usize) {
    let (forward, back) = links[path];
    let now = world.now();
    control.switch_path(PathId(path as u64), now);
    world.flows[0].route(forward, back);
    world.flows[0].kick();
    world.drive(0);
}

fn switch_every(sender: Sender, visit: Duration) {
    let (mut world, control, links) = three_paths(sender);
    // Every ordered pair of paths occurs.
    const ORDER: [usize; 6] = [0, 1, 2, 0, 2, 1];
    let mut path = 0;
    let mut passed = [0u64; 3];
    let mut time = [Duration::ZERO; 3];
    let mut at = Duration::ZERO;
    // Every path is visited at least three times before counting begins.
    for turn in 0..60 {
        if turn > 0 {
            path = ORDER[turn % ORDER.len()];
            switch_to(&mut world, &control, &links, path);
        }
        if turn == 20 {
            world.flows[0].reset_gap();
        }
        let before = world.link(links[path].0).stats.passed;
        at += visit;
        world.run_until(at);
        if turn >= 20 {
            passed[path] += world.link(links[path].0).stats.passed - before;
            time[path] += visit;
        }
        if let Some(failure) = world.flows[0].failure() {
            println!(
                "  {sender:5?} every {visit:?}: {failure} at {:?}",
                world.elapsed()
            );
            return;
        }
    }
    let sent = [0, 1, 2].map(|path| passed[path] as f64 * 1452.0 / time[path].as_secs_f64() / MB);
    let gap = world.flows[0].progress.longest_gap;
    let goodput = world.flows[0].progress.received as f64 / world.elapsed().as_secs_f64() / MB;
    println!(
        "  {sender:5?} every {:4} ms: carried {:5.1} {:5.1} {:5.1}, read {goodput:5.1} over all, gap {} ms",
        visit.as_millis(),
        sent[0],
        sent[1],
        sent[2],
        gap.as_millis()
    );
}

fn leave_dead_path(sender: Sender, from: usize, to: usize) -> Duration {
    let (mut world, control, links) = three_paths(sender);
    // Both paths are known, as they are when a switch chooses between them.
    for (turn, path) in [to, from, to, from].into_iter().enumerate() {
        if turn > 0 || path != 0 {
            switch_to(&mut world, &control, &links, path);
        }
        world.run_until(world.elapsed() + SECOND);
    }
    world.link(links[from].0).set_dead(true);
    world.link(links[from].1).set_dead(true);
    world.run_until(world.elapsed() + SECOND);
    let read = world.flows[0].progress.received;
    let left = world.elapsed();
    switch_to(&mut world, &control, &links, to);
    while world.flows[0].progress.received == read && world.elapsed() < left + SECOND * 20 {
        world.run_until(world.elapsed() + MS);
    }
    world.elapsed() - left
}

fn queueing() {
    println!(
        "(f) one flow alone, 30 s after the first 5 s, 20 ms to 100 ms RTT, queue of 4 BDP: wait in the queue, ms"
    );
    for (mbit, rtt) in [(20, 50), (100, 20), (100, 50), (100, 100)] {
        let rate = mbit * MBIT;
        for sender in [Sender::Default, Sender::Ours] {
            let mut world = World::new();
            let links = duplex(&mut world, rate, rtt * MS, 4 * bdp(rate, rtt * MS), 0.0, 1);
            add(&mut world, sender, links, 1, ENDLESS, Duration::ZERO, 1);
            world.run_until(SECOND * 5);
            let start = world.link(links.0).stats.longest_wait;
            world.link(links.0).reset_stats();
            let before = world.flows[0].progress.received;
            world.run_until(SECOND * 35);
            let speed = (world.flows[0].progress.received - before) as f64 / 30.0;
            let stats = world.link(links.0).stats;
            println!(
                "  {mbit:3} Mbit/s {rtt:3} ms {sender:8?} mean {:5.1}, longest {:5.1} (start {:5.1}), dropped {}, link used {:.0} %",
                stats.mean_wait().as_secs_f64() * 1e3,
                stats.longest_wait.as_secs_f64() * 1e3,
                start.as_secs_f64() * 1e3,
                stats.overflowed,
                speed / rate as f64 * 100.0
            );
        }
    }
}
