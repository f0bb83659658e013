//! Datagrams that wait for one connection, taken fairly by channel.

use std::collections::VecDeque;

use bytes::Bytes;

/// What a waiting datagram is charged besides its length: its place in the queue and its
/// allocation. It bounds the number of empty ones.
pub const CHARGE: usize = 64;

/// Bytes a channel may send a turn: one packet of an Ethernet link, so that a turn is never empty
/// for an ordinary packet and never two full ones.
const QUANTUM: usize = 1500;

/// The queues of one connection: one for each channel with something waiting, in turn order.
#[derive(Debug, Default)]
pub(super) struct FairQueue {
    flows: VecDeque<Flow>,
    charged: usize,
}

#[derive(Debug)]
struct Flow {
    channel: u32,
    charged: usize,
    deficit: usize,
    waiting: VecDeque<Bytes>,
}

impl FairQueue {
    /// Bytes charged for what waits.
    pub(super) fn charged(&self) -> usize {
        self.charged
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Adds a datagram at the end of its channel's queue, then drops the oldest of that channel
    /// while it has more than `per_channel` charged, and the oldest of the longest while all have
    /// more than `in_all`. Returns how many were dropped, possibly with the new one among them.
    pub(super) fn push(
        &mut self,
        channel: u32,
        datagram: Bytes,
        per_channel: usize,
        in_all: usize,
    ) -> u64 {
        let cost = datagram.len() + CHARGE;
        self.charged += cost;
        let own = self.flows.iter().position(|flow| flow.channel == channel);
        let own = own.unwrap_or_else(|| {
            self.flows.push_back(Flow {
                channel,
                charged: 0,
                deficit: 0,
                waiting: VecDeque::new(),
            });
            self.flows.len() - 1
        });
        let mut over = false;
        if let Some(flow) = self.flows.get_mut(own) {
            flow.charged += cost;
            flow.waiting.push_back(datagram);
            over = flow.charged > per_channel;
        }
        let mut dropped = 0;
        while over && self.drop_oldest(own) {
            dropped += 1;
            over = self
                .flows
                .get(own)
                .is_some_and(|flow| flow.channel == channel && flow.charged > per_channel);
        }
        while self.charged > in_all {
            let longest = (0..self.flows.len())
                .max_by_key(|&place| self.flows.get(place).map_or(0, |flow| flow.charged));
            if !longest.is_some_and(|place| self.drop_oldest(place)) {
                break;
            }
            dropped += 1;
        }
        dropped
    }

    /// The next datagram, if it is not longer than `room`; one that is longer keeps its turn.
    pub(super) fn pop(&mut self, room: usize) -> Option<Bytes> {
        loop {
            let flow = self.flows.front_mut()?;
            let len = flow.waiting.front()?.len();
            if len > flow.deficit {
                flow.deficit += QUANTUM;
                self.flows.rotate_left(1);
                continue;
            }
            if len > room {
                return None;
            }
            flow.deficit -= len;
            return self.take(0);
        }
    }

    /// Forgets a channel; returns how many datagrams were dropped with it.
    pub(super) fn remove(&mut self, channel: u32) -> u64 {
        let place = self.flows.iter().position(|flow| flow.channel == channel);
        let Some(flow) = place.and_then(|place| self.flows.remove(place)) else {
            return 0;
        };
        self.charged -= flow.charged;
        flow.waiting.len() as u64
    }

    /// How many datagrams wait.
    pub(super) fn len(&self) -> usize {
        self.flows.iter().map(|flow| flow.waiting.len()).sum()
    }

    fn drop_oldest(&mut self, place: usize) -> bool {
        self.take(place).is_some()
    }

    /// Takes the oldest of the flow at `place`, which leaves when it has nothing more: an idle
    /// channel saves up no turns.
    fn take(&mut self, place: usize) -> Option<Bytes> {
        let flow = self.flows.get_mut(place)?;
        let datagram = flow.waiting.pop_front()?;
        let cost = datagram.len() + CHARGE;
        flow.charged -= cost;
        self.charged -= cost;
        if flow.waiting.is_empty() {
            self.flows.remove(place);
        }
        Some(datagram)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn datagram(channel: u32, len: usize) -> Bytes {
        Bytes::from(vec![channel as u8; len])
    }

    #[test]
    fn channels_take_turns_by_bytes_not_by_datagrams() {
        let mut queue = FairQueue::default();
        for _ in 0..2000 {
            queue.push(1, datagram(1, 100), usize::MAX, usize::MAX);
            queue.push(2, datagram(2, 1400), usize::MAX, usize::MAX);
        }
        let mut bytes = [0usize; 3];
        while bytes[1] + bytes[2] < 100_000 {
            let next = queue.pop(usize::MAX).map_or(0, |next| {
                bytes[usize::from(next[0])] += next.len();
                next.len()
            });
            assert!(next > 0);
        }
        assert!(bytes[1].abs_diff(bytes[2]) <= 2 * QUANTUM, "{bytes:?}");
    }

    #[test]
    fn a_flood_costs_its_own_channel_only() {
        let mut queue = FairQueue::default();
        for _ in 0..10 {
            assert_eq!(queue.push(2, datagram(2, 1000), 50_000, 60_000), 0);
        }
        let dropped: u64 = (0..1000)
            .map(|_| queue.push(1, datagram(1, 1000), 50_000, 60_000))
            .sum();
        assert!(dropped > 900);
        let kept = std::iter::from_fn(|| queue.pop(usize::MAX));
        assert_eq!(kept.filter(|datagram| datagram[0] == 2).count(), 10);
    }

    #[test]
    fn one_that_does_not_fit_keeps_its_turn() {
        let mut queue = FairQueue::default();
        queue.push(1, datagram(1, 1000), usize::MAX, usize::MAX);
        queue.push(2, datagram(2, 10), usize::MAX, usize::MAX);
        assert_eq!(queue.pop(999), None);
        assert_eq!(queue.pop(1000).map(|next| next.len()), Some(1000));
        assert_eq!(queue.pop(10).map(|next| next.len()), Some(10));
        assert_eq!(queue.pop(10), None);
    }

    proptest! {
        /// Order within a channel is kept, the charge is exact, and the bounds hold.
        #[test]
        fn the_charge_is_exact_and_each_channel_stays_in_order(
            ops in prop::collection::vec((0..6u32, 1..3000usize, 0..3u8), 1..300),
        ) {
            let (per_channel, in_all) = (8_000, 20_000);
            let mut queue = FairQueue::default();
            let mut serial = 0u32;
            let mut last = BTreeMap::new();
            for (channel, len, op) in ops {
                match op {
                    0 | 1 => {
                        serial += 1;
                        let mut bytes = vec![channel as u8; len.max(5)];
                        bytes[1..5].copy_from_slice(&serial.to_le_bytes());
                        queue.push(channel, Bytes::from(bytes), per_channel, in_all);
                    }
                    _ => {
                        if let Some(next) = queue.pop(len) {
                            prop_assert!(next.len() <= len);
                            let at = u32::from_le_bytes([next[1], next[2], next[3], next[4]]);
                            let before = last.insert(next[0], at);
                            prop_assert!(before.is_none_or(|before| before < at));
                        }
                    }
                }
                let mut sum = 0;
                for flow in &queue.flows {
                    let own: usize = flow.waiting.iter().map(|d| d.len() + CHARGE).sum();
                    prop_assert!(!flow.waiting.is_empty());
                    prop_assert_eq!(own, flow.charged);
                    prop_assert!(own <= per_channel);
                    sum += own;
                }
                prop_assert_eq!(sum, queue.charged());
                prop_assert!(sum <= in_all);
            }
            let removed: u64 = (0..6).map(|channel| queue.remove(channel)).sum();
            prop_assert!(removed == 0 || queue.is_empty());
            prop_assert_eq!(queue.charged(), 0);
        }
    }
}
