//! How somebody catches up on a long history: prints one object, of the worst of `--seeds` runs.
//!
//! | field | meaning |
//! |---|---|
//! | `whole` | everything came, in every run |
//! | `newest_rtt`, `newest_ms` | from the first connection until the newest 50 messages were shown, in round trips of that connection and in milliseconds |
//! | `rate_part` | part of what the access could carry from then until everything was there that was messages |
//! | `whole_s` | seconds from the first connection until everything was there |
//! | `bytes_ratio` | bytes of all frames over those of the messages that were missing |
//! | `duplicates` | messages that came again |

use std::io;

use dchat_spec::sim::gossip::{Absence, CaughtUp, catch_up};
use serde_json::json;

use crate::args::{ArgsError, bad, following, parsed};
use crate::output::{print, rounded};

/// Everything that was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    absence: Absence,
    seeds: u64,
    json: bool,
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, ArgsError> {
        let mut absence = Absence {
            members: 9,
            log: 0,
            authors: 100,
            held: 0,
            mbit: 100,
            seed: 0,
        };
        let (mut seeds, mut json) = (1, false);
        while let Some(option) = words.next() {
            let mut value = || following(&option, &mut words);
            match option.as_str() {
                "--json" => json = true,
                "--log" => absence.log = parsed(&option, &value()?)?,
                "--held" => absence.held = parsed(&option, &value()?)?,
                "--members" => absence.members = parsed(&option, &value()?)?,
                "--authors" => absence.authors = parsed(&option, &value()?)?,
                "--mbit" => absence.mbit = parsed(&option, &value()?)?,
                "--seed" => absence.seed = parsed(&option, &value()?)?,
                "--seeds" => seeds = parsed(&option, &value()?)?,
                _ => return Err(ArgsError::Unknown(option)),
            }
        }
        let held = absence.held;
        match absence {
            Absence { log: 0, .. } => Err(ArgsError::Missing("--log")),
            Absence { members: 0, .. } => Err(bad("--members", "0", "hold nothing")),
            Absence { authors: 0, .. } => Err(bad("--authors", "0", "have nothing to say")),
            Absence { mbit: 0, .. } => Err(bad("--mbit", "0", "carry nothing")),
            Absence { log, .. } if held >= log => Err(bad(
                "--held",
                &held.to_string(),
                "leaves nothing to catch up on",
            )),
            _ if seeds == 0 => Err(bad("--seeds", "0", "catch up on nothing")),
            _ => Ok(Self {
                absence,
                seeds,
                json,
            }),
        }
    }
}

pub(crate) fn run(args: &Args) -> io::Result<()> {
    let first = args.absence.seed;
    let mut worst: Option<CaughtUp> = None;
    for seed in first..first.saturating_add(args.seeds) {
        let done = catch_up(&Absence {
            seed,
            ..args.absence
        });
        worst = Some(worst.map_or(done, |worst| worse(worst, done)));
    }
    let worst = worst.unwrap_or_default();
    let object = json!({
        "log": args.absence.log,
        "held": args.absence.held,
        "seeds": args.seeds,
        "whole": worst.whole,
        "newest_rtt": rounded(worst.newest_rtt, 3),
        "newest_ms": worst.newest_ms,
        "rate_part": rounded(worst.rate_part, 4),
        "whole_s": rounded(worst.whole_s, 3),
        "bytes_ratio": rounded(worst.bytes_ratio, 4),
        "duplicates": worst.duplicates,
    });
    print(&object, args.json, 14)
}

/// Of each figure the worse.
fn worse(one: CaughtUp, other: CaughtUp) -> CaughtUp {
    CaughtUp {
        whole: one.whole && other.whole,
        newest_rtt: one.newest_rtt.max(other.newest_rtt),
        newest_ms: one.newest_ms.max(other.newest_ms),
        whole_s: one.whole_s.max(other.whole_s),
        rate_part: one.rate_part.min(other.rate_part),
        bytes_ratio: one.bytes_ratio.max(other.bytes_ratio),
        duplicates: one.duplicates.max(other.duplicates),
    }
}
