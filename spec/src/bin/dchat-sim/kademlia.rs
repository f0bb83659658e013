//! A Kademlia of many nodes: prints one object.
//!
//! | field | meaning |
//! |---|---|
//! | `nodes` | servers at the end, attackers included |
//! | `lookups` | measured lookups, gets included; in `join` and `eclipse` what was tried |
//! | `success` | part of the gets that returned the stored value; without gets, part of the lookups that returned the true nearest live node; in `join` the part that ended at all, in `eclipse` the part of the trials with at least 15 honest among the victim's 20 nearest siblings |
//! | `exact20`, `overlap20_mean` | part of the lookups that returned exactly the 20 nearest live nodes; part of these that lookups returned on average |
//! | `hops_mean`, `hops_p99` | answers in the longest chain that led to the nearest node |
//! | `rpcs_mean` | calls of a lookup |
//! | `latency_ms_p50`, `_p95` | of a lookup, from the question until all of the nearest had answered; in `join` until 18 of the 20 true siblings were known |
//! | `stale_served` | part of the nodes named in answers that were gone |
//! | `bytes_per_node_s` | sent by a node, with IP and UDP headers, in a second; the measured lookups apart, which are `bytes_per_lookup` |
//! | `capture_ratio` | part of the contacts of honest nodes that are attackers, over the part of the nodes that are |
//! | `rss_bytes` | most memory the process ever held |
//! | `wall_s` | the run, all in all |
//! | `trace_hash` | BLAKE3 over all events |
//!
//! Others follow that are the scenario's own; `dchat_spec::sim::kademlia::scenario` says what each
//! does.

use std::io;
use std::time::Instant;

use dchat_spec::sim::kademlia::adversary::Conduct;
use dchat_spec::sim::kademlia::scenario::{self, Plan, Report, Scenario};
use serde_json::{Map, Value, json};

use crate::args::{ArgsError, bad, following, minority, named, parsed};
use crate::output::{hex, print, resident, rounded};

/// What attackers can be told to do.
const CONDUCTS: [(&str, Conduct); 5] = [
    ("colluding", Conduct::Colluding),
    ("silent", Conduct::Silent),
    ("slow", Conduct::Slow),
    ("stale", Conduct::Stale),
    ("forging", Conduct::Forging),
];

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    plan: Plan,
    json: bool,
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, ArgsError> {
        let mut plan = Plan {
            scenario: Scenario::Steady,
            nodes: 0,
            seed: 0,
            churn_median_min: None,
            hostile: 0.0,
            conduct: Conduct::Colluding,
            lookups: None,
            hours: None,
        };
        let mut json = false;
        while let Some(option) = words.next() {
            let mut value = || following(&option, &mut words);
            match option.as_str() {
                "--json" => json = true,
                "--nodes" => plan.nodes = parsed(&option, &value()?)?,
                "--seed" => plan.seed = parsed(&option, &value()?)?,
                "--churn-median-min" => {
                    plan.churn_median_min = Some(above_zero(&option, &value()?)?)
                }
                "--hostile" => plan.hostile = minority(&option, &value()?, "nodes")?,
                "--conduct" => plan.conduct = named(&option, &value()?, &CONDUCTS)?,
                "--lookups" => plan.lookups = Some(parsed(&option, &value()?)?),
                "--hours" => plan.hours = Some(above_zero(&option, &value()?)?),
                "--scenario" => plan.scenario = named(&option, &value()?, &Scenario::ALL)?,
                _ => return Err(ArgsError::Unknown(option)),
            }
        }
        match plan.nodes {
            0 => Err(ArgsError::Missing("--nodes")),
            1 => Err(bad("--nodes", "1", "is no network")),
            _ => Ok(Self { plan, json }),
        }
    }
}

fn above_zero(option: &str, value: &str) -> Result<f64, ArgsError> {
    let number: f64 = parsed(option, value)?;
    match number > 0.0 && number.is_finite() {
        true => Ok(number),
        false => Err(bad(option, value, "is not above 0")),
    }
}

pub(crate) fn run(args: &Args) -> io::Result<()> {
    let began = Instant::now();
    let report = scenario::run(&args.plan, &mut || resident("VmRSS:"));
    let mut object = fields(&report);
    object.insert("rss_bytes".into(), json!(resident("VmHWM:")));
    object.insert("wall_s".into(), rounded(began.elapsed().as_secs_f64(), 3));
    print(&Value::Object(object), args.json, 28)
}

fn fields(report: &Report) -> Map<String, Value> {
    let all = json!({
        "nodes": report.nodes,
        "lookups": report.lookups,
        "success": rounded(report.success, 6),
        "exact20": rounded(report.exact20, 6),
        "overlap20_mean": rounded(report.overlap20_mean, 6),
        "hops_mean": rounded(report.hops_mean, 3),
        "hops_p99": report.hops_p99,
        "rpcs_mean": rounded(report.rpcs_mean, 3),
        "latency_ms_p50": report.latency_ms_p50,
        "latency_ms_p95": report.latency_ms_p95,
        "stale_served": rounded(report.stale_served, 6),
        "bytes_per_node_s": rounded(report.bytes_per_node_s, 2),
        "capture_ratio": rounded(report.capture_ratio, 4),
        "trace_hash": hex(&report.trace_hash),
    });
    let mut object = match all {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    for (name, value) in &report.more {
        object.insert((*name).into(), rounded(*value, 6));
    }
    object
}
