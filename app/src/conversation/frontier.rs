//! What we say we hold.

use std::collections::BTreeSet;

use dchat_wire::codec::List;
use dchat_wire::limits;
use dchat_wire::parcel::Frontier;

use super::{Author, Hash, Incarnation, Log, Pair};

/// Frontiers that are due, bounded by [`limits::PARCEL_FRONTIERS`] for what a peer can ask for.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// Logs that changed since the peer was told.
    changed: BTreeSet<(Author, Incarnation)>,
    /// Statements about one entry of a log: questions about our log and answers about the peer's.
    statements: Vec<Frontier>,
}

impl Reports {
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.statements.is_empty()
    }

    /// The frontier of a log is due. Beyond the bound the peer is told of fewer; it asks again.
    pub(super) fn log(&mut self, author: Author, incarnation: Incarnation) {
        if self.changed.len() < limits::PARCEL_FRONTIERS {
            self.changed.insert((author, incarnation));
        }
    }

    /// States that entry `seq` of a log has hash `tip`, and what of the log is read through there.
    pub(super) fn state(&mut self, pair: &Pair, log: &Log, seq: u64, tip: Hash) {
        if self.statements.len() < limits::PARCEL_FRONTIERS {
            self.statements.push(Frontier {
                held: seq,
                read: read(log).min(seq),
                tip,
                ..frontier(
                    pair,
                    core::slice::from_ref(log),
                    log.author,
                    log.incarnation,
                )
            });
        }
    }

    /// Takes what fits into a parcel. With `all`, every log of both authors, newest first, as far
    /// as there is room; the current ones come first.
    pub(super) fn take(
        &mut self,
        pair: &Pair,
        logs: &[Log],
        all: bool,
    ) -> List<Frontier, { limits::PARCEL_FRONTIERS }> {
        let mut frontiers = core::mem::take(&mut self.statements);
        let changed = core::mem::take(&mut self.changed);
        let mut due = if all { newest_first(logs) } else { Vec::new() };
        let others = changed.into_iter().filter(|log| !due.contains(log));
        due.extend(others.collect::<Vec<_>>());
        for (author, incarnation) in due {
            if frontiers.len() < limits::PARCEL_FRONTIERS {
                frontiers.push(frontier(pair, logs, author, incarnation));
            } else {
                self.changed.insert((author, incarnation));
            }
        }
        List::first_of(frontiers)
    }
}

/// The logs of both authors, at most half of what fits of each: the current one of each author, then
/// the one before of each, and so on.
fn newest_first(logs: &[Log]) -> Vec<(Author, Incarnation)> {
    let of = |author| {
        let newest = logs.iter().rev().filter(move |log| log.author == author);
        newest.map(move |log| (author, log.incarnation))
    };
    let (mut own, mut peers) = (of(Author::Own), of(Author::Peer));
    (0..limits::PARCEL_FRONTIERS / 2)
        .flat_map(|_| [own.next(), peers.next()])
        .flatten()
        .collect()
}

/// The frontier of a log, which may be one that has not begun here.
fn frontier(pair: &Pair, logs: &[Log], author: Author, incarnation: Incarnation) -> Frontier {
    let log = logs
        .iter()
        .find(|log| log.author == author && log.incarnation == incarnation);
    Frontier {
        author: *match author {
            Author::Own => pair.own(),
            Author::Peer => pair.peer(),
        },
        incarnation,
        held: log.map_or(0, |log| log.last_seq),
        low_water: log.map_or(1, |log| log.low_water),
        read: log.map_or(0, read),
        tip: log.map_or([0; 32], |log| log.tip),
    }
}

/// An author has read what it wrote.
fn read(log: &Log) -> u64 {
    match log.author {
        Author::Own => log.last_seq,
        Author::Peer => log.read,
    }
}

#[cfg(test)]
mod tests {
    use dchat_wire::sign::Identity;

    use super::*;

    fn log(author: Author, number: u8) -> Log {
        Log {
            author,
            incarnation: [number; 16],
            last_seq: 1,
            tip: [number; 32],
            low_water: 1,
            acked: 0,
            read: 0,
        }
    }

    /// Checks DC-CHAT-041 (positive, negative).
    #[test]
    fn the_current_logs_of_both_come_first_whatever_their_names_are() {
        let [own, peer] = [1, 2].map(|seed| Identity::from_seed(&[seed; 32]).peer_id());
        let pair = Pair::new(own, peer);
        // In the order in which they began: the names say nothing of it.
        let logs = [
            log(Author::Peer, 1),
            log(Author::Own, 9),
            log(Author::Peer, 7),
            log(Author::Own, 3),
            log(Author::Peer, 4),
        ];
        let mut reports = Reports::default();
        reports.log(Author::Peer, [1; 16]);
        let taken = reports.take(&pair, &logs, true);
        let named: Vec<u8> = taken.iter().map(|frontier| frontier.tip[0]).collect();
        assert_eq!(named, [3, 4, 9, 7, 1]);
        assert!(reports.is_empty());
    }
}
