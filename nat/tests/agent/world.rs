//! Two peers, their sockets and NATs, a relay, and a clock that jumps.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use dchat_nat::agent::{Agent, Config, Input, Local, Outcome, Output, Socket};
use dchat_wire::nat::{Candidate, CandidateKind};
use dchat_wire::{Address, Frame, PeerId};

use crate::nat::{Nat, Random};
use crate::profile::Profile;

/// A STUN server's address.
const REFLECTOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)), 3478);
const MAIN: u16 = 4001;

#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// One way between the peers.
    pub(crate) direct: Duration,
    /// One way for a frame over the relay.
    pub(crate) relayed: Duration,
    /// To the STUN server and back.
    pub(crate) reflector: Duration,
    pub(crate) loss: f64,
}

#[derive(Clone, Debug)]
enum Event {
    Input(usize, Input),
    /// A datagram on its way: sender, its source outside, destination.
    Packet {
        to: usize,
        source: SocketAddr,
        dest: SocketAddr,
        body: Body,
    },
}

#[derive(Clone, Copy, Debug)]
enum Body {
    Ask(u64),
    Answer(u64),
}

/// One peer.
pub(crate) struct Host {
    pub(crate) agent: Agent,
    pub(crate) nats: Vec<Nat>,
    pub(crate) firewall: Option<Nat>,
    pub(crate) v4: SocketAddr,
    v6: Option<SocketAddr>,
    /// Where a packet to the outermost address goes.
    public: IpAddr,
    extras: Vec<u16>,
    next_port: u16,
    asks: BTreeMap<u64, (Socket, SocketAddr, Instant)>,
    pub(crate) probes: u32,
    pub(crate) last_probe: Option<Instant>,
    /// When the peer's candidates came first.
    pub(crate) informed: Option<Instant>,
    pub(crate) direct: Option<(Instant, Socket, SocketAddr)>,
    pub(crate) outcomes: Vec<(Instant, Outcome)>,
    pub(crate) samples: u32,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) began: Instant,
    pub(crate) hosts: [Host; 2],
    pub(crate) link: Link,
    pub(crate) random: Random,
    /// Whether what leaves this host over the direct link is dropped.
    pub(crate) cut: [bool; 2],
    events: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    bodies: BTreeMap<usize, Event>,
    serial: u64,
    profiles: [Profile; 2],
}

impl World {
    pub(crate) fn new(profiles: [&Profile; 2], link: Link, seed: u64) -> Self {
        Self::with(profiles, link, seed, Config::default())
    }

    pub(crate) fn with(profiles: [&Profile; 2], link: Link, seed: u64, config: Config) -> Self {
        let now = start();
        let mut random = Random::new(seed);
        let ids = peers();
        // Who is controlling has nothing to do with the profile.
        let swap = usize::from(random.chance(0.5));
        let hosts = [0, 1].map(|index| {
            let mut key = [index as u8; 32];
            key[..8].copy_from_slice(&random.next().to_le_bytes());
            let agent = Agent::new(
                config.clone(),
                ids[index ^ swap],
                ids[1 ^ index ^ swap],
                key,
                now,
            );
            host(index, profiles[index], agent, random.next())
        });
        Self {
            now,
            began: now,
            hosts,
            link,
            random,
            cut: [false; 2],
            events: BinaryHeap::new(),
            bodies: BTreeMap::new(),
            serial: 0,
            profiles: profiles.map(Clone::clone),
        }
    }

    /// Gives both their own addresses, a few milliseconds apart.
    pub(crate) fn introduce(&mut self) {
        for index in [0, 1] {
            let local = self.local(index);
            let after = Duration::from_millis(self.random.below(20));
            self.at(self.now + after, Event::Input(index, Input::Local(local)));
        }
    }

    /// What a host knows of itself once classified.
    pub(crate) fn local(&mut self, index: usize) -> Local {
        let host = &mut self.hosts[index];
        let mut candidates = vec![candidate(CandidateKind::Host, host.v4)];
        if !host.nats.is_empty() {
            let mut seen = host.v4;
            for nat in &mut host.nats {
                seen = nat.out(seen, REFLECTOR).expect("ports are left");
            }
            candidates.push(candidate(CandidateKind::Reflexive, seen));
        }
        candidates.extend(host.v6.map(|v6| candidate(CandidateKind::Host, v6)));
        Local {
            class: self.profiles[index].class(),
            candidates,
        }
    }

    pub(crate) fn input(&mut self, index: usize, input: Input) {
        self.hosts[index].agent.handle_input(input, self.now);
        self.drain(index);
    }

    /// Runs until nothing happens before `until`, or `stop` says so.
    pub(crate) fn run(&mut self, until: Duration, mut stop: impl FnMut(&World) -> bool) {
        let until = self.began + until;
        while !stop(self) {
            let event = self.events.peek().map(|Reverse((at, ..))| *at);
            let timer = [0, 1].map(|index| self.hosts[index].agent.poll_timeout());
            let Some(next) = [event, timer[0], timer[1]].into_iter().flatten().min() else {
                return;
            };
            if next > until {
                self.now = until;
                return;
            }
            self.now = self.now.max(next);
            if event == Some(next) {
                let Some(Reverse((_, _, id))) = self.events.pop() else {
                    return;
                };
                let event = self.bodies.remove(&id).expect("every event has a body");
                self.happen(event);
            } else {
                for index in [0, 1] {
                    if timer[index] == Some(next) {
                        self.hosts[index].agent.handle_timeout(self.now);
                        self.drain(index);
                    }
                }
            }
        }
    }

    pub(crate) fn both_direct(&self) -> bool {
        self.hosts.iter().all(|host| host.direct.is_some())
    }

    /// Whether both attempts ended.
    pub(crate) fn both_concluded(&self) -> bool {
        self.hosts.iter().all(|host| !host.outcomes.is_empty())
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.serial += 1;
        let id = self.serial as usize;
        self.bodies.insert(id, event);
        self.events.push(Reverse((at, self.serial, id)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Input(index, input) => {
                if matches!(input, Input::Candidates(_)) {
                    self.hosts[index].informed.get_or_insert(self.now);
                }
                self.input(index, input);
            }
            Event::Packet {
                to,
                source,
                dest,
                body,
            } => self.arrive(to, source, dest, body),
        }
    }

    fn drain(&mut self, index: usize) {
        while let Some(output) = self.hosts[index].agent.poll_output() {
            let now = self.now;
            match output {
                Output::Probe { from, remote } => {
                    let host = &mut self.hosts[index];
                    let early = host
                        .last_probe
                        .is_some_and(|last| now < last + dchat_nat::agent::bounds::PACE);
                    assert!(!early, "two probes within the pace");
                    host.last_probe = Some(now);
                    host.probes += 1;
                    self.serial += 1;
                    let id = self.serial;
                    host.asks.insert(id, (from, remote, now));
                    self.send(index, from, remote, Body::Ask(id));
                }
                Output::Send(frame) => {
                    let mut after = self.link.relayed;
                    if self.random.chance(self.link.loss) {
                        after += self.link.relayed * 2 + Duration::from_millis(25);
                    }
                    let input = match frame {
                        Frame::Candidates(body) => Input::Candidates(body),
                        Frame::Punch(body) => Input::Punch(body),
                        frame => panic!("{frame:?}"),
                    };
                    self.at(now + after, Event::Input(1 - index, input));
                }
                Output::Sample => self.sample(index),
                Output::Open { sockets } => {
                    let host = &mut self.hosts[index];
                    host.extras = (0..sockets)
                        .map(|_| {
                            host.next_port += 1;
                            host.next_port
                        })
                        .collect();
                }
                Output::Close => {
                    // The socket with the proven path stays, and so does its place.
                    let host = &mut self.hosts[index];
                    let keep = host.direct.map(|(_, from, _)| from);
                    for (place, port) in host.extras.iter_mut().enumerate() {
                        if keep != Some(Socket::Extra(place as u16)) {
                            *port = 0;
                        }
                    }
                }
                Output::Outcome(outcome) => {
                    let host = &mut self.hosts[index];
                    host.outcomes.push((now, outcome));
                    if let Outcome::Direct { from, remote, .. } = outcome {
                        host.direct.get_or_insert((now, from, remote));
                    }
                }
            }
        }
    }

    fn sample(&mut self, index: usize) {
        let lost = self.random.chance(self.link.loss * 2.0);
        let host = &mut self.hosts[index];
        host.samples += 1;
        host.next_port += 1;
        let mut seen = SocketAddr::new(host.v4.ip(), host.next_port);
        for nat in &mut host.nats {
            seen = nat.out(seen, REFLECTOR).expect("ports are left");
        }
        let retry = if lost {
            Duration::from_millis(200)
        } else {
            Duration::ZERO
        };
        let at = self.now + self.link.reflector + retry;
        self.at(at, Event::Input(index, Input::Sampled(Some(seen))));
    }

    fn send(&mut self, index: usize, from: Socket, remote: SocketAddr, body: Body) {
        let host = &mut self.hosts[index];
        let Some(local) = host.address(from, remote) else {
            return;
        };
        let mut source = local;
        if remote.is_ipv6() {
            if let Some(firewall) = &mut host.firewall {
                source = firewall.out(source, remote).expect("nothing is mapped");
            }
        } else {
            for nat in &mut host.nats {
                let Some(outside) = nat.out(source, remote) else {
                    return;
                };
                source = outside;
            }
        }
        let other = &self.hosts[1 - index];
        let reaches = match remote {
            SocketAddr::V4(_) => remote.ip() == other.public,
            SocketAddr::V6(_) => other.v6.is_some_and(|v6| v6.ip() == remote.ip()),
        };
        if !reaches || self.cut[index] || self.random.chance(self.link.loss) {
            return;
        }
        let packet = Event::Packet {
            to: 1 - index,
            source,
            dest: remote,
            body,
        };
        self.at(self.now + self.link.direct, packet);
    }

    fn arrive(&mut self, to: usize, source: SocketAddr, dest: SocketAddr, body: Body) {
        let host = &mut self.hosts[to];
        let mut inside = Some(dest);
        if dest.is_ipv6() {
            let firewall = host.firewall.as_ref();
            inside = firewall.map_or(inside, |firewall| firewall.inward(source, dest));
        } else {
            for nat in host.nats.iter().rev() {
                inside = inside.and_then(|dest| nat.inward(source, dest));
            }
        }
        let Some(socket) = inside.and_then(|inside| host.socket(inside)) else {
            return;
        };
        match body {
            Body::Ask(id) => {
                self.send(to, socket, source, Body::Answer(id));
                let input = Input::Asked {
                    from: socket,
                    remote: source,
                };
                self.input(to, input);
            }
            Body::Answer(id) => {
                let Some((from, remote, asked)) = host.asks.get(&id).copied() else {
                    return;
                };
                if (from, remote) == (socket, source) {
                    let rtt = self.now - asked;
                    self.input(to, Input::Answered { from, remote, rtt });
                }
            }
        }
    }
}

impl Host {
    /// The local address of a socket.
    fn address(&self, from: Socket, remote: SocketAddr) -> Option<SocketAddr> {
        match from {
            Socket::Main if remote.is_ipv6() => self.v6,
            Socket::Main => Some(self.v4),
            Socket::Extra(place) => {
                let port = *self.extras.get(usize::from(place))?;
                (port != 0).then(|| SocketAddr::new(self.v4.ip(), port))
            }
        }
    }

    fn socket(&self, local: SocketAddr) -> Option<Socket> {
        if local == self.v4 || Some(local) == self.v6 {
            return Some(Socket::Main);
        }
        let place = self.extras.iter().position(|port| *port == local.port())?;
        Some(Socket::Extra(place as u16))
    }
}

fn host(index: usize, profile: &Profile, agent: Agent, seed: u64) -> Host {
    let side = index as u8 + 1;
    let public = IpAddr::V4(Ipv4Addr::new(20, side, 0, 1));
    let nats: Vec<Nat> = profile
        .nats
        .iter()
        .enumerate()
        .map(|(level, class)| {
            let outermost = level + 1 == profile.nats.len();
            let ip = if outermost {
                public
            } else {
                IpAddr::V4(Ipv4Addr::new(100, 64, side, 1))
            };
            Nat::new(ip, class.clone(), seed ^ level as u64)
        })
        .collect();
    let inside = if nats.is_empty() {
        public
    } else {
        IpAddr::V4(Ipv4Addr::new(192, 168, side, 2))
    };
    let v6 = IpAddr::V6(Ipv6Addr::new(0x2400, u16::from(side), 0, 0, 0, 0, 0, 1));
    Host {
        agent,
        nats,
        firewall: profile
            .v6
            .as_ref()
            .map(|class| Nat::new(v6, class.clone(), seed ^ 77)),
        v4: SocketAddr::new(inside, MAIN),
        v6: profile.v6.as_ref().map(|_| SocketAddr::new(v6, MAIN)),
        public,
        extras: Vec::new(),
        next_port: 30_000,
        asks: BTreeMap::new(),
        probes: 0,
        last_probe: None,
        informed: None,
        direct: None,
        outcomes: Vec::new(),
        samples: 0,
    }
}

pub(crate) fn candidate(kind: CandidateKind, socket: SocketAddr) -> Candidate {
    Candidate {
        kind,
        address: Address::direct(socket),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an origin for virtual time; only differences matter"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// Two peers, the smaller id first.
pub(crate) fn peers() -> [PeerId; 2] {
    static PEERS: OnceLock<[PeerId; 2]> = OnceLock::new();
    *PEERS.get_or_init(|| {
        // Half of all numbers are the ordinate of a point.
        let mut points = (2u8..).filter_map(|byte| PeerId::from_public_key([byte; 32]).ok());
        let mut ids = [(); 2].map(|()| points.next().expect("there are many points"));
        ids.sort();
        ids
    })
}
