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
