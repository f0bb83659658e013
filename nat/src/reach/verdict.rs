//! Whether strangers can reach us.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_wire::id::PeerId;
use dchat_wire::nat::{ReachResult, reach_datagram};

use crate::scope::subnet;

/// Subnets (/24, /48) from which something has to arrive, or nodes that have to say it was sent.
pub const NEEDED: usize = 2;

/// Nodes asked in one test: with two of six honest and reachable there is a verdict.
const ASKED: usize = 6;

/// Questions to one node in one test: the datagram may be lost.
const TRIES: u8 = 3;

/// BLAKE3 context of the tokens.
const TOKENS: &str = "dchat/1 2026-11 reachability tokens";

/// When things are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long a datagram is waited for after a node says it was sent, or after it was asked and says
    /// nothing. Default 2 s: it asks another node first.
    pub wait: Duration,
    /// From a verdict of `Public` to the next test. Default 20 min: a port mapping's usual lease is an
    /// hour, and gateways restart.
    pub public: Duration,
    /// From any other verdict to the next test, at first; it doubles up to [`Self::private_most`].
    /// Default 2 min.
    pub private: Duration,
    /// Default 30 min.
    pub private_most: Duration,
    /// How long a verdict of `Public` stands when tests are missing, for instance because no node is
    /// left to ask. Default 60 min.
    pub expiry: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            wait: Duration::from_secs(2),
            public: minutes(20),
            private: minutes(2),
            private_most: minutes(30),
            expiry: minutes(60),
        }
    }
}

/// Whether strangers can reach us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Not known.
    #[default]
    Unknown,
    /// They can, at this address.
    Public(SocketAddr),
    /// They cannot.
    Private,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The main socket's address as others see it, or as a gateway maps it; `None` if there is none. A
    /// new one begins a new test.
    Address(Option<SocketAddr>),
    /// The nodes that can be asked now, with where they are: those that answer no REACH left out.
    Nodes(Vec<(PeerId, SocketAddr)>),
    /// A node's answer; `Unable` also when it cannot be asked.
    Reached {
        /// Of the question.
        token: [u8; 16],
        /// What it says.
        result: ReachResult,
    },
    /// A reach datagram came in on the main socket.
    Datagram {
        /// From there.
        from: SocketAddr,
        /// Its bytes.
        bytes: Vec<u8>,
        /// Whether anything went from the main socket to that IP address within the last minutes: it
        /// then proves nothing, but has to be told all the same, or its sender counts as silent.
        contacted: bool,
    },
    /// Interfaces or routes have changed: what was known is void.
    NetworkChanged,
}

/// A question to a node: REACH from another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Whom.
    pub node: PeerId,
    /// What the datagram is to carry.
    pub token: [u8; 16],
    /// Where it is to go.
    pub target: SocketAddr,
}

/// What to do, and what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask this.
    Ask(Ask),
    /// The verdict is another one.
    Changed(Verdict),
    /// A test gave `Public`, though these nodes said they sent what did not arrive.
    Silent(Vec<PeerId>),
}

#[derive(Debug)]
struct Asked {
    at: SocketAddr,
    tries: u8,
    said: u8,
    /// It cannot or will not.
    out: bool,
    /// Something it asked for arrived.
    heard: bool,
    /// When the next try is due, or the last is given up.
    next: Instant,
}

#[derive(Debug)]
struct Test {
    target: SocketAddr,
    asked: BTreeMap<PeerId, Asked>,
    tokens: BTreeMap<[u8; 16], PeerId>,
    arrived: BTreeSet<IpAddr>,
}

/// The state machine behind [`Verdict`].
///
/// **Bounds.** 6 nodes and 18 questions a test; 64 nodes remembered.
#[derive(Debug)]
pub struct Reachability {
    config: Config,
    tokens: blake3::OutputReader,
    address: Option<SocketAddr>,
    nodes: Vec<(PeerId, SocketAddr)>,
    test: Option<Test>,
    verdict: Verdict,
    expires: Option<Instant>,
    next: Option<Instant>,
    pause: Duration,
    outputs: VecDeque<Output>,
}

/// Nodes remembered.
const NODES: usize = 64;

impl Reachability {
    /// Nothing known. `seed` has to be secret and used once.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        Self {
            config,
            tokens: blake3::Hasher::new_derive_key(TOKENS)
                .update(&seed)
                .finalize_xof(),
            address: None,
            nodes: Vec::new(),
            test: None,
            verdict: Verdict::Unknown,
            expires: None,
            next: Some(now),
            pause: config.private,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        match input {
            Input::Address(address) => {
                if address != self.address {
                    self.address = address;
                    self.forget(now);
                }
            }
            Input::Nodes(mut nodes) => {
                nodes.truncate(NODES);
                let more = nodes.len() > self.nodes.len();
                self.nodes = nodes;
                // A test that failed for want of nodes is worth repeating once there are more.
                if more && self.test.is_none() && self.verdict == Verdict::Unknown {
                    self.next = Some(now);
                }
            }
            Input::Reached { token, result } => self.said(token, result, now),
            Input::Datagram {
                from,
                bytes,
                contacted,
            } => {
                if let Some(token) = reach_datagram::open(&bytes) {
                    self.arrived(from, token, contacted);
                }
            }
            Input::NetworkChanged => self.forget(now),
        }
        self.advance(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    /// The next thing to do; to be called until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let test = self.test.as_ref().and_then(Test::poll_timeout);
        let next = self
            .next
            .filter(|_| self.test.is_none() && self.address.is_some() && !self.nodes.is_empty());
        [test, next, self.expires].into_iter().flatten().min()
    }

    /// What is known now.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    fn forget(&mut self, now: Instant) {
        self.test = None;
        self.expires = None;
        self.next = Some(now);
        self.pause = self.config.private;
        self.judge(Verdict::Unknown);
    }

    fn said(&mut self, token: [u8; 16], result: ReachResult, now: Instant) {
        let Some(test) = &mut self.test else {
            return;
        };
        let Some(asked) = test
            .tokens
            .get(&token)
            .and_then(|node| test.asked.get_mut(node))
        else {
            return;
        };
        match result {
            ReachResult::Sent => {
                asked.said = asked.said.saturating_add(1).min(asked.tries);
                asked.next = now + self.config.wait;
            }
            ReachResult::Forbidden | ReachResult::Limited | ReachResult::Unable => asked.out = true,
        }
    }

    /// Of an address that was sent to, an arrival proves nothing; but who had it sent was not silent.
    fn arrived(&mut self, from: SocketAddr, token: [u8; 16], contacted: bool) {
        let Some(test) = &mut self.test else {
            return;
        };
        let Some(asked) = test
            .tokens
            .get(&token)
            .and_then(|node| test.asked.get_mut(node))
        else {
            return;
        };
        asked.heard = true;
        if !contacted && asked.at.ip().to_canonical() != from.ip().to_canonical() {
            test.arrived.insert(subnet(from.ip()));
        }
    }

    fn advance(&mut self, now: Instant) {
        if self.expires.is_some_and(|at| at <= now) {
            self.expires = None;
            self.judge(Verdict::Unknown);
        }
        if self.test.is_none()
            && self.next.is_some_and(|at| at <= now)
            && let Some(target) = self.address
            && !self.nodes.is_empty()
        {
            self.test = Some(Test::new(target, &self.nodes, now));
        }
        if let Some(test) = &mut self.test {
            test.advance(&mut self.tokens, self.config.wait, &mut self.outputs, now);
            if test.done() {
                self.conclude(now);
            }
        }
    }

    fn conclude(&mut self, now: Instant) {
        let Some(test) = self.test.take() else {
            return;
        };
        let verdict = test.verdict();
        if let Verdict::Public(_) = verdict {
            let silent = test.silent();
            if !silent.is_empty() {
                self.outputs.push_back(Output::Silent(silent));
            }
            self.expires = Some(now + self.config.expiry);
            self.next = Some(now + self.config.public);
            self.pause = self.config.private;
        } else {
            self.next = Some(now + self.pause);
            self.pause = (2 * self.pause).min(self.config.private_most);
        }
        match verdict {
            // Too little was learned to overthrow what is known; it expires by itself.
            Verdict::Unknown if self.verdict != Verdict::Unknown => {
                self.expires.get_or_insert(now + self.config.expiry);
            }
            Verdict::Private => {
                self.expires = None;
                self.judge(verdict);
            }
            Verdict::Unknown | Verdict::Public(_) => self.judge(verdict),
        }
    }

    fn judge(&mut self, verdict: Verdict) {
        if verdict != self.verdict {
            self.verdict = verdict;
            self.outputs.push_back(Output::Changed(verdict));
        }
    }
}

impl Test {
    /// Of nodes in one subnet only the first is asked.
    fn new(target: SocketAddr, nodes: &[(PeerId, SocketAddr)], now: Instant) -> Self {
        let mut subnets = BTreeSet::new();
        let asked = nodes
            .iter()
            .filter(|(_, at)| at.is_ipv4() == target.is_ipv4() && subnets.insert(subnet(at.ip())))
            .take(ASKED)
            .map(|(node, at)| {
                let asked = Asked {
                    at: *at,
                    tries: 0,
                    said: 0,
                    out: false,
                    heard: false,
                    next: now,
                };
                (*node, asked)
            })
            .collect();
        Self {
            target,
            asked,
            tokens: BTreeMap::new(),
            arrived: BTreeSet::new(),
        }
    }

    fn advance(
        &mut self,
        tokens: &mut blake3::OutputReader,
        wait: Duration,
        outputs: &mut VecDeque<Output>,
        now: Instant,
    ) {
        for (node, asked) in &mut self.asked {
            if asked.finished() || asked.next > now {
                continue;
            }
            if asked.tries == TRIES {
                asked.out = true;
                continue;
            }
            let mut token = [0; 16];
            tokens.fill(&mut token);
            self.tokens.insert(token, *node);
            asked.tries += 1;
            asked.next = now + 2 * wait;
            outputs.push_back(Output::Ask(Ask {
                node: *node,
                token,
                target: self.target,
            }));
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.asked
            .values()
            .filter(|asked| !asked.finished())
            .map(|asked| asked.next)
            .min()
    }

    fn done(&self) -> bool {
        self.arrived.len() >= NEEDED || self.asked.values().all(Asked::finished)
    }

    fn verdict(&self) -> Verdict {
        if self.arrived.len() >= NEEDED {
            Verdict::Public(self.target)
        } else if self.arrived.is_empty() && self.silent().len() >= NEEDED {
            Verdict::Private
        } else {
            Verdict::Unknown
        }
    }

    /// Who said twice or more that it was sent, and nothing came.
    fn silent(&self) -> Vec<PeerId> {
        self.asked
            .iter()
            .filter(|(_, asked)| !asked.heard && asked.said >= 2)
            .map(|(node, _)| *node)
            .collect()
    }
}

impl Asked {
    fn finished(&self) -> bool {
        self.out || self.heard
    }
}
