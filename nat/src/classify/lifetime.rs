//! How long a mapping lives that nothing is sent over: measured beside the classification, as it takes
//! minutes.
//!
//! **State.** The longest idle time a mapping is known to have survived, the shortest that ended one, and
//! up to [`PARALLEL`] trials, each with a fresh socket of its own: mapped by one question, left alone for
//! its time, then looked at. **In.** Datagrams on those sockets, what the node says, time. **Out.**
//! Questions, sockets to close, and at last a [`Lifetime`].
//!
//! How a mapping is looked at decides what can be said:
//!
//! | asked | alive | dead |
//! |---|---|---|
//! | a node, with REACH from its usual socket, to which the mapping was made | the datagram arrives | three are said to be sent, and none arrives |
//! | a STUN server, from the mapped socket | it sees the same port, and the NAT does not keep ports | it sees another port |
//!
//! A node is first tried with no idle time at all: one whose datagram does not arrive then proves nothing,
//! and the result is [`Lifetime::Unknown`]. So it is for a NAT that keeps ports without a node: a mapping
//! made anew looks like the old one. A mapping that a longer trial survives was alive in a shorter one
//! that fell silent. The search ends when its bounds are [`LifetimeConfig::exact`] apart, or when a whole
//! round of trials taught nothing.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_wire::nat::{ReachFrom, ReachResult, reach_datagram};

use super::event::{Server, ServerKind, Socket};
use crate::stun::{self, Change, Retry, TransactionId, Transactions};

/// Trials at a time.
pub const PARALLEL: usize = 5;

/// Questions to a node for one trial: a datagram may be lost.
const TRIES: u8 = 3;

/// How long a node's datagram is waited for.
const WAIT: Duration = Duration::from_secs(2);

/// BLAKE3 context of the tokens.
const TOKENS: &str = "dchat/1 2026-11 lifetime tokens";

/// Range and exactness of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifetimeConfig {
    /// Shortest idle time tried. Default 15 s; RFC 4787 REQ-5 forbids less than 2 min, and NATs do less.
    pub least: Duration,
    /// Longest one tried. Default 240 s: keepalives are not worth being rarer than that.
    pub most: Duration,
    /// When the bounds are this close, the search ends. Default 5 s.
    pub exact: Duration,
}

impl Default for LifetimeConfig {
    fn default() -> Self {
        Self {
            least: Duration::from_secs(15),
            most: Duration::from_secs(240),
            exact: Duration::from_secs(5),
        }
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Nothing could be learned.
    Unknown,
    /// It lives for `alive` and no longer than `dead`; `alive` is zero if the shortest time tried ends
    /// it.
    Between {
        /// Survived.
        alive: Duration,
        /// Not survived.
        dead: Duration,
    },
    /// It survives the longest time tried.
    AtLeast(Duration),
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum LifetimeInput<'a> {
    /// A STUN or reach datagram came in on a fresh socket.
    Datagram {
        /// Which.
        socket: Socket,
        /// From there.
        from: SocketAddr,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// The node answered; [`ReachResult::Unable`] also when it cannot be asked.
    Reached {
        /// Of the question.
        token: [u8; 16],
        /// What it says.
        result: ReachResult,
    },
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifetimeOutput {
    /// Send this; the socket is opened when it is first sent from.
    Send {
        /// From this fresh socket.
        socket: Socket,
        /// There.
        to: SocketAddr,
        /// These bytes.
        datagram: Vec<u8>,
    },
    /// Close this socket; its name is used again later.
    Close(Socket),
    /// Ask the node for a REACH.
    Reach {
        /// The node.
        helper: SocketAddr,
        /// Always [`ReachFrom::Here`].
        from: ReachFrom,
        /// What it is to carry.
        token: [u8; 16],
        /// Where it is to go.
        target: SocketAddr,
    },
    /// All is said; nothing follows.
    Finished(Lifetime),
}

#[derive(Debug)]
enum Stage {
    Mapping,
    Idle { mapped: SocketAddr, until: Instant },
    Looking(Look),
    Done(Option<bool>),
}

#[derive(Debug)]
struct Look {
    mapped: SocketAddr,
    tokens: Vec<[u8; 16]>,
    said: u8,
    next: Option<Instant>,
}

#[derive(Debug)]
struct Trial {
    idle: Duration,
    socket: Socket,
    stage: Stage,
}

/// The search.
#[derive(Debug)]
pub struct LifetimeProbe {
    config: LifetimeConfig,
    server: Server,
    transactions: Transactions<Socket>,
    purposes: BTreeMap<TransactionId, usize>,
    tokens: blake3::OutputReader,
    trials: Vec<Trial>,
    alive: Duration,
    dead: Option<Duration>,
    /// The trial without idle time has passed.
    proven: bool,
    finished: bool,
    outputs: VecDeque<LifetimeOutput>,
}

impl LifetimeProbe {
    /// Begins at once. `keeps_ports` is whether the NAT's allocation is `Preserving`; `seed` has to be
    /// secret and used once.
    #[must_use]
    pub fn new(
        config: LifetimeConfig,
        server: Server,
        keeps_ports: bool,
        seed: [u8; 32],
        now: Instant,
    ) -> Self {
        let mut probe = Self {
            config,
            server,
            transactions: Transactions::new(stun::Config::default(), seed),
            purposes: BTreeMap::new(),
            tokens: blake3::Hasher::new_derive_key(TOKENS)
                .update(&seed)
                .finalize_xof(),
            trials: Vec::new(),
            alive: Duration::ZERO,
            dead: None,
            proven: false,
            finished: false,
            outputs: VecDeque::new(),
        };
        if keeps_ports && server.kind == ServerKind::Stun {
            probe.finish(Lifetime::Unknown);
        } else {
            probe.begin(&[Duration::ZERO], now);
        }
        probe
    }

    /// Takes what happened.
    pub fn handle_input(&mut self, input: LifetimeInput<'_>, now: Instant) {
        if self.finished {
            return;
        }
        match input {
            LifetimeInput::Datagram {
                socket,
                from,
                bytes,
            } => match reach_datagram::open(bytes) {
                Some(token) => self.arrived(socket, token),
                None => {
                    let input = stun::Input::Datagram {
                        socket,
                        from,
                        bytes,
                    };
                    self.transactions.handle_input(input, now);
                }
            },
            LifetimeInput::Reached { token, result } => self.said(token, result, now),
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.finished {
            return;
        }
        self.transactions.handle_timeout(now);
        self.settle(now);
    }

    /// The next thing to do; to be called until there is none.
    pub fn poll_output(&mut self) -> Option<LifetimeOutput> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` once finished.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.finished {
            return None;
        }
        let trials = self.trials.iter().filter_map(|trial| match &trial.stage {
            Stage::Idle { until, .. } => Some(*until),
            Stage::Looking(look) => look.next,
            Stage::Mapping | Stage::Done(_) => None,
        });
        trials.chain(self.transactions.poll_timeout()).min()
    }

    fn begin(&mut self, idles: &[Duration], now: Instant) {
        self.trials.clear();
        for (index, idle) in idles.iter().take(PARALLEL).enumerate() {
            let socket = Socket::Fresh(u8::try_from(index).unwrap_or_default());
            self.trials.push(Trial {
                idle: *idle,
                socket,
                stage: Stage::Mapping,
            });
            self.ask(index, socket, now);
        }
    }

    fn ask(&mut self, index: usize, socket: Socket, now: Instant) {
        let (to, retry) = (self.server.address, Retry::BRIEF);
        match self
            .transactions
            .ask(socket, to, Change::Nothing, retry, now)
        {
            Ok(id) => {
                self.purposes.insert(id, index);
            }
            Err(stun::Busy) => self.conclude(index, None),
        }
    }

    fn settle(&mut self, now: Instant) {
        self.drain(now);
        for index in 0..self.trials.len() {
            self.advance(index, now);
        }
        self.drain(now);
        let over = |trial: &Trial| matches!(trial.stage, Stage::Done(_));
        if !self.finished && self.trials.iter().all(over) {
            self.next_round(now);
            self.drain(now);
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.transactions.poll_output() {
            match output {
                stun::Output::Send {
                    socket,
                    to,
                    datagram,
                    ..
                } => self.outputs.push_back(LifetimeOutput::Send {
                    socket,
                    to,
                    datagram,
                }),
                stun::Output::Answered { id, answer, .. } => {
                    if let Some(index) = self.purposes.remove(&id) {
                        self.seen(index, answer.mapped, now);
                    }
                }
                stun::Output::Failed { id, .. } => {
                    if let Some(index) = self.purposes.remove(&id) {
                        self.conclude(index, None);
                    }
                }
            }
        }
    }

    /// A trial's socket is seen there, for the first time or after its idle time.
    fn seen(&mut self, index: usize, at: SocketAddr, now: Instant) {
        let Some(trial) = self.trials.get_mut(index) else {
            return;
        };
        match &trial.stage {
            Stage::Mapping => {
                let until = now + trial.idle;
                trial.stage = Stage::Idle { mapped: at, until };
            }
            Stage::Looking(look) => {
                let same = look.mapped == at;
                self.conclude(index, Some(same));
            }
            Stage::Idle { .. } | Stage::Done(_) => {}
        }
    }

    fn advance(&mut self, index: usize, now: Instant) {
        let Some(trial) = self.trials.get_mut(index) else {
            return;
        };
        let socket = trial.socket;
        if let Stage::Idle { mapped, until } = trial.stage
            && until <= now
        {
            let node = self.server.kind == ServerKind::Node;
            trial.stage = Stage::Looking(Look {
                mapped,
                tokens: Vec::new(),
                said: 0,
                next: node.then_some(now),
            });
            if !node {
                self.ask(index, socket, now);
                return;
            }
        }
        let Some(Trial {
            stage: Stage::Looking(look),
            ..
        }) = self.trials.get_mut(index)
        else {
            return;
        };
        if look.next.is_none_or(|next| next > now) {
            return;
        }
        if look.tokens.len() < usize::from(TRIES) {
            let mut token = [0; 16];
            self.tokens.fill(&mut token);
            look.tokens.push(token);
            look.next = Some(now + 2 * WAIT);
            self.outputs.push_back(LifetimeOutput::Reach {
                helper: self.server.address,
                from: ReachFrom::Here,
                token,
                target: look.mapped,
            });
        } else {
            let dead = look.said >= TRIES;
            self.conclude(index, dead.then_some(false));
        }
    }

    fn said(&mut self, token: [u8; 16], result: ReachResult, now: Instant) {
        let asked = self
            .trials
            .iter_mut()
            .enumerate()
            .find_map(|(index, t)| match &mut t.stage {
                Stage::Looking(look) if look.tokens.contains(&token) => Some((index, look)),
                _ => None,
            });
        let Some((index, look)) = asked else {
            return;
        };
        match result {
            ReachResult::Sent => {
                look.said = look.said.saturating_add(1);
                look.next = Some(now + WAIT);
            }
            ReachResult::Forbidden | ReachResult::Limited | ReachResult::Unable => {
                self.conclude(index, None);
            }
        }
    }

    fn arrived(&mut self, socket: Socket, token: [u8; 16]) {
        let asked = self.trials.iter().position(|trial| {
            trial.socket == socket
                && matches!(&trial.stage, Stage::Looking(look) if look.tokens.contains(&token))
        });
        if let Some(index) = asked {
            self.conclude(index, Some(true));
        }
    }

    fn conclude(&mut self, index: usize, alive: Option<bool>) {
        if let Some(trial) = self.trials.get_mut(index) {
            trial.stage = Stage::Done(alive);
            self.outputs.push_back(LifetimeOutput::Close(trial.socket));
        }
    }

    fn next_round(&mut self, now: Instant) {
        let mut learned = false;
        for trial in &self.trials {
            match trial.stage {
                Stage::Done(Some(true)) => {
                    learned = true;
                    self.alive = self.alive.max(trial.idle);
                }
                Stage::Done(Some(false)) => {
                    learned = true;
                    self.dead = Some(self.dead.map_or(trial.idle, |dead| dead.min(trial.idle)));
                }
                Stage::Done(None) | Stage::Mapping | Stage::Idle { .. } | Stage::Looking(_) => {}
            }
        }
        // What survived longer than what did not: the silence was a loss.
        if self
            .dead
            .is_some_and(|dead| dead <= self.alive && !dead.is_zero())
        {
            self.dead = None;
        }
        if !self.proven {
            let works = matches!(
                self.trials.first().map(|trial| &trial.stage),
                Some(Stage::Done(Some(true)))
            );
            if !works {
                return self.finish(Lifetime::Unknown);
            }
            self.proven = true;
            self.dead = None;
        } else if !learned {
            return self.finish(self.bounds());
        }
        let (low, high) = (self.alive, self.dead.unwrap_or(self.config.most));
        if high.saturating_sub(low) <= self.config.exact {
            return self.finish(self.bounds());
        }
        let idles = self.idles(low, high);
        self.begin(&idles, now);
    }

    /// At first a range, each about twice the one before; then equal parts between the bounds.
    fn idles(&self, low: Duration, high: Duration) -> Vec<Duration> {
        let parts = u32::try_from(PARALLEL).unwrap_or(1);
        if low.is_zero() && self.dead.is_none() {
            (0..parts)
                .rev()
                .map(|halvings| (high / 2_u32.pow(halvings)).max(self.config.least))
                .collect()
        } else if self.dead.is_none() {
            vec![high]
        } else {
            (1..parts)
                .map(|part| low + (high - low) / parts * part)
                .collect()
        }
    }

    fn bounds(&self) -> Lifetime {
        match self.dead {
            Some(dead) => Lifetime::Between {
                alive: self.alive,
                dead,
            },
            None if self.alive.is_zero() => Lifetime::Unknown,
            None => Lifetime::AtLeast(self.alive),
        }
    }

    fn finish(&mut self, lifetime: Lifetime) {
        self.finished = true;
        let last = LifetimeOutput::Finished(lifetime);
        self.outputs.push_back(last);
    }
}
