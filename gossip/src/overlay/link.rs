//! One link.

use core::time::Duration;
use std::collections::VecDeque;

use crate::frontier::{LinkSalt, Log};
use crate::score::{Bucket, Score};
use crate::time::Time;

/// How far a link has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The driver connects.
    Connecting,
    /// We asked to be neighbours.
    Opening,
    /// We are.
    Live(LinkSalt),
}

/// A link, or an attempt at one.
#[derive(Clone, Debug)]
pub(crate) struct Link<H> {
    pub(crate) peer: H,
    pub(crate) state: State,
    /// We chose it.
    pub(crate) outbound: bool,
    /// Since when it is in its state.
    pub(crate) since: Time,
    pub(crate) nonce: u64,
    /// When anything last came from it.
    pub(crate) heard: Time,
    /// When we last asked to be neighbours.
    pub(crate) asked_at: Time,
    /// Smoothed round trip of pulls, in milliseconds.
    pub(crate) rtt: Option<u32>,
    /// Its mean deviation: nothing where answers are lost, much where they are late.
    pub(crate) deviation: u32,
    /// The last pull that was given up: of which log and item, and since when it was under way.
    pub(crate) given_up: Option<(u64, u32, Time)>,
    /// When it last sent something new that it was asked for.
    pub(crate) served: Time,
    /// The driver's queue to it is full.
    pub(crate) congested: bool,
    /// When digests were last compared.
    pub(crate) compared: Time,
    /// To be announced; bounded by the number of logs.
    pub(crate) pending: Vec<Log>,
    pub(crate) serving: Ranges,
    pub(crate) score: Score,
    /// Frames of any kind that bring nothing new.
    pub(crate) frames: Bucket,
    /// What takes a walk over all logs.
    pub(crate) costly: Bucket,
}

impl<H> Link<H> {
    pub(crate) fn new(peer: H, state: State, outbound: bool, nonce: u64, now: Time) -> Self {
        Self {
            peer,
            state,
            outbound,
            since: now,
            nonce,
            heard: now,
            asked_at: Time(0),
            rtt: None,
            deviation: 0,
            given_up: None,
            served: Time(0),
            congested: false,
            compared: Time(0),
            pending: Vec::new(),
            serving: Ranges::default(),
            score: Score::new(now),
            // Ten times what a lively room needs, and enough at once for a healing one.
            frames: Bucket::new(200, 4000, now),
            costly: Bucket::new(2, 8, now),
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state, State::Live(_))
    }

    /// Takes a new measurement of the round trip, as TCP does (RFC 6298).
    pub(crate) fn measured(&mut self, rtt: Duration) {
        let rtt = u32::try_from(rtt.as_millis())
            .unwrap_or(u32::MAX)
            .min(10_000);
        let old = self.rtt.unwrap_or(rtt);
        self.deviation = (3 * self.deviation + old.abs_diff(rtt)) / 4;
        self.rtt = Some((7 * old + rtt) / 8);
    }

    /// Whether what does not come in time comes later, as on a stream that sends again what is lost.
    pub(crate) fn is_tardy(&self) -> bool {
        self.rtt.is_some_and(|rtt| self.deviation > rtt / 8)
    }

    /// An item came that was asked for; true when that had been given up.
    pub(crate) fn answered_late(&mut self, log: u64, seq: u32, now: Time) -> bool {
        let is_it = |given_up: &mut (u64, u32, Time)| (given_up.0, given_up.1) == (log, seq);
        let Some((_, _, since)) = self.given_up.take_if(is_it) else {
            return false;
        };
        self.measured(now.since(since));
        true
    }
}

/// Parts of logs the other side asked for, and is being sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges {
    queue: VecDeque<(Log, u32, u32)>,
    /// The driver is loading the first.
    pub(crate) loading: bool,
}

/// Parts asked for and not sent yet: for as many logs as a member asks for at once, and then some.
const RANGES: usize = 2048;

impl Ranges {
    /// Adds items after `after` up to `upto`; false when there is no room.
    pub(crate) fn add(&mut self, log: Log, after: u32, upto: u32) -> bool {
        if self.queue.len() >= RANGES {
            return false;
        }
        let asked = self
            .queue
            .iter_mut()
            .take(64)
            .any(|(other, from, to)| *other == log && *from <= after && upto <= *to);
        if !asked && after < upto {
            self.queue.push_back((log, after, upto));
        }
        true
    }

    pub(crate) fn first(&self) -> Option<(Log, u32, u32)> {
        self.queue.front().copied()
    }

    /// Items of the first up to `seq` were sent.
    pub(crate) fn sent(&mut self, seq: u32) {
        if let Some((_, after, upto)) = self.queue.front_mut() {
            *after = seq.max(*after);
            if *after >= *upto {
                self.queue.pop_front();
            }
        }
    }

    /// The rest of the first is not to be had.
    pub(crate) fn skip(&mut self) {
        self.queue.pop_front();
    }

    pub(crate) fn drop_log(&mut self, log: Log) {
        self.queue.retain(|(other, _, _)| *other != log);
    }
}
