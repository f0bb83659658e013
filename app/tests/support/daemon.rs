//! A daemon, started and killed by tests.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything here takes on a loaded machine; only a hang gets this far.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon, killed on drop.
pub struct Daemon {
    child: Child,
    /// In a lock only to let threads share what holds a daemon.
    events: Mutex<Receiver<(Instant, Value)>>,
    home: PathBuf,
}

impl Daemon {
    /// Starts `command`, which is a `dchat daemon --json`, and waits until it listens.
    pub fn start(home: &Path, mut command: Command) -> Self {
        let mut daemon = Self::spawn(home, &mut command);
        daemon.wait_for("listening", |_| true);
        daemon
    }

    /// Starts it without waiting.
    pub fn spawn(home: &Path, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send((Instant::now(), event)).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            events: Mutex::new(events),
            home: home.to_owned(),
        }
    }

    /// Waits for an event of this name that is `wanted`; others are passed over.
    pub fn wait_for(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_at_most(PATIENCE, name, wanted)
            .unwrap_or_else(|| {
                panic!(
                    "no such {name} event of {} in {PATIENCE:?}",
                    self.home.display()
                )
            })
    }

    /// As [`wait_for`](Self::wait_for), for a time of the caller's.
    pub fn wait_at_most(
        &mut self,
        patience: Duration,
        name: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (_, event) = self.receiver().recv_timeout(left).ok()?;
            if event["event"] == name && wanted(&event) {
                return Some(event);
            }
        }
    }

    /// Every event that has come and was not waited for, with the time it was read.
    pub fn events(&mut self) -> Vec<(Instant, Value)> {
        self.receiver().try_iter().collect()
    }

    fn receiver(&mut self) -> &Receiver<(Instant, Value)> {
        self.events.get_mut().unwrap()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        assert!(
            self.child.wait().unwrap().success(),
            "a daemon that is asked to end exits with 0"
        );
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}
