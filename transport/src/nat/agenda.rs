//! When a node surveys its NATs of its own accord.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_nat::classify::SERVERS;

/// Shortest time between two surveys of our own accord.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest time: a provider may change its NAT without any sign here.
const REFRESH: Duration = Duration::from_secs(30 * 60);
/// Between a change of the peers and a look at them: they come in numbers.
const SETTLE: Duration = Duration::from_millis(200);

/// When the next survey is due.
#[derive(Debug)]
pub(super) struct Agenda {
    pub(super) due: Instant,
    /// When the last one was.
    last: Option<Instant>,
    /// Whether whatever was found is of another network.
    stale: bool,
    /// Whom the last one could ask.
    helpers: Vec<SocketAddr>,
}

impl Agenda {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: now,
            last: None,
            stale: true,
            helpers: Vec::new(),
        }
    }

    pub(super) fn network_changed(&mut self, now: Instant) {
        self.stale = true;
        self.soon(now);
    }

    /// A survey with more to ask may find more, if it had few.
    pub(super) fn peers_changed(&mut self, now: Instant) {
        if self.helpers.len() < SERVERS {
            self.soon(now);
        }
    }

    fn soon(&mut self, now: Instant) {
        let earliest = self.last.map_or(now, |last| last + PAUSE);
        self.due = self.due.min(earliest.max(now + SETTLE));
    }

    /// It is due: whether one shall be made now, given whom it could ask.
    pub(super) fn begin(&mut self, wanted: bool, helpers: Vec<SocketAddr>, now: Instant) -> bool {
        let refresh = self.last.is_some_and(|last| now >= last + REFRESH);
        let more = helpers.iter().any(|addr| !self.helpers.contains(addr));
        let begin = wanted && (self.stale || refresh || more);
        self.due = now + REFRESH;
        if begin {
            self.last = Some(now);
            self.stale = false;
            self.helpers = helpers;
        }
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs(ports: core::ops::Range<u16>) -> Vec<SocketAddr> {
        ports.map(|port| ([192, 0, 2, 1], port).into()).collect()
    }

    #[test]
    fn the_first_survey_waits_for_somebody_to_ask() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start);
        assert!(!agenda.begin(false, Vec::new(), start));
        agenda.peers_changed(start);
        assert_eq!(agenda.due, start + SETTLE);
        assert!(agenda.begin(true, addrs(1..2), agenda.due));
    }

    #[test]
    fn more_to_ask_are_a_reason_only_while_there_are_few() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start);
        assert!(agenda.begin(true, addrs(1..2), start));
        agenda.peers_changed(start);
        assert_eq!(agenda.due, start + PAUSE);
        assert!(!agenda.begin(true, addrs(1..2), agenda.due));
        agenda.peers_changed(start);
        assert!(agenda.begin(true, addrs(1..6), agenda.due));
        let enough = agenda.due;
        agenda.peers_changed(start);
        assert_eq!(agenda.due, enough);
    }

    #[test]
    fn a_changed_network_is_surveyed_soon_but_not_in_a_loop() {
        let start = Instant::now();
        let mut agenda = Agenda::new(start);
        assert!(agenda.begin(true, addrs(1..9), start));
        agenda.network_changed(start);
        assert_eq!(agenda.due, start + PAUSE);
        assert!(agenda.begin(true, addrs(1..9), agenda.due));
        let last = agenda.due - REFRESH;
        agenda.network_changed(last + PAUSE * 2);
        assert_eq!(agenda.due, last + PAUSE * 2 + SETTLE);
    }
}
