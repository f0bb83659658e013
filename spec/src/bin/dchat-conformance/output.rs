//! What is printed and written.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use dchat_spec::runner::Verdict;
use dchat_spec::runner::report::{Line, Report, Totals, html, json, junit};

use crate::args::Args;

/// A line to stderr.
pub(crate) fn tell(text: &str) {
    // Nowhere is left to tell it when stderr is closed.
    let _closed = writeln!(std::io::stderr(), "{text}");
}

/// A line to stdout.
pub(crate) fn print(text: &str) {
    // Who reads no further does not stop the run; the exit code still tells.
    let _closed = writeln!(std::io::stdout(), "{text}");
}

/// A case that has ended.
pub(crate) fn ended(line: &Line) {
    match &line.verdict {
        Verdict::Passed => {}
        Verdict::Unsupported(why) => print(&format!("  --  {}: {}", line.id, visible(why))),
        Verdict::Failed(failure) => {
            let failure = visible(&failure.to_string());
            print(&format!("FAIL  {}: {}\n    {failure}", line.id, line.about));
        }
    }
}

/// Writes the reports that were asked for, and prints the totals.
pub(crate) fn finish(args: &Args, report: &Report) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(path) = &args.junit {
        std::fs::write(path, junit(report))?;
    }
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&json(report))? + "\n")?;
    }
    if let Some(path) = &args.html {
        std::fs::write(path, html(report))?;
    }
    let totals = Totals::of(&report.lines);
    print(&format!(
        "{} passed, {} failed, {} unsupported in {:.1} s (seed {})",
        totals.passed,
        totals.failed,
        totals.unsupported,
        report.took.as_secs_f64(),
        report.seed
    ));
    Ok(if totals.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// A peer's text without what controls a terminal or the direction of text (DC-WIRE-009).
fn visible(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' => '\n',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => '\u{fffd}',
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    };
    text.chars().map(shown).collect()
}
