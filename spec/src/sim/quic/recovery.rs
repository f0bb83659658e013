//! Which packets arrived, which did not, and when to ask (RFC 9002).

use std::collections::BTreeMap;
use std::time::Instant;

use super::packet::Frame;
use super::rtt::{MAX_ACK_DELAY, Rtt};

/// Packets acknowledged after one by which it counts as lost (RFC 9002 §6.1.1).
const PACKET_THRESHOLD: u32 = 3;
/// Doublings of the probe timeout at most: 2⁶ times 100 ms outlast the idle timeout's patience.
const BACKOFF: u32 = 6;
/// Packets sent when the probe timeout expires (RFC 9002 §6.2.4).
const PROBES: usize = 2;

#[derive(Clone, Debug)]
struct Sent {
    at: Instant,
    /// What has to be sent again if it is lost.
    frames: Vec<Frame>,
}

impl Sent {
    fn is_of_handshake(&self) -> bool {
        let mut frames = self.frames.iter();
        frames.any(|frame| matches!(frame, Frame::Crypto { .. }))
    }
}

/// Packets under way that must be acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Recovery {
    rtt: Rtt,
    sent: BTreeMap<u32, Sent>,
    largest: Option<u32>,
    last_sent: Option<Instant>,
    timeouts: u32,
}

impl Recovery {
    pub(super) fn new() -> Self {
        Self {
            rtt: Rtt::new(),
            sent: BTreeMap::new(),
            largest: None,
            last_sent: None,
            timeouts: 0,
        }
    }

    pub(super) fn rtt(&self) -> &Rtt {
        &self.rtt
    }

    /// A packet that must be acknowledged leaves.
    pub(super) fn sent(&mut self, number: u32, frames: Vec<Frame>, now: Instant) {
        self.last_sent = Some(now);
        self.sent.insert(number, Sent { at: now, frames });
    }

    /// These runs arrived. Gives what was lost, to be sent again.
    pub(super) fn acknowledged(&mut self, runs: &[(u32, u32)], now: Instant) -> Vec<Frame> {
        let mut newest: Option<(u32, Instant)> = None;
        for (first, last) in runs {
            let numbers: Vec<u32> = self
                .sent
                .range(*first..=(*last).max(*first))
                .map(|(number, _)| *number)
                .collect();
            for number in numbers {
                if let Some(sent) = self.sent.remove(&number) {
                    newest = newest.max(Some((number, sent.at)));
                }
            }
        }
        if let Some((number, at)) = newest {
            self.timeouts = 0;
            if self.largest.is_none_or(|largest| number > largest) {
                self.largest = Some(number);
                let delay = MAX_ACK_DELAY.min(self.rtt.smoothed() / 8);
                self.rtt.sample(now.saturating_duration_since(at), delay);
            }
        }
        self.lost(now)
    }

    /// Takes out what counts as lost now.
    pub(super) fn lost(&mut self, now: Instant) -> Vec<Frame> {
        let Some(largest) = self.largest else {
            return Vec::new();
        };
        let patience = self.rtt.loss_delay();
        let gone: Vec<u32> = self
            .sent
            .range(..largest)
            .filter(|(number, sent)| {
                *number + PACKET_THRESHOLD <= largest || sent.at + patience <= now
            })
            .map(|(number, _)| *number)
            .collect();
        let sent = gone.iter().filter_map(|number| self.sent.remove(number));
        sent.flat_map(|sent| sent.frames).collect()
    }

    /// When [`lost`](Self::lost) or [`probe`](Self::probe) is due.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.loss_at().or_else(|| self.probe_at())
    }

    pub(super) fn loss_at(&self) -> Option<Instant> {
        let oldest = self.sent.range(..self.largest?).next();
        oldest.map(|(_, sent)| sent.at + self.rtt.loss_delay())
    }

    pub(super) fn probe_at(&self) -> Option<Instant> {
        let patience = self.rtt.timeout() * (1 << self.timeouts.min(BACKOFF));
        self.last_sent
            .filter(|_| !self.sent.is_empty())
            .map(|at| at + patience)
    }

    /// The keys of what was sent of the handshake so far are no longer needed: it is not sent again
    /// (RFC 9001 §4.9).
    pub(super) fn discard_handshake(&mut self) {
        self.sent.retain(|_, sent| !sent.is_of_handshake());
    }

    /// The probe timeout expired: the frames of the oldest packets, which stay under way, each in a
    /// packet of its own. Those of the handshake come first, as its packet number spaces do in QUIC
    /// (RFC 9002 §6.2.2.1): without them the other end can read nothing else.
    pub(super) fn probe(&mut self) -> Vec<Vec<Frame>> {
        self.timeouts += 1;
        let handshake = self.sent.values().filter(|sent| sent.is_of_handshake());
        let rest = self.sent.values().filter(|sent| !sent.is_of_handshake());
        let oldest = handshake.chain(rest).take(PROBES);
        oldest.map(|sent| sent.frames.clone()).collect()
    }

    /// The path is another now, and whatever was learned of the old one's silence is void.
    pub(super) fn forgive(&mut self) {
        self.timeouts = 0;
    }
}
