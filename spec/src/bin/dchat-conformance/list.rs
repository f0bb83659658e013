//! `--list`: the cases there are.

use std::error::Error;
use std::process::ExitCode;

use dchat_spec::runner::Case;
use dchat_spec::runner::cases::catalogue;
use dchat_spec::runner::{report, scenario};

use crate::args::{Args, Command};
use crate::output::print;

pub(crate) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let all = match args.command {
        Some(Command::Scenario(_)) => scenario::catalogue(),
        Some(Command::Network(_)) => catalogue(),
        _ => [catalogue(), scenario::catalogue()].concat(),
    };
    let selection = args.selection();
    let chosen: Vec<&Case> = all.iter().filter(|case| selection.takes(case)).collect();
    for case in &chosen {
        print(&format!(
            "{:<44} {:<8} {:<6} {:<36} {}",
            case.id,
            case.kind.name(),
            case.profile.name(),
            case.req.join(","),
            case.about
        ));
    }
    if let Some(path) = &args.json {
        let list = report::catalogue(&chosen);
        std::fs::write(path, serde_json::to_string_pretty(&list)? + "\n")?;
    }
    Ok(ExitCode::SUCCESS)
}
