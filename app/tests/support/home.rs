//! A profile directory that vanishes with the test.

use std::path::Path;
use std::process::{Command, Stdio};

use dchat::home::LockedHome;
use dchat::store::Store;
use dchat::vault::Vault;
use serde_json::Value;

use super::command::{Ended, bare, dchat, ended, object, output};

/// A home.
pub struct Home(tempfile::TempDir);

impl Home {
    /// An empty one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with an identity called `name`, and its PeerId.
    pub fn of(name: &str) -> (Self, String) {
        let home = Self::new();
        output(dchat(home.path()).args(["init", "--name", name]));
        let id = object(dchat(home.path()).args(["id", "--json"]));
        let peer = id["peer_id"].as_str().unwrap().to_owned();
        (home, peer)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The binary, told of this home by the environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(args);
        command.env("DCHAT_HOME", self.path());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Ended {
        ended(self.command(args).stdin(Stdio::null()), "")
    }

    /// Runs a command to its end with something on standard input.
    pub fn run_with_input(&self, args: &[&str], input: &str) -> Ended {
        ended(&mut self.command(args), input)
    }

    /// Runs a command that must end well, and parses each line it prints.
    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        let ended = self.run(&[args, &["--json"]].concat());
        assert!(ended.well(), "{args:?}: {}", ended.err);
        ended.objects()
    }
}

/// The database of a home that no process has, and the lock that keeps it so.
pub fn store(home: &Path) -> (LockedHome, Store) {
    let home = dchat::home::Home::open(home).unwrap().lock().unwrap();
    let key = Vault::open(&home).unwrap().unlock(None).unwrap();
    let store = Store::open(&home, &key).unwrap();
    (home, store)
}
