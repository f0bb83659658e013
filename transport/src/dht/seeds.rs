//! Where to begin: the bootstrap list while nobody is known, and addresses others gave.
//!
//! * State: the list, when it is tried next, and addresses that wait for their turn; when those who
//!   are known are asked again while they are few. Of nodes that start together each is known to the
//!   first only after it has asked it.
//! * Bounds: [`LISTED`] addresses in the list, [`WAITING`] in the queue; more are left out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use dchat_wire::Address;

/// Addresses of the bootstrap list that are used.
const LISTED: usize = 64;
/// Addresses that wait: contacts and nodes on the local network.
const WAITING: usize = 256;
/// First and longest wait before the list is tried again.
const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Seeds {
    list: Vec<Address>,
    due: Instant,
    wait: Duration,
    again: Instant,
    pause: Duration,
    known: usize,
    waiting: VecDeque<Address>,
}

impl Seeds {
    pub(super) fn new(list: &[Address], now: Instant) -> Self {
        let mut list = list.to_vec();
        list.truncate(LISTED);
        Self {
            list,
            due: now,
            wait: WAIT.0,
            again: now,
            pause: WAIT.0,
            known: 0,
            waiting: VecDeque::new(),
        }
    }

    /// An address that may be a node's.
    pub(super) fn push(&mut self, address: Address) {
        if self.waiting.len() < WAITING && !self.waiting.contains(&address) {
            self.waiting.push_back(address);
        }
    }

    /// The network is another one: begin again.
    pub(super) fn begin_again(&mut self, now: Instant) {
        (self.due, self.wait) = (now, WAIT.0);
        (self.again, self.pause) = (now, WAIT.0);
    }

    /// Whether those who are known are to be asked now for others, because they are `few`: soon after
    /// there was one more, and ever more rarely while there is none.
    pub(super) fn asks_again(&mut self, known: usize, few: bool, now: Instant) -> bool {
        if few && known > self.known {
            self.pause = WAIT.0;
            self.again = self.again.min(now + WAIT.0);
        }
        self.known = known;
        if now < self.again {
            return false;
        }
        self.again = now + self.pause;
        self.pause = (self.pause * 2).min(WAIT.1);
        few && known > 0
    }

    /// Puts the list into the queue if it is due, unless somebody is known.
    pub(super) fn handle_timeout(&mut self, known: bool, now: Instant) {
        if now < self.due {
            return;
        }
        self.due = now + self.wait;
        if known {
            self.wait = WAIT.0;
            return;
        }
        self.wait = (self.wait * 2).min(WAIT.1);
        for address in self.list.clone() {
            self.push(address);
        }
    }

    /// The next to be tried.
    pub(super) fn pop(&mut self) -> Option<Address> {
        self.waiting.pop_front()
    }

    /// When something may be due.
    pub(super) fn due(&self) -> Instant {
        if self.list.is_empty() {
            self.again
        } else {
            self.due.min(self.again)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Address {
        Address::direct(([192, 0, 2, 1], port).into())
    }

    fn drain(seeds: &mut Seeds) -> Vec<Address> {
        core::iter::from_fn(|| seeds.pop()).collect()
    }

    #[test]
    fn the_list_is_tried_ever_more_rarely_until_somebody_is_known() {
        let start = Instant::now();
        let mut seeds = Seeds::new(&[address(1)], start);
        let mut tried = Vec::new();
        for second in 0..300 {
            seeds.handle_timeout(false, start + Duration::from_secs(second));
            if !drain(&mut seeds).is_empty() {
                tried.push(second);
            }
        }
        assert_eq!(tried, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
    }

    #[test]
    fn it_is_not_tried_while_somebody_is_known_and_soon_when_nobody_is_any_more() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut seeds = Seeds::new(&[address(1)], start);
        for second in 0..100 {
            seeds.handle_timeout(true, at(second));
        }
        assert_eq!(drain(&mut seeds), []);
        seeds.handle_timeout(false, at(101));
        assert_eq!(drain(&mut seeds), [address(1)]);
        seeds.handle_timeout(false, at(101));
        assert_eq!(drain(&mut seeds), []);
        seeds.begin_again(at(101));
        seeds.handle_timeout(false, at(101));
        assert_eq!(drain(&mut seeds), [address(1)]);
    }

    #[test]
    fn few_are_asked_again_soon_after_news_and_ever_more_rarely_without() {
        let start = Instant::now();
        let mut seeds = Seeds::new(&[], start);
        let mut asked = Vec::new();
        for second in 0..200 {
            let known = usize::from(second >= 10) + usize::from(second >= 100);
            if seeds.asks_again(known, true, start + Duration::from_secs(second)) {
                asked.push(second);
            }
        }
        let expected = [
            11, 12, 14, 18, 26, 42, 74, 101, 102, 104, 108, 116, 132, 164,
        ];
        assert_eq!(asked, expected);
        assert!(!seeds.asks_again(3, false, start + Duration::from_secs(999)));
        assert!(seeds.due() > start + Duration::from_secs(999));
    }

    #[test]
    fn addresses_wait_once_and_not_without_end() {
        let mut seeds = Seeds::new(&[], Instant::now());
        for port in 0..=u16::MAX {
            seeds.push(address(port));
            seeds.push(address(port));
        }
        assert_eq!(drain(&mut seeds).len(), WAITING);
    }
}
