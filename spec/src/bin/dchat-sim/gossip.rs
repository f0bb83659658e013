//! A room of many members: prints one object, with the worst of each figure over `--seeds` runs.
//! `trace_hash` and the bytes of each kind are those of the last run.
//!
//! | field | meaning |
//! |---|---|
//! | `members` | online at the end, attackers included |
//! | `messages` | those that are measured; each author has written eight before |
//! | `delivered` | part of all messages, those before included, that honest members hold who are online at the end |
//! | `duplicates_mean` | how often an item came again, for each delivery, while the measured messages were written |
//! | `bytes_ratio` | bytes of all frames sent then over the bytes of the items that were delivered |
//! | `latency_ms_p50`, `_p99`, `_max` | from writing to delivery, for members that were online, and on the author's side, when it was written |
//! | `heal_s_p99` | from the end of a split until a member held everything, 99th percentile over those online all the while; 0 without a split |
//! | `idle_bytes_per_node_s` | sent by a member in a second in which nobody writes, from three minutes after the last message on |
//! | `deliveries_per_s` | deliveries of the whole run over seconds of processor time |
//! | `rss_bytes` | most memory the process ever held, all members and frames under way together |
//! | `trace_hash` | BLAKE3 over all events |
//! | `histories`, `settled_s` | different histories in the end: one; seconds it took, churn over, until everybody held everything |
//! | `cold_…` | of everybody's first message, for which there is no tree yet |
//! | `flood_ms_p99` | what flooding would take over the same links |
//! | `heal_s_max`, `heal_bytes_ratio`, `heal_duplicates_mean` | of the time after a split |
//! | `disorder`, `forged_sent_on` | items delivered out of order or twice, and items with a wrong signature that honest members passed on: none |
//! | `shunned`, `shunned_honest` | links ended for misbehaviour, and those between honest members |
//! | `push_frames`, `push_bytes`, … | frames and bytes of each kind for each delivery, measured messages only |

use std::io::{self, Write};
use std::time::Instant;

use dchat_spec::sim::gossip::{Manner, Plan, Report, run as play};
use serde_json::{Map, Value, json};

use crate::args::{ArgsError, bad, following, minority, named, parsed, part};
use crate::output::{hex, print, resident, rounded};

/// Names of what loss does.
const MANNERS: [(&str, Manner); 2] = [
    ("datagrams", Manner::Datagrams),
    ("streams", Manner::Streams),
];

/// Everything that was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    plan: Plan,
    seeds: u64,
    json: bool,
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, ArgsError> {
        let mut plan = Plan {
            members: 0,
            seed: 0,
            loss: 0.0,
            manner: Manner::default(),
            churn_per_min: 0.0,
            partition_min: 0.0,
            hostile: 0.0,
            messages: 100,
            authors: 10,
            idle_min: 10.0,
        };
        let (mut seeds, mut json) = (1, false);
        while let Some(option) = words.next() {
            let mut value = || following(&option, &mut words);
            match option.as_str() {
                "--json" => json = true,
                "--members" => plan.members = parsed(&option, &value()?)?,
                "--seed" => plan.seed = parsed(&option, &value()?)?,
                "--seeds" => seeds = parsed(&option, &value()?)?,
                "--loss" => plan.loss = part(&option, &value()?)?,
                "--loss-of" => plan.manner = named(&option, &value()?, &MANNERS)?,
                "--churn-per-min" => plan.churn_per_min = part(&option, &value()?)?,
                "--partition-min" => plan.partition_min = minutes(&option, &value()?)?,
                "--hostile" => plan.hostile = minority(&option, &value()?, "members")?,
                "--messages" => plan.messages = parsed(&option, &value()?)?,
                "--authors" => plan.authors = parsed(&option, &value()?)?,
                "--idle-min" => plan.idle_min = minutes(&option, &value()?)?,
                _ => return Err(ArgsError::Unknown(option)),
            }
        }
        match plan {
            Plan { members: 0, .. } => Err(ArgsError::Missing("--members")),
            Plan { members: 1, .. } => Err(bad("--members", "1", "is no room")),
            Plan { loss, .. } if loss > 0.9 => {
                Err(bad("--loss", &loss.to_string(), "lets nothing through"))
            }
            Plan { authors: 0, .. } => Err(bad("--authors", "0", "have nothing to say")),
            _ if seeds == 0 => Err(bad("--seeds", "0", "run nothing")),
            _ => Ok(Self { plan, seeds, json }),
        }
    }
}

fn minutes(option: &str, value: &str) -> Result<f64, ArgsError> {
    let number: f64 = parsed(option, value)?;
    match (0.0..=10_000.0).contains(&number) {
        true => Ok(number),
        false => Err(bad(option, value, "is not between 0 and 10,000 minutes")),
    }
}

pub(crate) fn run(args: &Args) -> io::Result<()> {
    let began = Instant::now();
    let (mut object, mut deliveries) = (Map::new(), 0);
    let first = args.plan.seed;
    for seed in first..first.saturating_add(args.seeds) {
        let report = play(&Plan { seed, ..args.plan });
        deliveries += report.deliveries;
        let one = fields(&report);
        if args.seeds > 1 {
            // One run after another takes hours: what is known so far is on record.
            let seen = Value::Object(one.clone());
            writeln!(io::stderr(), "seed {seed}: {seen}")?;
        }
        worsen(&mut object, one);
    }
    object.insert("seeds".into(), json!(args.seeds));
    let wall = began.elapsed().as_secs_f64();
    // The processor's time where it is known: others may be at work as well.
    let spent = processor_s().unwrap_or(wall);
    let rate = deliveries as f64 / spent.max(0.001);
    object.insert("deliveries_per_s".into(), json!(rate.round()));
    object.insert("rss_bytes".into(), json!(resident("VmHWM:")));
    object.insert("wall_s".into(), rounded(wall, 3));
    print(&Value::Object(object), args.json, 24)
}

/// Of each number the worse: the lesser of what should be much, the greater of all else.
fn worsen(worst: &mut Map<String, Value>, one: Map<String, Value>) {
    for (name, value) in one {
        let much = matches!(name.as_str(), "members" | "messages" | "delivered");
        let worse = |before: &Value| match (before.as_f64(), value.as_f64()) {
            (Some(before), Some(now)) if much => now <= before,
            (Some(before), Some(now)) => now >= before,
            _ => true,
        };
        if worst.get(&name).is_none_or(worse) {
            worst.insert(name, value);
        }
    }
}

fn fields(report: &Report) -> Map<String, Value> {
    let all = json!({
        "members": report.members,
        "messages": report.messages,
        "delivered": report.delivered,
        "duplicates_mean": rounded(report.duplicates_mean, 5),
        "bytes_ratio": rounded(report.bytes_ratio, 4),
        "latency_ms_p50": report.latency_ms_p50,
        "latency_ms_p99": report.latency_ms_p99,
        "latency_ms_max": report.latency_ms_max,
        "heal_s_p99": rounded(report.heal_s_p99, 3),
        "idle_bytes_per_node_s": rounded(report.idle_bytes_per_node_s, 3),
        "trace_hash": hex(&report.trace_hash),
    });
    let mut object = match all {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    for (kind, frames, bytes) in &report.kinds {
        object.insert(format!("{kind}_frames"), rounded(*frames, 4));
        object.insert(format!("{kind}_bytes"), rounded(*bytes, 2));
    }
    for (name, value) in &report.more {
        object.insert((*name).into(), rounded(*value, 5));
    }
    object
}

/// Seconds this process has spent on a processor; `None` where nobody says.
fn processor_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    let nanos: f64 = stat.split_whitespace().next()?.parse().ok()?;
    Some(nanos / 1e9)
}
