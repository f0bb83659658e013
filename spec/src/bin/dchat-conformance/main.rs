//! Checks whether an implementation does what the documents say.
//!
//! ```text
//! dchat-conformance network ADDR [--invite LINK]… [--room NAME] [--user COMMAND] [--grease N] [options]
//! dchat-conformance scenario ADDR [--room NAME] [options]
//! dchat-conformance vectors [options] [--] COMMAND…
//! dchat-conformance --list [options]
//! ```
//!
//! `network` plays partner against a running node, `scenario` several peers at once, `vectors` asks a
//! program every test vector. Options choose cases (`--section`, `--req`, `--profile`), say how they run (`--seed`, `--jobs`, `--repeat`) and what is written of it
//! (`--junit`, `--json`, `--html`). A line for each case that did not pass goes to stdout, and the
//! totals in the end. Exit codes: 0 all passed (what is unsupported has not failed), 1 something
//! failed, 2 usage.

mod args;
mod list;
mod network;
mod output;
mod vectors;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser as _;

fn main() -> ExitCode {
    let args = Args::parse();
    let ended = match &args.command {
        _ if args.list => list::run(&args),
        Some(Command::Network(wanted)) => network::run(&args, wanted),
        Some(Command::Scenario(wanted)) => network::scenario(&args, wanted),
        Some(Command::Vectors(wanted)) => vectors::run(&args, wanted),
        None => Err(
            "name what to check: network ADDR, scenario ADDR or vectors COMMAND; or give --list"
                .into(),
        ),
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            output::tell(&format!("dchat-conformance: {error}"));
            ExitCode::from(2)
        }
    }
}
