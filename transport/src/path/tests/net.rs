//! Two switches on an emulated network, with just enough of a QUIC on top: a handshake, data that is
//! acknowledged, and one timer that repeats what was not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_wire::probe::ProbeKeys;

use crate::path::{
    Arrival, Config, Input, Leg, LegId, Output, PathInfo, ProbePair, Route, Switch, Verdict,
    VirtualAddress, canonical,
};

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
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

#[derive(Debug)]
struct Flying {
    node: usize,
    leg: usize,
    from: SocketAddr,
    bytes: Vec<u8>,
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
    flying: BTreeMap<(Instant, u64), Flying>,
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
            flying: BTreeMap::new(),
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
        self.nodes[0].virt = self.nodes[0].switch.dial(LegId(0), to);
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
        for (node, of) in self.nodes.iter().enumerate() {
            for (leg, bound) in of.addrs.iter().enumerate() {
                if self.shown_as(*bound) == to {
                    self.serial += 1;
                    let flying = Flying {
                        node,
                        leg,
                        from,
                        bytes,
                    };
                    self.flying.insert((self.now + delay, self.serial), flying);
                    return;
                }
            }
        }
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let arrival = self.flying.first_key_value().map(|(key, _)| key.0);
            let timers = self
                .nodes
                .iter()
                .filter_map(|node| node.switch.poll_timeout());
            let Some(next) = timers.chain(arrival).min().filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self.flying.first_entry()
                && entry.key().0 <= self.now
            {
                let flying = entry.remove();
                self.deliver(flying);
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

    fn transmit(&mut self, node: usize, route: &Route, bytes: Vec<u8>) {
        let from = self.nodes[node].addrs[route.leg.0 as usize];
        *self.nodes[node].sent.entry(route.remote).or_default() += bytes.len();
        let from = self.shown_as(from);
        self.inject(from, route.remote, bytes);
    }

    fn deliver(&mut self, flying: Flying) {
        let node = &mut self.nodes[flying.node];
        let arrival = Arrival {
            leg: LegId(flying.leg as u32),
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
                self.stream(flying.node, b'a', seq, 40);
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
                Output::Switched { .. } | Output::Observed { .. } | Output::Lost { .. } => {
                    let now = self.now;
                    self.nodes[node].events.push((now, output));
                }
            }
        }
    }
}
