//! From ended searches to a report.

use super::super::job::{Aim, Ended};
use super::super::world::World;
use super::plan::Report;

/// Sums up what a world did since it was [reset](World::reset).
#[must_use]
pub(super) fn summary(world: &mut World) -> Report {
    let tally = world.tally();
    let ended = world.ended();
    let finds: Vec<&Ended> = ended.iter().filter(|e| e.aim == Aim::Find).collect();
    let gets: Vec<&Ended> = ended
        .iter()
        .filter(|e| matches!(e.aim, Aim::Get(_)))
        .collect();
    let found = part(&finds, |e| e.nearest);
    let got = part(&gets, |e| e.value);
    let all: Vec<&Ended> = finds.iter().chain(&gets).copied().collect();
    // Gets end early, so lookups are what the work is judged by, where there are any.
    let whole = if finds.is_empty() { &gets } else { &finds };
    let live = world.live().len() as f64;
    Report {
        nodes: u32::try_from(world.live().len()).unwrap_or(u32::MAX),
        lookups: all.len() as u64,
        success: if gets.is_empty() { found } else { got },
        exact20: part(&finds, |e| e.exact()),
        overlap20_mean: mean(&finds, |e| {
            f64::from(e.overlap) / f64::from(e.wanted.max(1))
        }),
        hops_mean: mean(whole, |e| f64::from(e.hops)),
        hops_p99: quantile(whole, 0.99, |e| u32::from(e.hops)),
        rpcs_mean: mean(whole, |e| f64::from(e.calls)),
        latency_ms_p50: quantile(whole, 0.5, |e| e.took_ms),
        latency_ms_p95: quantile(whole, 0.95, |e| e.took_ms),
        stale_served: tally.stale_served(),
        bytes_per_node_s: tally.bytes_per_node_s(),
        capture_ratio: capture(world),
        trace_hash: world.journal().digest(),
        more: vec![
            ("find_success", found),
            ("gets", gets.len() as f64),
            ("get_rpcs_mean", mean(&gets, |e| f64::from(e.calls))),
            (
                "get_latency_ms_p50",
                f64::from(quantile(&gets, 0.5, |e| e.took_ms)),
            ),
            (
                "get_latency_ms_p95",
                f64::from(quantile(&gets, 0.95, |e| e.took_ms)),
            ),
            ("rpcs_p99", f64::from(quantile(whole, 0.99, |e| e.calls))),
            (
                "hostile_found",
                mean(&finds, |e| f64::from(e.hostile) / 20.0),
            ),
            (
                "bytes_per_lookup",
                tally.search_bytes as f64 / all.len().max(1) as f64,
            ),
            (
                "pulse_bytes_per_node_s",
                per_node(tally.pulse_bytes, tally.node_ms),
            ),
            (
                "handshake_bytes_per_node_s",
                per_node(tally.handshake_bytes, tally.node_ms),
            ),
            (
                "find_bytes_per_node_s",
                per_node(tally.find_bytes, tally.node_ms),
            ),
            (
                "record_bytes_per_node_s",
                per_node(tally.record_bytes, tally.node_ms),
            ),
            (
                "dials_per_node_h",
                per_node(tally.dials, tally.node_ms) * 3600.0,
            ),
            (
                "dead_dials_per_node_h",
                per_node(tally.dead_dials, tally.node_ms) * 3600.0,
            ),
            ("joins", tally.joins as f64),
            ("refused", tally.refused as f64),
            ("abandoned", tally.abandoned as f64),
            ("contacts_mean", contacts(world) / live.max(1.0)),
            ("events", world.journal().events() as f64),
        ],
    }
}

fn per_node(count: u64, node_ms: u64) -> f64 {
    count as f64 * 1000.0 / node_ms.max(1) as f64
}

/// Part of those for which `holds`; 0 of none.
pub(super) fn part(of: &[&Ended], holds: impl Fn(&Ended) -> bool) -> f64 {
    let held = of.iter().filter(|e| holds(e)).count();
    held as f64 / of.len().max(1) as f64
}

fn mean(of: &[&Ended], value: impl Fn(&Ended) -> f64) -> f64 {
    // Not `sum`, which is negative zero of none.
    let sum = of.iter().fold(0.0, |sum, e| sum + value(e));
    sum / of.len().max(1) as f64
}

fn quantile(of: &[&Ended], q: f64, value: impl Fn(&Ended) -> u32) -> u32 {
    let mut values: Vec<u32> = of.iter().map(|e| value(e)).collect();
    quantile_of(&mut values, q)
}

/// The least of the values below which the part `q` of them is; 0 of none.
pub(super) fn quantile_of(values: &mut [u32], q: f64) -> u32 {
    values.sort_unstable();
    let place = (values.len() as f64 * q).ceil() as usize;
    values.get(place.saturating_sub(1)).copied().unwrap_or(0)
}

/// Adds how many honest nodes hold the records.
pub(super) fn holders(world: &World, report: &mut Report) {
    let replicas = world.replicas();
    let least = replicas.iter().min().copied().unwrap_or(0);
    let sum: u32 = replicas.iter().sum();
    let lost = replicas.iter().filter(|holders| **holders == 0).count();
    let count = replicas.len().max(1) as f64;
    report.more.push(("holders_min", f64::from(least)));
    report.more.push(("holders_mean", f64::from(sum) / count));
    report.more.push(("records_lost", lost as f64));
}

fn contacts(world: &World) -> f64 {
    let of = |node: &u32| world.node(*node).map_or(0, |core| core.contacts().count());
    world.live().iter().map(of).sum::<usize>() as f64
}

fn capture(world: &World) -> f64 {
    let hostile = |node: u32| world.people()[node as usize].conduct.is_hostile();
    let part = world.live().iter().filter(|node| hostile(**node)).count() as f64
        / world.live().len().max(1) as f64;
    if part == 0.0 {
        return 0.0;
    }
    let (mut held, mut all) = (0_u64, 0_u64);
    for node in world.live().iter().filter(|node| !hostile(**node)) {
        let Some(core) = world.node(*node) else {
            continue;
        };
        for entry in core.contacts() {
            all += 1;
            held += u64::from(hostile(entry.contact().handle));
        }
    }
    held as f64 / all.max(1) as f64 / part
}
