//! One direction of a line, as a pure state machine: delay, jitter, loss and rate.
//!
//! Packets stay in order. The queue holds at most [`MAX_PACKETS`] and, where there is a rate, a
//! bounded time of it; what does not fit is dropped and counted, as a router does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::dice::Dice;

/// Packets on the way at most.
const MAX_PACKETS: usize = 20_000;
/// How long a packet may wait for its turn before the router drops it.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// What a line does to packets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// How long a packet is on the way at least.
    pub delay: Duration,
    /// How much longer at most.
    pub jitter: Duration,
    /// The share that is lost, 0 to 1.
    pub loss: f64,
    /// Bytes a second; `None` for no limit.
    pub rate: Option<u32>,
}

impl Conditions {
    /// A clean line of this delay.
    pub fn delayed(milliseconds: u64) -> Self {
        Self {
            delay: Duration::from_millis(milliseconds),
            ..Self::default()
        }
    }
}

/// The line.
#[derive(Debug)]
pub struct Link {
    conditions: Conditions,
    queue: VecDeque<(Instant, Vec<u8>)>,
    /// Until when the transmitter is busy with what was sent before.
    busy: Option<Instant>,
    dropped: u64,
    dice: Dice,
}

impl Link {
    /// An idle line.
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            queue: VecDeque::new(),
            busy: None,
            dropped: 0,
            dice: Dice::new(seed),
        }
    }

    /// Changes what happens to packets sent from now on.
    pub fn set(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Packets lost so far, by chance or for want of room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sends a packet.
    pub fn push(&mut self, packet: Vec<u8>, now: Instant) {
        let Conditions {
            delay,
            jitter,
            loss,
            rate,
        } = self.conditions;
        let begins = self.busy.map_or(now, |busy| busy.max(now));
        let full = self.queue.len() >= MAX_PACKETS || begins.duration_since(now) > LONGEST_WAIT;
        if full || self.dice.happens(loss) {
            self.dropped += 1;
            return;
        }
        let sent = begins
            + rate.map_or(Duration::ZERO, |rate| {
                Duration::from_secs_f64(packet.len() as f64 / f64::from(rate))
            });
        self.busy = Some(sent);
        let more = self.dice.below(jitter.as_nanos() as u64 + 1);
        let arrives = sent + delay + Duration::from_nanos(more);
        let last = self.queue.back().map_or(arrives, |(at, _)| *at);
        self.queue.push_back((arrives.max(last), packet));
    }

    /// The next packet that has arrived by now.
    pub fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        if *self.due()? > now {
            return None;
        }
        self.queue.pop_front().map(|(_, packet)| packet)
    }

    /// When the next packet arrives.
    pub fn due(&self) -> Option<&Instant> {
        self.queue.front().map(|(at, _)| at)
    }
}
