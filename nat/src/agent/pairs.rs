//! Ordinary probing: each address of the peer, again and again at growing intervals.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::bounds;
use super::io::Socket;
use crate::candidate::{Rank, Scope, Target};

/// Between the first probes to one address and the next in order, so that what comes first is also
/// repeated in between.
const STAGGER: Duration = Duration::from_millis(8);

/// One socket of ours and one address of the peer.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) from: Socket,
    pub(super) remote: SocketAddr,
    pub(super) rank: Rank,
    /// The peer's probe came from there.
    reflexive: bool,
    sent: u8,
    limit: u8,
    due: Option<Instant>,
    /// The peer's probe came just now: before all others.
    urgent: bool,
    answered: bool,
}

impl Pair {
    fn new(from: Socket, target: Target, reflexive: bool, due: Instant) -> Self {
        let all = bounds::RETRY.len() as u8 + 1;
        Self {
            from,
            remote: target.remote,
            rank: target.rank,
            reflexive,
            sent: 0,
            limit: match target.scope {
                Scope::Global | Scope::Loopback => all,
                Scope::Private if reflexive => all,
                Scope::Private => bounds::PRIVATE_PROBES,
            },
            due: Some(due),
            urgent: reflexive,
            answered: false,
        }
    }

    fn is(&self, from: Socket, remote: SocketAddr) -> bool {
        self.from == from && self.remote == remote
    }
}

/// All pairs of one attempt, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs {
    pairs: Vec<Pair>,
    last: Option<Instant>,
}

impl Pairs {
    /// Adds the addresses of `targets` that are new and drops announced ones that are not among them.
    /// `again` probes the known ones from the start.
    pub(super) fn announce(&mut self, targets: &[Target], again: bool, now: Instant) {
        self.pairs.retain(|pair| {
            pair.reflexive || targets.iter().any(|target| target.remote == pair.remote)
        });
        if again {
            for pair in &mut self.pairs {
                pair.sent = 0;
                pair.answered = false;
                pair.due = Some(now);
            }
        }
        let mut due = now;
        for target in targets.iter().take(bounds::PAIRS) {
            if !self.contains(Socket::Main, target.remote) {
                let pair = Pair::new(Socket::Main, *target, false, due);
                self.pairs.push(pair);
                due += STAGGER;
            }
        }
    }

    /// The peer's probe came from there: it is probed back at once. Says whether the address is new.
    pub(super) fn asked(&mut self, from: Socket, target: Target, now: Instant) -> bool {
        if let Some(pair) = self
            .pairs
            .iter_mut()
            .find(|pair| pair.is(from, target.remote))
        {
            if !pair.answered {
                // The peer got through just now, so the filters are open just now.
                pair.limit = pair.limit.max(bounds::RETRY.len() as u8 + 1);
                if pair.sent < pair.limit {
                    pair.due = Some(now);
                    pair.urgent = true;
                }
            }
            return false;
        }
        let others = self.pairs.iter().filter(|pair| pair.reflexive).count();
        if others < bounds::REFLEXIVE_PAIRS {
            self.pairs.push(Pair::new(from, target, true, now));
        }
        true
    }

    /// An answer came; the pair is done.
    pub(super) fn answered(&mut self, from: Socket, remote: SocketAddr) {
        if let Some(pair) = self.pairs.iter_mut().find(|pair| pair.is(from, remote)) {
            pair.answered = true;
            pair.due = None;
        }
    }

    /// Gives up all that are not better than `rank`.
    pub(super) fn keep_better(&mut self, rank: Rank) {
        for pair in &mut self.pairs {
            if pair.rank >= rank {
                pair.due = None;
            }
        }
    }

    /// When the next probe is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.pairs.iter().filter_map(|pair| pair.due).min()
    }

    /// When the last of all was sent.
    pub(super) fn last(&self) -> Option<Instant> {
        self.last
    }

    pub(super) fn rank(&self, from: Socket, remote: SocketAddr) -> Option<Rank> {
        let mut pairs = self.pairs.iter();
        pairs
            .find(|pair| pair.is(from, remote))
            .map(|pair| pair.rank)
    }

    /// The next probe, if one is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Socket, SocketAddr)> {
        let due = self
            .pairs
            .iter_mut()
            .filter(|pair| pair.due.is_some_and(|due| due <= now));
        let pair = due.min_by_key(|pair| (!pair.urgent, pair.due))?;
        let retry = bounds::RETRY.get(usize::from(pair.sent));
        pair.sent += 1;
        pair.urgent = false;
        pair.due = retry
            .filter(|_| pair.sent < pair.limit)
            .map(|retry| now + *retry);
        self.last = Some(now);
        Some((pair.from, pair.remote))
    }

    fn contains(&self, from: Socket, remote: SocketAddr) -> bool {
        self.pairs.iter().any(|pair| pair.is(from, remote))
    }
}
