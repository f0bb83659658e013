//! How long nodes stay and stay away.
//!
//! Sessions follow a Weibull distribution of shape 0.6, as measured for Kad and BitTorrent (Stutzbach
//! and Rejaie, 2006): most are short, the old ones last.

use crate::sim::Rng;

/// The shape: below 1 the longer a node has been there, the longer it will stay.
pub const SHAPE: f64 = 0.6;

/// Sessions with a given median.
#[derive(Clone, Copy, Debug)]
pub struct Sessions {
    scale_ms: f64,
}

impl Sessions {
    /// With this median, in minutes.
    #[must_use]
    pub fn with_median(minutes: f64) -> Self {
        Self {
            scale_ms: minutes * 60_000.0 / 2_f64.ln().powf(1.0 / SHAPE),
        }
    }

    /// A whole session, in milliseconds.
    #[must_use]
    pub fn length(&self, rng: &mut Rng) -> u64 {
        let exponential = -(1.0 - rng.unit()).ln();
        self.millis(exponential)
    }

    /// What is left of the session of a node met at a random moment. Longer sessions are met more
    /// often: if a session is `scale·E^(1/shape)` with E exponential, then that of a node met is the
    /// same with E gamma-distributed of shape 1 + 1/0.6, and any moment of it equally likely.
    #[must_use]
    pub fn rest(&self, rng: &mut Rng) -> u64 {
        let whole = gamma(rng, 1.0 + 1.0 / SHAPE).powf(1.0 / SHAPE) * self.scale_ms;
        (whole * rng.unit()) as u64
    }

    fn millis(&self, exponential: f64) -> u64 {
        (exponential.powf(1.0 / SHAPE) * self.scale_ms) as u64
    }
}

/// A gamma variate of shape above 1 (Marsaglia and Tsang, 2000).
fn gamma(rng: &mut Rng, shape: f64) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = gauss(rng);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - rng.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// A standard normal variate (Box and Muller, 1958).
fn gauss(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.unit()).ln()).sqrt();
    radius * (2.0 * core::f64::consts::PI * rng.unit()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(draw: impl Fn(&mut Rng) -> u64) -> Vec<u64> {
        let mut rng = Rng::new(9, "sessions", 0);
        let mut drawn: Vec<u64> = (0..100_000).map(|_| draw(&mut rng)).collect();
        drawn.sort_unstable();
        drawn
    }

    #[test]
    fn half_of_the_sessions_are_shorter_than_the_median() {
        let sessions = Sessions::with_median(60.0);
        let median = sorted(|rng| sessions.length(rng))[50_000];
        assert!((3_500_000..3_700_000).contains(&median), "{median}");
    }

    #[test]
    fn what_is_left_is_mean_square_over_twice_the_mean() {
        // Renewal theory: E[rest] = E[X²] / 2 E[X], taken from the very same distribution.
        let sessions = Sessions::with_median(60.0);
        let whole = sorted(|rng| sessions.length(rng));
        let mean = whole.iter().map(|x| *x as f64).sum::<f64>() / 1e5;
        let square = whole.iter().map(|x| (*x as f64).powi(2)).sum::<f64>() / 1e5;
        let rest = sorted(|rng| sessions.rest(rng))
            .iter()
            .map(|x| *x as f64)
            .sum::<f64>()
            / 1e5;
        let expected = square / (2.0 * mean);
        assert!((0.9..1.1).contains(&(rest / expected)), "{rest} {expected}");
    }
}
