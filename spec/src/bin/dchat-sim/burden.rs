//! What a room weighs in memory: prints one object.
//!
//! | field | meaning |
//! |---|---|
//! | `logs` | that the core knows after it was filled |
//! | `room_bytes` | what the process grew by when one core was filled with `--authors` authors |
//! | `hostile_bytes` | what it grew by over `--frames` frames that make no sense |
//! | `shunned` | neighbours shunned meanwhile |

use std::io;

use dchat_spec::sim::gossip::Burden;
use serde_json::json;

use crate::args::{ArgsError, following, parsed};
use crate::output::{print, resident};

/// Everything that was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    authors: u32,
    frames: u64,
    seed: u64,
    json: bool,
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, ArgsError> {
        let mut args = Self {
            authors: 0,
            frames: 0,
            seed: 0,
            json: false,
        };
        while let Some(option) = words.next() {
            let mut value = || following(&option, &mut words);
            match option.as_str() {
                "--json" => args.json = true,
                "--authors" => args.authors = parsed(&option, &value()?)?,
                "--frames" => args.frames = parsed(&option, &value()?)?,
                "--seed" => args.seed = parsed(&option, &value()?)?,
                _ => return Err(ArgsError::Unknown(option)),
            }
        }
        match args.authors {
            0 => Err(ArgsError::Missing("--authors")),
            _ => Ok(args),
        }
    }
}

pub(crate) fn run(args: &Args) -> io::Result<()> {
    let now = || resident("VmRSS:");
    // What the allocator and the program themselves take the first time is no room's.
    drop(Burden::new(args.seed.wrapping_add(1)));
    let before = now();
    let mut burden = Burden::new(args.seed);
    burden.fill(args.authors);
    let filled = now();
    let logs = burden.stat().logs;
    burden.harass(args.frames);
    let harassed = now();
    let object = json!({
        "authors": args.authors,
        "logs": logs,
        "room_bytes": filled.saturating_sub(before),
        "frames": args.frames,
        "hostile_bytes": harassed.saturating_sub(filled),
        "logs_after": burden.stat().logs,
        "shunned": burden.shunned(),
    });
    print(&object, args.json, 16)
}
