//! Two homes that are contacts.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;

use super::command::{dchat, object, output};
use super::daemon::Daemon;
use super::home::Home;

/// One side.
pub struct Side {
    /// Its home, deleted on drop.
    pub home: Home,
    /// Its PeerId.
    pub peer: String,
    /// The address its daemon listens on.
    pub addr: String,
}

impl Side {
    /// A fresh home called `name`, which will listen on a port of the loopback interface.
    pub fn new(name: &str) -> Self {
        let (home, peer) = Home::of(name);
        let port = free_port();
        let addr = format!("/ip4/127.0.0.1/udp/{port}/quic-v1");
        Self { home, peer, addr }
    }

    /// The path of the home.
    pub fn path(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// The command that runs its daemon.
    pub fn daemon_command(&self) -> Command {
        let mut command = dchat(self.home.path());
        command.args(["daemon", "--json", "--no-mdns", "--listen", &self.addr]);
        command
    }

    /// Starts its daemon.
    pub fn start(&self) -> Daemon {
        Daemon::start(self.home.path(), self.daemon_command())
    }

    /// A verb in its home.
    pub fn verb(&self, args: &[&str]) -> Command {
        let mut command = dchat(self.home.path());
        command.args(args);
        command
    }
}

/// Two sides, contacts by invite, with their daemons running and connected.
pub fn contacts() -> ((Side, Daemon), (Side, Daemon)) {
    let (alice, bob) = (Side::new("Alice"), Side::new("Bob"));
    let mut alice_daemon = alice.start();
    let mut bob_daemon = bob.start();
    let invite = object(&mut alice.verb(&["invite", "--json"]));
    output(&mut bob.verb(&["add", invite["invite"].as_str().unwrap()]));
    alice_daemon.wait_for("contact", |event| event["peer_id"] == bob.peer.as_str());
    bob_daemon.wait_for("peer_connected", |event| {
        event["peer_id"] == alice.peer.as_str()
    });
    ((alice, alice_daemon), (bob, bob_daemon))
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
