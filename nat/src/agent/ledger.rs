//! How much may be sent where: the bounds that keep a lying peer from using us against others.
//!
//! An IP that answered once in the window is the peer's, and limits nothing any more but itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use super::bounds;

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    sent: u16,
    answered: bool,
}

/// Counts of one connection.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    ips: BTreeMap<IpAddr, Account>,
    since: Instant,
    guesses: u32,
    guessed: Vec<IpAddr>,
    guessing_since: Instant,
}

impl Ledger {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ips: BTreeMap::new(),
            since: now,
            guesses: 0,
            guessed: Vec::new(),
            guessing_since: now,
        }
    }

    /// Counts one probe to `ip`, or refuses it.
    pub(super) fn probe(&mut self, ip: IpAddr, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= bounds::LEDGER_WINDOW {
            self.ips.clear();
            self.since = now;
        }
        if !self.ips.contains_key(&ip) && self.ips.len() >= bounds::LEDGER_IPS {
            return false;
        }
        let account = self.ips.entry(ip).or_default();
        let limit = if account.answered {
            bounds::PROBES_PER_ANSWERING_IP
        } else {
            bounds::PROBES_PER_IP
        };
        let allowed = account.sent < limit;
        account.sent += u16::from(allowed);
        allowed
    }

    /// Counts one guess, or one probe of a scatter, to `ip`, or refuses it.
    pub(super) fn guess(&mut self, ip: IpAddr, now: Instant) -> bool {
        if now.saturating_duration_since(self.guessing_since) >= bounds::GUESS_WINDOW {
            self.guesses = 0;
            self.guessed.clear();
            self.guessing_since = now;
        }
        if self.guesses >= bounds::GUESSES_PER_WINDOW {
            return false;
        }
        if !self.guessed.contains(&ip) {
            if self.guessed.len() >= bounds::GUESSED_IPS {
                return false;
            }
            self.guessed.push(ip);
        }
        self.guesses += 1;
        true
    }

    /// `ip` answered.
    pub(super) fn answered(&mut self, ip: IpAddr) {
        if let Some(account) = self.ips.get_mut(&ip).filter(|account| !account.answered) {
            *account = Account {
                sent: 0,
                answered: true,
            };
        } else if self.ips.len() < bounds::LEDGER_IPS {
            self.ips.entry(ip).or_default().answered = true;
        }
        if self.guessed.contains(&ip) {
            self.guesses = 0;
            self.guessed.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "an origin for virtual time; only differences matter"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    fn ip(host: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(20, 0, 0, host))
    }

    fn granted(ledger: &mut Ledger, of: u8, now: Instant) -> usize {
        (0..1000).filter(|_| ledger.probe(ip(of), now)).count()
    }

    /// Checks DC-NAT-023 (negative).
    #[test]
    fn an_ip_that_never_answers_is_left_alone_until_the_window_is_over() {
        let now = start();
        let mut ledger = Ledger::new(now);
        let limit = usize::from(bounds::PROBES_PER_IP);
        assert_eq!(granted(&mut ledger, 1, now), limit);
        let late = now + bounds::LEDGER_WINDOW - Duration::from_millis(1);
        assert_eq!(granted(&mut ledger, 1, late), 0);
        let later = now + bounds::LEDGER_WINDOW;
        assert_eq!(granted(&mut ledger, 1, later), limit);
    }

    /// Checks DC-NAT-023 (positive, negative).
    #[test]
    fn an_answer_lifts_the_limit_of_its_ip_only() {
        let now = start();
        let mut ledger = Ledger::new(now);
        granted(&mut ledger, 1, now);
        granted(&mut ledger, 2, now);
        ledger.answered(ip(1));
        let more = usize::from(bounds::PROBES_PER_ANSWERING_IP);
        assert_eq!(granted(&mut ledger, 1, now), more);
        assert_eq!(granted(&mut ledger, 2, now), 0);
    }

    /// Checks DC-NAT-023 (negative).
    #[test]
    fn only_so_many_silent_ips_are_probed() {
        let now = start();
        let mut ledger = Ledger::new(now);
        let probed = (0..=255).filter(|host| ledger.probe(ip(*host), now));
        assert_eq!(probed.count(), bounds::LEDGER_IPS);
    }

    /// Checks DC-NAT-026 (positive, negative).
    #[test]
    fn guesses_are_counted_over_all_ips() {
        let now = start();
        let mut ledger = Ledger::new(now);
        let mut guessed = [0; 3];
        for _ in 0..bounds::GUESSES_PER_WINDOW {
            for (host, count) in guessed.iter_mut().enumerate() {
                *count += u32::from(ledger.guess(ip(host as u8), now));
            }
        }
        assert_eq!(guessed.iter().sum::<u32>(), bounds::GUESSES_PER_WINDOW);
        assert_eq!(guessed[2], 0);
    }
}
