//! Keeping one protocol's mapping: when to ask, and what to show meanwhile.

use core::num::NonZeroU16;
use std::time::{Duration, Instant};

use super::state::{Failure, Granted, MappingState, Wanted};
use super::{ATTEMPT, Keep, Protocol};

/// Shortest time between two questions, whatever lifetime a gateway grants (RFC 6886 §3.3 has
/// renewals at half of it, RFC 6887 §11.2.1 no closer than 4 s).
const SHORTEST: Duration = Duration::from_secs(30);
/// After a renewal that failed.
const AGAIN: Duration = Duration::from_secs(60);
/// After failures without a mapping: somebody may have switched it on at the router.
const BACKOFF: [Duration; 3] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
];

/// The lease, without I/O.
#[derive(Debug)]
pub(super) struct Lease {
    held: Option<(Granted, Instant)>,
    failures: usize,
    due: Instant,
}

impl Lease {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            held: None,
            failures: 0,
            due: now,
        }
    }

    /// When to ask.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The outside port to ask for.
    pub(super) fn external(&self) -> Option<NonZeroU16> {
        self.held
            .and_then(|(granted, _)| NonZeroU16::new(granted.external.port()))
    }

    /// What the question came to; returns what is to be shown.
    pub(super) fn answered(
        &mut self,
        answer: Result<Granted, Failure>,
        now: Instant,
    ) -> MappingState {
        match answer {
            Ok(granted) => {
                self.failures = 0;
                self.held = Some((granted, now + granted.lifetime));
                self.due = now + (granted.lifetime / 2).max(SHORTEST);
                MappingState::Mapped(granted.external)
            }
            Err(failure) => match self.held.filter(|(_, end)| *end > now) {
                Some((granted, end)) => {
                    self.due = (now + AGAIN).min(end);
                    MappingState::Mapped(granted.external)
                }
                None => {
                    self.held = None;
                    let wait = BACKOFF.get(self.failures).or(BACKOFF.last());
                    self.due = now + wait.copied().unwrap_or(AGAIN);
                    self.failures += 1;
                    failure.into()
                }
            },
        }
    }

    /// Another network: nothing is known of its gateway, and what the old one gave is worth nothing.
    pub(super) fn network_changed(&mut self, now: Instant) {
        self.failures = 0;
        if let Some((_, end)) = &mut self.held {
            *end = now;
        }
        self.due = now;
    }
}

impl Keep {
    /// Asks whenever it is due, for ever.
    pub(super) async fn keep(&mut self, port: NonZeroU16, protocol: &mut impl Protocol) {
        let mut lease = Lease::new(Instant::now());
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(lease.due().into()) => {}
                changed = self.changes.changed() => {
                    if changed.is_err() {
                        // Nobody will tell of changes any more.
                        tokio::time::sleep_until(lease.due().into()).await;
                    } else {
                        lease.network_changed(Instant::now());
                    }
                }
            }
            let wanted = Wanted {
                port,
                external: lease.external().unwrap_or(port),
                lifetime: self.lifetime,
            };
            let answer = tokio::time::timeout(ATTEMPT, protocol.map(wanted)).await;
            let answer = answer.unwrap_or(Err(Failure::NoAnswer));
            self.show(lease.answered(answer, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use super::*;

    fn granted(seconds: u64) -> Granted {
        Granted {
            external: "203.0.113.1:4001".parse().unwrap(),
            lifetime: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn a_mapping_is_renewed_at_half_its_time_and_outlives_a_failed_renewal() {
        let start = Instant::now();
        let mut lease = Lease::new(start);
        assert_eq!(lease.due(), start);
        lease.answered(Ok(granted(600)), start);
        assert_eq!(lease.due(), start + Duration::from_secs(300));
        let later = lease.due();
        let shown = lease.answered(Err(Failure::NoAnswer), later);
        assert_eq!(shown, MappingState::Mapped(granted(600).external));
        assert_eq!(lease.due(), later + AGAIN);
    }

    #[test]
    fn a_mapping_is_gone_once_its_time_has_passed() {
        let start = Instant::now();
        let mut lease = Lease::new(start);
        lease.answered(Ok(granted(600)), start);
        let end = start + Duration::from_secs(600);
        let shown = lease.answered(Err(Failure::NoAnswer), end);
        assert_eq!(shown, MappingState::NoAnswer);
    }

    #[test]
    fn a_gateway_that_grants_no_time_is_not_asked_in_a_loop() {
        let start = Instant::now();
        let mut lease = Lease::new(start);
        lease.answered(Ok(granted(0)), start);
        assert_eq!(lease.due(), start + SHORTEST);
    }

    #[test]
    fn failures_are_asked_about_ever_less_often_until_the_network_changes() {
        let start = Instant::now();
        let mut lease = Lease::new(start);
        for wait in [1, 5, 30, 30] {
            let now = lease.due();
            lease.answered(Err(Failure::NoGateway), now);
            assert_eq!(lease.due(), now + Duration::from_secs(wait * 60));
        }
        let now = start + Duration::from_secs(1);
        lease.network_changed(now);
        assert_eq!(lease.due(), now);
    }
}
