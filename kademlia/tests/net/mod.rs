//! A small network of nodes on virtual time: messages take as long as the pair is apart, some take a
//! second longer because a packet was lost, and whoever is down says nothing.

#![allow(dead_code, reason = "each test uses its part")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use dchat_kademlia::call::{Answer, Nodes, Question};
use dchat_kademlia::node::{Asker, CallId, Fault, Input, Node, Outcome, Output, Search};
use dchat_kademlia::{Config, Contact, Key, Subnet, Time};

/// What travels.
#[expect(
    clippy::large_enum_variant,
    reason = "nothing is to be gained in a test"
)]
enum Event {
    Question(u32, CallId, Question),
    Answer(CallId, Answer<u32>),
    Refused(CallId),
    Wake,
}

/// How a node behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manner {
    Honest,
    /// Says nothing.
    Silent,
    /// Names only its like, those nearest to the target.
    Colluding,
}

pub(crate) struct Net {
    pub(crate) now: Time,
    pub(crate) nodes: Vec<Node<u32>>,
    pub(crate) keys: Vec<Key>,
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) up: Vec<bool>,
    pub(crate) manner: Vec<Manner>,
    /// Nodes of different sides do not hear each other.
    pub(crate) side: Vec<u8>,
    pub(crate) done: BTreeMap<(u32, Search), Box<Outcome<u32>>>,
    /// In thousandths.
    pub(crate) loss: u64,
    pub(crate) questions: u64,
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    events: BTreeMap<u64, (u32, Event)>,
    next: u64,
    wakes: Vec<Option<Time>>,
    seed: u64,
}

pub(crate) fn hash(parts: &[u64]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&part.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

pub(crate) fn number(parts: &[u64]) -> u64 {
    u64::from_le_bytes(hash(parts)[..8].try_into().unwrap())
}

pub(crate) fn key(parts: &[u64]) -> Key {
    Key(hash(parts))
}

impl Net {
    /// `count` nodes that know nobody.
    pub(crate) fn new(count: usize, config: &Config, seed: u64) -> Self {
        let mut net = Self {
            now: Time(1_800_000_000_000),
            nodes: Vec::new(),
            keys: Vec::new(),
            subnets: Vec::new(),
            up: Vec::new(),
            manner: Vec::new(),
            side: Vec::new(),
            done: BTreeMap::new(),
            loss: 0,
            questions: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            next: 0,
            wakes: Vec::new(),
            seed,
        };
        for _ in 0..count {
            net.add(config);
        }
        net
    }

    pub(crate) fn add(&mut self, config: &Config) -> u32 {
        let index = self.nodes.len() as u64;
        let at = key(&[self.seed, 1, index]);
        let [a, b, c, ..] = hash(&[self.seed, 2, index]);
        self.add_at(
            config,
            at,
            Subnet::of(std::net::IpAddr::from([60 + a % 100, b, c, 1])),
        )
    }

    pub(crate) fn add_at(&mut self, config: &Config, at: Key, subnet: Subnet) -> u32 {
        let index = self.nodes.len() as u64;
        let mut node = Node::new(config.clone(), at, hash(&[self.seed, 3, index]), self.now);
        node.handle_input(Input::Serving(true), self.now);
        self.nodes.push(node);
        self.keys.push(at);
        self.subnets.push(subnet);
        self.up.push(true);
        self.manner.push(Manner::Honest);
        self.side.push(0);
        self.wakes.push(None);
        index as u32
    }

    pub(crate) fn contact(&self, index: u32) -> Contact<u32> {
        Contact {
            at: self.keys[index as usize],
            subnet: self.subnets[index as usize],
            handle: index,
        }
    }

    pub(crate) fn asker(&self, index: u32) -> Asker<u32> {
        Asker {
            subnet: self.subnets[index as usize],
            id: self.keys[index as usize].0,
            contact: Some(self.contact(index)),
        }
    }

    /// Fills every table as if all had been running for long: for each distance a sample of those
    /// who are there, and all of the nearest.
    pub(crate) fn acquaint(&mut self, config: &Config) {
        let mut order: Vec<u32> = (0..self.nodes.len() as u32).collect();
        order.sort_by_key(|index| self.keys[*index as usize]);
        for index in 0..self.nodes.len() {
            let at = self.keys[index];
            let mut depth = 0;
            let mut rest = order.as_slice();
            loop {
                let turned = at.with_bit_turned(depth);
                let split = rest.partition_point(|i| !self.keys[*i as usize].bit(depth));
                let (zeros, ones) = rest.split_at(split);
                let (far, near) = if turned.bit(depth) {
                    (ones, zeros)
                } else {
                    (zeros, ones)
                };
                let whole = rest.len() <= 2 * config.siblings;
                let far = if whole { rest } else { far };
                let want = if whole {
                    far.len()
                } else {
                    config.capacity(depth as usize) * 3 / 2
                };
                for pick in 0..want.min(far.len()) as u64 {
                    let other = if whole || far.len() <= want {
                        far[pick as usize]
                    } else {
                        let draw = number(&[self.seed, 4, index as u64, u64::from(depth), pick]);
                        far[(draw % far.len() as u64) as usize]
                    };
                    if other as usize != index {
                        let contact = self.contact(other);
                        let rtt = Some(self.rtt(index as u32, other));
                        let seen = Input::Seen {
                            contact,
                            rtt,
                            ours: true,
                        };
                        self.nodes[index].handle_input(seen, self.now);
                    }
                }
                if whole {
                    break;
                }
                rest = near;
                depth += 1;
            }
            self.drain(index as u32);
        }
    }

    /// Log-normal with a median of 80 ms and 250 ms at the 95th percentile.
    pub(crate) fn rtt(&self, a: u32, b: u32) -> Duration {
        let pair = [self.seed, 5, u64::from(a.min(b)), u64::from(a.max(b))];
        let uniform = |n: u64| {
            (number(&[pair[0], pair[1], pair[2], pair[3], n]) >> 11) as f64 / 2f64.powi(53)
        };
        let (u, v) = (uniform(1).max(1e-12), uniform(2));
        let normal = (-2.0 * u.ln()).sqrt() * (core::f64::consts::TAU * v).cos();
        Duration::from_secs_f64(0.080 * (0.693 * normal).exp())
    }

    fn one_way(&mut self, a: u32, b: u32) -> Duration {
        let lost = number(&[self.seed, 6, self.next]) % 1000 < self.loss;
        self.rtt(a, b) / 2
            + if lost {
                Duration::from_secs(1)
            } else {
                Duration::ZERO
            }
    }

    fn push(&mut self, at: Time, to: u32, event: Event) {
        self.next += 1;
        self.queue.push(Reverse((at, self.next)));
        self.events.insert(self.next, (to, event));
    }

    /// Takes what a node wants to do, and wakes it when it wants to be.
    pub(crate) fn drain(&mut self, index: u32) {
        while let Some(output) = self.nodes[index as usize].poll_output() {
            match output {
                Output::Call { call, to, question } => {
                    self.questions += 1;
                    let at = self.now + self.one_way(index, to.handle);
                    self.push(at, to.handle, Event::Question(index, call, question));
                }
                Output::Done { search, outcome } => {
                    self.done.insert((index, search), outcome);
                }
            }
        }
        let wake = self.nodes[index as usize].poll_timeout();
        if let Some(at) = wake
            && self.wakes[index as usize].is_none_or(|known| known > at || known <= self.now)
        {
            self.wakes[index as usize] = Some(at);
            self.push(at.max(self.now), index, Event::Wake);
        }
    }

    /// Lets everything happen until `end`.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(Reverse((at, id))) = self.queue.peek().copied()
            && at <= end
        {
            self.queue.pop();
            self.now = self.now.max(at);
            let (to, event) = self.events.remove(&id).unwrap();
            if self.up[to as usize] {
                self.handle(to, event);
            }
        }
        self.now = end;
    }

    /// Runs until the lookup has ended.
    pub(crate) fn finish(&mut self, index: u32, search: Search) -> Box<Outcome<u32>> {
        self.drain(index);
        for _ in 0..2000 {
            if let Some(outcome) = self.done.remove(&(index, search)) {
                return outcome;
            }
            self.run(Duration::from_millis(10));
        }
        panic!("the lookup does not end");
    }

    fn handle(&mut self, to: u32, event: Event) {
        match event {
            Event::Question(from, call, question) => {
                if self.side[from as usize] != self.side[to as usize] {
                    return;
                }
                let Some(answer) = self.answer(to, from, &question) else {
                    return;
                };
                let at = self.now + self.one_way(to, from);
                self.push(at, from, Event::Answer(call, answer));
            }
            Event::Answer(call, answer) => {
                let input = Input::Answered { call, answer };
                self.nodes[to as usize].handle_input(input, self.now);
            }
            Event::Refused(call) => {
                let input = Input::Failed {
                    call,
                    fault: Fault::Unreachable,
                };
                self.nodes[to as usize].handle_input(input, self.now);
            }
            Event::Wake => {
                if self.wakes[to as usize] == Some(self.now) {
                    self.wakes[to as usize] = None;
                }
                self.nodes[to as usize].handle_timeout(self.now);
            }
        }
        self.drain(to);
    }

    fn answer(&mut self, to: u32, from: u32, question: &Question) -> Option<Answer<u32>> {
        match self.manner[to as usize] {
            Manner::Silent => return None,
            Manner::Colluding => {
                let target = match question {
                    Question::Ping => return Some(Answer::Pong),
                    Question::Put { .. } => return Some(Answer::Stored { keep_s: 3600 }),
                    Question::Find { target, .. } | Question::Get { key: target, .. } => target,
                };
                let mut nodes = Nodes::default();
                let is_one = |other: u32| self.manner[other as usize] == Manner::Colluding;
                for other in self.nearest(target, 20, is_one) {
                    nodes.push(self.contact(other));
                }
                return Some(match question {
                    Question::Get { .. } => Answer::Values {
                        records: Vec::new(),
                        held: 0,
                        token: [0; 16],
                        nodes,
                    },
                    _ => Answer::Nodes(nodes),
                });
            }
            Manner::Honest => {}
        }
        let asker = self.asker(from);
        let now = self.now;
        Some(self.nodes[to as usize].answer(&asker, question, now))
    }

    /// The nodes that are really nearest, of those that are up and that `admits`.
    pub(crate) fn nearest(
        &self,
        target: &Key,
        want: usize,
        admits: impl Fn(u32) -> bool,
    ) -> Vec<u32> {
        let all = 0..self.nodes.len() as u32;
        let mut all: Vec<u32> = all.filter(|i| self.up[*i as usize] && admits(*i)).collect();
        let by = |i: &u32| target.distance(&self.keys[*i as usize]);
        if all.len() > want {
            all.select_nth_unstable_by_key(want, by);
            all.truncate(want);
        }
        all.sort_unstable_by_key(by);
        all
    }
}
