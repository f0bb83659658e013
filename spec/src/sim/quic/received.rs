//! Which packets came in.

use super::packet::RUNS;

/// Runs of packet numbers, the newest first. Beyond [`RUNS`] the oldest are forgotten, and packets
/// as old as they are ignored from then on.
#[derive(Clone, Debug, Default)]
pub(super) struct Received {
    runs: Vec<(u32, u32)>,
    /// All below count as received.
    floor: u32,
}

impl Received {
    /// Notes a packet. `None` for one that was received before; else whether it is the one after
    /// the newest, with nothing missing between.
    pub(super) fn insert(&mut self, number: u32) -> Option<bool> {
        if number < self.floor {
            return None;
        }
        let newest = self.runs.first().map(|(_, last)| *last);
        let in_order = newest.map_or(number == 0, |newest| number == newest + 1);
        let at = self.runs.partition_point(|(first, _)| *first > number);
        let older = self.runs.get(at).copied();
        if older.is_some_and(|(_, last)| number <= last) {
            return None;
        }
        let joins_older = older.is_some_and(|(_, last)| last + 1 == number);
        let newer = at.checked_sub(1).and_then(|at| self.runs.get(at));
        let joins_newer = newer.is_some_and(|(first, _)| *first == number + 1);
        match (joins_newer, joins_older) {
            (true, true) => {
                let (first, _) = self.runs.remove(at);
                self.runs[at - 1].0 = first;
            }
            (true, false) => self.runs[at - 1].0 = number,
            (false, true) => self.runs[at].1 = number,
            (false, false) => self.runs.insert(at, (number, number)),
        }
        while self.runs.len() > RUNS {
            if let Some((_, last)) = self.runs.pop() {
                self.floor = last + 1;
            }
        }
        Some(in_order)
    }

    /// For an acknowledgement.
    pub(super) fn runs(&self) -> &[(u32, u32)] {
        &self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_join_and_nothing_counts_twice() {
        let mut received = Received::default();
        let order = [0, 1, 4, 3, 2, 2, 9, 7, 8, 0];
        let news: Vec<_> = order
            .iter()
            .map(|number| received.insert(*number))
            .collect();
        let (new, late) = (Some(true), Some(false));
        let expected = [new, new, late, late, late, None, late, late, late, None];
        assert_eq!(news, expected);
        assert_eq!(received.runs(), [(7, 9), (0, 4)]);
    }

    #[test]
    fn the_oldest_runs_are_forgotten() {
        let mut received = Received::default();
        for number in 0..100 {
            received.insert(2 * number);
        }
        assert_eq!(received.runs().len(), RUNS);
        assert_eq!(received.insert(1), None);
        assert_eq!(received.insert(199), Some(true));
    }
}
