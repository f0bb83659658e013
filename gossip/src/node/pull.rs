//! Asking for what others announced.

use core::time::Duration;

use dchat_wire::gossip::Want;
use dchat_wire::limits;

use super::Node;
use crate::config::SLOTS;
use crate::frontier::Log;
use crate::message::Message;
use crate::score::Fault;
use crate::spread::NOBODY;
use crate::time::Time;

/// Items of one log asked for at once: more than a fast path of a continent holds.
const BATCH: u32 = 2048;
/// While much is lost, since what comes after a gap has to wait for it here.
const FEW: u32 = 64;
/// Parts of a log asked for at once when some of it is parked.
const GAPS: usize = 32;
/// How long each of several items may take, half a kilobyte at a quarter of a megabit a second, and how
/// long all of them: what is asked for elsewhere too soon comes twice, and it is much.
const ITEM: Duration = Duration::from_millis(16);
const ITEMS: Duration = Duration::from_secs(1);
/// How soon to see whether who is asked for much has room for more.
const NEXT: Duration = Duration::from_millis(20);
/// How many deviations an answer may be late (RFC 6298).
const DEVIATIONS: u32 = 4;
/// How often everybody who announced an item is asked before it is left to the next comparison of
/// digests.
const ROUNDS: u8 = 8;

impl<H: Copy + Eq> Node<H> {
    /// Whether the neighbour in `slot` is being asked for items of `log`.
    pub(super) fn was_asked(&self, slot: usize, log: u64) -> bool {
        let wanted = self.wants.get(log);
        wanted.is_some_and(|wanted| wanted.tried & (1 << slot) != 0)
    }

    /// Asks somebody for what is wanted of `log`, unless somebody is being asked.
    pub(super) fn ask(&mut self, log: u64) {
        let held = self.held(log);
        let (live, congested, now) = (self.live, self.congested_slots(), self.now);
        let (hasty, busy) = (self.is_hasty(), self.wants.busy());
        let Some(wanted) = self.wants.get_mut(log) else {
            return;
        };
        if wanted.upto <= held {
            self.wants.remove(log);
            return;
        }
        if wanted.rounds >= ROUNDS {
            self.wants.remove(log);
            self.rounds.inconsistent(self.now, &mut self.rng);
            return;
        }
        if wanted.asked.is_some() {
            return;
        }
        let mut from = wanted.announcers & live & !wanted.tried;
        if from == 0 {
            wanted.rounds += 1;
            wanted.tried = 0;
            from = wanted.announcers & live;
        }
        if from & !congested != 0 {
            from &= !congested;
        }
        if from & !busy == 0 && from != 0 {
            wanted.at = now + NEXT;
            return self.wants.wake(now + NEXT);
        }
        from &= !busy;
        if from == 0 {
            self.wants.remove(log);
            return;
        }
        let most = if hasty { FEW } else { BATCH };
        let upto = wanted.upto.min(held.saturating_add(most));
        let slot = self.nearest(from);
        let missing = self.missing(log, held, upto);
        let wait = self.pull_timeout(slot, count(&missing));
        if let Some(link) = self.link_mut(slot) {
            // Whichever answer comes now, it is not known to which question.
            link.given_up.take_if(|given_up| given_up.0 == log);
        }
        self.wants.ask(log, slot, (now, now + wait));
        let graft = self.needs_parent(slot, log);
        self.stat.pulls += 1;
        let wants = missing.into_iter();
        self.asks.extend(wants.map(|want| (slot, graft, want)));
    }

    /// The neighbour of those in `slots` that is likely to answer first.
    fn nearest(&self, slots: u16) -> usize {
        let first = self.config.first_rtt.as_millis() as u32;
        let all = (0..SLOTS).filter(|slot| slots & (1 << slot) != 0);
        let nearest = all.min_by_key(|slot| {
            let rtt = self.link(*slot).and_then(|link| link.rtt);
            rtt.unwrap_or(first)
        });
        nearest.unwrap_or(0)
    }

    /// What is missing of `log` after `held` up to `upto`: all but what is parked, in at most
    /// [`GAPS`] parts.
    fn missing(&self, log: u64, held: u32, upto: u32) -> Vec<Want> {
        let parked = self.frontier.find_prefix(log);
        let parked = parked.into_iter().flat_map(|log| self.parked.of_log(log));
        let mut missing = Vec::new();
        let mut after = held;
        for seq in parked.filter(|seq| (held + 1..=upto).contains(seq)) {
            if seq > after + 1 {
                let upto = seq - 1;
                missing.push(Want { log, after, upto });
            }
            after = seq;
            if missing.len() == GAPS - 1 {
                break;
            }
        }
        if after < upto {
            missing.push(Want { log, after, upto });
        }
        missing
    }

    fn held(&self, log: u64) -> u32 {
        let log = self.frontier.find_prefix(log);
        let tip = log.and_then(|log| self.frontier.tip(log));
        tip.map_or(0, |tip| if tip.closed { u32::MAX } else { tip.seq })
    }

    /// Whether the neighbour asked is to push from now on: there is no parent, or it failed twice in
    /// a row. Once may be loss.
    fn needs_parent(&mut self, slot: usize, log: u64) -> bool {
        let live = self.live;
        let Some(branch) = self
            .frontier
            .find_prefix(log)
            .and_then(|log| self.branches.get_mut(log.index()))
        else {
            return true;
        };
        let parent = branch.parent;
        if parent == NOBODY || live & (1 << parent) == 0 {
            branch.children &= !(1 << slot);
            return true;
        }
        if usize::from(parent) == slot {
            return false;
        }
        let failed = branch.misses >= 2;
        if failed {
            branch.children &= !(1 << slot);
            branch.parent = NOBODY;
            branch.misses = 0;
            self.trees.push((usize::from(parent), log, false));
        }
        failed
    }

    /// A new item of `log` came from elsewhere than its parent.
    pub(super) fn missed(&mut self, log: Log) {
        let Some(branch) = self.branch_mut(log) else {
            return;
        };
        branch.misses = branch.misses.saturating_add(1);
        let parent = usize::from(branch.parent);
        self.strayed(true);
        self.fault(parent, Fault::Lost);
        if self.link(parent).is_none_or(|link| !link.is_tardy()) {
            self.fared(true);
        }
        if self.is_hasty() {
            self.rounds.inconsistent(self.now, &mut self.rng);
        }
    }

    /// How long to wait for so many items from a neighbour.
    fn pull_timeout(&self, slot: usize, items: u32) -> Duration {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        let link = self.link(slot);
        let rtt = link
            .and_then(|link| link.rtt)
            .map_or(self.config.first_rtt, ms);
        let deviation = link.map_or(Duration::ZERO, |link| ms(link.deviation));
        // Asked for again too soon, what is late and not lost comes twice.
        let least = if self.is_hasty() {
            rtt / 4
        } else {
            rtt + rtt / 2
        };
        let slack = least.max(deviation * DEVIATIONS);
        // Where much is lost it is not the link that takes its time.
        let items = if self.is_hasty() { 0 } else { items };
        rtt + slack + self.config.pull_margin + (ITEM * items.saturating_sub(1)).min(ITEMS)
    }

    /// Items of `log` up to `seq` are here, the last from `slot`.
    pub(super) fn got(&mut self, slot: usize, log: Log, seq: u32) {
        let Some(prefix) = self.frontier.tip(log).map(|tip| tip.id.prefix()) else {
            return;
        };
        let Some(wanted) = self.wants.get(prefix) else {
            return;
        };
        let left = wanted.upto.saturating_sub(seq).min(BATCH);
        let (now, wait) = (self.now, self.pull_timeout(slot, left));
        let Some(wanted) = self.wants.get_mut(prefix) else {
            return;
        };
        let mut rtt = None;
        if let Some((asked, since)) = wanted.asked
            && usize::from(asked) == slot
        {
            rtt = Some((now.since(since), wanted.measures));
            wanted.measures = false;
            wanted.asked = Some((asked, now));
            wanted.at = now + wait;
        }
        wanted.rounds = 0;
        let done = wanted.upto <= seq;
        let upto = wanted.upto;
        if done {
            self.wants.remove(prefix);
        }
        if let (Some((rtt, true)), Some(link)) = (rtt, self.link_mut(slot)) {
            link.measured(rtt);
        }
        if done && self.wants.len() == 0 {
            self.look_again();
        }
        // The next batch is asked for while the last quarter of this one is on its way.
        if rtt.is_some() && !done && seq.is_multiple_of(BATCH / 4) && seq + BATCH / 4 < upto {
            let after = seq + BATCH / 4 * 3;
            let upto = upto.min(after + BATCH / 4);
            if after < upto {
                let want = Want {
                    log: prefix,
                    after,
                    upto,
                };
                self.asks.push((slot, false, want));
            }
        }
    }

    /// Repeats what was not answered, elsewhere if it can be, and asks for what has waited.
    pub(super) fn pull_due(&mut self) {
        let mut slow = 0_u16;
        for log in self.wants.due(self.now) {
            if self.is_under_way(log) {
                continue;
            }
            if let Some((slot, since)) = self.wants.give_up(log) {
                let slot = usize::from(slot);
                let lacking = self.held(log).saturating_add(1);
                if let Some(link) = self.link_mut(slot) {
                    link.given_up = Some((log, lacking, since));
                }
                // Who is silent altogether is gone rather than false.
                if self.link(slot).is_some_and(|link| link.heard > since) {
                    slow |= 1 << slot;
                }
            }
            self.ask(log);
        }
        // One stall is one fault, however much waited behind it.
        for slot in (0..SLOTS).filter(|slot| slow & (1 << slot) != 0) {
            self.fault(slot, Fault::Missing);
        }
    }

    /// Whether who is asked for `log` is busy sending something else that it was asked for; then it is
    /// waited for. Not while much is lost.
    fn is_under_way(&mut self, log: u64) -> bool {
        let asked = self.wants.get(log).and_then(|wanted| wanted.asked);
        let Some((slot, _)) = asked.filter(|_| !self.is_hasty()) else {
            return false;
        };
        let slot = usize::from(slot);
        let served = self.link(slot).map_or(Time(0), |link| link.served);
        let until = served + self.pull_timeout(slot, 1);
        if until <= self.now {
            return false;
        }
        if let Some(wanted) = self.wants.get_mut(log) {
            wanted.at = until;
        }
        self.wants.wake(until);
        true
    }

    /// Sends the requests of this turn.
    pub(super) fn send_asks(&mut self) {
        if self.asks.is_empty() {
            return;
        }
        let mut asks = core::mem::take(&mut self.asks);
        asks.sort_by_key(|(slot, graft, _)| (*slot, *graft));
        for asks in asks.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
            for asks in asks.chunks(limits::GOSSIP_MARKS) {
                let Some((slot, graft, _)) = asks.first() else {
                    continue;
                };
                let wants = asks.iter().map(|ask| ask.2.clone()).collect();
                let graft = *graft;
                self.send_slot(*slot, Message::Pull { graft, wants });
            }
        }
    }
}

/// Items in all of `wants`.
fn count(wants: &[Want]) -> u32 {
    let items = wants.iter().map(|want| want.upto - want.after);
    items.fold(0, u32::saturating_add)
}
