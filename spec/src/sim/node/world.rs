//! A network and the nodes on its hosts.

use super::peer::Peer;
use super::relay::RelayNode;
use super::stun::StunServer;
use crate::sim::net::{HostId, Net, Occurrence};
use crate::sim::time::{Clock, Time};

/// What runs on a host.
#[derive(Debug)]
pub enum Node {
    /// A person's node.
    Peer(Box<Peer>),
    /// A node that relays.
    Relay(Box<RelayNode>),
    /// Somebody's STUN server.
    Stun(StunServer),
}

/// A network and its nodes.
#[derive(Debug)]
pub struct World {
    /// The network; actions may be applied to it at any time.
    pub net: Net,
    clock: Clock,
    nodes: Vec<Option<Node>>,
}

impl World {
    /// Without nodes yet.
    #[must_use]
    pub fn new(net: Net, clock: Clock) -> Self {
        Self {
            net,
            clock,
            nodes: Vec::new(),
        }
    }

    /// Puts a node on a host and lets it begin.
    pub fn start(&mut self, host: HostId, mut node: Node) {
        if let Node::Peer(peer) = &mut node {
            peer.settle(&mut self.net);
        }
        if self.nodes.len() <= host.index() {
            self.nodes.resize_with(host.index() + 1, || None);
        }
        if let Some(slot) = self.nodes.get_mut(host.index()) {
            *slot = Some(node);
        }
        self.rearm(host);
    }

    /// The peer on a host.
    #[must_use]
    pub fn peer(&self, host: HostId) -> Option<&Peer> {
        match self.nodes.get(host.index())? {
            Some(Node::Peer(peer)) => Some(peer),
            _ => None,
        }
    }

    /// Lets a peer do something.
    pub fn with_peer(&mut self, host: HostId, act: impl FnOnce(&mut Peer, &mut Net)) {
        if let Some(Some(Node::Peer(peer))) = self.nodes.get_mut(host.index()) {
            act(peer, &mut self.net);
            self.rearm(host);
        }
    }

    /// Lets one thing happen, no later than `until`. The token of a [moment](Net::schedule) that
    /// came; `None` in `Some` for anything else; `None` when there is nothing more until then.
    pub fn step(&mut self, until: Time) -> Option<Option<u64>> {
        let host = match self.net.next(until)? {
            Occurrence::Due { token } => return Some(Some(token)),
            Occurrence::Datagram { host, packet } => {
                let node = self.nodes.get_mut(host.index());
                match node.and_then(Option::as_mut) {
                    Some(Node::Peer(peer)) => peer.datagram(&mut self.net, packet),
                    Some(Node::Relay(relay)) => relay.datagram(&mut self.net, packet),
                    Some(Node::Stun(server)) => server.datagram(&mut self.net, &packet),
                    None => {}
                }
                host
            }
            Occurrence::Wake { host } => {
                let node = self.nodes.get_mut(host.index());
                match node.and_then(Option::as_mut) {
                    Some(Node::Peer(peer)) => peer.wake(&mut self.net),
                    Some(Node::Relay(relay)) => relay.wake(&mut self.net),
                    Some(Node::Stun(_)) | None => {}
                }
                host
            }
        };
        self.rearm(host);
        Some(None)
    }

    /// Runs until `done` says so or nothing more happens before `until`. Whether it was done.
    pub fn run(
        &mut self,
        until: Time,
        mut done: impl FnMut(&mut Self, Option<u64>) -> bool,
    ) -> bool {
        while let Some(token) = self.step(until) {
            if done(self, token) {
                return true;
            }
        }
        false
    }

    fn rearm(&mut self, host: HostId) {
        let wake = match self.nodes.get(host.index()) {
            Some(Some(Node::Peer(peer))) => peer.poll_timeout(),
            Some(Some(Node::Relay(relay))) => relay.poll_timeout(),
            Some(Some(Node::Stun(_)) | None) | None => None,
        };
        self.net.wake(host, wake.map(|at| self.clock.time(at)));
    }
}
