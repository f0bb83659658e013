//! Announcements, sent and received, and the trees that follow from them.

use core::time::Duration;

use dchat_wire::gossip::Mark;
use dchat_wire::limits;

use super::Node;
use crate::config::{SLOTS, Wait};
use crate::frontier::Log;
use crate::message::Message;
use crate::spread::NOBODY;

impl<H: Copy + Eq> Node<H> {
    /// Slots whose driver queue is full.
    pub(super) fn congested_slots(&self) -> u16 {
        let mut slots = 0;
        for (slot, link) in self.links.iter().enumerate().take(SLOTS) {
            if link.as_ref().is_some_and(|link| link.congested) {
                slots |= 1 << slot;
            }
        }
        slots
    }

    /// Has what is pending announced within `wait`.
    pub(super) fn announce_within(&mut self, wait: Wait) {
        let (least, most) = (wait.0.as_millis() as u64, wait.1.as_millis() as u64);
        let at = self.now + Duration::from_millis(self.rng.between(least, most));
        self.announce_at = Some(self.announce_at.map_or(at, |before| before.min(at)));
    }

    /// Has what is pending announced when it is time, as trees fare.
    pub(super) fn announce_soon(&mut self) {
        let hasty = self.is_hasty();
        // What is due already takes the rest along.
        if self.announce_at.is_none() || hasty {
            self.announce_within(if hasty {
                self.config.announce_hasty
            } else if self.is_late() {
                self.config.announce_late
            } else {
                self.config.announce_calm
            });
        }
    }

    /// Has all that is held announced to a neighbour.
    pub(super) fn announce_all(&mut self, slot: usize) {
        let logs: Vec<Log> = self
            .frontier
            .iter()
            .filter(|(_, tip)| tip.seq > 0 && tip.counts(self.horizon))
            .map(|(log, _)| log)
            .collect();
        for log in logs {
            self.announce_anew(slot, log);
        }
    }

    /// Has `log` announced to a neighbour that turned out to lack it, whatever it is taken to have.
    pub(super) fn announce_anew(&mut self, slot: usize, log: Log) {
        if let Some(branch) = self.branch_mut(log) {
            branch.told &= !(1 << slot);
        }
        self.announce_later(slot, log);
    }

    /// Has `log` announced to a neighbour that is not known to have it.
    pub(super) fn announce_later(&mut self, slot: usize, log: Log) {
        let bit = 1_u16 << slot;
        let Some(branch) = self.branch_mut(log) else {
            return;
        };
        if branch.pending & bit == 0 {
            branch.pending |= bit;
            if let Some(link) = self.link_mut(slot) {
                link.pending.push(log);
            }
        }
        self.announce_soon();
    }

    /// Sends what is to be announced, to whom is not congested.
    pub(super) fn announce(&mut self) {
        self.announce_at = None;
        for slot in self.live_slots() {
            let Some(link) = self.link_mut(slot).filter(|link| !link.congested) else {
                continue;
            };
            let pending = core::mem::take(&mut link.pending);
            if pending.is_empty() {
                continue;
            }
            let mut marks = Vec::with_capacity(pending.len().min(limits::GOSSIP_MARKS));
            for log in pending {
                marks.extend(self.mark(slot, log));
                if marks.len() == limits::GOSSIP_MARKS {
                    let full = core::mem::take(&mut marks);
                    self.send_slot(slot, Message::Announce(full));
                }
            }
            if !marks.is_empty() {
                self.send_slot(slot, Message::Announce(marks));
            }
        }
    }

    /// What to announce of `log`, unless the neighbour has it by now.
    pub(super) fn mark(&mut self, slot: usize, log: Log) -> Option<Mark> {
        let (bit, now) = (1_u16 << slot, self.now);
        let branch = self.branches.get_mut(log.index())?;
        branch.pending &= !bit;
        if branch.told & bit != 0 {
            return None;
        }
        let tip = self.frontier.tip(log).filter(|tip| tip.seq > 0)?;
        Some(Mark {
            log: tip.id.prefix(),
            seq: tip.seq,
            age: branch.age(now),
        })
    }

    /// A neighbour says what it holds.
    pub(super) fn announced(&mut self, slot: usize, marks: &[Mark]) {
        let bit = 1_u16 << slot;
        for mark in marks {
            let log = self.frontier.find_prefix(mark.log);
            let held = log.and_then(|log| self.frontier.tip(log));
            if let Some(log) = log.filter(|_| held.is_some_and(|tip| tip.closed)) {
                // It does not know yet that nothing of the log counts.
                self.prove(slot, log);
                continue;
            }
            let held = held.map_or(0, |tip| tip.seq);
            if mark.seq > held {
                self.lack(slot, log, mark);
            } else if let Some(log) = log
                && mark.seq == held
            {
                if !self.was_much_earlier(slot, log, mark)
                    && let Some(branch) = self.branch_mut(log)
                {
                    branch.told |= bit;
                }
                self.may_be_faster(slot, log, mark);
            }
        }
    }

    /// Whether the item would have come to the neighbour from here earlier than it did: then it is
    /// announced all the same, so that the neighbour learns of the better path.
    fn was_much_earlier(&mut self, slot: usize, log: Log, mark: &Mark) -> bool {
        let now = self.now;
        let rtt = self.link(slot).and_then(|link| link.rtt);
        // Too low a guess costs an announcement, too high a one a better path.
        let rtt = rtt.unwrap_or(self.config.first_rtt.as_millis() as u32 / 3);
        let better_by = self.config.better_by.as_millis() as u32;
        self.branch_mut(log).is_some_and(|branch| {
            let here = u32::from(branch.age(now));
            mark.age < u16::MAX && here > u32::from(mark.age) + rtt + better_by
        })
    }

    /// A neighbour has what is lacking here: asked for at once, unless its tree may be about to
    /// bring it.
    fn lack(&mut self, slot: usize, log: Option<Log>, mark: &Mark) {
        let live = self.live;
        let has_parent = log
            .and_then(|log| self.branch_mut(log))
            .is_some_and(|branch| {
                branch.parent != NOBODY
                    && live & (1 << branch.parent) != 0
                    && usize::from(branch.parent) != slot
                    && branch.misses < 2
            });
        let age = Duration::from_millis(mark.age.into());
        let patience = if self.is_hasty() {
            self.config.patience / 2
        } else if self.is_late() {
            self.config.patience_late
        } else {
            self.config.patience
        };
        let wait = if has_parent {
            patience.saturating_sub(age)
        } else {
            Duration::ZERO
        };
        let at = self.now + wait;
        self.wants.note(mark.log, mark.seq, slot, at);
        if wait.is_zero() {
            self.ask(mark.log);
        }
    }

    /// Moves a branch to a neighbour from whom the item would have come earlier than it came from
    /// the parent, by what the announcement says of its age.
    ///
    /// Every member judges by one and the same item, of which its parent has to have been earlier
    /// than itself; so no circle comes of it.
    fn may_be_faster(&mut self, slot: usize, log: Log, mark: &Mark) {
        let (live, now) = (self.live, self.now);
        let parent = self.branches.get(log.index()).map(|branch| branch.parent);
        // By what comes late now and then no path can be judged that closely.
        let deviation = parent
            .and_then(|parent| self.link(usize::from(parent)))
            .map_or(0, |parent| parent.deviation);
        let better_by = self.config.better_by.as_millis() as u64 + u64::from(deviation);
        let chance = self.is_hasty() || self.is_late();
        let counts = !chance || self.rng.below(self.config.better_one_in as usize) == 0;
        let Some(branch) = self.branches.get_mut(log.index()) else {
            return;
        };
        if mark.age == u16::MAX || branch.parent == NOBODY || usize::from(branch.parent) == slot {
            return;
        }
        let (there, here) = (u64::from(mark.age), u64::from(branch.age(now)));
        // The older the item is by what is said, the earlier it would have been here.
        if there + 20 >= here && branch.children & (1 << slot) == 0 {
            branch.backup = slot as u8;
        }
        if !counts
            || !branch.pushed
            || there < here + better_by
            || branch.children & (1 << slot) != 0
        {
            return;
        }
        let parent = usize::from(branch.parent);
        branch.parent = slot as u8;
        branch.misses = 0;
        // Once for an item: what another says now is measured against the old path.
        branch.pushed = false;
        self.stat.moved += 1;
        self.trees.push((slot, mark.log, true));
        if live & (1 << parent) != 0 {
            self.trees.push((parent, mark.log, false));
        }
    }

    /// A neighbour wants items pushed from now on, or no longer.
    pub(super) fn regrown(&mut self, slot: usize, graft: &[u64], prune: &[u64]) {
        for log in graft {
            self.graft(slot, *log);
        }
        for log in prune {
            if let Some(log) = self.frontier.find_prefix(*log)
                && let Some(branch) = self.branch_mut(log)
            {
                branch.children &= !(1 << slot);
            }
        }
    }

    /// Makes a neighbour a child; who asks its own child to be its parent is one no longer.
    pub(super) fn graft(&mut self, slot: usize, log: u64) {
        let Some(log) = self.frontier.find_prefix(log) else {
            return;
        };
        if let Some(branch) = self.branch_mut(log) {
            branch.children |= 1 << slot;
            if usize::from(branch.parent) == slot {
                branch.parent = NOBODY;
            }
        }
    }

    /// Sends what parents are to be told of this turn.
    pub(super) fn send_told(&mut self) {
        if self.told.is_empty() {
            return;
        }
        let mut told = core::mem::take(&mut self.told);
        told.sort_by_key(|(slot, _)| *slot);
        for told in told.chunk_by(|one, other| one.0 == other.0) {
            for told in told.chunks(limits::GOSSIP_MARKS) {
                let Some((slot, _)) = told.first() else {
                    continue;
                };
                let marks = told.iter().map(|(_, mark)| mark.clone()).collect();
                self.send_slot(*slot, Message::Announce(marks));
            }
        }
    }

    /// Sends the changes of trees of this turn.
    pub(super) fn send_trees(&mut self) {
        if self.trees.is_empty() {
            return;
        }
        let mut trees = core::mem::take(&mut self.trees);
        trees.sort_unstable();
        trees.dedup();
        for changes in trees.chunk_by(|one, other| one.0 == other.0) {
            for changes in changes.chunks(limits::GOSSIP_MARKS) {
                let Some(slot) = changes.first().map(|change| change.0) else {
                    continue;
                };
                let of = |graft| {
                    let chosen = changes.iter().filter(|change| change.2 == graft);
                    chosen.map(|change| change.1).collect()
                };
                let (graft, prune) = (of(true), of(false));
                self.send_slot(slot, Message::Tree { graft, prune });
            }
        }
    }
}
