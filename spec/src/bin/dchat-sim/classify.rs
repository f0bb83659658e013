//! What nodes find out about their own NATs: for each profile the part of the runs in which each
//! finding was right, all of them were, and the most packets and time a classification took.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use dchat_spec::sim::scenario::{ClassifyRun, classify};
use dchat_spec::sim::site::Profile;
use serde_json::{Value, json};

use crate::args::Args;
use crate::output::{fraction, ms};
use crate::pool;

pub(crate) fn run(args: &Args) -> io::Result<()> {
    let began = Instant::now();
    let mut out = io::stdout().lock();
    let work = |profile: &Profile| {
        let seeds = args.seed..args.seed + args.seeds;
        let runs: Vec<Option<ClassifyRun>> = seeds
            .map(|seed| classify(*profile, seed, args.weather, began))
            .collect();
        summary(*profile, &runs)
    };
    if !args.json {
        writeln!(
            out,
            "{:12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "profile", "right", "mapping", "filtering", "ports", "packets", "ms"
        )?;
    }
    pool::in_order(&Profile::all(), work, |line| {
        if args.json {
            return writeln!(out, "{line}");
        }
        write!(out, "{:12}", line["profile"].as_str().unwrap_or_default())?;
        for field in [
            "right",
            "mapping",
            "filtering",
            "allocation",
            "packets_max",
            "ms_max",
        ] {
            write!(out, "{:>10}", line[field].to_string())?;
        }
        writeln!(out)
    })
}

fn summary(profile: Profile, runs: &[Option<ClassifyRun>]) -> Value {
    let ended: Vec<&ClassifyRun> = runs.iter().flatten().collect();
    let count = |wanted: &dyn Fn(&ClassifyRun) -> bool| {
        let right = ended.iter().filter(|run| wanted(run)).count();
        fraction(right, runs.len() as u64)
    };
    let longest = ended.iter().map(|run| run.took).max();
    json!({
        "profile": profile.name(),
        "runs": runs.len(),
        "right": count(&|run| run.mapping && run.filtering && run.allocation),
        "mapping": count(&|run| run.mapping),
        "filtering": count(&|run| run.filtering),
        "allocation": count(&|run| run.allocation),
        "packets_max": ended.iter().map(|run| run.packets).max(),
        "ms_max": ms(longest.unwrap_or(Duration::ZERO)),
    })
}
