//! Comparing digests, and what follows when they differ.

use core::time::Duration;

use dchat_wire::gossip::Sketched;
use dchat_wire::limits;

use super::Node;
use crate::frontier::{CLOSED, Digest, LinkSalt, Log};
use crate::message::Message;
use crate::overlay::State;
use crate::round::{Behind, Reading, Sketching};
use crate::score::Fault;
use crate::sketch::{Decoded, Decoder, Difference, MAX_CELLS, Named, Snapshot, first_cells};

/// In [`Message::More`]: let each side announce all it holds.
const EVERYTHING: u32 = u32::MAX;
/// How long after a neighbour turned out to hold more to look whether we do by now; a second more
/// each time.
const LOOK: Duration = Duration::from_secs(1);
/// How often to look: for a minute or so. A digest that lies costs no more.
const LOOKS: u8 = 10;
/// A sketch of which nothing has come for so long may be dropped for another.
const STALLED: Duration = Duration::from_millis(300);
/// Spreads the parts of a difference over its sum (2^64 by the golden ratio, odd).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
/// Items sent at once to a neighbour that turned out to lack them.
const AT_ONCE: u32 = 32;
/// Hours two members' horizons may differ by: clocks are tolerated to differ by less than one.
const HORIZONS: u32 = 1;

impl<H: Copy + Eq> Node<H> {
    /// Sends digests and gives up sketches that are due.
    pub(super) fn compare_due(&mut self) {
        let now = self.now;
        self.sessions.expire(now);
        if self.rounds.due(now, &mut self.rng)
            && let Some(slot) = self.longest_ago()
        {
            self.compare(slot);
        }
        self.look_behind();
        if self.sessions.later != 0 && self.sessions.later_at <= now {
            let later = core::mem::take(&mut self.sessions.later) & self.live;
            if later != 0 {
                let which = self.rng.below(later.count_ones() as usize);
                let slots = (0..16).filter(|slot| later & (1 << slot) != 0);
                if let Some(slot) = slots.clone().nth(which) {
                    self.sessions.later = later & !(1 << slot);
                    self.sessions.later_at = now + self.config.sketch_gap;
                    self.compare(slot);
                }
            }
        }
    }

    /// All that was known to be lacking has come: whether that was all is seen at once.
    pub(super) fn look_again(&mut self) {
        if let Some(behind) = self.sessions.behind.as_mut() {
            behind.at = self.now;
            behind.looked = 0;
        }
    }

    /// Compares again, less and less often, while we hold less than a neighbour once did: something on
    /// the way to it, or to us, was lost.
    fn look_behind(&mut self) {
        let now = self.now;
        let Some(behind) = self.sessions.behind.filter(|behind| behind.at <= now) else {
            return;
        };
        self.sessions.behind = None;
        let ours = self.frontier.total(behind.horizon);
        if !is_less(ours, behind.total) {
            return;
        }
        if behind.looked >= LOOKS {
            self.sessions.gave_up = Some((ours, behind.total));
            return;
        }
        self.rounds.inconsistent(now, &mut self.rng);
        let looked = behind.looked + 1;
        self.sessions.behind = Some(Behind {
            at: now + LOOK * (1 + u32::from(looked)),
            looked,
            ..behind
        });
        // At once what the answer to a digest would ask for; and now and then somebody else, should
        // this one have lied.
        if self.live & (1 << behind.of) != 0 && looked % 3 != 0 {
            let differing = behind.total.wrapping_sub(ours) as usize;
            self.sketch(behind.of, Sketched::Sequences, behind.horizon, differing);
        } else if let Some(slot) = self.longest_ago() {
            self.compare(slot);
        }
    }

    /// A neighbour of those with whom digests were compared longest ago; of those who are not known to
    /// have what came last, if there are any.
    fn longest_ago(&mut self) -> Option<usize> {
        let newest = self.heads.last().map(|(log, _)| log.index());
        let branch = newest.and_then(|log| self.branches.get(log));
        let told = branch.map_or(0, |branch| branch.told);
        let left = if self.live & !told == 0 { 0 } else { told };
        let mut slots: Vec<_> = self
            .live_slots()
            .filter(|slot| left & (1 << slot) == 0)
            .filter_map(|slot| Some((self.link(slot)?.compared, slot)))
            .collect();
        slots.sort_unstable();
        let oldest = self.rng.below(slots.len().div_ceil(2));
        slots.get(oldest).map(|(_, slot)| *slot)
    }

    fn salt(&self, slot: usize) -> Option<LinkSalt> {
        match self.link(slot)?.state {
            State::Live(salt) => Some(salt),
            State::Connecting | State::Opening => None,
        }
    }

    /// Sends a neighbour the digest of what is held.
    pub(super) fn compare(&mut self, slot: usize) {
        let (now, horizon) = (self.now, self.horizon);
        let Some(salt) = self.salt(slot) else {
            return;
        };
        if let Some(link) = self.link_mut(slot) {
            link.compared = now;
        }
        let digest = Digest::of(&mut self.frontier, horizon, salt);
        self.send_slot(slot, Message::Digest(digest));
    }

    /// A neighbour sent its digest: if it differs, who holds less sketches it.
    pub(super) fn compared(&mut self, slot: usize, theirs: Digest) {
        let Some(salt) = self.salt(slot) else {
            return;
        };
        let horizon = theirs.horizon;
        // Another clock: nothing can be compared, and nobody is to blame.
        if horizon.abs_diff(self.horizon) > HORIZONS {
            return;
        }
        let ours = Digest::of(&mut self.frontier, horizon, salt);
        let now = self.now;
        if ours == theirs {
            self.rounds.consistent();
            self.missed_nothing();
            if let Some(link) = self.link_mut(slot) {
                link.compared = now;
            }
            return;
        }
        if is_less(ours.total, theirs.total) {
            self.may_ask_newest(slot, theirs.total.wrapping_sub(ours.total));
        }
        let gave_up = self.sessions.gave_up == Some((ours.total, theirs.total));
        if is_less(ours.total, theirs.total) && self.sessions.behind.is_none() && !gave_up {
            self.sessions.behind = Some(Behind {
                of: slot,
                total: theirs.total,
                horizon,
                at: now + LOOK,
                looked: 0,
            });
        }
        if !is_less(theirs.total, ours.total) {
            if self.sessions.rest_until > now {
                self.sessions.later |= 1 << slot;
                self.sessions.later_at = self.sessions.rest_until;
                return;
            }
            let differing = theirs.total.wrapping_sub(ours.total);
            self.sketch(slot, Sketched::Sequences, horizon, differing as usize);
        } else {
            self.send_slot(slot, Message::Digest(ours));
            if let Some(link) = self.link_mut(slot) {
                link.compared = now;
            }
        }
    }

    /// Sends a sketch of what is held; where little is, none: the other is to announce all it has.
    fn sketch(&mut self, slot: usize, of: Sketched, horizon: u32, differing: usize) {
        let now = self.now;
        self.stat.sketches += 1;
        self.sessions.rest_until = now + self.config.sketch_gap;
        let salt = self.rng.number() as u32;
        let snapshot = Snapshot::of(&self.frontier, horizon, salt, of);
        if snapshot.len() * 8 < differing {
            let cells = Vec::new();
            let first = 0;
            let message = Message::Sketch {
                salt,
                of,
                horizon,
                first,
                cells,
            };
            return self.send_slot(slot, message);
        }
        let count = first_cells(differing.min(snapshot.len()));
        let until = now + self.config.session_timeout;
        self.sessions.sketching = Some(Sketching {
            by: slot,
            of,
            horizon,
            snapshot,
            sent: 0,
            until,
        });
        self.send_cells(count);
    }

    /// Sends the next cells of our sketch. A frame with fewer cells than it could hold is the last.
    fn send_cells(&mut self, count: usize) {
        let Some(sketching) = self.sessions.sketching.as_mut() else {
            return;
        };
        let count = if count.is_multiple_of(limits::GOSSIP_CELLS) {
            count.saturating_sub(1)
        } else {
            count
        };
        let (from, to) = (sketching.sent, (sketching.sent + count).min(MAX_CELLS));
        sketching.sent = to;
        let cells = sketching.snapshot.cells(from, to);
        let (slot, of, horizon) = (sketching.by, sketching.of, sketching.horizon);
        let salt = sketching.snapshot.salt();
        let mut first = from;
        for cells in cells.chunks(limits::GOSSIP_CELLS * crate::sketch::CELL) {
            let message = Message::Sketch {
                salt,
                of,
                horizon,
                first: first as u32,
                cells: cells.to_vec(),
            };
            self.send_slot(slot, message);
            first += cells.len() / crate::sketch::CELL;
        }
    }

    /// A neighbour sent cells of its sketch.
    pub(super) fn sketched(
        &mut self,
        slot: usize,
        (salt, what, horizon): (u32, Sketched, u32),
        first: u32,
        cells: &[u8],
    ) {
        if horizon.abs_diff(self.horizon) > HORIZONS {
            return;
        }
        let now = self.now;
        let until = now + self.config.session_timeout;
        if first == 0 {
            let costly = self
                .link_mut(slot)
                .is_some_and(|link| link.costly.take(1, now));
            if !costly {
                return self.fault(slot, Fault::Flood);
            }
            if cells.is_empty() {
                self.announce_all(slot);
                // It waits for nothing else.
                self.announce_at = Some(now);
                return;
            }
            // One at a time; the other hears nothing and comes back in a later round.
            let stalled = self.config.session_timeout.saturating_sub(STALLED);
            let busy = |one: &Reading| one.of != slot && one.until > now + stalled;
            if self.sessions.reading.as_ref().is_some_and(busy) {
                return;
            }
            let ours = Snapshot::of(&self.frontier, horizon, salt, what);
            self.sessions.reading = Some(Reading {
                of: slot,
                what,
                horizon,
                decoder: Decoder::new(ours),
                until,
            });
        }
        let Some(mut reading) = self.sessions.reading.take() else {
            return;
        };
        if reading.of != slot || reading.decoder.salt() != salt {
            self.sessions.reading = Some(reading);
            return;
        }
        if reading.decoder.push(first as usize, cells).is_err() {
            return self.fault(slot, Fault::Nonsense);
        }
        reading.until = until;
        if cells.len() == limits::GOSSIP_CELLS * crate::sketch::CELL {
            self.sessions.reading = Some(reading);
            return;
        }
        match reading.decoder.decode() {
            Decoded::All(found) => self.resolve(slot, &reading, &found),
            Decoded::More(want) => {
                let have = reading.decoder.have() as u32;
                self.sessions.reading = Some(reading);
                let want = want as u32;
                let unknown = Vec::new();
                let message = Message::More {
                    salt,
                    have,
                    want,
                    unknown,
                };
                self.send_slot(slot, message);
            }
            Decoded::Hopeless => {
                self.announce_all(slot);
                let message = Message::More {
                    salt,
                    have: 0,
                    want: EVERYTHING,
                    unknown: Vec::new(),
                };
                self.send_slot(slot, message);
            }
        }
    }

    /// A name for what differs from a neighbour, by which it is known again.
    fn name_of(&mut self, slot: usize, reading: &Reading, found: &[Difference]) -> u64 {
        let seen = found.iter().map(|difference| match difference.log {
            Named::Known(log, theirs) => (log.index() as u64) << 32 | u64::from(theirs),
            Named::Unknown(_) => u64::MAX,
        });
        // The order is that of the sketch, which is salted.
        let seen = seen.fold(0_u64, |sum, one| sum.wrapping_add(one.wrapping_mul(MIX)));
        let total = self.frontier.total(reading.horizon);
        seen ^ (u64::from(total) << 8 | slot as u64)
    }

    /// Sends what the neighbour lacks, and asks for what is lacking here.
    fn resolve(&mut self, slot: usize, reading: &Reading, found: &[Difference]) {
        let mut unknown = Vec::new();
        let mut stale = false;
        let lacking: u32 = found
            .iter()
            .map(|difference| self.lacking(difference))
            .fold(0, u32::saturating_add);
        for difference in found {
            match difference.log {
                Named::Unknown(hash) => unknown.push(hash),
                Named::Known(log, theirs) => {
                    stale |= match reading.what {
                        Sketched::Sequences => {
                            self.settle(slot, (log, theirs), lacking, &mut unknown, reading)
                        }
                        Sketched::Tips => self.examine(slot, log),
                    };
                }
            }
        }
        if stale || !unknown.is_empty() {
            let name = self.name_of(slot, reading, found);
            if self.sessions.is_news(name) {
                self.rounds.inconsistent(self.now, &mut self.rng);
            }
        }
        unknown.truncate(limits::GOSSIP_MARKS);
        if !unknown.is_empty() {
            let message = Message::More {
                salt: reading.decoder.salt(),
                have: reading.decoder.have() as u32,
                want: 0,
                unknown,
            };
            self.send_slot(slot, message);
        }
        if found.is_empty() && reading.what == Sketched::Sequences {
            self.sketch(slot, Sketched::Tips, reading.horizon, 1);
        }
        self.serve_on(slot);
    }

    /// Items the neighbour lacks by a difference.
    fn lacking(&self, difference: &Difference) -> u32 {
        match difference.log {
            Named::Known(log, theirs) if theirs != CLOSED => self
                .frontier
                .tip(log)
                .map_or(0, |tip| tip.seq.saturating_sub(theirs)),
            Named::Known(..) | Named::Unknown(_) => 0,
        }
    }

    /// One log that the neighbour holds up to another sequence. True when it is not just on its way.
    fn settle(
        &mut self,
        slot: usize,
        (log, theirs): (Log, u32),
        lacking: u32,
        unknown: &mut Vec<u32>,
        reading: &Reading,
    ) -> bool {
        let Some(tip) = self.frontier.tip(log).copied() else {
            return false;
        };
        if tip.closed {
            self.prove(slot, log);
            return true;
        }
        if theirs == CLOSED {
            // Named back, a closed log is answered with its proof.
            unknown.extend(reading.decoder.hash_of(log));
            return true;
        }
        if theirs > tip.seq {
            self.wants.note(tip.id.prefix(), theirs, slot, self.now);
            self.ask(tip.id.prefix());
            return true;
        }
        let now = self.now;
        let settled = self.config.settled;
        let fresh = self
            .branch_mut(log)
            .is_some_and(|branch| Duration::from_millis(branch.age(now).into()) < settled);
        // Of much, others may be sending it the same: it asks for each once.
        if fresh || lacking > AT_ONCE {
            self.announce_anew(slot, log);
        } else if theirs < tip.seq {
            self.serve(slot, log, theirs, tip.seq);
        }
        !fresh
    }

    /// A log whose newest item is another there: has it sent, so that it clashes.
    fn examine(&mut self, slot: usize, log: Log) -> bool {
        let Some(tip) = self
            .frontier
            .tip(log)
            .filter(|tip| tip.seq > 0 && !tip.closed)
        else {
            return false;
        };
        let want = dchat_wire::gossip::Want {
            log: tip.id.prefix(),
            after: tip.seq - 1,
            upto: tip.seq,
        };
        self.asks.push((slot, false, want));
        true
    }

    /// A neighbour that reads our sketch wants more of it, or is through.
    pub(super) fn asked_for_more(
        &mut self,
        slot: usize,
        salt: u32,
        (have, want): (u32, u32),
        unknown: &[u32],
    ) {
        let now = self.now;
        let Some(sketching) = self
            .sessions
            .sketching
            .as_mut()
            .filter(|one| one.by == slot && one.snapshot.salt() == salt)
        else {
            return;
        };
        let named: Vec<Log> = unknown
            .iter()
            .flat_map(|hash| sketching.snapshot.with_hash(*hash))
            .map(|(log, _)| log)
            .collect();
        sketching.until = now + self.config.session_timeout;
        let follows = have as usize == sketching.sent;
        match want {
            0 => self.sessions.sketching = None,
            EVERYTHING => {
                self.sessions.sketching = None;
                if self
                    .link_mut(slot)
                    .is_some_and(|link| link.costly.take(1, now))
                {
                    self.announce_all(slot);
                }
            }
            want if follows => self.send_cells(want as usize),
            // Cells were lost on the way: the next round begins anew.
            _ => self.sessions.sketching = None,
        }
        for log in named {
            if self.frontier.tip(log).is_some_and(|tip| tip.closed) {
                self.prove(slot, log);
            } else {
                self.announce_anew(slot, log);
            }
        }
    }
}

/// Whether one sum modulo 2^32 is behind another.
fn is_less(one: u32, other: u32) -> bool {
    one != other && other.wrapping_sub(one) < 1 << 31
}
