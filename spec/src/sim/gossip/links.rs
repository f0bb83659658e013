//! How long frames are under way between two members, and whether they arrive.

use std::collections::BTreeMap;

use crate::sim::Rng;
use crate::sim::kademlia::population::mix;

/// Shortest one-way delay in milliseconds: hosts of one country.
pub const LEAST_MS: u64 = 10;
/// Longest one: hosts of one continent.
pub const MOST_MS: u64 = 50;
/// What the other side may wait before it acknowledges, so that loss is noticed.
const ACK_MS: u64 = 10;
/// After so many losses in a row a frame arrives in any case.
const TRIES: u32 = 6;

/// What loss does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// A lost frame never comes, as if each travelled in a datagram.
    #[default]
    Datagrams,
    /// A lost frame is sent again and comes later, and so do all behind it, as on a stream.
    Streams,
}

/// Bytes under way from one member to another at which the driver's queue counts as full, and at which
/// it has room again: as much as a fast path of a continent holds.
const QUEUE: u64 = 1024 * 1024;
const ROOM: u64 = QUEUE / 2;

/// The links between all members.
#[derive(Clone, Debug)]
pub struct Links {
    seed: u64,
    loss: f64,
    manner: Manner,
    rng: Rng,
    /// When the last frame of a stream arrives that is under way.
    clear: BTreeMap<(u32, u32), u64>,
    rate: Option<Rate>,
}

/// What everybody's access to the network carries, either way.
#[derive(Clone, Debug, Default)]
struct Rate {
    bytes_a_ms: u64,
    /// Microsecond at which all that is queued there has left, or has come.
    out: BTreeMap<u32, u64>,
    into: BTreeMap<u32, u64>,
    /// Bytes under way, and whether the sender was told that it is too much.
    under_way: BTreeMap<(u32, u32), (u64, bool)>,
}

impl Links {
    /// Links that lose this part of the frames.
    #[must_use]
    pub fn new(seed: u64, loss: f64, manner: Manner) -> Self {
        Self {
            seed,
            loss,
            manner,
            rng: Rng::new(seed, "gossip links", 0),
            clear: BTreeMap::new(),
            rate: None,
        }
    }

    /// From now on everybody's access carries so many bytes in a millisecond, either way.
    pub fn limit(&mut self, bytes_a_ms: u64) {
        self.rate = Some(Rate {
            bytes_a_ms: bytes_a_ms.max(1),
            ..Rate::default()
        });
    }

    /// Milliseconds from one to another: the same in both directions, and for as long as the world
    /// lasts.
    #[must_use]
    pub fn delay(&self, a: u32, b: u32) -> u64 {
        let pair = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
        let wide = u128::from(mix(self.seed ^ mix(pair))) * u128::from(MOST_MS - LEAST_MS + 1);
        LEAST_MS + u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// When a frame sent `now` arrives; `None` when it does not.
    pub fn carry(&mut self, now: u64, from: u32, to: u32) -> Option<u64> {
        let delay = self.delay(from, to);
        let lost = self.rng.chance(self.loss);
        match self.manner {
            Manner::Datagrams => (!lost).then_some(now + delay),
            Manner::Streams => Some(self.on_stream(now, (from, to), delay, lost)),
        }
    }

    /// When a frame of so many bytes arrives that waits for its turn where it leaves and where it
    /// comes, had it come at `at` otherwise; and whether the queue to there is full by now.
    pub fn queue(&mut self, (now, at): (u64, u64), ends: (u32, u32), bytes: u64) -> (u64, bool) {
        let Some(rate) = self.rate.as_mut() else {
            return (at, false);
        };
        let takes = bytes * 1000 / rate.bytes_a_ms;
        let out = rate.out.entry(ends.0).or_default();
        *out = (now * 1000).max(*out) + takes;
        let there = *out + (at - now) * 1000;
        let into = rate.into.entry(ends.1).or_default();
        *into = there.max(*into + takes);
        let at = into.div_ceil(1000);
        let (under_way, full) = rate.under_way.entry(ends).or_default();
        *under_way += bytes;
        let turns = *under_way > QUEUE && !*full;
        *full |= turns;
        (at, turns)
    }

    /// A frame has come; whether the queue has room again.
    pub fn came(&mut self, ends: (u32, u32), bytes: u64) -> bool {
        let Some(rate) = self.rate.as_mut() else {
            return false;
        };
        let (under_way, full) = rate.under_way.entry(ends).or_default();
        *under_way = under_way.saturating_sub(bytes);
        let turns = *full && *under_way <= ROOM;
        *full &= !turns;
        turns
    }

    fn on_stream(&mut self, now: u64, ends: (u32, u32), delay: u64, lost: bool) -> u64 {
        let mut at = now + delay;
        // Noticed by the acknowledgement of what comes after, a round trip later; what is lost again
        // waits for a timeout, which doubles.
        if lost {
            let mut timeout = 2 * delay + ACK_MS;
            for _ in 0..TRIES {
                at += timeout;
                timeout *= 2;
                if !self.rng.chance(self.loss) {
                    break;
                }
            }
        }
        if self.loss == 0.0 {
            return at;
        }
        let clear = self.clear.entry(ends).or_default();
        *clear = at.max(*clear);
        *clear
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_uniform_and_symmetric() {
        let links = Links::new(3, 0.0, Manner::Datagrams);
        let mut seen = [0_u32; 51];
        for pair in 0..41_000_u32 {
            let delay = links.delay(pair, pair * 7 + 1);
            assert_eq!(delay, links.delay(pair * 7 + 1, pair));
            seen[usize::try_from(delay).unwrap_or_default()] += 1;
        }
        assert!(seen[..10].iter().all(|count| *count == 0), "{seen:?}");
        assert!(
            seen[10..].iter().all(|count| (850..1150).contains(count)),
            "{seen:?}"
        );
    }

    #[test]
    fn a_link_carries_its_rate_and_no_more() {
        let mut links = Links::new(3, 0.0, Manner::Datagrams);
        assert_eq!(links.queue((0, 30), (1, 2), 1 << 30), (30, false));
        links.limit(1000);
        let mut last = 0;
        let mut full = 0;
        for _ in 0..4000 {
            let (at, turns) = links.queue((0, 30), (1, 2), 500);
            assert!(at >= last, "in order");
            last = at;
            full += u32::from(turns);
        }
        assert!((2030..2035).contains(&last), "{last}");
        assert_eq!(full, 1);
        let room = (0..4000).filter(|_| links.came((1, 2), 500));
        assert_eq!(room.count(), 1);
    }

    #[test]
    fn a_datagram_is_lost_and_a_stream_is_late() {
        let mut datagrams = Links::new(3, 0.2, Manner::Datagrams);
        let came = (0..10_000).filter(|_| datagrams.carry(0, 1, 2).is_some());
        assert!((7800..8200).contains(&came.count()));
        let mut streams = Links::new(3, 0.2, Manner::Streams);
        let delay = streams.delay(1, 2);
        let mut last = 0;
        let mut late = 0;
        for sent in 0..10_000 {
            let at = streams.carry(sent * 1000, 1, 2).unwrap_or_default();
            assert!(at >= last, "in order");
            late += u32::from(at > sent * 1000 + delay);
            last = at;
        }
        assert!((1900..2200).contains(&late), "{late}");
    }
}
