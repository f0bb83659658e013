//! CUBIC's window law (RFC 9438), used while a queue-filling flow shares the bottleneck.

use std::time::{Duration, Instant};

/// Multiplicative decrease, RFC 9438 §4.6.
const BETA: f64 = 0.7;
/// Growth constant in packets per second cubed, RFC 9438 §5.
const C: f64 = 0.4;
/// Additive increase of the Reno-friendly region, RFC 9438 §4.3.
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

/// A window that grows and shrinks as CUBIC's would; all sizes in packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct CubicLaw {
    window: f64,
    w_max: f64,
    k: f64,
    began: Instant,
    reno: f64,
    searching: bool,
}

impl CubicLaw {
    /// Starts at `window` packets and, until the first loss, grows by a quarter each round: a
    /// CUBIC newcomer would double, and the law alone would take tens of seconds to its share.
    pub(super) fn new(now: Instant, window: f64) -> Self {
        Self {
            window,
            w_max: window,
            k: 0.0,
            began: now,
            reno: window,
            searching: true,
        }
    }

    /// The same window and maximum after a pause.
    pub(super) fn resumed(mut self, now: Instant) -> Self {
        self.w_max = self.w_max.max(self.window);
        self.k = ((self.w_max - self.window) / C).cbrt();
        self.began = now;
        self.reno = self.window;
        self
    }

    /// The window in packets.
    pub(super) fn window(&self) -> f64 {
        self.window
    }

    /// `acked` packets were acknowledged while the window was in use.
    pub(super) fn on_ack(&mut self, now: Instant, acked: f64, rtt: Duration) {
        if self.searching {
            self.window += acked / 4.0;
            return;
        }
        self.reno += ALPHA * acked / self.window;
        let ahead = now.saturating_duration_since(self.began) + rtt;
        let target = C * (ahead.as_secs_f64() - self.k).powi(3) + self.w_max;
        // RFC 9438 §4.4: at most half as much again in one RTT.
        let target = target.min(1.5 * self.window);
        let growth = ((target - self.window) / self.window * acked).max(0.0);
        self.window = (self.window + growth.min(acked)).max(self.reno);
    }

    /// A loss that counts: once a round.
    pub(super) fn on_loss(&mut self, now: Instant, floor: f64) {
        // RFC 9438 §4.7: give room to newcomers when the last maximum was not reached.
        self.searching = false;
        self.w_max = if self.window < self.w_max {
            self.window * (1.0 + BETA) / 2.0
        } else {
            self.window
        };
        let reduced = (self.window * BETA).max(floor);
        self.k = ((self.w_max - reduced).max(0.0) / C).cbrt();
        self.window = reduced;
        self.reno = reduced;
        self.began = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_loss_the_window_returns_to_its_maximum_in_k_seconds() {
        let start = Instant::now();
        let rtt = Duration::from_millis(50);
        let mut law = CubicLaw::new(start, 400.0);
        law.on_loss(start, 4.0);
        assert!((law.window() - 280.0).abs() < 1e-6);
        let k = (400.0 * 0.3 / C).cbrt();
        let rounds = (k / rtt.as_secs_f64()) as u32;
        for round in 1..=rounds {
            law.on_ack(start + rtt * round, law.window(), rtt);
        }
        assert!((390.0..=410.0).contains(&law.window()), "{}", law.window());
    }

    #[test]
    fn the_window_never_falls_below_the_floor() {
        let start = Instant::now();
        let mut law = CubicLaw::new(start, 10.0);
        for _ in 0..20 {
            law.on_loss(start, 4.0);
        }
        assert!(law.window() >= 4.0);
    }
}
