//! Completion scripts and manual pages, made from the definition of the command line.

use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use super::{Exit, Failure, args::Typed};

/// The completion script for `shell`.
#[must_use]
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Typed::command(), "dchat", &mut script);
    script
}

/// The manual page of the whole.
///
/// # Errors
/// When it cannot be rendered.
pub(crate) fn manual() -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(built()).render(&mut page)?;
    Ok(page)
}

/// Writes all manual pages to a directory, which is made when missing. Returns how many.
///
/// # Errors
/// [`Exit::Failed`] when they cannot be written.
pub(crate) fn write_manuals(dir: &Path) -> Result<usize, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            Exit::Failed,
            format!(
                "cannot write the manual pages to {}: {error}. Choose another directory.",
                dir.display()
            ),
        )
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    write_one(&built(), dir).map_err(failed)
}

fn write_one(command: &Command, dir: &Path) -> std::io::Result<usize> {
    let page = clap_mangen::Man::new(command.clone());
    let mut content = Vec::new();
    page.render(&mut content)?;
    std::fs::write(dir.join(page.get_filename()), content)?;
    let mut written = 1;
    for verb in command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help")
    {
        written += write_one(verb, dir)?;
    }
    Ok(written)
}

/// With the names of verbs of verbs filled in.
fn built() -> Command {
    let mut command = Typed::command();
    command.build();
    command
}
