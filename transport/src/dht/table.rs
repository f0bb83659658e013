//! Our part in the table: the core, and what its handles stand for, behind one lock.
//!
//! * State: the [core](Node), the [book](Book), the keys of [pulses](Pulses), our
//!   [standing](Standing), the application's operations.
//! * Inputs: questions of others, answers to ours, what the NATs and peers say of us, time. Outputs:
//!   tasks that ask, and the results of operations.
//! * Invariants: the lock is held for short computations and never across a wait; puzzles are checked
//!   outside of it; nothing a peer says reaches the core before it was proven.
//! * Bounds: [`DhtLimits`], and the core's own.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dchat_kademlia::call::Question;
use dchat_kademlia::node::{CallId, Input, Node, Outcome, Output, Search};
use dchat_kademlia::puzzle::Memory;
use dchat_kademlia::table::Entry;
use dchat_kademlia::{Contact, Key, Time};
use dchat_wire::PeerId;
use dchat_wire::dht::{self, Refusal, Server, Socket};
use dchat_wire::pulse::PulseKey;
use dchat_wire::record::SignedRecord;
use tokio::sync::{Notify, Semaphore, oneshot};

use super::answer::{Counts, DhtStat, TableNode};
use super::book::{Book, Handle};
use super::call;
use super::clock::Clock;
use super::config::{DhtConfig, DhtLimits, KnownNode};
use super::pulse::Pulses;
use super::seeds::Seeds;
use super::standing::Standing;
use crate::connection::Connection;
use crate::endpoint::Shared;
use crate::path::{PathKind, canonical};
use crate::sync::lock;

/// Answers whose unknown nodes are checked at a time: of what others name each costs a millisecond.
const CHECKS: usize = 2;
/// Nodes remembered for the next start.
const KNOWN: usize = 256;

/// See the [module](self).
pub(crate) struct Table {
    pub(super) us: PeerId,
    pub(super) limits: DhtLimits,
    inner: Mutex<Inner>,
    /// The driver may have something to do.
    pub(super) wake: Notify,
    /// Somebody is known who was not, or an operation ended.
    pub(super) news: Notify,
    /// Connections that may be made.
    pub(super) dials: Semaphore,
    /// Claims that may be checked.
    pub(super) claims: Semaphore,
    /// Answers that may be checked.
    pub(super) checks: Semaphore,
}

/// What the lock guards.
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
    position: Position,
    serving: bool,
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

impl Table {
    /// Our part, as a client until more is known of us.
    pub(crate) fn new(us: PeerId, config: &DhtConfig, seed: [u8; 32]) -> Self {
        let clock = Clock::new();
        let position = Position::first(&us, config);
        let now = clock.now();
        let inner = Inner {
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
        };
        Self {
            us,
            inner: Mutex::new(inner),
            wake: Notify::new(),
            news: Notify::new(),
            dials: Semaphore::new(config.limits.dials),
            claims: Semaphore::new(config.limits.puzzles),
            checks: Semaphore::new(CHECKS),
            limits: config.limits.clone(),
        }
    }

    /// Acts under the lock, and then has asked what the core wants asked.
    pub(super) fn act<T>(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        act: impl FnOnce(&mut Inner, Time) -> T,
    ) -> T {
        let mut inner = lock(&self.inner);
        let now = inner.clock.now();
        let result = act(&mut inner, now);
        let calls = inner.settle();
        if inner.oversleeps() {
            self.wake.notify_one();
        }
        drop(inner);
        if !calls.is_empty() {
            self.news.notify_waiters();
        }
        for call in calls {
            tokio::spawn(call::call(Arc::clone(shared), Arc::clone(self), call));
        }
        result
    }

    /// Looks at what the lock guards, without letting the core act.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut lock(&self.inner))
    }

    /// What we say of ourselves on `connection`, while we serve.
    pub(super) fn claim(&self, shared: &Shared, connection: &Connection) -> Option<Server> {
        let observed = shared.observed_on(connection);
        let observed = observed.map(|address| address.socket());
        self.claim_at(counted_at(connection), observed)
    }

    /// The same to somebody at `to` who sees us at `observed`, as far as that is known.
    pub(super) fn claim_at(&self, to: IpAddr, observed: Option<SocketAddr>) -> Option<Server> {
        self.look(|inner| {
            let nonce = inner.position.nonce;
            let serving = inner.serving;
            serving
                .then(|| inner.standing.claim(nonce, to, observed))
                .flatten()
        })
    }

    /// Keeps what pulses with `connection`'s peer are authenticated with, once.
    pub(super) fn keep_key(&self, connection: &Connection) {
        if !connection.inner().usage.take_key() {
            return;
        }
        let mut exported = [0; PulseKey::EXPORTED];
        let label = PulseKey::EXPORTER_LABEL;
        let quinn = &connection.inner().quinn;
        if quinn
            .export_keying_material(&mut exported, label, &[])
            .is_ok()
        {
            let key = PulseKey::from_exporter(&exported);
            self.look(|inner| inner.pulses.insert(connection.peer_id(), key));
        }
    }

    /// A peer told where it sees us.
    pub(crate) fn observed(self: &Arc<Self>, shared: &Arc<Shared>, connection: &Connection) {
        if connection.path().kind != PathKind::Direct {
            return;
        }
        let Some(at) = shared.observed_on(connection) else {
            return;
        };
        let news = self.look(|inner| inner.standing.observed(at.socket()));
        if news {
            self.restand(shared);
        }
    }

    /// A connection is over: by a goodbye, if its peer needed it until then.
    pub(crate) fn over(self: &Arc<Self>, shared: &Arc<Shared>, connection: &Connection, bye: bool) {
        let recent = connection.inner().usage.last().elapsed() < self.limits.idle * 3 / 4;
        if bye && recent {
            let peer = connection.peer_id();
            self.act(shared, |inner, now| {
                if let Some((handle, _)) = inner.book.of(&peer) {
                    inner.node.handle_input(Input::Gone { handle }, now);
                }
            });
        }
    }

    /// What is known of our place in the network may have changed.
    pub(super) fn restand(self: &Arc<Self>, shared: &Arc<Shared>) {
        let own = shared.own_sockets();
        let nat = shared.nat.status().borrow().clone();
        self.act(shared, |inner, now| {
            inner.standing.update(&own, &nat);
            inner.decide(now);
        });
        self.wake.notify_one();
    }

    /// Difficulty of the puzzle that has to be solved before we may serve, as we want to.
    pub(super) fn unsolved(&self) -> Option<u8> {
        self.look(|inner| {
            let difficulty = inner.standing.difficulty();
            let missing = inner.standing.serves() && difficulty > 0 && !inner.position.solved;
            missing.then_some(difficulty)
        })
    }

    /// Where we are.
    pub(super) fn position(&self) -> Position {
        self.look(|inner| inner.position)
    }

    /// We are somewhere else now: the puzzle is solved.
    pub(super) fn moved(self: &Arc<Self>, shared: &Arc<Shared>, position: Position) {
        self.act(shared, |inner, now| {
            inner.relocate(position, now);
            inner.decide(now);
        });
    }

    /// Begins an operation, whose result comes there. `None` when too many run.
    pub(super) fn begin(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        wish: Wish,
    ) -> Option<(u64, oneshot::Receiver<Granted>)> {
        let (done, told) = oneshot::channel();
        let limit = self.limits.operations;
        self.act(shared, |inner, now| {
            if inner.operations.len() >= limit {
                return None;
            }
            let number = inner.next_operation;
            inner.next_operation += 1;
            let search = inner.search(&wish, now);
            let operation = Operation {
                wish,
                search,
                refused: BTreeMap::new(),
                done,
            };
            inner.operations.insert(number, operation);
            inner.searches.insert(search, number);
            Some((number, told))
        })
    }

    /// Nobody waits for an operation any more.
    pub(super) fn cancel(self: &Arc<Self>, shared: &Arc<Shared>, number: u64) {
        self.act(shared, |inner, _| {
            if let Some(operation) = inner.operations.remove(&number) {
                inner.searches.remove(&operation.search);
                inner.node.cancel(operation.search);
            }
        });
    }

    /// Everybody who answered us lately, the latest first.
    pub(super) fn known(&self) -> Vec<KnownNode> {
        self.look(|inner| inner.book.known(KNOWN))
    }

    /// The state, for people.
    pub(super) fn stat(&self, shared: &Shared) -> DhtStat {
        let connections = shared.hidden().len();
        self.look(|inner| {
            let stat = inner.node.stat();
            DhtStat {
                serving: inner.serving,
                position: Some(inner.position.at),
                contacts: stat.contacts,
                siblings: inner.node.siblings().len(),
                records: stat.records,
                record_bytes: inner.node.store().bytes() as usize,
                size: stat.size_estimate,
                lookups: stat.searches + stat.queued,
                connections,
                counts: inner.counts,
                ..DhtStat::default()
            }
        })
    }
}

impl Inner {
    /// What the core wants done now.
    fn settle(&mut self) -> Vec<Call> {
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
    fn decide(&mut self, now: Time) {
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
    fn relocate(&mut self, position: Position, now: Time) {
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
    fn oversleeps(&mut self) -> bool {
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
        let mut memory = Memory::new().ok();
        let mut verify = |nonce, difficulty| {
            memory
                .as_mut()
                .and_then(|memory| memory.verify(us.public_key(), nonce, difficulty))
        };
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

impl core::fmt::Debug for Table {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Table")
            .field("us", &self.us)
            .finish_non_exhaustive()
    }
}

/// Where the peer of a direct connection is.
pub(super) fn seen_at(connection: &Connection) -> Option<SocketAddr> {
    let path = connection.path();
    let direct = path.kind == PathKind::Direct;
    direct.then(|| canonical(path.addr.socket()))
}

/// What limits count a connection's peer for: its address, or its relay's.
pub(super) fn counted_at(connection: &Connection) -> IpAddr {
    connection.path().addr.socket().ip().to_canonical()
}

/// How long a question took, for what is not measured otherwise.
pub(super) fn rtt(connection: &Connection) -> Duration {
    connection.path().rtt
}
