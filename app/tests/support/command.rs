//! The binary, run to its end without any setting of the machine's.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A command that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` for one that was killed.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ended {
    /// Whether it says that it did what was asked.
    pub fn well(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output, an object a line.
    pub fn objects(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    }
}

/// Where the binary is: cargo tells tests, and puts it beside the examples.
pub fn binary() -> PathBuf {
    match option_env!("CARGO_BIN_EXE_dchat") {
        Some(path) => path.into(),
        None => {
            let example = std::env::current_exe().unwrap();
            example.ancestors().nth(2).unwrap().join("dchat")
        }
    }
}

/// The binary, to which a test tells the home in its own way or not at all.
pub fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    clean(&mut command).args(args);
    command
}

/// The binary on `home`.
pub fn dchat(home: &Path) -> Command {
    let mut command = bare(&[]);
    command.arg("--home").arg(home);
    command
}

/// Removes what would change what the command does: every `DCHAT_*` variable and the time zone.
pub fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DCHAT_") {
            command.env_remove(name);
        }
    }
    command.env("TZ", "UTC")
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ended {
    ended(command.stdin(Stdio::null()), "")
}

/// Runs a command to its end, with something on its standard input if that is not empty.
pub fn ended(command: &mut Command, input: &str) -> Ended {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(mut stdin) = child.stdin.take() {
        // It may end without reading all of it.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a command to its end and insists that it succeeded; its standard output.
pub fn output(command: &mut Command) -> String {
    let ended = run(command);
    assert!(ended.well(), "{command:?}: {ended:?}");
    ended.out
}

/// The one JSON object a command prints.
pub fn object(command: &mut Command) -> Value {
    serde_json::from_str(&output(command)).unwrap()
}
