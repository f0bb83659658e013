//! `vectors`: every vector against a program.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use dchat_spec::runner::report::Report;
use dchat_spec::runner::vectors::{Vector, drive, load};

use crate::args::{Args, Vectors};
use crate::output;

pub(crate) fn run(args: &Args, wanted: &Vectors) -> Result<ExitCode, Box<dyn Error>> {
    let selection = args.selection();
    let all = load()?;
    let chosen: Vec<Vector> = all
        .into_iter()
        .filter(|vector| selection.takes_parts(&vector.id, &vector.req))
        .collect();
    if chosen.is_empty() {
        return Err("no vector is chosen".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let started = Instant::now();
    let lines = runtime.block_on(drive(&wanted.command, &chosen, |line| {
        match &line.verdict {
            // A program that does one part of the protocol would say it thousands of times.
            dchat_spec::runner::Verdict::Unsupported(_) => {}
            _ => output::ended(line),
        }
    }))?;
    output::finish(
        args,
        &Report {
            subject: wanted.command.join(" "),
            seed: args.seed(),
            took: started.elapsed(),
            lines,
        },
    )
}
