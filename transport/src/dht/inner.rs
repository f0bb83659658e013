//! What is behind the lock: the core, and what its handles stand for.
//!
//! State: the [core](Node), the [book](Book), the keys of [pulses](Pulses), our [standing](Standing),
//! where we are, and the application's operations. It knows no connection and no task.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use dchat_kademlia::call::Question;
use dchat_kademlia::node::{CallId, Input, Node, Outcome, Output, Search};
use dchat_kademlia::table::Entry;
use dchat_kademlia::{Contact, Key, Time};
use dchat_wire::PeerId;
use dchat_wire::dht::{self, Refusal, Socket};
use dchat_wire::record::SignedRecord;
use tokio::sync::oneshot;

use super::answer::{Counts, TableNode};
use super::book::{Book, Handle};
use super::clock::Clock;
use super::config::DhtConfig;
use super::pulse::Pulses;
use super::puzzles;
use super::seeds::Seeds;
use super::standing::Standing;

/// See the [module](self).
pub(super) struct Inner {
    pub(super) node: Node<Handle>,
    pub(super) book: Book,
    pub(super) pulses: Pulses,
    pub(super) seeds: Seeds,
    pub(super) standing: Standing,
    pub(super) clock: Clock,
    pub(super) counts: Counts,
    core: dchat_kademlia::Config,
    seed: [u8; 32],
    pub(super) position: Position,
    pub(super) serving: bool,
    operations: BTreeMap<u64, Operation>,
    searches: BTreeMap<Search, u64>,
    next_operation: u64,
    /// Until when the driver sleeps.
    asleep_until: Option<Instant>,
}

/// Where we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) nonce: u64,
    pub(super) at: Key,
    /// Whether the puzzle is solved as the network asks.
    pub(super) solved: bool,
}

/// What the application wants.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    Find(Key),
    Get(Key, u16),
    Put(Key, Arc<SignedRecord>),
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) outcome: Box<Outcome<Handle>>,
    pub(super) nodes: Vec<TableNode>,
    pub(super) refused: BTreeMap<Refusal, u16>,
}

#[derive(Debug)]
struct Operation {
    wish: Wish,
    search: Search,
    refused: BTreeMap<Refusal, u16>,
    done: oneshot::Sender<Granted>,
}

/// A question the core wants asked.
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) to: Contact<Handle>,
    pub(super) question: Question,
}

impl Inner {
    /// Our part, as a client until more is known of us.
    pub(super) fn new(us: &PeerId, config: &DhtConfig, seed: [u8; 32]) -> Self {
        let clock = Clock::new();
        let position = Position::first(us, config);
        let now = clock.now();
        Self {
            node: Node::new(config.core.clone(), position.at, seed, now),
            book: Book::new(config.limits.book),
            pulses: Pulses::new(config.limits.pulses),
            seeds: Seeds::new(&config.bootstrap, Instant::now()),
            standing: Standing::new(config),
            clock,
            counts: Counts::default(),
            core: config.core.clone(),
            seed,
            position,
            serving: false,
            operations: BTreeMap::new(),
            searches: BTreeMap::new(),
            next_operation: 0,
            asleep_until: None,
        }
    }

    /// What the core wants done now.
    pub(super) fn settle(&mut self) -> Vec<Call> {
        let mut calls = Vec::new();
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Call { call, to, question } => calls.push(Call {
                    id: call,
                    to,
                    question,
                }),
                Output::Done { search, outcome } => self.done(search, outcome),
            }
        }
        calls
    }

    fn done(&mut self, search: Search, outcome: Box<Outcome<Handle>>) {
        let number = self.searches.remove(&search);
        let Some(operation) = number.and_then(|number| self.operations.remove(&number)) else {
            return;
        };
        let granted = Granted {
            nodes: self.named(&outcome),
            outcome,
            refused: operation.refused,
        };
        // Whoever asked may not wait any more.
        let _ = operation.done.send(granted);
    }

    fn named(&self, outcome: &Outcome<Handle>) -> Vec<TableNode> {
        let named = |contact: Contact<Handle>| {
            let entry = self.book.entry(contact.handle)?;
            Some(TableNode {
                peer: entry.peer,
                at: entry.at,
                socket: *entry.sockets.first()?,
            })
        };
        outcome.nodes.iter().filter_map(named).collect()
    }

    /// Begins an operation; its number, unless there are `limit` already.
    pub(super) fn begin(
        &mut self,
        wish: Wish,
        done: oneshot::Sender<Granted>,
        limit: usize,
        now: Time,
    ) -> Option<u64> {
        if self.operations.len() >= limit {
            return None;
        }
        let number = self.next_operation;
        self.next_operation += 1;
        let search = self.search(&wish, now);
        let operation = Operation {
            wish,
            search,
            refused: BTreeMap::new(),
            done,
        };
        self.operations.insert(number, operation);
        self.searches.insert(search, number);
        Some(number)
    }

    /// Ends an operation without a result.
    pub(super) fn cancel(&mut self, number: u64) {
        if let Some(operation) = self.operations.remove(&number) {
            self.searches.remove(&operation.search);
            self.node.cancel(operation.search);
        }
    }

    fn search(&mut self, wish: &Wish, now: Time) -> Search {
        match wish {
            Wish::Find(target) => self.node.find(*target, now),
            Wish::Get(key, kind) => self.node.get(*key, *kind, now),
            Wish::Put(key, record) => self.node.put(*key, Arc::clone(record), now),
        }
    }

    /// Somebody does not keep a record that is being put.
    pub(super) fn refused(&mut self, key: Key, record: &Arc<SignedRecord>, reason: Refusal) {
        for operation in self.operations.values_mut() {
            if let Wish::Put(wanted, put) = &operation.wish
                && *wanted == key
                && Arc::ptr_eq(put, record)
            {
                let count = operation.refused.entry(reason).or_default();
                *count = count.saturating_add(1);
            }
        }
    }

    /// Serves, or does so no longer.
    pub(super) fn decide(&mut self, now: Time) {
        let solved = self.standing.difficulty() == 0 || self.position.solved;
        let serving = self.standing.serves() && solved;
        if serving != self.serving {
            self.serving = serving;
            tracing::debug!(serving, at = ?self.position.at, "part in the DHT");
            self.node.handle_input(Input::Serving(serving), now);
            if serving {
                // Those near us hear of it with the questions; the outcome is of no interest.
                self.node.find(self.position.at, now);
            }
        }
    }

    /// Begins anew at another position, with everybody known and everything asked.
    pub(super) fn relocate(&mut self, position: Position, now: Time) {
        let contacts: Vec<Contact<Handle>> = self.node.contacts().map(Entry::contact).collect();
        self.position = position;
        self.serving = false;
        self.node = Node::new(self.core.clone(), position.at, self.seed, now);
        for contact in contacts {
            self.node.handle_input(Input::Seed { contact }, now);
        }
        self.searches.clear();
        let mut operations = core::mem::take(&mut self.operations);
        for (number, operation) in &mut operations {
            operation.search = self.search(&operation.wish, now);
            self.searches.insert(operation.search, *number);
        }
        self.operations = operations;
    }

    pub(super) fn serving(&self) -> bool {
        self.serving
    }

    /// What the core knows a node as.
    pub(super) fn contact(&self, handle: Handle) -> Option<Contact<Handle>> {
        let entry = self.book.entry(handle)?;
        let ip = entry.sockets.first()?.ip();
        Some(Contact {
            at: entry.at,
            subnet: self.standing.subnet(ip),
            handle,
        })
    }

    /// The sockets of a node that can be reached from here.
    pub(super) fn reachable(&self, socket: Socket, other: Option<Socket>) -> Vec<SocketAddr> {
        let sockets = [Some(socket), other].into_iter().flatten();
        let sockets = sockets.map(Socket::addr);
        sockets
            .filter(|socket| self.standing.takes(socket.ip()))
            .collect()
    }

    /// Makes room in the book before `count` nodes are entered, if it needs some.
    pub(super) fn prepare(&mut self) {
        if self.book.is_full() {
            let mut kept: Vec<Handle> = self.handles();
            kept.sort_unstable();
            self.book
                .make_room(|handle| kept.binary_search(&handle).is_ok());
        }
    }

    /// The nodes of the table.
    fn handles(&self) -> Vec<Handle> {
        let contacts = self.node.contacts();
        contacts.map(|entry| entry.contact().handle).collect()
    }

    /// A node of the book as others are told of it.
    pub(super) fn wire(&self, handle: Handle) -> Option<dht::Node> {
        let entry = self.book.entry(handle)?;
        let mut sockets = entry.sockets.iter();
        let socket = *sockets.next()?;
        let other = sockets.find(|one| one.is_ipv4() != socket.is_ipv4());
        Some(dht::Node {
            key: *entry.peer.public_key(),
            nonce: entry.nonce,
            socket: Socket::new(socket).ok()?,
            other: other.and_then(|one| Socket::new(*one).ok()),
        })
    }

    /// When the driver has to look again; it sleeps until then.
    pub(super) fn sleep(&mut self) -> Option<Instant> {
        let due = self.node.poll_timeout();
        self.asleep_until = due.map(|due| self.clock.instant(due));
        self.asleep_until
    }

    /// Whether the driver sleeps longer than it may; it is to be woken then.
    pub(super) fn oversleeps(&mut self) -> bool {
        let Some(due) = self.node.poll_timeout() else {
            return false;
        };
        let due = self.clock.instant(due);
        let oversleeps = self.asleep_until.is_none_or(|until| due < until);
        if oversleeps {
            self.asleep_until = Some(due);
        }
        oversleeps
    }
}

impl Position {
    /// The position of the nonce in `config`, if it solves the puzzle, or else that of nonce 0.
    fn first(us: &PeerId, config: &DhtConfig) -> Self {
        let verify = |nonce, difficulty| puzzles::position(us, nonce, difficulty);
        let nonce = config.nonce.unwrap_or(0);
        if let Some(at) = verify(nonce, config.difficulty) {
            return Self {
                nonce,
                at,
                solved: true,
            };
        }
        Self {
            nonce: 0,
            // Every nonce is accepted at difficulty 0, so the fallback is never taken.
            at: verify(0, 0).unwrap_or(Key(*us.public_key())),
            solved: false,
        }
    }
}
