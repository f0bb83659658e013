//! The matrix: every ordered pair of profiles, many times.
//!
//! Fields of a line:
//!
//! | field | meaning |
//! |---|---|
//! | `a`, `b` | profile of who dials, and of who is dialed |
//! | `guess` | no direct path without guessing a port: [`needs_guess`] |
//! | `runs` | seeds |
//! | `reachable` | part of the runs in which both read a message of the other |
//! | `direct` | part in which messages came directly in both directions, within 25 s of the dial |
//! | `within_2s`, `_3s`, `_10s` | the same, within that time of the dial |
//! | `rtts_p50`, `rtts_p99` | from the dial until a message came directly, over the runs in which one did, in relayed round trips: a to the relay to b and back, by the delays of the links |
//! | `up_rtts_p50`, `up_rtts_p99` | the same, not from the dial but from when the dialer had received HELLO over the relay |
//! | `message_rtts_p50` | from the dial until b read the first message |
//! | `probes_p99` | path probes that both sides sent to real addresses from the dial on |
//! | `reasons`, `peer_reasons` | of the runs that stayed relayed: what the agent of a says, that of b, and how often |
//! | `trace_hash` | BLAKE3 over the traces of all runs |

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use dchat_spec::sim::scenario::{NatRun, nat, quantile};
use dchat_spec::sim::site::{Profile, needs_guess};
use serde_json::{Value, json};

use crate::args::Args;
use crate::output::{fraction, hex, rounded};
use crate::pool;

/// One line of the matrix.
struct Line {
    a: Profile,
    b: Profile,
    guess: bool,
    runs: Vec<NatRun>,
}

pub(crate) fn run(args: &Args) -> io::Result<()> {
    let began = Instant::now();
    let mut out = io::stdout().lock();
    let mut lines = Vec::new();
    let work = |(a, b): &(Profile, Profile)| {
        let seeds = args.seed..args.seed + args.seeds;
        let runs = seeds
            .map(|seed| nat(*a, *b, seed, args.weather, began))
            .collect();
        let guess = needs_guess(*a, *b);
        let (a, b) = (*a, *b);
        Line { a, b, guess, runs }.summary()
    };
    pool::in_order(&args.pairs, work, |line| {
        if args.json {
            return writeln!(out, "{line}");
        }
        lines.push(line);
        Ok::<(), io::Error>(())
    })?;
    if !args.json {
        table(&mut out, &lines)?;
    }
    let (runs, took) = (args.pairs.len() as u64 * args.seeds, began.elapsed());
    writeln!(io::stderr(), "{runs} runs in {:.1} s", took.as_secs_f64())
}

impl Line {
    fn summary(&self) -> Value {
        let runs = self.runs.len() as u64;
        let count = |wanted: &dyn Fn(&NatRun) -> bool| {
            fraction(self.runs.iter().filter(|run| wanted(run)).count(), runs)
        };
        let within = |seconds| {
            let limit = Duration::from_secs(seconds);
            count(&|run| run.direct.is_some_and(|direct| direct <= limit))
        };
        let mut probes: Vec<u64> = self.runs.iter().map(|run| run.probes).collect();
        let mut reasons = [(); 2].map(|()| BTreeMap::<String, u64>::new());
        let mut traces = blake3::Hasher::new();
        for run in &self.runs {
            traces.update(&run.trace);
            if run.direct.is_none() {
                for (told, reason) in reasons.iter_mut().zip([run.reason, run.peer_reason]) {
                    let reason = reason.map_or("none".into(), |reason| reason.to_string());
                    *told.entry(reason).or_default() += 1;
                }
            }
        }
        json!({
            "a": self.a.name(),
            "b": self.b.name(),
            "guess": self.guess,
            "runs": runs,
            "reachable": count(&|run| run.reachable),
            "direct": count(&|run| run.direct.is_some()),
            "within_2s": within(2),
            "within_3s": within(3),
            "within_10s": within(10),
            "rtts_p50": self.rtts(0.5, |run| run.first),
            "rtts_p99": self.rtts(0.99, |run| run.first),
            "up_rtts_p50": self.rtts(0.5, since_up),
            "up_rtts_p99": self.rtts(0.99, since_up),
            "message_rtts_p50": self.rtts(0.5, |run| run.message),
            "probes_p99": quantile(&mut probes, 0.99),
            "reasons": reasons[0],
            "peer_reasons": reasons[1],
            "trace_hash": hex(traces.finalize().as_bytes()),
        })
    }

    /// A quantile over the runs in which there is a value, in relayed round trips.
    fn rtts(&self, part: f64, of: impl Fn(&NatRun) -> Option<Duration>) -> Value {
        let in_rtts = |run| Some(of(run)?.as_secs_f64() / run.round_trip.as_secs_f64());
        let mut values: Vec<f64> = self.runs.iter().filter_map(in_rtts).collect();
        quantile(&mut values, part).map_or(Value::Null, |value| rounded(value, 3))
    }
}

fn since_up(run: &NatRun) -> Option<Duration> {
    run.first?.checked_sub(run.up?)
}

/// The part of direct runs of each pair, in percent; pairs that need a guess in brackets.
fn table(out: &mut impl Write, lines: &[Value]) -> io::Result<()> {
    let name = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let mut columns: Vec<String> = Vec::new();
    for line in lines {
        let b = name(line, "b");
        if !columns.contains(&b) {
            columns.push(b);
        }
    }
    writeln!(
        out,
        "direct, in percent of the runs; (in brackets) where a port has to be guessed"
    )?;
    write!(out, "{:12}", "a \\ b")?;
    for column in &columns {
        write!(out, "{column:>12}")?;
    }
    let mut row = String::new();
    for line in lines {
        let a = name(line, "a");
        if a != row {
            write!(out, "\n{a:12}")?;
            row = a;
        }
        let percent = line["direct"].as_f64().unwrap_or_default() * 100.0;
        let cell = match line["guess"].as_bool() {
            Some(true) => format!("({percent:.1})"),
            Some(false) | None => format!("{percent:.1}"),
        };
        write!(out, "{cell:>12}")?;
    }
    let whole = lines
        .iter()
        .filter(|line| line["reachable"] == json!(1.0))
        .count();
    writeln!(
        out,
        "\n\nreachable in every run: {whole} of {} pairs",
        lines.len()
    )
}
