//! Drives the `dchat` binary: a home of its own, its events with a deadline, and no process left
//! behind.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "every test file uses its part of it, and a failed expectation is a failed test"
)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything may take before it counts as not happening.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A profile directory that vanishes with the test.
pub(crate) struct Home(tempfile::TempDir);

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` for one that was killed.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Home {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The binary on this home, with no setting of the machine's.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(args);
        command.env("DCHAT_HOME", self.path());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        ended(self.command(args).stdin(Stdio::null()), "")
    }

    /// Runs a command to its end with something on standard input.
    pub(crate) fn run_with_input(&self, args: &[&str], input: &str) -> Ended {
        ended(&mut self.command(args), input)
    }

    /// Runs a command that must end well, and parses each line it prints.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        let ended = self.run(&[args, &["--json"]].concat());
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.err);
        ended.objects()
    }

    /// Starts a command that goes on, such as `daemon --json`.
    pub(crate) fn start(&self, args: &[&str]) -> Process {
        Process::start(&mut self.command(args))
    }
}

impl Ended {
    /// Standard output, an object a line.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    }
}

/// The binary without any setting of the machine's.
pub(crate) fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dchat"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DCHAT_") {
            command.env_remove(name);
        }
    }
    command.args(args).env("TZ", "UTC");
    command
}

/// Runs to the end.
pub(crate) fn ended(command: &mut Command, input: &str) -> Ended {
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
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    Ended {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// A command that goes on; killed when dropped.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Receiver<String>,
    seen: Vec<String>,
}

impl Process {
    /// Starts it with pipes on all three streams.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, lines) = channel();
        let (err, errors) = channel();
        pump(child.stdout.take().unwrap(), out);
        pump(child.stderr.take().unwrap(), err);
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
            errors,
            seen: Vec::new(),
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types a line.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the input has not ended");
        writeln!(stdin, "{line}").unwrap();
    }

    /// Ends its standard input.
    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// The next line it prints that satisfies `wanted`; those before are skipped.
    pub(crate) fn line(&mut self, what: &str, mut wanted: impl FnMut(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.fail(&format!("no {what} in time")),
                Err(RecvTimeoutError::Disconnected) => self.fail(&format!("ended before {what}")),
            }
        }
    }

    /// The next event of a kind; those before are skipped.
    pub(crate) fn event(&mut self, kind: &str) -> Value {
        self.event_where(kind, |_| true)
    }

    /// The next event of a kind that satisfies `wanted`; those before are skipped.
    pub(crate) fn event_where(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut found = Value::Null;
        self.line(kind, |line| {
            let event: Value =
                serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
            let is = event["event"] == kind && wanted(&event);
            if is {
                found = event;
            }
            is
        });
        found
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Kills it at once, as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end and returns the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            if Instant::now() >= deadline {
                self.fail("did not end in time");
            }
            // Waiting for a child with a deadline has no other portable way.
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn fail(&mut self, problem: &str) -> ! {
        let errors: Vec<_> = self.errors.try_iter().collect();
        panic!("{problem}; it printed {:#?} and {errors:#?}", self.seen);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pump(stream: impl std::io::Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        // Lines need not be UTF-8 for a failing test to show them.
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream
            .by_ref()
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&line)
                .trim_end_matches(['\r', '\n'])
                .to_owned();
            line.clear();
            if to.send(text).is_err() {
                break;
            }
        }
    });
}
