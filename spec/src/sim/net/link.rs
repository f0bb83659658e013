//! Links: what happens to a packet between two places.

use std::time::Duration;

use crate::sim::rng::Rng;
use crate::sim::time::Time;

/// What one direction of a link does to packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Propagation, each way.
    pub delay: Duration,
    /// Added to each packet, evenly from zero to this, without changing their order.
    pub jitter: Duration,
    /// Part of the packets that is lost, each by itself.
    pub loss: f64,
    /// Part of the packets that is late by up to twice the delay, and so comes after later ones.
    pub reorder: f64,
    /// Bytes per second; `None` for a link that is never busy.
    pub rate: Option<u64>,
    /// Bytes that wait at most when the link has a rate; what comes then is dropped (drop-tail).
    pub queue: usize,
    /// Largest IP packet; a larger one is dropped without a word, as routers do that filter ICMP.
    pub mtu: usize,
}

impl Quality {
    /// No delay, no loss, no limit but Ethernet's MTU.
    pub const IDEAL: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
        reorder: 0.0,
        rate: None,
        queue: 256 * 1024,
        mtu: 1500,
    };

    /// Like [`IDEAL`](Self::IDEAL), with a delay.
    #[must_use]
    pub fn delayed(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::IDEAL
        }
    }
}

/// What became of a packet that was given to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It comes out at this time.
    Arrives(Time),
    /// It does not come out.
    Dropped(Loss),
}

/// Why a link drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// By chance.
    Chance,
    /// Larger than the MTU.
    TooLarge,
    /// The queue is full.
    Queue,
    /// The link is cut.
    Cut,
}

/// One direction of a link.
#[derive(Clone, Debug)]
pub struct Pipe {
    quality: Quality,
    cut: bool,
    busy_until: Time,
    last_out: Time,
    rng: Rng,
}

impl Pipe {
    /// A link that is up.
    #[must_use]
    pub fn new(quality: Quality, rng: Rng) -> Self {
        Self {
            quality,
            cut: false,
            busy_until: Time::ZERO,
            last_out: Time::ZERO,
            rng,
        }
    }

    /// Cuts or mends it. What is inside comes out still.
    pub fn set_cut(&mut self, cut: bool) {
        self.cut = cut;
    }

    /// Makes it better or worse for what enters from now on.
    pub fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
    }

    /// What it does now.
    #[must_use]
    pub fn quality(&self) -> Quality {
        self.quality
    }

    /// Gives it a packet of `size` bytes.
    pub fn pass(&mut self, size: usize, now: Time) -> Fate {
        let quality = self.quality;
        if self.cut {
            return Fate::Dropped(Loss::Cut);
        }
        if size > quality.mtu {
            return Fate::Dropped(Loss::TooLarge);
        }
        if self.rng.chance(quality.loss) {
            return Fate::Dropped(Loss::Chance);
        }
        let Some(sent) = self.transmitted(size, now) else {
            return Fate::Dropped(Loss::Queue);
        };
        let jitter = match quality.jitter {
            Duration::ZERO => Duration::ZERO,
            most => self.rng.span(most),
        };
        let out = sent + quality.delay + jitter;
        if self.rng.chance(quality.reorder) {
            return Fate::Arrives(out + self.rng.span(quality.delay * 2));
        }
        self.last_out = self.last_out.max(out);
        Fate::Arrives(self.last_out)
    }

    /// When its last bit has left, behind all that wait.
    fn transmitted(&mut self, size: usize, now: Time) -> Option<Time> {
        let Some(rate) = self.quality.rate else {
            return Some(now);
        };
        let rate = rate.max(1);
        let waiting = self.busy_until.since(now).as_nanos() * u128::from(rate) / 1_000_000_000;
        if waiting + size as u128 > self.quality.queue as u128 {
            return None;
        }
        let span = Duration::from_nanos(size as u64 * 1_000_000_000 / rate);
        self.busy_until = self.busy_until.max(now) + span;
        Some(self.busy_until)
    }
}

/// Both directions of the link between a host or box and the realm it is attached to.
#[derive(Clone, Debug)]
pub struct Link {
    /// Towards the realm.
    pub up: Pipe,
    /// From the realm.
    pub down: Pipe,
}

impl Link {
    /// The same quality in both directions; randomness is the `index`-th link's.
    #[must_use]
    pub fn new(quality: Quality, seed: u64, index: u64) -> Self {
        Self {
            up: Pipe::new(quality, Rng::new(seed, "link up", index)),
            down: Pipe::new(quality, Rng::new(seed, "link down", index)),
        }
    }

    /// Cuts or mends both directions.
    pub fn set_cut(&mut self, cut: bool) {
        self.up.set_cut(cut);
        self.down.set_cut(cut);
    }

    /// Changes both directions.
    pub fn set_quality(&mut self, quality: Quality) {
        self.up.set_quality(quality);
        self.down.set_quality(quality);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pipe(quality: Quality) -> Pipe {
        Pipe::new(quality, Rng::new(1, "test", 0))
    }

    fn arrivals(pipe: &mut Pipe, packets: u32, gap: Duration) -> Vec<Option<Time>> {
        (0..packets)
            .map(|n| match pipe.pass(1000, Time::ZERO + gap * n) {
                Fate::Arrives(at) => Some(at),
                Fate::Dropped(_) => None,
            })
            .collect()
    }

    #[test]
    fn jitter_delays_and_never_reorders() {
        let mut pipe = pipe(Quality {
            delay: 10 * MS,
            jitter: 20 * MS,
            ..Quality::IDEAL
        });
        let out: Vec<Time> = arrivals(&mut pipe, 1000, MS)
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(out.len(), 1000);
        assert!(out.is_sorted());
        assert!(
            out.iter()
                .zip(0..)
                .all(|(at, n)| at.since(Time::ZERO) >= 10 * MS + MS * n)
        );
    }

    #[test]
    fn reordering_swaps_some_packets_and_loses_none() {
        let mut pipe = pipe(Quality {
            delay: 10 * MS,
            reorder: 0.1,
            ..Quality::IDEAL
        });
        let out: Vec<Time> = arrivals(&mut pipe, 1000, MS)
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(out.len(), 1000);
        let late = out.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!((50..150).contains(&late), "{late}");
    }

    #[test]
    fn loss_takes_its_part() {
        let mut pipe = pipe(Quality {
            loss: 0.05,
            ..Quality::IDEAL
        });
        let lost = arrivals(&mut pipe, 10_000, MS)
            .iter()
            .filter(|at| at.is_none())
            .count();
        assert!((400..600).contains(&lost), "{lost}");
    }

    #[test]
    fn a_rate_spaces_packets_and_a_full_queue_drops() {
        let mut pipe = pipe(Quality {
            rate: Some(1_000_000),
            queue: 10_000,
            ..Quality::IDEAL
        });
        let out = arrivals(&mut pipe, 20, Duration::ZERO);
        let expected = (1..=10).map(|n| Some(Time::ZERO + MS * n));
        assert!(out[..10].iter().copied().eq(expected), "{out:?}");
        assert!(out[10..].iter().all(Option::is_none));
    }

    #[test]
    fn what_is_larger_than_the_mtu_and_what_meets_a_cut_is_dropped() {
        let mut pipe = pipe(Quality::IDEAL);
        assert_eq!(pipe.pass(1500, Time::ZERO), Fate::Arrives(Time::ZERO));
        assert_eq!(pipe.pass(1501, Time::ZERO), Fate::Dropped(Loss::TooLarge));
        pipe.set_cut(true);
        assert_eq!(pipe.pass(100, Time::ZERO), Fate::Dropped(Loss::Cut));
    }
}
