//! What a room weighs: one core by itself, whose neighbours are made up.
//!
//! [`Burden::fill`] gives it the logs of many authors, [`Burden::harass`] frames that make no sense,
//! from neighbours of which another comes whenever one is shunned. Nothing is kept here but the core,
//! so that what the process grows by is the core's.

use std::sync::Arc;

use dchat_gossip::log::Item;
use dchat_gossip::node::{Draft, Load, Output, Stat};
use dchat_gossip::{Config, Input, Message, Node, Time};

use super::conduct::nonsense;
use super::library::{self, Signatures};
use super::world::START;
use crate::sim::Rng;

/// The core.
const ME: u32 = u32::MAX;
/// Neighbours at a time.
const NEIGHBOURS: u32 = 8;

/// A core that is filled and harassed.
#[derive(Debug)]
pub struct Burden {
    node: Node<u32>,
    rng: Rng,
    now: Time,
    authors: u32,
    /// Numbers of neighbours so far, and those that are there.
    peers: u32,
    linked: Vec<u32>,
    shunned: u64,
}

impl Burden {
    /// A core with neighbours that holds nothing.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, "gossip burden", 0);
        let secret = (rng.next_u64(), rng.next_u64());
        let mut burden = Self {
            node: Node::new(Arc::new(Config::default()), ME, secret, Time(START)),
            rng,
            now: Time(START),
            authors: 0,
            peers: 0,
            linked: Vec::new(),
            shunned: 0,
        };
        burden.befriend();
        burden
    }

    /// Gives it one item of each of so many authors: what is held of a log does not grow with it.
    pub fn fill(&mut self, authors: u32) {
        for author in self.authors..self.authors + authors {
            if let Some(item) = self.item(author, 1) {
                let message = Message::Push { hops: 0, item };
                let from = self.linked[author as usize % self.linked.len()];
                self.receive(from, message);
            }
            if author % 100 == 0 {
                self.tick(10);
            }
        }
        self.authors += authors;
    }

    /// Gives it so many frames of all kinds that no member would send, a thousand a second.
    pub fn harass(&mut self, frames: u64) {
        for _ in 0..frames {
            let which = self.rng.below(self.linked.len() as u64) as usize;
            let from = self.linked[which];
            let author = self.rng.below(u64::from(self.authors.max(1)) * 5 / 4) as u32;
            let log = library::log_of(author);
            let horizon = (self.now.0.saturating_sub(24 * 3_600_000) / 3_600_000) as u32;
            let (known, forged) = (self.item(author, 1), self.lie(author));
            let frame = nonsense(
                &mut self.rng,
                log,
                horizon,
                1 << 30,
                || known.clone(),
                || forged.clone(),
            );
            if let Some(frame) = frame {
                self.receive(from, frame);
            }
            self.tick(1);
        }
    }

    /// What the core has counted.
    #[must_use]
    pub fn stat(&self) -> Stat {
        self.node.stat()
    }

    /// Neighbours shunned so far.
    #[must_use]
    pub fn shunned(&self) -> u64 {
        self.shunned
    }

    fn item(&self, author: u32, seq: u32) -> Option<Arc<Item>> {
        let draft = draft(author, seq);
        library::compose(author, &draft, vec![b'x'; library::TEXT])
    }

    /// An item somewhere in a log, signed or not.
    fn lie(&mut self, author: u32) -> Option<Arc<Item>> {
        let seq = 2 + self.rng.below(1000) as u32;
        let mut draft = draft(author, seq);
        self.rng.fill(&mut draft.prev);
        let text = vec![b'!'; library::TEXT];
        // Its author may be an attacker, too; then it is signed, and nothing before it is to be had.
        if self.rng.chance(0.5) {
            library::compose(author, &draft, text)
        } else {
            library::forge(author, &draft, text)
        }
    }

    fn tick(&mut self, ms: u64) {
        self.now = Time(self.now.0 + ms);
        if self.node.poll_timeout() <= self.now {
            self.node.handle_timeout(self.now);
            self.drain();
        }
    }

    fn receive(&mut self, from: u32, message: Message<u32>) {
        self.input(Input::Received { from, message });
    }

    fn input(&mut self, input: Input<u32>) {
        self.node.handle_input(input, self.now, &mut Signatures);
        self.drain();
    }

    /// Others come in the place of neighbours that are gone.
    fn befriend(&mut self) {
        let node = &self.node;
        let live: Vec<u32> = node.neighbours().collect();
        self.linked.retain(|peer| live.contains(peer));
        while self.linked.len() < NEIGHBOURS as usize {
            self.peers += 1;
            let from = self.peers;
            let (nonce, answer, alone) = (self.rng.next_u64(), false, true);
            let message = Message::Open {
                nonce,
                answer,
                alone,
            };
            self.linked.push(from);
            let input = Input::Received { from, message };
            self.node.handle_input(input, self.now, &mut Signatures);
        }
    }

    fn drain(&mut self) {
        let mut gone = false;
        while let Some(output) = self.node.poll_output() {
            let input = match output {
                Output::Load(Load::Items { peer, .. }) => Input::Loaded {
                    peer,
                    items: Vec::new(),
                },
                Output::Load(Load::Newest { peer, .. }) => Input::LoadedNewest {
                    peer,
                    items: Vec::new(),
                },
                Output::Load(Load::Row { .. }) => Input::LoadedRow(Some(Vec::new())),
                Output::Shunned(_) => {
                    self.shunned += 1;
                    gone = true;
                    continue;
                }
                Output::Release(_) => {
                    gone = true;
                    continue;
                }
                _ => continue,
            };
            self.node.handle_input(input, self.now, &mut Signatures);
        }
        if gone {
            self.befriend();
        }
    }
}

fn draft(author: u32, seq: u32) -> Draft {
    let sent_at = START - 3_600_000 + u64::from(seq) * 1000;
    Draft {
        seq,
        prev: [u8::from(seq > 1); 32],
        sent_at,
        lamport: sent_at + u64::from(author % 1000),
        heads: Vec::new(),
    }
}
