//! What neighbours ask of ranges, answered from the row of all items.
//!
//! The driver holds the items, so the row is made when somebody asks, of places that the driver
//! [loads](Load::Row), and forgotten some seconds later. That bounds what questions cost, however many
//! ask: one walk over the places in that time, sixteen bytes an item, of at most [`MOST_ITEMS`]. Each
//! question is charged like others that cost a walk, and walks over the row twice at most. A row says
//! what was held when it was made.

use core::time::Duration;
use std::collections::VecDeque;

use dchat_wire::gossip::Span;

use super::Node;
use super::io::{Load, Output};
use super::newest::{MOST, MOST_BYTES};
use crate::message::Message;
use crate::range::{Archive, Key, answer};
use crate::score::Fault;
use crate::time::Time;

/// Items a row may have: two mebibytes, and some milliseconds to sum. Ranges of more are left
/// unanswered.
const MOST_ITEMS: usize = 1 << 17;
/// How long a row is kept: several questions of one comparison, and several who compare.
const KEPT: Duration = Duration::from_secs(10);
/// Questions that wait for the driver: those that one neighbour may ask at once, of two. Whoever
/// does not hear asks somebody else.
const WAITING: usize = 16;

/// The row, and who asks about it.
#[derive(Clone, Debug)]
pub(super) struct Ranges<H> {
    row: Row,
    /// When the row is forgotten.
    until: Time,
    /// At most [`WAITING`].
    waiting: VecDeque<Question<H>>,
}

#[derive(Clone, Debug)]
enum Row {
    /// Nobody asks.
    Absent,
    /// The driver loads it.
    Loading,
    Held(Archive),
    /// Ranges are not to be compared here.
    Withheld,
}

#[derive(Clone, Debug)]
struct Question<H> {
    peer: H,
    salt: u64,
    spans: Vec<Span>,
}

impl<H> Default for Ranges<H> {
    fn default() -> Self {
        Self {
            row: Row::Absent,
            until: Time(u64::MAX),
            waiting: VecDeque::new(),
        }
    }
}

impl<H> Ranges<H> {
    /// When there is something to forget.
    pub(super) fn next(&self) -> Time {
        self.until
    }
}

impl<H: Copy + Eq> Node<H> {
    /// A neighbour asks which parts of ranges differ, after the `newest` items of all.
    pub(super) fn ranged(&mut self, slot: usize, (salt, spans): (u64, Vec<Span>), newest: u16) {
        let now = self.now;
        let walks = 1 + u32::from(newest > 0);
        let may = self
            .link_mut(slot)
            .is_some_and(|link| link.costly.take(walks, now));
        if !may {
            return self.fault(slot, Fault::Flood);
        }
        let Some(peer) = self.link(slot).map(|link| link.peer) else {
            return;
        };
        if newest > 0 {
            self.outputs.push_back(Output::Load(Load::Newest {
                peer,
                from: Key::FIRST,
                to: Key::END,
                most: newest.min(MOST).into(),
                most_bytes: MOST_BYTES,
            }));
        }
        let question = Question { peer, salt, spans };
        match &self.ranges.row {
            Row::Withheld => return,
            Row::Held(row) if newest == 0 => {
                let said = question.answered(row);
                return self.send(peer, said);
            }
            // The items that are asked for come first.
            Row::Held(_) | Row::Loading => {}
            Row::Absent => {
                self.ranges.row = Row::Loading;
                let most = MOST_ITEMS;
                self.outputs.push_back(Output::Load(Load::Row { most }));
            }
        }
        if self.ranges.waiting.len() < WAITING {
            self.ranges.waiting.push_back(question);
        }
    }

    /// The driver loaded the row.
    pub(super) fn loaded_row(&mut self, keys: Option<Vec<Key>>) {
        if !matches!(self.ranges.row, Row::Loading) {
            return;
        }
        let keys = keys.filter(|keys| keys.len() <= MOST_ITEMS);
        self.ranges.row = keys.map_or(Row::Withheld, |keys| Row::Held(keys.into_iter().collect()));
        self.ranges.until = self.now + KEPT;
        self.answer_ranges(|_| true);
    }

    /// Answers what waited for the newest items that a neighbour asked for first.
    pub(super) fn answer_ranges_of(&mut self, peer: H) {
        self.answer_ranges(|question| question.peer == peer);
    }

    fn answer_ranges(&mut self, which: impl Fn(&Question<H>) -> bool) {
        let row = match &self.ranges.row {
            Row::Held(row) => Some(row),
            Row::Withheld => None,
            Row::Absent | Row::Loading => return,
        };
        let waiting = core::mem::take(&mut self.ranges.waiting);
        let (answered, left): (VecDeque<_>, _) = waiting.into_iter().partition(which);
        let said = |question: &Question<H>| Some((question.peer, question.answered(row?)));
        let said: Vec<_> = answered.iter().filter_map(said).collect();
        self.ranges.waiting = left;
        for (peer, said) in said {
            if self.slot_of(peer).is_some() {
                self.send(peer, said);
            }
        }
    }

    /// Forgets the row when its time is over.
    pub(super) fn ranges_due(&mut self) {
        if self.ranges.until <= self.now {
            self.ranges = Ranges::default();
        }
    }
}

impl<H> Question<H> {
    fn answered(&self, row: &Archive) -> Message<H> {
        Message::Spans {
            salt: self.salt,
            spans: answer(row, self.salt, &self.spans),
        }
    }
}
