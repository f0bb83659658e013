//! The agent of one connection, and the sockets it scatters over.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dchat_nat::agent::{self, Agent, Input, Local, Outcome, Output, Socket};
use dchat_nat::stun::{self, Change, Retry, Transactions};
use dchat_transport::path::{Input as PathInput, ProbePair, VirtualAddress};
use dchat_wire::probe::Probe;
use dchat_wire::{Frame, PeerId, limits};

use super::endpoint::{Endpoint, PORT};
use crate::sim::net::Net;
use crate::sim::rng::Rng;

/// First port of extra sockets, and of those that sample.
const EXTRA: u16 = 40_000;
const SAMPLE: u16 = 35_000;
/// Questions of ours that wait for an answer: the most a birthday sends.
const ASKS: usize = 2048;
/// A sample has to be quick: two tries.
const RETRY: Retry = Retry {
    first: Duration::from_millis(200),
    sends: 3,
    patience: 2,
};

/// The agent of one connection.
#[derive(Debug)]
pub(super) struct Steering {
    agent: Agent,
    virt: VirtualAddress,
    keys: ProbePair,
    rng: Rng,
    asks: BTreeMap<[u8; 8], (Socket, SocketAddr, Instant)>,
    order: std::collections::VecDeque<[u8; 8]>,
    extra: Vec<u16>,
    next_extra: u16,
    next_sample: u16,
    samples: Transactions<u16>,
    reflector: Option<SocketAddr>,
    frames: Vec<Frame>,
}

impl Steering {
    pub(super) fn new(
        (ours, theirs): (PeerId, PeerId),
        (virt, keys): (VirtualAddress, ProbePair),
        reflector: Option<SocketAddr>,
        mut rng: Rng,
        now: Instant,
    ) -> Self {
        let mut seeds = [[0; 32]; 2];
        seeds.iter_mut().for_each(|seed| rng.fill(seed));
        let [seed, samples] = seeds;
        Self {
            agent: Agent::new(agent::Config::default(), ours, theirs, seed, now),
            virt,
            keys,
            rng,
            asks: BTreeMap::new(),
            order: Default::default(),
            extra: Vec::new(),
            next_extra: EXTRA,
            next_sample: SAMPLE,
            samples: Transactions::new(stun::Config::default(), samples),
            reflector,
            frames: Vec::new(),
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.agent.outcome()
    }

    pub(super) fn local(&mut self, local: Local, now: Instant) {
        self.agent.handle_input(Input::Local(local), now);
    }

    pub(super) fn frame(&mut self, frame: Frame, now: Instant) {
        match frame {
            Frame::Candidates(candidates) => {
                self.agent.handle_input(Input::Candidates(candidates), now);
            }
            Frame::Punch(punch) => self.agent.handle_input(Input::Punch(punch), now),
            _ => {}
        }
    }

    pub(super) fn lost(&mut self, now: Instant) {
        self.agent.handle_input(Input::Lost, now);
    }

    pub(super) fn network_changed(&mut self, now: Instant) {
        self.agent.handle_input(Input::NetworkChanged, now);
    }

    /// Whether it is an answer to a sample.
    pub(super) fn is_sample(&self, port: u16) -> bool {
        (SAMPLE..self.next_sample).contains(&port)
    }

    pub(super) fn sampled(&mut self, port: u16, from: SocketAddr, bytes: &Bytes, now: Instant) {
        let input = stun::Input::Datagram {
            socket: port,
            from,
            bytes,
        };
        self.samples.handle_input(input, now);
    }

    /// Looks at a probe before the switch does. Whether the switch is to see it too.
    pub(super) fn probe(
        &mut self,
        endpoint: &mut Endpoint,
        port: u16,
        from: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        if Probe::tag(bytes) != Some(self.keys.theirs.tag) {
            return true;
        }
        let now = endpoint.instant();
        let Some(socket) = self.socket(port) else {
            return false;
        };
        match Probe::open(&self.keys.theirs, bytes) {
            Ok(Probe::Answer { transaction, .. }) => {
                let Some((asked, remote, at)) = self.asks.get(&transaction).copied() else {
                    return true;
                };
                if (asked, remote) != (socket, from) {
                    return false;
                }
                let rtt = now.saturating_duration_since(at);
                self.agent.handle_input(
                    Input::Answered {
                        from: socket,
                        remote,
                        rtt,
                    },
                    now,
                );
                if port == PORT {
                    let virt = self.virt;
                    let remotes = vec![remote];
                    endpoint
                        .switch
                        .handle_input(PathInput::Offer { virt, remotes }, now);
                }
                false
            }
            Ok(Probe::Ask { .. }) => {
                let remote = from;
                self.agent.handle_input(
                    Input::Asked {
                        from: socket,
                        remote,
                    },
                    now,
                );
                if port != PORT {
                    endpoint.adopt(port);
                }
                true
            }
            Err(_) => true,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
        self.samples.handle_timeout(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timers = [self.agent.poll_timeout(), self.samples.poll_timeout()];
        timers.into_iter().flatten().min()
    }

    /// Frames for the peer's control stream.
    pub(super) fn frames(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.frames)
    }

    /// Does what is wanted. `false` when there was nothing.
    pub(super) fn act(&mut self, endpoint: &mut Endpoint, net: &mut Net) -> bool {
        let now = endpoint.instant();
        let mut busy = false;
        while let Some(output) = self.agent.poll_output() {
            busy = true;
            match output {
                Output::Probe { from, remote } => self.ask(endpoint, net, from, remote),
                Output::Send(frame) => self.frames.push(frame),
                Output::Sample => self.sample(now),
                Output::Open { sockets } => {
                    let first = self.next_extra;
                    self.next_extra += sockets;
                    self.extra = (first..self.next_extra).collect();
                }
                Output::Close => self.extra.retain(|port| endpoint.leg(*port).is_some()),
                Output::Outcome(_) => {}
            }
        }
        while let Some(output) = self.samples.poll_output() {
            busy = true;
            match output {
                stun::Output::Send {
                    socket,
                    to,
                    datagram,
                    ..
                } => {
                    let source = (None, socket);
                    let _unroutable = endpoint.send_datagram(net, source, to, datagram.into());
                }
                stun::Output::Answered { answer, .. } => {
                    self.agent
                        .handle_input(Input::Sampled(Some(answer.mapped)), now);
                }
                stun::Output::Failed { .. } => self.agent.handle_input(Input::Sampled(None), now),
            }
        }
        busy
    }

    fn sample(&mut self, now: Instant) {
        let port = self.next_sample;
        self.next_sample += 1;
        let asked = self.reflector.map(|reflector| {
            self.samples
                .ask(port, reflector, Change::Nothing, RETRY, now)
        });
        if !matches!(asked, Some(Ok(_))) {
            self.agent.handle_input(Input::Sampled(None), now);
        }
    }

    fn ask(&mut self, endpoint: &mut Endpoint, net: &mut Net, from: Socket, remote: SocketAddr) {
        let port = match from {
            Socket::Main => PORT,
            Socket::Extra(index) => match self.extra.get(usize::from(index)) {
                Some(port) => *port,
                None => return,
            },
        };
        let mut transaction = [0; 8];
        self.rng.fill(&mut transaction);
        self.asks
            .insert(transaction, (from, remote, endpoint.instant()));
        self.order.push_back(transaction);
        if self.order.len() > ASKS
            && let Some(oldest) = self.order.pop_front()
        {
            self.asks.remove(&oldest);
        }
        let datagram = Probe::Ask { transaction }.seal(&self.keys.ours, limits::PROBE);
        let _unroutable = endpoint.send_datagram(net, (None, port), remote, datagram.into());
    }

    fn socket(&self, port: u16) -> Option<Socket> {
        if port == PORT {
            return Some(Socket::Main);
        }
        let index = self.extra.iter().position(|extra| *extra == port)?;
        u16::try_from(index).ok().map(Socket::Extra)
    }
}
