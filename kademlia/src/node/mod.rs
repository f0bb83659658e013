//! A node: table, lookups, store and upkeep in one.
//!
//! **State.** The [table](crate::table), the questions under way, the lookups, the
//! [records](crate::store) held for others, and what the upkeep has to do next.
//!
//! **In and out.** [`Node::answer`] for questions of others, at once; [`Node::handle_input`] and
//! [`Node::handle_timeout`] for the rest, and [`Node::find`], [`Node::get`], [`Node::put`] to look
//! something up. After any of them [`Node::poll_output`] until it is empty, then sleep until
//! [`Node::poll_timeout`]. Questions are made when they are polled.
//!
//! **Whom it believes.** A contact enters the table after it answered a question of ours (or the
//! driver says that something as good happened), never because somebody names it. A record counts
//! once the [notary](crate::record::Notary) has checked it. An answer to no question of ours is
//! ignored; one of the wrong kind counts as none.
//!
//! **Upkeep** keeps to a budget of bytes a second, in this order: contacts that may be gone are
//! pinged, siblings first; newcomers are verified; a sibling is asked who else is near, naming whom
//! we know so that only news comes back; buckets that are nearly empty are refilled; somebody lost is
//! tried again. The last heals a partition: whoever is found again is asked who is near us, and when
//! that is many we do not know, we look up our own position through it. What we put and lies thinner
//! than it should is put once more.
//!
//! **Bounds.** [`Config::in_flight`] questions for lookups and [`UPKEEP`] for upkeep, [`Config::searches`] and
//! [`Config::queued`] lookups, [`HEARD`] newcomers, [`Config::lost`] lost contacts.

mod anew;
mod asks;
mod calls;
mod io;
mod keeping;
mod searches;
mod serve;
mod upkeep;

use std::collections::VecDeque;
use std::sync::Arc;

pub use io::{Asker, CallId, Evidence, Fault, Input, Outcome, Output, Search, Stat};

use crate::call::{K, Nodes};
use crate::config::Config;
use crate::key::Key;
use crate::lookup::{Goal, Task};
use crate::pace::Meters;
use crate::record::{Notary, Strict};
use crate::repair::Repair;
use crate::rng::Rng;
use crate::size::{Size, extrapolated};
use crate::store::{Limits, Store};
use crate::table::{Entry, Table, seconds};
use crate::time::Time;
use crate::token::Tokens;
use anew::Anew;
use asks::Asks;
use calls::Calls;
use upkeep::Upkeep;

pub use asks::{HEARD, UPKEEP};

/// See the [module](self). `H` is the driver's name for a node, `N` who checks records.
#[derive(Debug)]
pub struct Node<H, N = Strict> {
    config: Arc<Config>,
    notary: N,
    now: Time,
    rng: Rng,
    table: Table<H>,
    size: Size,
    /// The estimate, as of the last upkeep or lookup.
    estimate: Option<f64>,
    serving: bool,
    has_left: bool,
    calls: Calls<H>,
    tasks: Vec<Task<H>>,
    waiting: VecDeque<(Search, Goal, Key)>,
    next_search: u32,
    done: VecDeque<(Search, Box<Outcome<H>>)>,
    asks: Asks<H>,
    upkeep: Upkeep<H>,
    anew: Option<Box<Anew>>,
    meters: Option<Box<Meters>>,
    store: Store,
    repair: Repair<H>,
    tokens: Tokens,
    answered: u64,
    refused: u64,
}

impl<H: Copy + Ord> Node<H> {
    /// The node at position `at`, which knows nobody. Everything random follows from `seed`, which
    /// has to be secret and used once.
    pub fn new(config: impl Into<Arc<Config>>, at: Key, seed: [u8; 32], now: Time) -> Self {
        Self::with_notary(config, at, seed, now, Strict)
    }
}

impl<H: Copy + Ord, N: Notary> Node<H, N> {
    /// The same with somebody else to check records.
    pub fn with_notary(
        config: impl Into<Arc<Config>>,
        at: Key,
        seed: [u8; 32],
        now: Time,
        notary: N,
    ) -> Self {
        let config = config.into();
        let mut rng = Rng::new(seed);
        let tokens = Tokens::new(rng.bytes());
        let upkeep = Upkeep::new(&config, now);
        let lot = rng.word();
        Self {
            table: Table::new(Arc::clone(&config), at),
            notary,
            now,
            size: Size::default(),
            estimate: None,
            serving: false,
            has_left: false,
            calls: Calls::new(config.soft),
            tasks: Vec::new(),
            waiting: VecDeque::new(),
            next_search: 0,
            done: VecDeque::new(),
            asks: Asks::default(),
            upkeep,
            anew: None,
            meters: None,
            store: Store::new(Limits::default()).with_seed(lot),
            repair: Repair::new(at, lot),
            tokens,
            rng,
            config,
            answered: 0,
            refused: 0,
        }
    }

    /// Our position.
    pub fn at(&self) -> Key {
        self.table.at()
    }

    /// Ends all lookups with what they have, and answers nobody from now on. The driver then says
    /// goodbye to whom it is connected, so that they forget us at once.
    pub fn leave(&mut self, now: Time) {
        self.advance_clock(now);
        self.has_left = true;
        self.serving = false;
        self.asks = Asks::default();
        self.anew = None;
        for (search, ..) in core::mem::take(&mut self.waiting) {
            self.done.push_back((search, Box::new(Outcome::nothing())));
        }
        while let Some(task) = self.tasks.pop() {
            self.finish(task, false);
        }
    }

    /// The contacts we would name to somebody who looks for `target`, at most [`K`].
    pub fn closest(&self, target: &Key, want: usize) -> Nodes<H> {
        let now = seconds(self.now);
        let all = !self.config.maintain;
        let want = want.min(K);
        self.table
            .closest(target, want, |entry| all || entry.is_fresh(now))
    }

    /// The contacts.
    pub fn contacts(&self) -> impl Iterator<Item = &Entry<H>> {
        self.table.iter()
    }

    /// The nearest contacts, nearest first.
    pub fn siblings(&self) -> Vec<Entry<H>> {
        self.table.siblings()
    }

    /// The table.
    pub fn table(&self) -> &Table<H> {
        &self.table
    }

    /// The records held for others.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How many nodes the network has, as estimated; 0 when nobody is known.
    pub fn size_estimate(&self) -> f64 {
        self.size.estimate(self.measured()).unwrap_or(0.0)
    }

    /// Counts.
    pub fn stat(&self) -> Stat {
        let now = seconds(self.now);
        Stat {
            contacts: self.table.len(),
            fresh: self
                .table
                .iter()
                .filter(|entry| entry.is_fresh(now))
                .count(),
            buckets: self.table.sizes().count(),
            size_estimate: self.size_estimate(),
            serving: self.serving,
            searches: self.tasks.len(),
            queued: self.waiting.len(),
            in_flight: self.calls.len(),
            asked: self.calls.asked(),
            answered: self.answered,
            refused: self.refused,
            records: self.store.len(),
        }
    }

    /// The size of the network, by the siblings alone.
    fn measured(&self) -> Option<f64> {
        let rank = self.config.siblings.min(self.table.len());
        let distance = self.table.sibling_distance(rank)?;
        Some(extrapolated(rank, distance))
    }

    fn estimate_size(&mut self) {
        self.estimate = self.size.estimate(self.measured());
    }

    /// Time never goes back.
    fn advance_clock(&mut self, now: Time) {
        self.now = self.now.max(now);
    }
}
