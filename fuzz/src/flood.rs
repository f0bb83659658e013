//! A node in a flood: many datagrams, none from an address that has proven anything.
//!
//! Not a target but a measurement, without a sanitizer, because a fuzzer is too slow for ten
//! million. What an attacker has seen on the wire, changed a little, comes from addresses of its
//! choice; nobody there ever answers a question of ours.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_nat::stun::{self, Change, Message, TransactionId};
use dchat_transport::path::{
    Arrival, Config, Input, Leg, LegId, Output, ProbePair, Switch, VirtualAddress, bounds,
};
use dchat_wire::limits;
use dchat_wire::nat::reach_datagram;
use dchat_wire::probe::{Probe, ProbeKeys};

use crate::script::start;

/// What came of it. Bytes are UDP payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flood {
    /// Datagrams that came in.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Addresses they came from.
    pub addresses: u64,
    /// Binding requests answered.
    pub stun_answers: u64,
    /// Authentic questions, captured and sent again or for the first time, that were answered.
    pub probe_answers: u64,
    /// Bytes of both kinds of answers.
    pub answer_bytes: u64,
    /// Bytes of the datagrams that were answered.
    pub asked_bytes: u64,
    /// Questions of ours to addresses from which packets of a connection seemed to come.
    pub questions: u64,
    /// Most questions to one address.
    pub most_questions: u64,
}

/// To and from one address.
#[derive(Default)]
struct Account {
    received: u64,
    answered: u64,
    questions: u64,
}

struct Node {
    switch: Switch,
    now: Instant,
    keys: Vec<(ProbePair, VirtualAddress, SocketAddr)>,
    accounts: BTreeMap<SocketAddr, Account>,
    flood: Flood,
    /// The datagram being taken: from where, and its length, until it was answered.
    question: Option<(SocketAddr, usize)>,
}

/// Lets `count` datagrams in.
///
/// # Panics
/// When the answers to an address have more bytes than came from it, one answer has more than its
/// question, or an address is sent more questions than the bounds of the path switch allow.
#[must_use]
pub fn flood(count: u64, seed: u64) -> Flood {
    let mut random = Random(seed);
    let mut node = Node::new();
    let captured = node.captured();
    let mut bytes = Vec::new();
    for number in 0..count {
        bytes.clear();
        if random.below(64) == 0 {
            // A peer behind a NAT that gives it another address each time.
            bytes.extend(node.asked_by_peer(&mut random));
        } else {
            bytes.extend(random.one_of(&captured));
            // As it was captured, one time in four; else changed in up to three places.
            for _ in 0..random.below(4) {
                random.change(&mut bytes, &captured);
            }
            bytes.truncate(1472);
        }
        let from = random.address();
        node.receive(from, &bytes);
        node.now += Duration::from_micros(random.below(1000) as u64);
        if number % 4096 == 0 {
            node.peers_go_on();
        }
    }
    node.flood.addresses = node.accounts.len() as u64;
    let most = node.accounts.values().map(|account| account.questions);
    node.flood.most_questions = most.max().unwrap_or_default();
    node.flood
}

impl Node {
    /// Two connections, one of which has moved to another path already, and nobody else.
    fn new() -> Self {
        let udp = |bound: &str| {
            bound
                .parse()
                .ok()
                .map(|bound| Leg::Udp { bound, dual: false })
        };
        let legs = ["192.0.2.1:4001", "[2001:db8::1]:4001"];
        let legs = legs.into_iter().filter_map(udp).collect();
        let now = start();
        let mut node = Self {
            switch: Switch::new(Config::default(), legs, [5; 32]),
            now,
            keys: Vec::new(),
            accounts: BTreeMap::new(),
            flood: Flood::default(),
            question: None,
        };
        for number in 0..2_u8 {
            let exported = core::array::from_fn(|at| number * 100 + at as u8);
            let (ours, theirs) = ProbeKeys::from_exporter(&exported);
            let keys = ProbePair { ours, theirs };
            let peer = SocketAddr::new([198, 51, 100, number].into(), 4001);
            let virt = node.switch.dial(LegId(0), peer);
            let packet = initial(b"random00", &cid(number));
            node.switch.outbound(virt, &packet, 1200, now);
            let attach = Input::Attach {
                virt,
                keys: keys.clone(),
            };
            node.switch.handle_input(attach, now);
            node.keys.push((keys, virt, peer));
            node.drain();
        }
        node
    }

    /// What an attacker can have: everything of everybody's that is not under a key, and packets and
    /// probes that passed it.
    fn captured(&self) -> Vec<Vec<u8>> {
        let id = TransactionId(*b"transaction!");
        let seen = SocketAddr::new([20, 0, 0, 1].into(), 4001);
        let question = stun::request(id, Change::Nothing);
        let mut bare = question[..20].to_vec();
        bare[2..4].fill(0);
        let mut captured = vec![
            bare,
            stun::answer(&question, seen).unwrap_or_default(),
            stun::request(id, Change::AddressAndPort),
            question,
            reach_datagram::seal(&[7; 16]).to_vec(),
            initial(b"random00", b"stranger"),
            initial(b"random01", b""),
            // A version nobody speaks, which a server answers with a negotiation.
            [&[0xc0, 0xfa, 0xce, 0xb0, 0x0c, 8], [3; 1200].as_slice()].concat(),
            vec![0x40; 43],
        ];
        for (number, (keys, ..)) in self.keys.iter().enumerate() {
            let mut packet = [&[0x40], cid(number as u8).as_slice()].concat();
            captured.push(packet.clone());
            packet.resize(300, 9);
            captured.push(packet);
            for (transaction, len) in [(1, 64), (2, 64), (3, 1200)] {
                let transaction = [transaction; 8];
                captured.push(Probe::Ask { transaction }.seal(&keys.theirs, len));
                captured.push(Probe::Ask { transaction }.seal(&keys.ours, len));
                let observed = seen;
                let answer = Probe::Answer {
                    transaction,
                    observed,
                };
                captured.push(answer.seal(&keys.theirs, limits::PROBE));
            }
        }
        captured
    }

    fn asked_by_peer(&self, random: &mut Random) -> Vec<u8> {
        let (keys, ..) = &self.keys[random.below(self.keys.len())];
        let transaction = random.next().to_le_bytes();
        let len = limits::PROBE + random.below(1472 - limits::PROBE);
        Probe::Ask { transaction }.seal(&keys.theirs, len)
    }

    fn receive(&mut self, from: SocketAddr, bytes: &[u8]) {
        let account = self.accounts.entry(from).or_default();
        account.received += bytes.len() as u64;
        self.flood.datagrams += 1;
        self.flood.bytes += bytes.len() as u64;
        self.question = Some((from, bytes.len()));
        // As the socket tells them apart: STUN, what a REACH asked for, and the rest.
        if stun::is_stun(bytes) {
            if let Some(answer) = stun::answer(bytes, from) {
                assert!(matches!(stun::decode(bytes), Ok(Message::Request(_))));
                self.flood.stun_answers += 1;
                self.answers(from, answer.len());
            }
        } else if reach_datagram::open(bytes).is_none() {
            let arrival = Arrival {
                leg: LegId(u32::from(from.is_ipv6())),
                local: None,
                from,
            };
            let _ = self.switch.inbound(arrival, bytes, self.now);
        }
        self.drain();
        let due = self.switch.poll_timeout();
        if due.is_some_and(|due| due <= self.now) {
            self.switch.handle_timeout(self.now);
            self.drain();
        }
        self.question = None;
    }

    fn answers(&mut self, to: SocketAddr, len: usize) {
        let (from, asked) = self.question.take().expect("an answer to nothing");
        assert_eq!(to, from, "answered somebody else");
        assert!(len <= asked, "{len} bytes for {asked}");
        let account = self.accounts.entry(to).or_default();
        account.answered += len as u64;
        assert!(account.answered <= account.received);
        self.flood.answer_bytes += len as u64;
        self.flood.asked_bytes += asked as u64;
    }

    fn drain(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            let Output::Transmit {
                virt,
                route,
                datagram,
            } = output
            else {
                continue;
            };
            let of = self.keys.iter().find(|(_, own, _)| *own == virt);
            let (keys, _, peer) = of.expect("whose probe").clone();
            match Probe::open(&keys.ours, &datagram) {
                // Where the peer really is, it answers.
                Ok(Probe::Ask { transaction }) if route.remote == peer => {
                    let answer = Probe::Answer {
                        transaction,
                        observed: SocketAddr::new([192, 0, 2, 1].into(), 4001),
                    };
                    let bytes = answer.seal(&keys.theirs, limits::PROBE);
                    let arrival = Arrival {
                        leg: route.leg,
                        local: None,
                        from: peer,
                    };
                    let _ = self.switch.inbound(arrival, &bytes, self.now);
                }
                Ok(Probe::Ask { .. }) => {
                    assert_eq!(datagram.len(), limits::PROBE, "padded, to a stranger");
                    self.flood.questions += 1;
                    let account = self.accounts.entry(route.remote).or_default();
                    account.questions += 1;
                    let sent = account.questions * limits::PROBE as u64;
                    let allowed = (bounds::UNPROVEN_PROBES * limits::PROBE) as u64;
                    assert!(
                        sent <= allowed.max(account.received),
                        "{sent} bytes of questions for {}",
                        account.received
                    );
                }
                Ok(Probe::Answer { .. }) => {
                    self.flood.probe_answers += 1;
                    self.answers(route.remote, datagram.len());
                }
                Err(error) => panic!("no probe: {error}"),
            }
        }
    }

    /// The real peers send something, and so do we: over the paths that are proven.
    fn peers_go_on(&mut self) {
        for number in 0..self.keys.len() {
            let (_, virt, peer) = self.keys[number].clone();
            let mut packet = [&[0x40], cid(number as u8).as_slice()].concat();
            packet.resize(300, 1);
            let ways = self.switch.outbound(virt, &packet, packet.len(), self.now);
            let route = ways.expect("a path").route;
            assert_eq!(route.remote, peer, "moved to a stranger");
            let arrival = Arrival {
                leg: LegId(0),
                local: None,
                from: peer,
            };
            let _ = self.switch.inbound(arrival, &packet, self.now);
            self.drain();
        }
    }
}

fn cid(number: u8) -> [u8; 8] {
    [b'c', b'i', b'd', 0, 0, 0, 0, number]
}

fn initial(dcid: &[u8], scid: &[u8]) -> Vec<u8> {
    let mut packet = vec![0xc0, 0, 0, 0, 1, dcid.len() as u8];
    packet.extend(dcid);
    packet.push(scid.len() as u8);
    packet.extend(scid);
    packet.resize(1200, 0);
    packet
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same flood for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_of<'a>(&mut self, all: &'a [Vec<u8>]) -> &'a [u8] {
        &all[self.below(all.len())]
    }

    /// One of 60,000 addresses, some of which the flood comes from again and again.
    fn address(&mut self) -> SocketAddr {
        let host = if self.below(4) == 0 {
            self.below(16)
        } else {
            self.below(30_000)
        };
        let host = host as u16;
        if self.below(4) == 0 {
            let ip = Ipv6Addr::new(0x2400, 1, 2, 3, 0, 0, 0, host);
            SocketAddr::new(ip.into(), 4001)
        } else {
            let [high, low] = host.to_be_bytes();
            SocketAddr::new(Ipv4Addr::new(20, 3, high, low).into(), 4001)
        }
    }

    fn change(&mut self, bytes: &mut Vec<u8>, captured: &[Vec<u8>]) {
        let at = self.below(bytes.len().max(1));
        match self.below(7) {
            0 => bytes.truncate(at),
            1 => {
                let len = self.below(1472);
                bytes.resize(len, 0);
            }
            2 => {
                // The end of another.
                let other = self.one_of(captured);
                bytes.truncate(at);
                bytes.extend(other.get(at..).unwrap_or_default());
            }
            3 => bytes.extend(self.next().to_le_bytes()),
            _ => {
                let bit = 1 << self.below(8);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bit;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::flood;

    #[test]
    fn a_flood_gets_no_more_than_it_brings() {
        let flood = flood(20_000, 1);
        assert_eq!(flood.datagrams, 20_000);
        assert!(flood.stun_answers > 0 && flood.probe_answers > 0);
        assert!(flood.answer_bytes <= flood.asked_bytes);
    }
}
