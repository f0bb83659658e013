//! Packets that came over relays and wait to be read by quinn.
//!
//! A queue for each relay leg, of at most [`WAITING`] packets, served in turn: a relay that floods
//! loses its own packets and nobody else's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use bytes::Bytes;

use crate::path::LegId;
use crate::sync::lock;

/// Packets of one relay that wait: 1.4 MiB of full ones, more than a connection's window lets be in
/// flight over a relay at 1 GB/s and 1 ms.
pub(super) const WAITING: usize = 1024;

/// A packet of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inner {
    pub(super) leg: LegId,
    pub(super) channel: u32,
    pub(super) packet: Bytes,
}

/// What became of a packet that came over a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    Waits,
    /// The queue of its leg is full, or the leg is gone.
    Dropped,
}

#[derive(Debug, Default)]
pub(super) struct Inbound {
    state: Mutex<State>,
    /// Packets in all queues, to be read without the lock.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    legs: BTreeMap<LegId, VecDeque<(u32, Bytes)>>,
    /// Served next: the first leg from here on.
    turn: Option<LegId>,
    reader: Option<Waker>,
}

impl Inbound {
    pub(super) fn open(&self, leg: LegId) {
        lock(&self.state).legs.entry(leg).or_default();
    }

    pub(super) fn close(&self, leg: LegId) {
        let dropped = lock(&self.state).legs.remove(&leg);
        let count = dropped.map_or(0, |queue| queue.len());
        self.waiting.fetch_sub(count, Ordering::AcqRel);
    }

    pub(super) fn push(&self, inner: Inner) -> Queued {
        let mut state = lock(&self.state);
        let Some(queue) = state.legs.get_mut(&inner.leg) else {
            return Queued::Dropped;
        };
        if queue.len() >= WAITING {
            return Queued::Dropped;
        }
        queue.push_back((inner.channel, inner.packet));
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        Queued::Waits
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }

    /// Takes up to `most` packets, one of each leg in turn.
    pub(super) fn take(&self, most: usize) -> Vec<Inner> {
        let mut state = lock(&self.state);
        let mut taken = Vec::with_capacity(most.min(self.waiting.load(Ordering::Acquire)));
        while taken.len() < most {
            let Some((leg, (channel, packet))) = state.next() else {
                break;
            };
            taken.push(Inner {
                leg,
                channel,
                packet,
            });
        }
        self.waiting.fetch_sub(taken.len(), Ordering::AcqRel);
        taken
    }

    /// Has the reader woken by the next packet, or by [`wake`](Self::wake).
    pub(super) fn register(&self, waker: &Waker) {
        let mut state = lock(&self.state);
        match &mut state.reader {
            Some(known) => known.clone_from(waker),
            None => state.reader = Some(waker.clone()),
        }
    }

    /// Wakes the reader: there is something else to look at.
    pub(super) fn wake(&self) {
        let reader = lock(&self.state).reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl State {
    fn next(&mut self) -> Option<(LegId, (u32, Bytes))> {
        let from = self.turn.unwrap_or(LegId(0));
        let after = self.legs.range(from..);
        let (leg, _) = after
            .chain(&self.legs)
            .find(|(_, queue)| !queue.is_empty())?;
        let leg = *leg;
        self.turn = Some(LegId(leg.0.saturating_add(1)));
        let packet = self.legs.get_mut(&leg)?.pop_front()?;
        Some((leg, packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(leg: u32, channel: u32) -> Inner {
        Inner {
            leg: LegId(leg),
            channel,
            packet: Bytes::from_static(&[1]),
        }
    }

    #[test]
    fn a_relay_that_floods_loses_its_own_packets_and_keeps_its_turn() {
        let inbound = Inbound::default();
        inbound.open(LegId(1));
        inbound.open(LegId(2));
        for channel in 0..2 * WAITING as u32 {
            inbound.push(packet(1, channel));
        }
        assert_eq!(inbound.push(packet(1, 0)), Queued::Dropped);
        assert_eq!(inbound.push(packet(2, 7)), Queued::Waits);
        assert_eq!(inbound.take(3), [packet(1, 0), packet(2, 7), packet(1, 1)]);
        assert_eq!(inbound.take(usize::MAX).len(), WAITING - 2);
        assert!(inbound.is_empty());
    }

    #[test]
    fn what_waits_of_a_closed_leg_is_gone_and_nothing_more_comes() {
        let inbound = Inbound::default();
        inbound.open(LegId(1));
        inbound.push(packet(1, 0));
        inbound.close(LegId(1));
        assert!(inbound.is_empty());
        assert_eq!(inbound.push(packet(1, 0)), Queued::Dropped);
        assert_eq!(inbound.take(1), []);
    }
}
