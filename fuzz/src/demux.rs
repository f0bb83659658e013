//! The demultiplexer and path switch.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use dchat_nat::agent::{Config as AgentConfig, Local};
use dchat_transport::path::{
    Arrival, ChannelAddress, Config, ExtraArrival, Input, Leg, LegId, Output, ProbePair, Route,
    Switch, Verdict, VirtualAddress, bounds, canonical,
};
use dchat_wire::Address;
use dchat_wire::limits;
use dchat_wire::nat::{Prediction, Punch};
use dchat_wire::probe::{Probe, ProbeKeys};

use crate::samples;
use crate::script::{Script, forbidden, start};

/// Input: a script of datagrams from anywhere, of what the node and its peers do, and of time.
///
/// Whatever that is: the tables keep their bounds; a datagram to an id of a connection is that
/// connection's; data goes only where the peer has proven to be; an answer goes only to who asked,
/// with no more bytes; and an address that never answered is sent no more than its few probes or
/// what came from it, and what an agent's bounds allow once there is one.
///
/// # Panics
/// When it is not so.
pub fn demux(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::new();
    let mut steps = 0;
    while let Some(step) = script.step() {
        steps += 1;
        if steps > 400 {
            break;
        }
        world.step(step, &mut script);
    }
}

const TABLE: Config = Config {
    virtual_addresses: 24,
    provisional: 8,
};
const V4: LegId = LegId(0);
const V6: LegId = LegId(1);
const RELAY: LegId = LegId(2);

/// Keys of the few connections: ours to send with, the peer's to send with.
static KEYS: LazyLock<Vec<ProbePair>> = LazyLock::new(|| {
    let pair = |seed: u8| {
        let exported = core::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at as u8));
        let (ours, theirs) = ProbeKeys::from_exporter(&exported);
        ProbePair { ours, theirs }
    };
    (0..16).map(pair).collect()
});

/// Where something comes in or goes out: a leg or a socket of a scatter, and the other's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Door {
    Leg(LegId),
    /// Whose scatter, and which of its sockets.
    Extra(VirtualAddress, u16),
}
type Way = (Door, SocketAddr);

/// What went to and fro on one way.
#[derive(Debug, Default)]
struct Account {
    received: usize,
    asked_by_peer: usize,
    questions: usize,
    answers: usize,
    proven: bool,
}

struct Peer {
    virt: VirtualAddress,
    keys: ProbePair,
    cid: [u8; 8],
    released: bool,
    /// Questions sent: on which way, with what transaction.
    questions: Vec<(Way, [u8; 8])>,
}

struct World {
    switch: Switch,
    begin: Instant,
    now: Instant,
    peers: Vec<Peer>,
    accounts: BTreeMap<Way, Account>,
    /// Attempts of strangers.
    strangers: Vec<(VirtualAddress, Way)>,
    legs: BTreeSet<LegId>,
    /// Each starts the addresses of a connection anew.
    starts: usize,
    agents: usize,
}

impl World {
    fn new() -> Self {
        let legs = vec![
            udp("20.9.0.1:4001".parse().ok()),
            udp("[2400:9::1]:4001".parse().ok()),
            Leg::Relay {
                relay: samples::peer(3),
                socket: SocketAddr::new(Ipv4Addr::new(20, 0, 3, 1).into(), 4001),
            },
        ];
        let now = start();
        let mut world = Self {
            switch: Switch::new(TABLE, legs, [3; 32]),
            begin: now,
            now,
            peers: Vec::new(),
            accounts: BTreeMap::new(),
            strangers: Vec::new(),
            legs: [V4, V6, RELAY].into(),
            starts: 0,
            agents: 0,
        };
        world.dial((Door::Leg(V4), (Ipv4Addr::new(20, 0, 0, 200), 9).into()));
        world.dial((Door::Leg(RELAY), ChannelAddress(7).socket_addr()));
        world
    }

    /// A handshake done with whoever is there, so that way is proven.
    fn dial(&mut self, way: Way) {
        let Door::Leg(leg) = way.0 else { return };
        let virt = self.switch.dial(leg, way.1);
        self.complete(virt, way);
    }

    fn complete(&mut self, virt: VirtualAddress, way: Way) {
        let Some(keys) = KEYS.get(self.peers.len()).cloned() else {
            return;
        };
        let cid = [b'c', b'i', b'd', 0, 0, 0, 0, self.peers.len() as u8];
        self.switch
            .outbound(virt, &initial(b"random00", &cid), 1200, self.now);
        let attach = Input::Attach {
            virt,
            keys: keys.clone(),
        };
        if self.switch.current(virt, self.now).is_none() {
            self.tell(attach);
            return;
        }
        self.accounts.entry(way).or_default().proven = true;
        self.peers.push(Peer {
            virt,
            keys,
            cid,
            released: false,
            questions: Vec::new(),
        });
        self.starts += 1;
        self.tell(attach);
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 18 {
            0 => {
                let way = self.way(script);
                let mut bytes = script.bytes(1472).to_vec();
                if script.flag() {
                    bytes.resize(bytes.len().max(1200), 0);
                }
                self.inbound(way, &bytes);
            }
            1 => {
                let way = self.way(script);
                let verdict = self.inbound(way, &initial(b"random00", &[script.u8() & 15]));
                if let Some(Verdict::Deliver(virt)) = verdict
                    && self.strangers.len() < 64
                {
                    self.strangers.push((virt, way));
                }
            }
            2 | 3 => self.short(script),
            4 | 5 => self.ask(script),
            6 | 7 => self.answer(script),
            8 | 9 => {
                let len = 1 + usize::from(script.u16()) % 1472;
                let batch = len * usize::from(1 + (script.u8() & 7));
                let Some(at) = self.nth(script) else { return };
                self.outbound(at, len, batch);
            }
            10 => {
                let remotes = (0..script.below(20)).map(|_| script.socket()).collect();
                self.starts += 1;
                self.with(script, |virt| Input::Offer { virt, remotes });
            }
            11 => self.environment(script),
            12 => {
                let seed = [script.u8(); 32];
                let loopback = seed[0] == 255;
                if !loopback {
                    self.agents += 1;
                    let config = AgentConfig {
                        sockets: u16::from(seed[0] >> 5) * 8,
                        ..AgentConfig::default()
                    };
                    let (ours, theirs) = (samples::peer(1), samples::peer(2));
                    self.with(script, |virt| Input::Traverse {
                        virt,
                        config,
                        ours,
                        theirs,
                        seed,
                    });
                }
                let local = Local {
                    class: script.nat_class(),
                    candidates: script.candidates(8),
                };
                self.with(script, |virt| Input::Local { virt, local });
            }
            13 => {
                let candidates = script.candidates_frame();
                self.with(script, |virt| Input::Candidates { virt, candidates });
            }
            14 => {
                let punch = Punch {
                    round: script.u8().into(),
                    answers: script.flag(),
                    prediction: script.flag().then(|| Prediction {
                        address: Address::direct(script.socket()),
                        stride: script.u16(),
                        count: script.u16(),
                    }),
                    sockets: script.u16(),
                    extensions: Default::default(),
                };
                let address = script.flag().then(|| script.socket());
                self.with(script, |virt| Input::Punch { virt, punch });
                self.with(script, |virt| Input::Sampled { virt, address });
            }
            _ => self.pass(script.time()),
        }
        self.check();
    }

    fn nth(&self, script: &mut Script<'_>) -> Option<usize> {
        (!self.peers.is_empty()).then(|| script.below(self.peers.len()))
    }

    fn with(&mut self, script: &mut Script<'_>, input: impl FnOnce(VirtualAddress) -> Input) {
        if let Some(at) = self.nth(script) {
            let virt = self.peers[at].virt;
            self.tell(input(virt));
        }
    }

    /// A source address that may occur: a forged one of our own prefixes, but none that no packet
    /// can have.
    fn way(&self, script: &mut Script<'_>) -> Way {
        let from = canonical(script.socket());
        let reserved = is_reserved(from);
        if script.u8() & 7 == 7 {
            let channel = ChannelAddress(script.u8().into()).socket_addr();
            return (Door::Leg(RELAY), channel);
        }
        let from = if forbidden(from) && !reserved {
            (Ipv4Addr::new(20, 0, 0, 9), 9).into()
        } else {
            from
        };
        (Door::Leg(if from.is_ipv4() { V4 } else { V6 }), from)
    }

    fn short(&mut self, script: &mut Script<'_>) {
        let way = self.way(script);
        let len = 9 + usize::from(script.u16()) % 1400;
        let Some(at) = self.nth(script) else { return };
        let (cid, released) = (self.peers[at].cid, self.peers[at].released);
        let known = script.u8() & 3 != 0;
        let mut packet = vec![0x40];
        packet.extend(if known { cid } else { script.array() });
        packet.resize(len, 0);
        let virt = self.peers[at].virt;
        let verdict = self.inbound(way, &packet);
        if known && !released && !self.forged(way) {
            assert_eq!(verdict, Some(Verdict::Deliver(virt)), "taken over");
        }
    }

    fn ask(&mut self, script: &mut Script<'_>) {
        let Some(at) = self.nth(script) else { return };
        let way = self.choose_way(script, at);
        let transaction = [script.u8(); 8];
        let len = limits::PROBE + usize::from(script.u8()) * 5;
        let mut bytes = Probe::Ask { transaction }.seal(&self.peers[at].keys.theirs, len);
        let flip = script.u16();
        if flip & 0x8000 != 0 {
            let place = usize::from(flip & 0x7fff) % bytes.len();
            bytes[place] ^= 1 << (flip & 7);
        } else if !self.forged(way) {
            self.accounts.entry(way).or_default().asked_by_peer += bytes.len();
        }
        self.inbound(way, &bytes);
    }

    /// A way that something was sent to, or any.
    fn choose_way(&self, script: &mut Script<'_>, at: usize) -> Way {
        let number = usize::from(script.u8());
        let known = self.peers[at].questions.get(number).map(|(way, _)| *way);
        known.unwrap_or_else(|| self.way(script))
    }

    /// The peer answers a question of ours, from where it was asked or from elsewhere.
    fn answer(&mut self, script: &mut Script<'_>) {
        let Some(at) = self.nth(script) else { return };
        let back = usize::from(script.u8());
        let peer = &self.peers[at];
        let question = peer.questions.iter().rev().nth(back).copied();
        let elsewhere = script.u8() & 7 == 7;
        let (way, transaction) = question.unwrap_or_else(|| (self.way(script), [1; 8]));
        let way = if elsewhere { self.way(script) } else { way };
        let observed = canonical(script.socket());
        let answer = Probe::Answer {
            transaction,
            observed,
        };
        let bytes = answer.seal(&peer.keys.theirs, limits::PROBE);
        // Whether in time or not, the peer is there, unless it is a dead connection's.
        if peer.questions.contains(&(way, transaction)) {
            self.accounts.entry(way).or_default().proven = true;
        }
        self.inbound(way, &bytes);
    }

    fn inbound(&mut self, (door, from): Way, bytes: &[u8]) -> Option<Verdict> {
        self.accounts.entry((door, from)).or_default().received += bytes.len();
        let verdict = match door {
            Door::Leg(leg) => {
                let local = (bytes.len() % 2 == 1).then_some(IpAddr::V4([20, 9, 0, 1].into()));
                let arrival = Arrival {
                    leg,
                    local: local.filter(|_| leg == V4),
                    from,
                };
                Some(self.switch.inbound(arrival, bytes, self.now))
            }
            Door::Extra(virt, socket) => {
                let arrival = ExtraArrival {
                    virt,
                    socket,
                    bound: (Ipv4Addr::new(20, 9, 0, 1), 5000 + socket).into(),
                    from,
                };
                self.switch.inbound_extra(arrival, bytes, self.now);
                None
            }
        };
        match &verdict {
            Some(Verdict::Deliver(virt)) => assert_ne!(*virt, VirtualAddress::LOCAL),
            Some(Verdict::Ambiguous(virts)) => {
                let distinct: BTreeSet<_> = virts.iter().collect();
                assert!((2..=bounds::SHARED).contains(&distinct.len()));
                assert_eq!(distinct.len(), virts.len());
            }
            Some(Verdict::Consumed) | None => {}
        }
        if self.forged((door, from)) && verdict.is_some() {
            assert_eq!(verdict, Some(Verdict::Consumed), "a forged address");
        }
        self.drain();
        verdict
    }

    /// With an address that only this process gives, from elsewhere than the relay.
    fn forged(&self, (door, from): Way) -> bool {
        is_reserved(from) && !(door == Door::Leg(RELAY) && self.legs.contains(&RELAY))
    }

    fn outbound(&mut self, at: usize, len: usize, batch: usize) {
        let mut packet = vec![0x40];
        packet.extend(b"theirs00");
        packet.resize(len.max(packet.len()), 0);
        let virt = self.peers[at].virt;
        let ways = self
            .switch
            .outbound(virt, &packet, batch.max(packet.len()), self.now);
        if let Some(ways) = ways {
            for route in [Some(ways.route), ways.copy].into_iter().flatten() {
                let way = (Door::Leg(route.leg), route.remote);
                let proven = self.accounts.get(&way).is_some_and(|a| a.proven);
                assert!(proven, "data to {way:?}, which has proven nothing");
            }
        }
        self.drain();
    }

    fn environment(&mut self, script: &mut Script<'_>) {
        let way = self.way(script);
        let route = match way.0 {
            Door::Leg(leg) => Route {
                leg,
                local: None,
                remote: way.1,
            },
            Door::Extra(..) => return,
        };
        match script.u8() % 12 {
            0 | 1 => self.tell(Input::InterfacesChanged),
            2 | 3 => self.with(script, |virt| Input::SendFailed { virt, route }),
            4 => {
                let channel = script.u8().into();
                self.tell(Input::ChannelClosed {
                    leg: RELAY,
                    channel,
                });
            }
            5 | 6 => {
                let channel = script.u8().into();
                self.starts += 1;
                self.with(script, |virt| Input::OfferRelayed {
                    virt,
                    leg: RELAY,
                    channel,
                });
            }
            7 => {
                if let Some(at) = self.nth(script) {
                    self.peers[at].released = true;
                    let virt = self.peers[at].virt;
                    self.tell(Input::Release { virt });
                }
            }
            8 => {
                if self.peers.len() < 12 && !self.forged(way) && !forbidden(way.1) {
                    self.dial(way);
                }
            }
            9 | 10 => {
                let at = script.below(self.strangers.len().max(1));
                if let Some((virt, way)) = self.strangers.get(at).copied()
                    && self.peers.len() < 12
                    && !self.peers.iter().any(|peer| peer.virt == virt)
                {
                    self.complete(virt, way);
                }
            }
            _ => {
                if self.legs.remove(&RELAY) {
                    self.tell(Input::LegGone { leg: RELAY });
                }
            }
        }
    }

    fn tell(&mut self, input: Input) {
        self.switch.handle_input(input, self.now);
        self.drain();
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        let mut rounds = 0;
        while let Some(due) = self.switch.poll_timeout().filter(|due| *due <= until) {
            rounds += 1;
            if rounds > 3000 {
                break;
            }
            self.now = self.now.max(due);
            self.switch.handle_timeout(self.now);
            self.drain();
            let next = self.switch.poll_timeout();
            assert!(
                next.is_none_or(|next| next > self.now),
                "the timer stands still"
            );
        }
        self.now = until;
        self.switch.handle_timeout(until);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Transmit {
                    virt,
                    route,
                    datagram,
                } => {
                    assert!(
                        self.legs.contains(&route.leg) || route.leg > RELAY,
                        "a dead leg"
                    );
                    self.transmitted(virt, (Door::Leg(route.leg), route.remote), &datagram);
                }
                Output::TransmitExtra {
                    virt,
                    socket,
                    remote,
                    datagram,
                } => self.transmitted(virt, (Door::Extra(virt, socket), remote), &datagram),
                Output::Adopt { virt, socket, leg } => {
                    // What the socket proved, the leg has proven.
                    let extra = Door::Extra(virt, socket);
                    let of = self.accounts.keys().copied();
                    let of: Vec<Way> = of.filter(|way| way.0 == extra).collect();
                    for way in of {
                        if let Some(account) = self.accounts.remove(&way) {
                            self.accounts.insert((Door::Leg(leg), way.1), account);
                        }
                    }
                    self.legs.insert(leg);
                }
                Output::CloseLeg { leg } => {
                    self.legs.remove(&leg);
                }
                Output::Scatter { .. }
                | Output::EndScatter { .. }
                | Output::Switched { .. }
                | Output::Observed { .. }
                | Output::Signal { .. }
                | Output::Sample { .. }
                | Output::Outcome { .. }
                | Output::Lost { .. } => {}
            }
        }
    }

    fn transmitted(&mut self, virt: VirtualAddress, way: Way, datagram: &[u8]) {
        let relayed = way.0 == Door::Leg(RELAY);
        assert!(relayed || !nobodys(way.1), "a probe to {way:?}");
        let mut peers = self.peers.iter_mut();
        let peer = peers.find(|peer| peer.virt == virt);
        let peer = peer.expect("whose probe");
        let account = self.accounts.entry(way).or_default();
        match Probe::open(&peer.keys.ours, datagram) {
            Ok(Probe::Ask { transaction }) => {
                account.questions += datagram.len();
                assert!(
                    account.proven || datagram.len() == limits::PROBE,
                    "padded, to {way:?}"
                );
                if peer.questions.len() >= 256 {
                    peer.questions.remove(0);
                }
                peer.questions.push((way, transaction));
            }
            Ok(Probe::Answer { .. }) => {
                account.answers += datagram.len();
                assert!(
                    account.answers <= account.asked_by_peer,
                    "answers to {way:?} are longer than its questions"
                );
            }
            Err(error) => panic!("no probe of ours: {error}"),
        }
    }

    fn check(&self) {
        let stats = self.switch.stats();
        assert!(stats.virtual_addresses <= TABLE.virtual_addresses);
        assert!(stats.cids <= TABLE.virtual_addresses * 2 * bounds::CIDS);
        let elapsed = self.now.duration_since(self.begin).as_secs();
        let windows = usize::try_from(elapsed / 600).unwrap_or(usize::MAX) + 1;
        let by_agents = self.agents * windows * (512 + 3600) * limits::PROBE;
        let free = self.starts * bounds::UNPROVEN_PROBES * limits::PROBE + by_agents;
        for (way, account) in &self.accounts {
            let sent = account.questions;
            assert!(
                account.proven || sent <= free + account.received,
                "{sent} bytes of questions to {way:?}, {} from there",
                account.received
            );
        }
    }
}

fn udp(bound: Option<SocketAddr>) -> Leg {
    let anywhere = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 4001);
    Leg::Udp {
        bound: bound.unwrap_or(anywhere),
        dual: false,
    }
}

/// Whether it is nobody's address, whoever names it: what agents refuse besides is theirs to check.
fn nobodys(addr: SocketAddr) -> bool {
    let link_local = match addr.ip() {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let future = matches!(addr.ip(), IpAddr::V4(ip) if ip.octets()[0] >= 240 && !ip.is_broadcast());
    forbidden(addr) && !link_local && !future || addr.port() == 0
}

/// A client's Initial, padded as it must be.
fn initial(dcid: &[u8], scid: &[u8]) -> Vec<u8> {
    let mut packet = vec![0xc0, 0, 0, 0, 1, dcid.len() as u8];
    packet.extend(dcid);
    packet.push(scid.len() as u8);
    packet.extend(scid);
    packet.resize(1200, 0);
    packet
}

fn is_reserved(addr: SocketAddr) -> bool {
    matches!(addr, SocketAddr::V6(v6) if v6.ip().segments()[..3] == [0xfd64, 0x6368, 0x6174])
}
