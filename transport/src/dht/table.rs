//! Our part in the table: what is [behind the lock](Inner), the lock, and what is done outside of it.
//!
//! * Inputs: questions of others, answers to ours, what the NATs and peers say of us, time. Outputs:
//!   tasks that ask, and the results of operations.
//! * Invariants: the lock is held for short computations and never across a wait; puzzles are checked
//!   outside of it; nothing a peer says reaches the core before it was proven.
//! * Bounds: [`DhtLimits`], and the core's own.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dchat_kademlia::Time;
use dchat_kademlia::node::Input;
use dchat_wire::PeerId;
use dchat_wire::dht::Server;
use dchat_wire::pulse::PulseKey;
use tokio::sync::{Notify, Semaphore, oneshot};

use super::answer::DhtStat;
use super::call;
use super::config::{DhtConfig, DhtLimits, KnownNode};
use super::inner::{Granted, Inner, Position, Wish};
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

impl Table {
    /// Our part, as a client until more is known of us.
    pub(crate) fn new(us: PeerId, config: &DhtConfig, seed: [u8; 32]) -> Self {
        let inner = Inner::new(&us, config, seed);
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
        let number = self.act(shared, |inner, now| inner.begin(wish, done, limit, now))?;
        Some((number, told))
    }

    /// Nobody waits for an operation any more.
    pub(super) fn cancel(self: &Arc<Self>, shared: &Arc<Shared>, number: u64) {
        self.act(shared, |inner, _| inner.cancel(number));
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
                private: inner.standing.is_private(),
                seen: inner.standing.seen(),
                difficulty: inner.standing.difficulty(),
                position: Some(inner.position.at),
                contacts: stat.contacts,
                siblings: inner.node.siblings().len(),
                records: stat.records,
                record_bytes: inner.node.store().bytes() as usize,
                size: stat.size_estimate,
                lookups: stat.searches + stat.queued,
                connections,
                counts: inner.counts,
            }
        })
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
