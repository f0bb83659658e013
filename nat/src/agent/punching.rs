//! The rounds of guessing in one attempt: who says PUNCH when, and when a round is over.
//!
//! ```text
//!  starter                                   follower
//!  open sockets, sample if it has to
//!  PUNCH(round, prediction, sockets) ─────▶  open sockets, sample if it has to
//!  scatters at once                   ◀───── PUNCH(round, answers, prediction, sockets)
//!  fires what needs the prediction           fires
//! ```

use std::time::Instant;

use super::bounds;
use super::volley::{Mark, Volley};
use crate::plan::Part;

/// Where a round stands.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The starter begins then.
    Due(Instant),
    /// A sample is awaited until then. `answers` is the round a follower answers.
    Sampling { until: Instant, answers: bool },
    /// The answer to our PUNCH is awaited until then.
    Awaiting { until: Instant },
    /// Both know; the round ends then, or when the volley has, whichever is later.
    Firing { until: Instant },
    /// The follower waits for a PUNCH until then.
    Waiting { until: Instant },
    /// No further round.
    Over,
}

/// How the rounds ended, where not with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// PUNCH was not said, or not answered.
    Silent,
    /// No reflector answered.
    NoSample,
    /// Probes met no open port.
    Missed,
}

/// State of guessing.
#[derive(Clone, Debug)]
pub(super) struct Punching {
    pub(super) part: Part,
    pub(super) step: Step,
    pub(super) volley: Option<Volley>,
    /// What a follower fires at once its sample is there.
    pub(super) mark: Option<Mark>,
    /// Of the sockets that are open now.
    pub(super) open: u16,
    rounds: u8,
    failure: Failure,
}

impl Punching {
    pub(super) fn new(part: Part, now: Instant) -> Self {
        Self {
            part,
            step: if part.starts {
                Step::Due(now + bounds::GUESS_AFTER)
            } else {
                Step::Waiting {
                    until: now + bounds::PUNCH_WAIT,
                }
            },
            volley: None,
            mark: None,
            open: 0,
            rounds: 0,
            failure: Failure::Silent,
        }
    }

    /// A round begins. Says whether one more is allowed.
    pub(super) fn begin(&mut self) -> bool {
        let allowed = self.rounds < self.part.rounds.min(bounds::ROUNDS);
        self.rounds += u8::from(allowed);
        allowed
    }

    /// The round came to nothing; the next one begins, or is waited for.
    pub(super) fn fail(&mut self, failure: Failure, now: Instant) {
        // That ports were tried is worth more to know than that a later round was not answered.
        if self.failure != Failure::Missed {
            self.failure = failure;
        }
        self.volley = None;
        let more = self.rounds < self.part.rounds.min(bounds::ROUNDS);
        self.step = match (more, self.part.starts) {
            (false, _) => Step::Over,
            (true, true) => Step::Due(now),
            (true, false) => Step::Waiting {
                until: now + bounds::PUNCH_WAIT,
            },
        };
    }

    /// The peer got through: what is fired rests while it is asked back.
    pub(super) fn hold(&mut self, now: Instant) {
        self.hold_until(now + bounds::HOLD);
    }

    /// Nothing is fired before then.
    pub(super) fn hold_until(&mut self, until: Instant) {
        if let Some(volley) = &mut self.volley {
            volley.hold(until);
        }
    }

    /// Nothing more is sent.
    pub(super) fn stop(&mut self) {
        self.volley = None;
        self.step = Step::Over;
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.step, Step::Over) && self.volley.is_none()
    }

    pub(super) fn failure(&self) -> Failure {
        self.failure
    }

    /// When something is to be done besides the next probe of the volley.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        match self.step {
            Step::Due(at)
            | Step::Sampling { until: at, .. }
            | Step::Awaiting { until: at }
            | Step::Waiting { until: at } => Some(at),
            Step::Firing { until } => self
                .volley
                .as_ref()
                .is_none_or(|volley| volley.next().is_none())
                .then_some(until),
            Step::Over => None,
        }
    }
}
