//! How long packets are under way between two nodes, and whether they arrive.
//!
//! The round-trip time of a pair is drawn once from a lognormal distribution and stays; a packet is
//! lost with a fixed chance and sent again after the sender's probe timeout.

use super::population::mix;
use crate::sim::Rng;

/// Median of the round-trip times, in milliseconds: that between hosts of the Internet's edge, near
/// and far mixed (the field's simulations take 80 to 150).
pub const MEDIAN_MS: f64 = 80.0;
/// Their 95th percentile.
pub const P95_MS: f64 = 250.0;
/// The 95th percentile of the standard normal distribution.
const Z95: f64 = 1.644_853_6;
/// Steps of the table of quantiles.
const STEPS: usize = 4096;
/// Part of the packets that are lost.
pub const LOSS: f64 = 0.01;
/// First retransmission of a handshake whose round-trip time is unknown yet: three times quinn's
/// initial estimate as the endpoint sets it.
pub const HANDSHAKE_PTO_MS: u32 = 300;
/// What the other side may wait before it acknowledges (RFC 9000 §18.2).
const MAX_ACK_DELAY_MS: u32 = 25;
/// After so many losses in a row the connection counts as dead in any case.
const TRIES: u32 = 6;

/// The links between all nodes of a world.
#[derive(Clone, Debug)]
pub struct Links {
    seed: u64,
    /// Round-trip times in tenths of a millisecond at equal steps of probability.
    quantiles: Vec<u32>,
    loss: f64,
}

impl Links {
    /// Lognormal, with this part of the packets lost.
    #[must_use]
    pub fn new(seed: u64, loss: f64) -> Self {
        let sigma = (P95_MS / MEDIAN_MS).ln() / Z95;
        let quantile = |step: usize| {
            let p = (step as f64 + 0.5) / STEPS as f64;
            let ms = MEDIAN_MS * (sigma * normal_quantile(p)).exp();
            // The tail of a hundred thousand pairs reaches beyond what routes take.
            (ms.clamp(2.0, 1500.0) * 10.0) as u32
        };
        Self {
            seed,
            quantiles: (0..STEPS).map(quantile).collect(),
            loss,
        }
    }

    /// The round-trip time between two nodes, in tenths of a millisecond: the same in both
    /// directions.
    #[must_use]
    pub fn rtt(&self, a: u32, b: u32) -> u32 {
        let pair = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
        let step = mix(self.seed ^ mix(pair)) >> (64 - STEPS.ilog2());
        self.quantiles[usize::try_from(step).unwrap_or_default()]
    }

    /// Milliseconds that losses add to a flight of `packets`, when a lost one is sent again after
    /// `pto_ms`, doubling. Losses within a flight overlap.
    #[must_use]
    pub fn losses(&self, rng: &mut Rng, packets: u32, pto_ms: u32) -> u32 {
        let mut worst = 0;
        for _ in 0..packets {
            let mut lost = 0;
            while lost < TRIES && rng.chance(self.loss) {
                lost += 1;
            }
            worst = worst.max(pto_ms.saturating_mul((1 << lost) - 1));
        }
        worst
    }

    /// Whether a packet that nobody sends again arrives.
    #[must_use]
    pub fn arrives(&self, rng: &mut Rng) -> bool {
        !rng.chance(self.loss)
    }
}

/// The probe timeout of a connection with one sample of `rtt_ms` (RFC 9002 §6.2.1): smoothed
/// round-trip time, four times its variation, which begins at half of it, and the delay of
/// acknowledgements.
#[must_use]
pub fn pto(rtt_ms: u32) -> u32 {
    3 * rtt_ms + MAX_ACK_DELAY_MS
}

/// The quantile of the standard normal distribution at `p`, by bisecting its distribution function
/// (Abramowitz and Stegun 26.2.17, error below 7.5e-8).
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if normal(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

fn normal(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let series = [
        0.319_381_530,
        -0.356_563_782,
        1.781_477_937,
        -1.821_255_978,
        1.330_274_429,
    ];
    let sum = series.iter().rev().fold(0.0, |sum, b| (sum + b) * t);
    let tail = sum * (-x * x / 2.0).exp() / (2.0 * core::f64::consts::PI).sqrt();
    if x >= 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_95th_percentile_are_those_asked_for() {
        let links = Links::new(5, LOSS);
        let mut rtts: Vec<u32> = (0..100_000)
            .map(|pair| links.rtt(pair, pair * 7 + 1))
            .collect();
        rtts.sort_unstable();
        assert!((790..810).contains(&rtts[50_000]), "{}", rtts[50_000]);
        assert!((2450..2550).contains(&rtts[95_000]), "{}", rtts[95_000]);
        assert_eq!(links.rtt(1, 2), links.rtt(2, 1));
        assert_ne!(links.rtt(1, 2), Links::new(6, LOSS).rtt(1, 2));
    }

    #[test]
    fn a_hundredth_of_the_packets_is_late_by_a_timeout() {
        let links = Links::new(5, LOSS);
        let mut rng = Rng::new(5, "losses", 0);
        let late = (0..100_000)
            .filter(|_| links.losses(&mut rng, 1, 100) > 0)
            .count();
        assert!((900..1100).contains(&late), "{late}");
        let kept = Links::new(5, 0.0);
        assert_eq!(kept.losses(&mut rng, 1000, 100), 0);
    }
}
