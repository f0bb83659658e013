//! Records outlive their publishers: those who hold them see to it (spec `70-dht` §9).
//!
//! State: the neighbours seen at the last round, one bit of every record for each that is taken to
//! have it, and the questions under way. Inputs: neighbours, answers, time. Outputs: a `Get` that
//! tells whether a neighbour has the records under a key, and a `Put` of those it lacks.
//!
//! **Who should hold a record**: the k nodes nearest to its key; and where half as many again or more
//! crowd within the radius that should hold k of them, all of these.
//!
//! **Who is taken to have it**: the k nearest at the round after the record came, for whoever put it
//! here put it there too; later, who answered that it has it or stored it. A neighbour that goes
//! and comes back is a new one.
//!
//! **Who asks**: every ten minutes or so, and within a minute when a quarter of the neighbours is
//! gone, a holder looks for neighbours that should hold a record and are not taken to. The nearest
//! holder asks each time. One with `r` holders nearer than itself asks with a chance of `2^-r`, and
//! never less than `2^-8`, so that about two ask in a round when all are honest, and somebody does
//! before long when the nearest dozen keep silent. And every half hour each node asks one of its
//! neighbours about all they should have in common, whatever it is taken to have: that finds puts
//! that went astray, and what other neighbours were wrong about.
//!
//! What an answer holds that we lack is checked and stored like any put.
//!
//! **Cost**: a newcomer costs each record it should hold about five questions of some 250 bytes and
//! one put. With a median session of one hour a replica set of 20 gets 7 newcomers an hour, which is
//! 4 bytes/s of a node for each record it publishes. Questions to one neighbour come one after the
//! other, so that they share a connection.
//!
//! **Bounds**: [`NEIGHBOURS`], [`IN_FLIGHT`] questions under way, [`PER_ROUND`] a round. Without
//! records in the store nothing is allocated.

mod ask;
mod round;

use core::time::Duration;

use ask::Call;
pub use ask::{Ask, AskId};

use crate::call::K;
use crate::contact::Contact;
use crate::key::Key;
use crate::store::Store;
use crate::time::Time;

/// Neighbours that are told apart: bits of a record's mark. Of more, the nearest count.
pub const NEIGHBOURS: usize = 64;
/// Questions under way at once.
pub const IN_FLIGHT: usize = 4;
/// Questions of a round; what is left is the next round's.
pub const PER_ROUND: u16 = 2048;
/// Time between two rounds: in ten minutes a replica set of 20 loses one or two at a median session
/// of one hour, and nine of ten at five minutes.
pub const ROUND: Duration = Duration::from_secs(10 * 60);
/// Least time between two rounds, and how soon one follows when many neighbours are gone.
pub const SOON: Duration = Duration::from_secs(30);
/// Every so many rounds one neighbour is asked about everything.
const AUDIT: u32 = 3;

/// The upkeep of the records a node holds.
#[derive(Debug)]
pub struct Repair<H> {
    at: Key,
    /// First bytes of the neighbours' positions; zero for none.
    slots: Vec<u64>,
    /// Neighbours that have something to be asked in this round, and their slots.
    targets: Vec<(Contact<H>, u8)>,
    /// Where among the records the search for the next question to the last target goes on.
    cursor: usize,
    calls: Vec<Call<H>>,
    /// Questions this round may still ask.
    left: u16,
    rounds: u32,
    serial: u32,
    next: Option<Time>,
    last: Time,
    random: u64,
}

impl<H: Copy> Repair<H> {
    /// For the node at `at`.
    #[must_use]
    pub fn new(at: Key, seed: u64) -> Self {
        Self {
            at,
            slots: Vec::new(),
            targets: Vec::new(),
            cursor: 0,
            calls: Vec::new(),
            left: 0,
            rounds: 0,
            serial: 0,
            next: None,
            last: Time::default(),
            random: seed,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) begins a round; none while nothing is held.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.next
    }

    /// To be called after a record was stored: rounds go on as long as there are any.
    pub fn handle_stored(&mut self, now: Time) {
        if self.next.is_none() {
            let after = self.jitter(ROUND);
            self.next = Some(now + after);
        }
    }

    /// To be called after neighbours were lost: a round comes soon when they are many.
    pub fn handle_lost(&mut self, neighbours: &[Contact<H>], now: Time) {
        let Some(next) = self.next else { return };
        let known = self.slots.iter().filter(|slot| **slot != 0);
        let gone = known.clone().filter(|slot| {
            !neighbours
                .iter()
                .any(|neighbour| round::prefix(&neighbour.at) == **slot)
        });
        if gone.count() * 4 >= known.count().max(1) {
            let after = self.jitter(SOON);
            self.next = Some(next.min((now + after).max(self.last + SOON)));
        }
    }

    /// Begins a round when it is time. `neighbours` are the nearest nodes that are alive, `share` is
    /// the part of the whole space whose radius should hold k nodes: k over the estimated size.
    pub fn handle_timeout(
        &mut self,
        store: &mut Store,
        neighbours: &[Contact<H>],
        share: f64,
        now: Time,
    ) {
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        if store.is_empty() {
            // A store that fills again calls for rounds anew.
            *self = Self {
                calls: core::mem::take(&mut self.calls),
                serial: self.serial,
                ..Self::new(self.at, self.random)
            };
            return;
        }
        self.begin(store, neighbours, share);
        let after = self.jitter(ROUND);
        self.last = now;
        self.next = Some(now + after);
    }

    /// A number nobody else foresees (SplitMix64, Steele et al. 2014).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Three to five quarters of `time`, so that holders do not ask at the same moment.
    fn jitter(&mut self, time: Duration) -> Duration {
        time * 3 / 4 + time.mul_f64((self.draw() >> 11) as f64 / (1_u64 << 54) as f64)
    }
}

const _: () = assert!(2 * K <= NEIGHBOURS);
