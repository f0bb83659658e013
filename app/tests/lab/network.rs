//! The internet with two relays on it, and peers in their places, all of them the real binary.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::internet::{Internet, public};
use super::link::Conditions;
use super::profile::{Profile, Site};
use crate::support::command::{object, run};
use crate::support::daemon::Daemon;
use crate::support::namespace::Host;
use crate::support::node::Node;

/// Every node listens here, on both families.
const PORT: u16 = 4001;
/// Longer than a first message takes on a loaded machine; what counts is that it arrives.
const FIRST: &str = "60";

/// A relay that everybody may use.
pub struct Relay {
    /// Its home and host.
    pub node: Node,
    /// Killed by a test, perhaps.
    pub daemon: Daemon,
    /// Where it is dialed.
    pub addr: String,
    ip: IpAddr,
}

/// Two relays of different providers.
pub struct Network {
    /// Relays.
    pub relays: Vec<Relay>,
    /// Everything hangs on it, so it goes last.
    pub internet: Internet,
}

impl Network {
    /// With both relays up.
    pub fn new() -> Option<Self> {
        let internet = Internet::new()?;
        let mut relays: Vec<Relay> = Vec::new();
        for second in [false, true] {
            let addresses = public(second, 1);
            let node = Node::new(internet.host(&addresses)?, "Relay");
            let mut args = vec!["--role", "relay"];
            // They know each other, so that one can have the other answer for it.
            for known in &relays {
                args.extend(["--dial", &known.addr]);
            }
            let daemon = start(&node, &args);
            let ip = addresses[0];
            let addr = format!("/ip4/{ip}/udp/{PORT}/quic-v1/p2p/{}", node.peer);
            relays.push(Relay {
                node,
                daemon,
                addr,
                ip,
            });
        }
        Some(Self { relays, internet })
    }

    /// A peer in a new place of this kind, which uses both relays.
    pub fn peer(&self, name: &str, profile: Profile, line: Conditions) -> Peer {
        self.peer_with(name, profile, line, &[])
    }

    /// As [`peer`](Self::peer), with more options of the daemon.
    pub fn peer_with(&self, name: &str, profile: Profile, line: Conditions, more: &[&str]) -> Peer {
        let host = Host::new().unwrap();
        let site = Site::around(&self.internet, profile, &host, line).unwrap();
        self.settle(name, host, site, more)
    }

    /// A peer in the same LAN as another.
    pub fn neighbour(&self, name: &str, other: &Peer) -> Peer {
        let host = Host::new().unwrap();
        let site = other.site.share(&host);
        self.settle(name, host, site, &[])
    }

    fn settle(&self, name: &str, host: Host, site: Site, more: &[&str]) -> Peer {
        let node = Node::new(host, name);
        let daemon = start(&node, &[&self.relay_args(), more].concat());
        Peer {
            node,
            daemon,
            site,
            name: name.to_owned(),
        }
    }

    /// The options by which a node uses the relays.
    pub fn relay_args(&self) -> Vec<&str> {
        self.relays
            .iter()
            .flat_map(|relay| ["--relay", relay.addr.as_str()])
            .collect()
    }

    /// The relay that an address leads through.
    pub fn relay_of(&self, addr: &str) -> Option<usize> {
        self.relays
            .iter()
            .position(|relay| addr.contains(&relay.ip.to_string()))
    }
}

/// A person behind something.
pub struct Peer {
    /// Its home and host.
    pub node: Node,
    /// Its daemon.
    pub daemon: Daemon,
    /// Where it is.
    pub site: Site,
    /// What its contact calls it.
    pub name: String,
}

impl Peer {
    /// Makes contacts of two peers, of whom the first knows nothing of the second but the address
    /// through the first relay.
    pub fn befriend(&self, other: &Self, relay: &Relay) {
        let circuit = format!("{}/p2p-circuit/p2p/{}", relay.addr, other.node.peer);
        self.befriend_at(other, &circuit);
    }

    /// Makes contacts of two peers, of whom the first knows nothing of the second but an address.
    pub fn befriend_at(&self, other: &Self, address: &str) {
        self.well(&["add", address, "--name", &other.name]);
        other.well(&["add", &self.node.peer, "--name", &self.name]);
    }

    /// Where it is reached by IPv4 if nothing stands between.
    pub fn address(&self) -> String {
        let (ip, peer) = (self.site.public, &self.node.peer);
        format!("/ip4/{ip}/udp/{PORT}/quic-v1/p2p/{peer}")
    }

    /// Unplugs it and plugs it in to a new place of another kind. The old one is taken down.
    pub fn move_to(&mut self, network: &Network, profile: &str) {
        self.node.host.ip(&["link", "delete", "eth0"]);
        let profile = Profile::named(profile);
        let line = Conditions::default();
        self.site = Site::around(&network.internet, profile, &self.node.host, line).unwrap();
    }

    /// Sends a message and waits until it is delivered.
    pub fn say(&self, to: &Self, text: &str) {
        self.well(&["send", &to.name, text, "--timeout", FIRST]);
    }

    /// How the other is reached now, as `peers` tells it.
    pub fn path_to(&self, other: &Self) -> Option<Value> {
        let ended = run(&mut self.node.dchat(&["peers", "--json"]));
        assert!(ended.well(), "{ended:?}");
        let mut peers = ended.objects().into_iter();
        peers.find(|peer| peer["peer_id"] == other.node.peer.as_str())
    }

    /// Waits until the other is reached by this kind of path, `direct` or `relay`; how long that
    /// took, or how it is reached after all.
    pub fn wait_for_path(
        &self,
        other: &Self,
        path: &str,
        patience: Duration,
    ) -> Result<Duration, Option<Value>> {
        let began = Instant::now();
        loop {
            let now = self.path_to(other);
            if now.as_ref().is_some_and(|peer| peer["path"] == path) {
                return Ok(began.elapsed());
            }
            if began.elapsed() > patience {
                return Err(now);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the daemon; what is left is the home.
    pub fn leave(self) -> Node {
        self.daemon.stop();
        self.node
    }

    /// What `doctor` says.
    pub fn doctor(&self, more: &[&str]) -> Value {
        let args = [&["doctor", "--json"], more].concat();
        object(&mut self.node.dchat(&args))
    }

    fn well(&self, args: &[&str]) {
        let ended = run(&mut self.node.dchat(args));
        assert!(ended.well(), "{} {args:?}: {ended:?}", self.name);
    }
}

/// Starts the daemon of a node that listens on the port of all.
pub fn start(node: &Node, more: &[&str]) -> Daemon {
    let listen = [
        format!("/ip4/0.0.0.0/udp/{PORT}/quic-v1"),
        format!("/ip6/::/udp/{PORT}/quic-v1"),
    ];
    let mut args = vec!["--no-mdns", "--listen", &listen[0], "--listen", &listen[1]];
    args.extend(more);
    node.start_quietly(&args)
}
