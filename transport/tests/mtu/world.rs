//! Two nodes and a relay, and what lies between: each address has an MTU and a way to the core of
//! the network, which takes its time.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dchat_transport::path::{ChannelAddress, LegId, PathKind, VirtualAddress};

use crate::node::{Node, Sent, Use};

pub const MS: Duration = Duration::from_millis(1);
/// One way between two addresses.
const DELAY: Duration = Duration::from_millis(20);
/// A round trip between the nodes, and one over the relay.
pub const DIRECT: Duration = Duration::from_millis(40);
pub const RELAYED: Duration = Duration::from_millis(80);
/// Between writes of the conversation, and the bytes of each: 2 MB/s, in full packets.
const PACE: Duration = Duration::from_millis(5);
const BURST: usize = 10_000;

pub const A: usize = 0;
pub const B: usize = 1;
const RELAY: usize = 2;

/// See the module.
pub struct World {
    pub now: Instant,
    began: Instant,
    pub nodes: Vec<Node>,
    /// Largest IP packet on the way between an address and the core.
    mtu: BTreeMap<SocketAddr, usize>,
    flying: BTreeMap<(Instant, u64), (usize, LegId, SocketAddr, Bytes)>,
    sent: u64,
    pub too_large: u64,
    /// The direct way between A and B is cut.
    pub parted: bool,
    written: u64,
    /// Bytes written up to a time, until they are read.
    unread: VecDeque<(u64, Instant)>,
}

impl World {
    /// With the addresses of the two nodes, each with its MTU, and of a relay if there is one.
    pub fn new(ends: [(SocketAddr, usize); 2], relay: Option<(SocketAddr, usize)>) -> Self {
        let now = Instant::now();
        let all = ends.into_iter().chain(relay);
        let nodes = (1..).zip(all.clone());
        let nodes = nodes.map(|(seed, (address, _))| Node::new(seed, seed == 3, &[address], now));
        Self {
            now,
            began: now,
            nodes: nodes.collect(),
            mtu: all.collect(),
            flying: BTreeMap::new(),
            sent: 0,
            too_large: 0,
            parted: false,
            written: 0,
            unread: VecDeque::new(),
        }
    }

    pub fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].addresses[&LegId(0)]
    }

    /// A's connection to B, begun over the direct path.
    pub fn dial(&mut self) -> VirtualAddress {
        let to = self.address(B);
        let now = self.now;
        self.nodes[A].dial(LegId(0), to, Use::Peer, now)
    }

    /// A's connection to B, begun over the relay.
    pub fn dial_relayed(&mut self) -> VirtualAddress {
        let (legs, channels) = self.link();
        let to = ChannelAddress(channels[A]).socket_addr();
        let now = self.now;
        self.nodes[A].dial(legs[A], to, Use::Peer, now)
    }

    /// Connects both nodes to the relay and opens a channel between them. The leg of either.
    pub fn link(&mut self) -> ([LegId; 2], [u32; 2]) {
        let (to, now) = (self.address(RELAY), self.now);
        let outer = [A, B].map(|node| self.nodes[node].dial(LegId(0), to, Use::Carrying, now));
        let at_relay = [A, B].map(|node| {
            self.run_until(4_000 * MS, |world| {
                world.nodes[node].sessions[&outer[node]].up.is_some()
                    && world.nodes[RELAY]
                        .session_from(world.address(node), world.now)
                        .is_some()
            });
            let relay = &self.nodes[RELAY];
            relay
                .session_from(self.address(node), self.now)
                .expect("a connection to the relay")
        });
        let now = self.now;
        let channels = self.nodes[RELAY]
            .forwarder
            .as_mut()
            .unwrap()
            .open(at_relay, now);
        let legs = [A, B].map(|node| self.nodes[node].carry(outer[node], channels[node], to));
        (legs, channels)
    }

    /// Both hear of the other's address.
    pub fn offer(&mut self, virts: [VirtualAddress; 2]) {
        let now = self.now;
        for node in [A, B] {
            let to = self.address(1 - node);
            self.nodes[node].offer(virts[node], vec![to], now);
        }
    }

    /// A moves to another network.
    pub fn roam(&mut self, to: SocketAddr, mtu: usize) {
        let now = self.now;
        self.mtu.insert(to, mtu);
        self.nodes[A].moved(LegId(0), to, now);
    }

    /// B's name for the connection, once it is up there.
    pub fn accepted(&mut self) -> VirtualAddress {
        let up = |world: &Self| {
            let outer = world.nodes[B].outer();
            let mut sessions = world.nodes[B].sessions.iter();
            let found =
                sessions.find(|(virt, session)| session.up.is_some() && !outer.contains(virt));
            found.map(|(virt, _)| *virt)
        };
        self.run_until(10_000 * MS, |world| up(world).is_some());
        up(self).expect("B has the connection")
    }

    /// How long the world has been running.
    pub fn elapsed(&self) -> Duration {
        self.now - self.began
    }

    /// Runs for so long while A writes to B. How much longer than the way anything written took.
    pub fn talk(&mut self, virts: [VirtualAddress; 2], span: Duration) -> Duration {
        let end = self.now + span;
        let mut longest = Duration::ZERO;
        while self.now < end {
            let now = self.now;
            self.written += self.nodes[A].write(virts[A], BURST, now) as u64;
            self.unread.push_back((self.written, now));
            self.run_until(PACE, |_| false);
            let read = self.nodes[B].sessions[&virts[B]].read;
            while let Some((_, at)) = self
                .unread
                .front()
                .copied()
                .filter(|(upto, _)| *upto <= read)
            {
                self.unread.pop_front();
                longest = longest.max(self.now - at);
            }
        }
        let waiting = self
            .unread
            .front()
            .map_or(Duration::ZERO, |(_, at)| self.now - *at);
        longest.max(waiting).saturating_sub(DELAY)
    }

    pub fn is_direct(&self, virts: [VirtualAddress; 2]) -> bool {
        [A, B]
            .iter()
            .all(|node| self.nodes[*node].kind(virts[*node], self.now) == PathKind::Direct)
    }

    /// Runs until `done`, at most for `span`. Whether it was done.
    pub fn run_until(&mut self, span: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + span;
        loop {
            self.collect();
            if done(self) {
                return true;
            }
            let timers = self.nodes.iter_mut().filter_map(Node::poll_timeout);
            let next = timers
                .chain(self.flying.keys().next().map(|(at, _)| *at))
                .min();
            let Some(next) = next.filter(|at| *at <= end) else {
                self.now = end;
                return false;
            };
            self.now = self.now.max(next);
            let now = self.now;
            while let Some(first) = self
                .flying
                .first_entry()
                .filter(|first| first.key().0 <= now)
            {
                let (node, leg, from, bytes) = first.remove();
                self.nodes[node].receive(leg, from, &bytes, now);
            }
            for node in &mut self.nodes {
                node.drive(now);
            }
        }
    }

    /// Puts what the nodes have sent on its way.
    fn collect(&mut self) {
        let sent: Vec<Sent> = self
            .nodes
            .iter_mut()
            .flat_map(|node| node.out.drain(..))
            .collect();
        for Sent { from, to, bytes } in sent {
            let headers = if to.is_ipv4() { 28 } else { 48 };
            let mtu = [from, to].map(|end| self.mtu.get(&end).copied().unwrap_or(0));
            if bytes.len() + headers > mtu[0].min(mtu[1]) {
                self.too_large += 1;
                continue;
            }
            let relay = self.nodes.get(RELAY).map(|node| node.addresses[&LegId(0)]);
            if self.parted && relay != Some(from) && relay != Some(to) {
                continue;
            }
            let there = |node: &Node| {
                let mut addresses = node.addresses.iter();
                addresses
                    .find(|(_, address)| **address == to)
                    .map(|(leg, _)| *leg)
            };
            let found = self
                .nodes
                .iter()
                .enumerate()
                .find_map(|(at, node)| Some((at, there(node)?)));
            if let Some((node, leg)) = found {
                self.sent += 1;
                let at = self.now + DELAY;
                self.flying
                    .insert((at, self.sent), (node, leg, from, bytes));
            }
        }
    }
}
