//! What it costs to find what one of two members lacks: prints one object, with medians (`bytes`,
//! `round_trips`), the 99th percentile, the worst and the mean over `--seeds` comparisons, 1,000
//! unless given. `found_min` is the least number of missing items that was found: all.

use std::io;

use dchat_spec::sim::gossip::Gap;
use dchat_spec::sim::gossip::reconcile::{full, reconcile};
use dchat_spec::sim::scenario::quantile;
use serde_json::json;

use crate::args::{ArgsError, bad, following, parsed};
use crate::output::print;

/// Everything that was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    gap: Gap,
    seeds: u64,
    json: bool,
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, ArgsError> {
        let mut gap = Gap {
            log: 0,
            missing: 0,
            seed: 0,
        };
        let (mut seeds, mut json) = (1000, false);
        while let Some(option) = words.next() {
            let mut value = || following(&option, &mut words);
            match option.as_str() {
                "--json" => json = true,
                "--log" => gap.log = parsed(&option, &value()?)?,
                "--missing" => gap.missing = parsed(&option, &value()?)?,
                "--seed" => gap.seed = parsed(&option, &value()?)?,
                "--seeds" => seeds = parsed(&option, &value()?)?,
                _ => return Err(ArgsError::Unknown(option)),
            }
        }
        if gap.log == 0 {
            return Err(ArgsError::Missing("--log"));
        }
        if gap.missing > gap.log {
            return Err(bad(
                "--missing",
                &gap.missing.to_string(),
                "is more than the log holds",
            ));
        }
        if seeds == 0 {
            return Err(bad("--seeds", "0", "compares nothing"));
        }
        Ok(Self { gap, seeds, json })
    }
}

/// `bytes` and `round_trips` are medians over all seeds.
pub(crate) fn run(args: &Args) -> io::Result<()> {
    let mut all = full(args.gap.log);
    let (mut bytes, mut trips, mut found) = (Vec::new(), Vec::new(), u32::MAX);
    for seed in args.gap.seed..args.gap.seed.saturating_add(args.seeds) {
        let done = reconcile(&mut all, Gap { seed, ..args.gap });
        bytes.push(done.bytes);
        trips.push(done.round_trips());
        found = found.min(done.found);
    }
    let of = |values: &mut [usize], part| quantile(values, part).unwrap_or(0);
    let mean = trips.iter().sum::<f64>() / trips.len().max(1) as f64;
    let median = quantile(&mut trips, 0.5).unwrap_or(0.0);
    let object = json!({
        "bytes": of(&mut bytes, 0.5),
        "round_trips": median,
        "bytes_p99": of(&mut bytes, 0.99),
        "bytes_max": of(&mut bytes, 1.0),
        "round_trips_mean": mean,
        "round_trips_p99": quantile(&mut trips, 0.99).unwrap_or(0.0),
        "found_min": found,
        "log": args.gap.log,
        "missing": args.gap.missing,
        "seeds": args.seeds,
    });
    print(&object, args.json, 18)
}
