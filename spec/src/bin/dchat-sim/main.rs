//! Runs the simulated world and prints what came of it.
//!
//! ```text
//! dchat-sim nat      --seeds N [--seed S] [--loss F] [--reorder F] [--pairs A,B|all]… [--json]
//! dchat-sim path     --switches N --rate N [--seed S] [--loss F] [--reorder F] [--json]
//! dchat-sim classify --seeds N [--seed S] [--loss F] [--reorder F] [--json]
//! dchat-sim kademlia --nodes N [--seed S] [--churn-median-min M] [--hostile F] [--lookups L]
//!                    [--hours H] [--scenario NAME] [--conduct NAME] [--json]
//! ```
//!
//! `--seed` is the first seed, 0 unless given. The same command prints the same, but for how long
//! it took, which goes to stderr. Exit codes: 0 done, 2 usage.

mod args;
mod classify;
mod kademlia;
mod nat;
mod output;
mod path;
mod pool;

use std::io::Write;
use std::process::ExitCode;

use args::{Args, Command, USAGE};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    let done = match words.next_if(|word| word == "kademlia") {
        Some(_) => kademlia::Args::parse(words).map(|args| kademlia::run(&args)),
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
