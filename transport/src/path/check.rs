//! Asking whether the active path still works, while others are asked too.

use std::time::{Duration, Instant};

use super::address::PathId;
use super::bounds;

/// A check under way. It ends when the active path answers, when another takes its place, or when
/// its rounds are used up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    /// Nothing was heard after a send. Otherwise only [`follow`](Self::follow) is in question.
    pub(super) doubt: bool,
    /// The path the peer's packets come over now.
    pub(super) follow: Option<PathId>,
    /// Answers to questions of this time and later count.
    pub(super) started: Instant,
    /// Until then the active path may answer before another is preferred.
    pub(super) deadline: Instant,
    /// Next round of questions.
    pub(super) next: Instant,
    /// The deadline was seen to pass.
    pub(super) overdue: bool,
    /// Bytes sent a second time meanwhile.
    pub(super) copied: usize,
    round: u32,
}

impl Check {
    pub(super) fn new(
        doubt: bool,
        follow: Option<PathId>,
        answer_within: Duration,
        now: Instant,
    ) -> Self {
        Self {
            doubt,
            follow,
            started: now,
            deadline: now + answer_within,
            next: now + bounds::ROUND,
            overdue: false,
            copied: 0,
            round: 1,
        }
    }

    /// The same check with everything in question: its rounds begin anew, its questions stand.
    pub(super) fn escalated(self, now: Instant) -> Self {
        Self {
            doubt: true,
            next: now + bounds::ROUND,
            round: 1,
            ..self
        }
    }

    /// Goes on to the next round, unless there is none left.
    pub(super) fn advance(&mut self, now: Instant) -> bool {
        let rounds = if self.doubt {
            bounds::DOUBT_ROUNDS
        } else {
            bounds::FOLLOW_ROUNDS
        };
        if self.round >= rounds {
            return false;
        }
        self.next = now + bounds::ROUND * 2u32.pow(self.round);
        self.round += 1;
        true
    }

    /// When it has to be looked at: the deadline, then the rounds.
    pub(super) fn wake_at(&self) -> Instant {
        if self.overdue {
            self.next
        } else {
            self.deadline.min(self.next)
        }
    }
}
