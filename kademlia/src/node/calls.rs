//! Questions of ours that are under way.

use core::time::Duration;

use crate::contact::Contact;
use crate::lookup::Step;
use crate::repair::AskId;
use crate::time::Time;

use super::io::{CallId, Search};

/// What a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A lookup.
    Search(Search, Step),
    /// To see whether somebody is there.
    Check,
    /// The same, of somebody lost.
    Revive,
    /// Who else is near us?
    Near,
    /// The same, of somebody who need not be.
    Elsewhere,
    /// Who else is in some bucket?
    Refill,
    /// Whether a neighbour holds what it should.
    Repair(AskId),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Pending<H> {
    pub(super) id: CallId,
    pub(super) to: Contact<H>,
    pub(super) purpose: Purpose,
    pub(super) asked: Time,
    /// None once it has passed.
    late: Option<Time>,
    over: Time,
}

/// What time did to a question.
pub(super) enum Lapse<H> {
    Late(Pending<H>),
    Over(Pending<H>),
}

#[derive(Clone, Debug)]
pub(super) struct Calls<H> {
    pending: Vec<Pending<H>>,
    next: u32,
    asked: u64,
    for_searches: usize,
    /// Milliseconds that nine of ten answers to questions of lookups took at most.
    slow: f32,
}

impl<H: Copy> Calls<H> {
    /// None; until there are answers, they are expected to take as long as `soft`.
    pub(super) fn new(soft: Duration) -> Self {
        Self {
            pending: Vec::new(),
            next: 0,
            asked: 0,
            for_searches: 0,
            slow: soft.as_secs_f32() * 1000.0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    /// Under way for lookups.
    pub(super) fn for_searches(&self) -> usize {
        self.for_searches
    }

    /// Under way for upkeep.
    pub(super) fn for_upkeep(&self) -> usize {
        self.pending.len() - self.for_searches
    }

    /// How long somebody may take whose round trip is `rtt`: a handshake, the question, and some time to
    /// think; or as long as nine of ten others.
    pub(super) fn patience(&self, rtt: Option<Duration>) -> Duration {
        match rtt {
            Some(rtt) => 2 * rtt + Duration::from_millis(100),
            None => Duration::from_secs_f32(self.slow / 1000.0),
        }
    }

    pub(super) fn open(
        &mut self,
        (to, purpose): (Contact<H>, Purpose),
        now: Time,
        (soft, hard): (Duration, Duration),
    ) -> CallId {
        let id = CallId(self.next);
        self.next = self.next.wrapping_add(1);
        self.asked += 1;
        let is_search = matches!(purpose, Purpose::Search(..));
        self.for_searches += usize::from(is_search);
        self.pending.push(Pending {
            id,
            to,
            purpose,
            asked: now,
            late: (is_search && soft < hard).then(|| now + soft),
            over: now + hard,
        });
        id
    }

    /// The question is answered or has failed.
    pub(super) fn close(&mut self, id: CallId) -> Option<Pending<H>> {
        let index = self.pending.iter().position(|pending| pending.id == id)?;
        Some(self.take(index))
    }

    fn take(&mut self, index: usize) -> Pending<H> {
        let pending = self.pending.swap_remove(index);
        self.for_searches -= usize::from(matches!(pending.purpose, Purpose::Search(..)));
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
        pending
    }

    /// Learns how long answers take. The estimate moves by a sixteenth of itself so that nine of
    /// ten are below it in the long run.
    pub(super) fn took(&mut self, time: Duration) {
        let sample = time.as_secs_f32() * 1000.0;
        let step = self.slow / 16.0 + 1.0;
        self.slow += if sample > self.slow {
            0.9 * step
        } else {
            -0.1 * step
        };
        self.slow = self.slow.max(20.0);
    }

    /// The next question that is late or over at `now`.
    pub(super) fn lapse(&mut self, now: Time) -> Option<Lapse<H>> {
        for (index, pending) in self.pending.iter_mut().enumerate() {
            if pending.over <= now {
                return Some(Lapse::Over(self.take(index)));
            }
            if pending.late.is_some_and(|late| late <= now) {
                pending.late = None;
                return Some(Lapse::Late(*pending));
            }
        }
        None
    }

    pub(super) fn next_lapse(&self) -> Option<Time> {
        let times = self
            .pending
            .iter()
            .map(|pending| pending.late.unwrap_or(pending.over));
        times.min()
    }

    /// Questions of `search` are no longer waited for.
    pub(super) fn forget(&mut self, search: Search) {
        let is_of = |pending: &Pending<H>| matches!(pending.purpose, Purpose::Search(id, _) if id == search);
        let before = self.pending.len();
        self.pending.retain(|pending| !is_of(pending));
        self.for_searches -= before - self.pending.len();
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
    }

    /// Whether `purpose` is under way with the node at a position.
    pub(super) fn is_asking(&self, at: &crate::Key) -> bool {
        self.pending.iter().any(|pending| pending.to.at == *at)
    }
}
