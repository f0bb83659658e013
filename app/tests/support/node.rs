//! A home on a host of its own.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use super::command::{binary, clean};
use super::daemon::Daemon;
use super::home::Home;
use super::namespace::Host;

/// A home and the host it lives on.
pub struct Node {
    /// The host.
    pub host: Host,
    home: Home,
    /// Its PeerId.
    pub peer: String,
}

impl Node {
    /// A fresh home called `name` on `host`.
    pub fn new(host: Host, name: &str) -> Self {
        let (home, peer) = Home::of(name);
        Self { host, home, peer }
    }

    /// A command on the home, run on its host.
    pub fn dchat(&self, args: &[&str]) -> Command {
        let mut command = self.host.command(binary().to_str().unwrap());
        clean(&mut command)
            .arg("--home")
            .arg(self.home.path())
            .args(args);
        command
    }

    /// Starts its daemon with these arguments.
    pub fn start(&self, more: &[&str]) -> Daemon {
        let mut command = self.dchat(&["daemon", "--json"]);
        command.args(more);
        Daemon::start(self.home.path(), command)
    }

    /// As [`start`](Self::start), with what the daemon complains of in a file of the home's.
    pub fn start_quietly(&self, more: &[&str]) -> Daemon {
        let path = self.path().join("stderr");
        let complaints = File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        let mut command = self.dchat(&["daemon", "--json"]);
        command.args(more).stderr(complaints);
        Daemon::start(self.home.path(), command)
    }

    /// What its daemon has complained of, when it was started quietly.
    pub fn complaints(&self) -> String {
        std::fs::read_to_string(self.path().join("stderr")).unwrap_or_default()
    }

    /// The home.
    pub fn path(&self) -> &Path {
        self.home.path()
    }
}
