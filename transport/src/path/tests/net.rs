//! Two switches on an emulated network, with just enough of a QUIC on top: a handshake, data that is
//! acknowledged, and one timer that repeats what was not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use dchat_nat::agent;
use dchat_wire::nat::{Candidate, CandidateKind, NatClass};
use dchat_wire::probe::ProbeKeys;
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Frame, PeerId};

use crate::path::{
    Arrival, ChannelAddress, Config, ExtraArrival, Input, Leg, LegId, Output, PathInfo, ProbePair,
    Route, Switch, Verdict, VirtualAddress, canonical,
};

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn relay_id(number: u32) -> PeerId {
    static KNOWN: LazyLock<[PeerId; 4]> = LazyLock::new(|| {
        std::array::from_fn(|number| Identity::from_seed(&[number as u8; 32]).peer_id())
    });
    KNOWN[number as usize % KNOWN.len()]
}

pub(super) fn relay_socket(number: u32) -> SocketAddr {
    (std::net::Ipv4Addr::new(203, 0, 113, 200), 1 + number as u16).into()
}

pub(super) fn udp(bound: &str) -> Leg {
    Leg::Udp {
        bound: addr(bound),
        dual: false,
    }
}

pub(super) fn keys(seed: u8) -> (ProbePair, ProbePair) {
    let exported: [u8; ProbeKeys::EXPORTED] =
        std::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at as u8));
    let (client, server) = ProbeKeys::from_exporter(&exported);
    let dialer = ProbePair {
        ours: client.clone(),
        theirs: server.clone(),
    };
    let listener = ProbePair {
        ours: server,
        theirs: client,
    };
    (dialer, listener)
}

/// A client's Initial, padded as it must be.
pub(super) fn initial(dcid: &[u8], scid: &[u8]) -> Vec<u8> {
    let mut packet = vec![0xc0, 0, 0, 0, 1];
    packet.push(dcid.len() as u8);
    packet.extend_from_slice(dcid);
    packet.push(scid.len() as u8);
    packet.extend_from_slice(scid);
    packet.resize(1200, 0);
    packet
}

pub(super) fn short(dcid: &[u8; 8], body: &[u8], len: usize) -> Vec<u8> {
    let mut packet = vec![0x40];
    packet.extend_from_slice(dcid);
    packet.extend_from_slice(body);
    packet.resize(len.max(packet.len()), 0);
    packet
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) switch: Switch,
    pub(super) addrs: Vec<SocketAddr>,
    pub(super) virt: VirtualAddress,
    pub(super) cid: [u8; 8],
    /// Sequence numbers of data received.
    pub(super) got: BTreeSet<u64>,
    /// Sockets of its scatter, and the legs they became.
    pub(super) extras: Vec<SocketAddr>,
    pub(super) adopted: BTreeMap<LegId, SocketAddr>,
    /// When each came first.
    pub(super) arrived: BTreeMap<u64, Instant>,
    /// Those of ours the peer acknowledged.
    pub(super) acked: BTreeSet<u64>,
    /// Virtual addresses datagrams were delivered from.
    pub(super) delivered: BTreeSet<VirtualAddress>,
    pub(super) events: Vec<(Instant, Output)>,
    /// Bytes to and from every address, as this node sees them.
    pub(super) sent: BTreeMap<SocketAddr, usize>,
    pub(super) received: BTreeMap<SocketAddr, usize>,
    pub(super) probes: BTreeMap<SocketAddr, usize>,
    /// Datagrams sent a second time.
    pub(super) copies: usize,
}

/// Where a datagram comes in.
#[derive(Clone, Copy, Debug)]
enum Into {
    Leg(LegId),
    Extra(u16, SocketAddr),
}

#[derive(Debug)]
struct Flying {
    node: usize,
    to: Into,
    from: SocketAddr,
    bytes: Vec<u8>,
}

/// A relay that both nodes are connected to, with a channel between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relay {
    /// Each node's leg, and what it calls the channel.
    pub(super) ends: [(LegId, u32); 2],
    pub(super) delay: Duration,
    /// It forwards nothing, and nobody has noticed yet.
    pub(super) dead: bool,
}

/// Node 0 dials node 1.
pub(super) struct Net {
    pub(super) now: Instant,
    pub(super) nodes: [Node; 2],
    /// How a NAT shows an address of a node to everyone else.
    pub(super) shown: BTreeMap<SocketAddr, SocketAddr>,
    /// One-way delay by unordered pair of shown addresses; `default_delay` otherwise.
    pub(super) delays: BTreeMap<(SocketAddr, SocketAddr), Duration>,
    pub(super) default_delay: Duration,
    /// Shown addresses nothing goes to or comes from.
    pub(super) dead: BTreeSet<SocketAddr>,
    pub(super) relays: Vec<Relay>,
    /// Messages that wait for their acknowledgement, and when each was last sent.
    pub(super) unacked: BTreeMap<u64, Instant>,
    /// Largest datagram to or from a shown address; any size otherwise.
    pub(super) mtu: BTreeMap<SocketAddr, usize>,
    flying: BTreeMap<(Instant, u64), Flying>,
    /// Frames of the control streams on their way, and to whom.
    signals: BTreeMap<(Instant, u64), (usize, Frame)>,
    /// What a node is told of a new mapping.
    pub(super) sampled: [Option<SocketAddr>; 2],
    serial: u64,
}

impl Net {
    pub(super) fn new(dialer: &[&str], listener: &[&str]) -> Self {
        let now = Instant::now();
        let node = |addrs: &[&str], seed: u8| Node {
            switch: Switch::new(
                Config::default(),
                addrs.iter().map(|bound| udp(bound)).collect(),
                [seed; 32],
            ),
            addrs: addrs.iter().map(|bound| addr(bound)).collect(),
            virt: VirtualAddress::LOCAL,
            cid: [seed; 8],
            got: BTreeSet::new(),
            extras: Vec::new(),
            adopted: BTreeMap::new(),
            arrived: BTreeMap::new(),
            acked: BTreeSet::new(),
            delivered: BTreeSet::new(),
            events: Vec::new(),
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
            probes: BTreeMap::new(),
            copies: 0,
        };
        Self {
            now,
            nodes: [node(dialer, 0xd1), node(listener, 0x15)],
            shown: BTreeMap::new(),
            delays: BTreeMap::new(),
            default_delay: ms(10),
            dead: BTreeSet::new(),
            relays: Vec::new(),
            unacked: BTreeMap::new(),
            mtu: BTreeMap::new(),
            flying: BTreeMap::new(),
            signals: BTreeMap::new(),
            sampled: [None; 2],
            serial: 0,
        }
    }

    /// A connection from the dialer's first leg to the listener's first, attached on both sides.
    pub(super) fn connected(dialer: &[&str], listener: &[&str]) -> Self {
        let mut net = Self::new(dialer, listener);
        net.connect();
        net
    }

    pub(super) fn connect(&mut self) {
        let to = self.shown_as(self.nodes[1].addrs[0]);
        self.connect_over(LegId(0), to);
    }

    /// A connection over a new relay with this one-way delay, attached on both sides.
    pub(super) fn connected_by_relay(dialer: &[&str], listener: &[&str], delay: Duration) -> Self {
        let mut net = Self::new(dialer, listener);
        net.connect_relayed(delay);
        net
    }

    pub(super) fn connect_relayed(&mut self, delay: Duration) {
        let relay = self.relay(delay);
        let (leg, channel) = self.relays[relay].ends[0];
        self.connect_over(leg, ChannelAddress(channel).socket_addr());
    }

    /// Connects both nodes to one more relay.
    pub(super) fn relay(&mut self, delay: Duration) -> usize {
        let number = self.relays.len() as u32;
        let ends = [0, 1].map(|node: usize| {
            let leg = Leg::Relay {
                relay: relay_id(number),
                socket: relay_socket(number),
            };
            let id = self.nodes[node].switch.add_leg(leg).unwrap();
            (id, 100 * node as u32 + number)
        });
        self.relays.push(Relay {
            ends,
            delay,
            dead: false,
        });
        self.relays.len() - 1
    }

    /// Tells both nodes of the channel over this relay.
    pub(super) fn offer_relay(&mut self, relay: usize) {
        for node in 0..2 {
            let (leg, channel) = self.relays[relay].ends[node];
            let virt = self.nodes[node].virt;
            self.input(node, Input::OfferRelayed { virt, leg, channel });
        }
    }

    /// The relay dies and both nodes notice.
    pub(super) fn remove_relay(&mut self, relay: usize) {
        self.relays[relay].dead = true;
        for node in 0..2 {
            let (leg, _) = self.relays[relay].ends[node];
            self.input(node, Input::LegGone { leg });
        }
    }

    fn connect_over(&mut self, leg: LegId, to: SocketAddr) {
        self.nodes[0].virt = self.nodes[0].switch.dial(leg, to);
        let cid = self.nodes[0].cid;
        self.quic(0, &initial(b"any dcid", &cid));
        self.run(ms(500));
        let delivered = self.nodes[1].delivered.clone();
        assert_eq!(delivered.len(), 1, "one Initial, one virtual address");
        self.nodes[1].virt = *delivered.first().unwrap();
        let cids = (self.nodes[0].cid, self.nodes[1].cid);
        self.quic(1, &initial(&cids.0, &cids.1));
        self.run(ms(500));
        let (dialer, listener) = keys(1);
        for (at, keys) in [(0, dialer), (1, listener)] {
            let virt = self.nodes[at].virt;
            self.input(at, Input::Attach { virt, keys });
        }
        self.run(ms(500));
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        self.nodes[node].switch.handle_input(input, self.now);
        self.drain(node);
    }

    pub(super) fn offer(&mut self, node: usize, remotes: &[&str]) {
        let virt = self.nodes[node].virt;
        let remotes = remotes.iter().map(|text| addr(text)).collect();
        self.input(node, Input::Offer { virt, remotes });
    }

    /// The path a node uses.
    pub(super) fn path(&self, node: usize) -> PathInfo {
        self.nodes[node]
            .switch
            .current(self.nodes[node].virt, self.now)
            .unwrap()
    }

    /// Sends 300 bytes of data, or what is to be an acknowledgement of `seq`.
    pub(super) fn data(&mut self, node: usize, seq: u64) {
        self.stream(node, b'd', seq, 300);
    }

    fn stream(&mut self, node: usize, kind: u8, seq: u64, len: usize) {
        let dcid = self.nodes[1 - node].cid;
        let mut body = vec![kind];
        body.extend_from_slice(&seq.to_le_bytes());
        self.quic(node, &short(&dcid, &body, len));
    }

    /// Sends a datagram of quinn's.
    pub(super) fn quic(&mut self, node: usize, datagram: &[u8]) {
        let virt = self.nodes[node].virt;
        let ways = self.nodes[node]
            .switch
            .outbound(virt, datagram, datagram.len(), self.now);
        if let Some(ways) = ways {
            self.transmit(node, &ways.route, datagram.to_vec());
            if let Some(copy) = ways.copy {
                self.nodes[node].copies += 1;
                self.transmit(node, &copy, datagram.to_vec());
            }
        }
        self.drain(node);
    }

    /// Puts a datagram on the wire from anywhere.
    pub(super) fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let (low, high) = if from <= to { (from, to) } else { (to, from) };
        let delay = self
            .delays
            .get(&(low, high))
            .copied()
            .unwrap_or(self.default_delay);
        if self.dead.contains(&from) || self.dead.contains(&to) {
            return;
        }
        let mtu = [from, to].iter().filter_map(|end| self.mtu.get(end)).min();
        if mtu.is_some_and(|mtu| bytes.len() > *mtu) {
            return;
        }
        if let Some((node, to)) = self.receiver(to) {
            self.serial += 1;
            let flying = Flying {
                node,
                to,
                from,
                bytes,
            };
            self.flying.insert((self.now + delay, self.serial), flying);
        }
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let arrival = self.flying.first_key_value().map(|(key, _)| key.0);
            let signal = self.signals.first_key_value().map(|(key, _)| key.0);
            let timers = self
                .nodes
                .iter()
                .filter_map(|node| node.switch.poll_timeout());
            let Some(next) = timers
                .chain(arrival)
                .chain(signal)
                .min()
                .filter(|next| *next <= end)
            else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self.flying.first_entry()
                && entry.key().0 <= self.now
            {
                let flying = entry.remove();
                self.deliver(flying);
            }
            while let Some(entry) = self.signals.first_entry()
                && entry.key().0 <= self.now
            {
                let (node, frame) = entry.remove();
                let virt = self.nodes[node].virt;
                match frame {
                    Frame::Candidates(candidates) => {
                        self.input(node, Input::Candidates { virt, candidates });
                    }
                    Frame::Punch(punch) => self.input(node, Input::Punch { virt, punch }),
                    other => panic!("{other:?}"),
                }
            }
            for node in 0..2 {
                self.nodes[node].switch.handle_timeout(self.now);
                self.drain(node);
            }
        }
        self.now = end;
    }

    /// Traffic from node 0 to node 1, one datagram every 20 ms, which node 1 acknowledges.
    pub(super) fn talk(&mut self, from: usize, seqs: std::ops::Range<u64>) {
        for seq in seqs {
            self.data(from, seq);
            self.run(ms(20));
        }
    }

    /// Messages from a node, one each `gap`, each repeated every 100 ms until it is acknowledged.
    pub(super) fn talk_reliably(&mut self, from: usize, seqs: std::ops::Range<u64>, gap: Duration) {
        for seq in seqs {
            self.data(from, seq);
            self.unacked.insert(seq, self.now);
            self.run(gap);
            self.repeat(from);
        }
    }

    /// Repeats what was not acknowledged for 100 ms.
    pub(super) fn repeat(&mut self, from: usize) {
        let acked = &self.nodes[from].acked;
        self.unacked.retain(|seq, _| !acked.contains(seq));
        let now = self.now;
        let late = self.unacked.iter().filter(|(_, at)| now >= **at + ms(100));
        let late: Vec<u64> = late.map(|(seq, _)| *seq).collect();
        for seq in late {
            self.data(from, seq);
            self.unacked.insert(seq, now);
        }
    }

    pub(super) fn switches(&self, node: usize) -> usize {
        let events = &self.nodes[node].events;
        events
            .iter()
            .filter(|(_, output)| matches!(output, Output::Switched { .. }))
            .count()
    }

    pub(super) fn shown_as(&self, addr: SocketAddr) -> SocketAddr {
        self.shown.get(&addr).copied().unwrap_or(addr)
    }

    /// Who has the socket that is shown as this address.
    fn receiver(&self, to: SocketAddr) -> Option<(usize, Into)> {
        for (node, of) in self.nodes.iter().enumerate() {
            let is = |bound: &SocketAddr| self.shown_as(*bound) == to;
            if let Some((leg, _)) = of.adopted.iter().find(|(_, bound)| is(bound)) {
                return Some((node, Into::Leg(*leg)));
            }
            if let Some(leg) = of.addrs.iter().position(is) {
                return Some((node, Into::Leg(LegId(leg as u32))));
            }
            if let Some(socket) = of.extras.iter().position(is) {
                return Some((node, Into::Extra(socket as u16, of.extras[socket])));
            }
        }
        None
    }

    /// Has a node look for direct paths: what it knows of itself.
    pub(super) fn traverse(
        &mut self,
        node: usize,
        class: NatClass,
        known: &[(CandidateKind, &str)],
    ) {
        let virt = self.nodes[node].virt;
        self.input(
            node,
            Input::Traverse {
                virt,
                config: agent::Config::default(),
                ours: relay_id(node as u32),
                theirs: relay_id(1 - node as u32),
                seed: [node as u8; 32],
            },
        );
        let candidates = known.iter().map(|(kind, text)| Candidate {
            kind: *kind,
            address: Address::direct(addr(text)),
        });
        let local = agent::Local {
            class,
            candidates: candidates.collect(),
        };
        self.input(node, Input::Local { virt, local });
    }

    fn transmit(&mut self, node: usize, route: &Route, bytes: Vec<u8>) {
        if let Some(ChannelAddress(channel)) = ChannelAddress::from_socket_addr(route.remote) {
            self.forward(node, (route.leg, channel), bytes);
            return;
        }
        let adopted = self.nodes[node].adopted.get(&route.leg).copied();
        let from = adopted.unwrap_or_else(|| self.nodes[node].addrs[route.leg.0 as usize]);
        *self.nodes[node].sent.entry(route.remote).or_default() += bytes.len();
        let from = self.shown_as(from);
        self.inject(from, route.remote, bytes);
    }

    /// What a relay does.
    fn forward(&mut self, node: usize, end: (LegId, u32), bytes: Vec<u8>) {
        let relay = self.relays.iter().find(|relay| relay.ends[node] == end);
        let Some(relay) = relay.filter(|relay| !relay.dead) else {
            return;
        };
        let (leg, channel) = relay.ends[1 - node];
        let at = self.now + relay.delay;
        self.serial += 1;
        let flying = Flying {
            node: 1 - node,
            to: Into::Leg(leg),
            from: ChannelAddress(channel).socket_addr(),
            bytes,
        };
        self.flying.insert((at, self.serial), flying);
    }

    fn deliver(&mut self, flying: Flying) {
        let node = &mut self.nodes[flying.node];
        let leg = match flying.to {
            Into::Leg(leg) => leg,
            Into::Extra(socket, bound) => {
                let mut legs = node.adopted.iter();
                match legs.find(|(_, adopted)| **adopted == bound) {
                    Some((leg, _)) => *leg,
                    None if !node.extras.contains(&bound) => return,
                    None => {
                        let arrival = ExtraArrival {
                            virt: node.virt,
                            socket,
                            bound,
                            from: flying.from,
                        };
                        node.switch.inbound_extra(arrival, &flying.bytes, self.now);
                        self.drain(flying.node);
                        return;
                    }
                }
            }
        };
        let arrival = Arrival {
            leg,
            local: None,
            from: canonical(flying.from),
        };
        *node.received.entry(arrival.from).or_default() += flying.bytes.len();
        let verdict = node.switch.inbound(arrival, &flying.bytes, self.now);
        let virts = match verdict {
            Verdict::Deliver(virt) => vec![virt],
            Verdict::Ambiguous(virts) => virts,
            Verdict::Consumed => Vec::new(),
        };
        for virt in virts {
            let node = &mut self.nodes[flying.node];
            node.delivered.insert(virt);
            // Data to the right id, from the right virtual address, is acknowledged.
            let ours = flying.bytes.get(1..9) == Some(&node.cid) && virt == node.virt;
            if ours && flying.bytes.get(9) == Some(&b'd') {
                let seq = u64::from_le_bytes(flying.bytes[10..18].try_into().unwrap());
                node.got.insert(seq);
                node.arrived.entry(seq).or_insert(self.now);
                self.stream(flying.node, b'a', seq, 40);
            } else if ours && flying.bytes.get(9) == Some(&b'a') {
                let seq = u64::from_le_bytes(flying.bytes[10..18].try_into().unwrap());
                node.acked.insert(seq);
            }
        }
        self.drain(flying.node);
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].switch.poll_output() {
            match output {
                Output::Transmit {
                    route, datagram, ..
                } => {
                    *self.nodes[node].probes.entry(route.remote).or_default() += 1;
                    self.transmit(node, &route, datagram);
                }
                Output::TransmitExtra {
                    socket,
                    remote,
                    datagram,
                    ..
                } => {
                    *self.nodes[node].probes.entry(remote).or_default() += 1;
                    *self.nodes[node].sent.entry(remote).or_default() += datagram.len();
                    let from = self.shown_as(self.nodes[node].extras[usize::from(socket)]);
                    self.inject(from, remote, datagram);
                }
                Output::Scatter { sockets, .. } => {
                    let ip = self.nodes[node].addrs[0].ip();
                    let ports = 20_000..20_000 + sockets;
                    let extras = ports.map(|port| SocketAddr::new(ip, port));
                    self.nodes[node].extras = extras.collect();
                }
                Output::EndScatter { .. } => self.nodes[node].extras.clear(),
                Output::Adopt { socket, leg, .. } => {
                    let bound = self.nodes[node].extras[usize::from(socket)];
                    self.nodes[node].adopted.insert(leg, bound);
                }
                Output::CloseLeg { leg } => {
                    self.nodes[node].adopted.remove(&leg);
                }
                Output::Signal { frame, .. } => {
                    self.serial += 1;
                    let at = self.now + ms(30);
                    self.signals.insert((at, self.serial), (1 - node, *frame));
                }
                Output::Sample { virt } => {
                    let address = self.sampled[node];
                    let now = self.now;
                    let switch = &mut self.nodes[node].switch;
                    switch.handle_input(Input::Sampled { virt, address }, now);
                }
                Output::Switched { .. }
                | Output::Observed { .. }
                | Output::Outcome { .. }
                | Output::Lost { .. } => {
                    let now = self.now;
                    self.nodes[node].events.push((now, output));
                }
            }
        }
    }
}
