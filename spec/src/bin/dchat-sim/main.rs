//! Runs the simulated world and prints what came of it.
//!
//! ```text
//! dchat-sim nat      --seeds N [--seed S] [--loss F] [--reorder F] [--pairs A,B|all]… [--json]
//! dchat-sim path     --switches N --rate N [--seed S] [--loss F] [--reorder F] [--json]
//! dchat-sim classify --seeds N [--seed S] [--loss F] [--reorder F] [--json]
//! dchat-sim kademlia --nodes N [--seed S] [--churn-median-min M] [--hostile F] [--lookups L]
//!                    [--hours H] [--scenario NAME] [--conduct NAME] [--json]
//! dchat-sim gossip   --members N [--seed S] [--loss F] [--loss-of datagrams|streams]
//!                    [--churn-per-min F] [--partition-min M] [--hostile F] [--messages K]
//!                    [--authors A] [--idle-min M] [--seeds N] [--json]
//! dchat-sim reconcile --log N --missing D [--seed S] [--seeds N] [--json]
//! dchat-sim catch-up --log N [--held H] [--members M] [--authors A] [--mbit R] [--seed S]
//!                    [--seeds N] [--json]
//! dchat-sim burden   --authors A [--frames N] [--seed S] [--json]
//! ```
//!
//! `--seed` is the first seed, 0 unless given. The same command prints the same, but for how long
//! it took, which goes to stderr. Exit codes: 0 done, 2 usage.

mod args;
mod burden;
mod catch_up;
mod classify;
mod gossip;
mod kademlia;
mod nat;
mod output;
mod path;
mod pool;
mod reconcile;

use std::io::Write;
use std::process::ExitCode;

use args::{Args, Command, USAGE};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    let own = |word: &String| {
        matches!(
            word.as_str(),
            "kademlia" | "gossip" | "reconcile" | "catch-up" | "burden"
        )
    };
    let done = match words.next_if(own).as_deref() {
        Some("kademlia") => kademlia::Args::parse(words).map(|args| kademlia::run(&args)),
        Some("gossip") => gossip::Args::parse(words).map(|args| gossip::run(&args)),
        Some("burden") => burden::Args::parse(words).map(|args| burden::run(&args)),
        Some("catch-up") => catch_up::Args::parse(words).map(|args| catch_up::run(&args)),
        Some(_) => reconcile::Args::parse(words).map(|args| reconcile::run(&args)),
        None => Args::parse(words).map(|args| match args.command {
            Command::Nat => nat::run(&args),
            Command::Path => path::run(&args),
            Command::Classify => classify::run(&args),
        }),
    };
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            // Nowhere is left to tell it when stderr is closed.
            let _closed = writeln!(std::io::stderr(), "dchat-sim: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "dchat-sim: cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}
