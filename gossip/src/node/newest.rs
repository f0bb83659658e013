//! The newest items first, for who holds far less than others.
//!
//! Logs come in order, the oldest items first, and a member that was away for long would show the
//! newest last. So it asks one neighbour for the newest items of all logs together while the logs
//! begin to come: they are shown [early](super::Output::Early), wait where items wait for those before
//! them, and are not asked for again.

use core::time::Duration;
use std::sync::Arc;

use super::Node;
use super::io::{Load, Output};
use super::receive::SERVED;
use crate::log::Item;
use crate::message::Message;
use crate::range::Key;
use crate::score::Fault;
use crate::time::Time;

/// Items asked for: what a person sees at once, and some. Who lacks fewer has them in as few round
/// trips by way of the logs.
const NEWEST: u16 = 50;
/// Most items sent to one question, and most bytes of them: what fits aside elsewhere.
pub(super) const MOST: u16 = 128;
pub(super) const MOST_BYTES: usize = 256 * 1024;
/// How long an answer is waited for before somebody else is asked.
const ANSWER: Duration = Duration::from_secs(5);

/// A question for the newest items, asked until it is answered, once each time this member was alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Newest {
    /// The latest lamport time that was seen when this member was last alone.
    after: u64,
    answered: bool,
    /// Who was asked, a slot, and how many items may still come.
    asked: Option<(usize, u16)>,
    /// Not before this time again.
    again_at: Time,
}

impl<H: Copy + Eq> Node<H> {
    /// Nobody is there any more: what comes until somebody is will have been missed.
    pub(super) fn is_alone(&mut self) {
        self.newest = Newest {
            after: self.lamport,
            ..Newest::default()
        };
    }

    /// A neighbour holds what we do.
    pub(super) fn missed_nothing(&mut self) {
        self.newest.answered = true;
    }

    /// Asks a neighbour for the newest of what was missed, unless somebody was asked just now.
    pub(super) fn ask_newest(&mut self, slot: usize) {
        if self.newest.answered || self.newest.again_at > self.now {
            return;
        }
        self.newest.asked = Some((slot, NEWEST));
        self.newest.again_at = self.now + ANSWER;
        let from = Key {
            lamport: self.newest.after.saturating_add(1),
            hash: 0,
        };
        let (to, most) = (Key::END, NEWEST);
        self.send_slot(slot, Message::Fetch { from, to, most });
    }

    /// Asks a neighbour that holds so many items more than we do, if they are worth it.
    pub(super) fn may_ask_newest(&mut self, slot: usize, more: u32) {
        if more >= NEWEST.into() {
            self.ask_newest(slot);
        }
    }

    /// Whether an item that came with `hops` may be one of the newest that were asked for.
    pub(super) fn is_newest(&mut self, slot: usize, hops: u8) -> bool {
        let Some((asked, left)) = self.newest.asked.as_mut() else {
            return false;
        };
        if *asked != slot || hops != SERVED || *left == 0 {
            return false;
        }
        *left -= 1;
        self.newest.answered = true;
        true
    }

    /// Forgets the link in `slot`: somebody else may be asked.
    pub(super) fn drop_newest(&mut self, slot: usize) {
        if self.newest.asked.is_some_and(|(asked, _)| asked == slot) {
            self.newest.asked = None;
            self.newest.again_at = self.now;
        }
    }

    /// A neighbour asks for the newest items between two places.
    pub(super) fn fetched(&mut self, slot: usize, (from, to): (Key, Key), most: u16) {
        let now = self.now;
        let may = self
            .link_mut(slot)
            .is_some_and(|link| link.costly.take(1, now));
        if !may {
            return self.fault(slot, Fault::Flood);
        }
        if let Some(peer) = self.link(slot).map(|link| link.peer) {
            self.outputs.push_back(Output::Load(Load::Newest {
                peer,
                from,
                to,
                most: most.min(MOST).into(),
                most_bytes: MOST_BYTES,
            }));
        }
    }

    /// The driver loaded them.
    pub(super) fn loaded_newest(&mut self, peer: H, items: Vec<Arc<Item>>) {
        if self.slot_of(peer).is_none() {
            return;
        }
        for item in items {
            self.send(peer, Message::Push { hops: SERVED, item });
        }
        self.answer_ranges_of(peer);
    }
}
