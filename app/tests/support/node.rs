//! A home on a host of its own.

use std::path::Path;
use std::process::Command;

use super::daemon::{Daemon, clean, dchat as dchat_here, object, output};
use super::namespace::Host;

/// A home and the host it lives on.
pub struct Node {
    /// The host.
    pub host: Host,
    home: tempfile::TempDir,
    /// Its PeerId.
    pub peer: String,
}

impl Node {
    /// A fresh home called `name` on `host`.
    pub fn new(host: Host, name: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        output(dchat_here(home.path()).args(["init", "--name", name]));
        let id = object(dchat_here(home.path()).args(["id", "--json"]));
        Self {
            host,
            home,
            peer: id["peer_id"].as_str().unwrap().to_owned(),
        }
    }

    /// A command on the home, run on its host.
    pub fn dchat(&self, args: &[&str]) -> Command {
        let mut command = self.host.command(env!("CARGO_BIN_EXE_dchat"));
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

    /// The home.
    pub fn path(&self) -> &Path {
        self.home.path()
    }
}
