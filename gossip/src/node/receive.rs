//! Items that come.

use std::sync::Arc;

use super::Node;
use super::io::Output;
use crate::frontier::{Log, Tip};
use crate::log::{Item, Judge, Place, Position, Proof, Verdict, place};
use crate::message::Message;
use crate::score::Fault;
use crate::spread::{NOBODY, cold_hops};
use crate::time::Time;

/// [`Message::Push`]'s hops for an item that was asked for or found missing, and comes along no tree.
pub(super) const SERVED: u8 = u8::MAX;
/// Most hops an item is pushed on without a tree, whatever its message says.
const MOST_HOPS: u8 = 5;

impl<H: Copy + Eq> Node<H> {
    /// A neighbour sent an item.
    pub(super) fn pushed(
        &mut self,
        slot: usize,
        hops: u8,
        item: Arc<Item>,
        judge: &mut impl Judge,
    ) {
        let (now, prefix) = (self.now, item.log().prefix());
        if hops == SERVED
            && let Some(link) = self.link_mut(slot)
            && link.answered_late(prefix, item.seq(), now)
        {
            link.score.was_late();
        }
        let log = self.frontier.find(&item.log());
        let empty = Tip::empty(item.log());
        let tip = log.and_then(|log| self.frontier.tip(log)).unwrap_or(&empty);
        let place = place(tip, &item, self.config.window, self.now);
        match (place, log) {
            (Place::Held, Some(log)) => return self.came_again(slot, log, &item),
            (Place::Ahead, Some(log)) if self.parked.has(log, item.seq()) => {
                return self.came_again(slot, log, &item);
            }
            (Place::Closed, Some(log)) => return self.prove(slot, log),
            (Place::Held | Place::Closed, None) => return,
            (Place::Early, _) => {
                self.wants.remove(item.log().prefix());
                return;
            }
            (Place::Next | Place::Ahead | Place::Clash(_), _) => {}
        }
        match judge.judge(&item) {
            Verdict::Accept => {}
            Verdict::Ignore => {
                self.wants.remove(item.log().prefix());
                return;
            }
            Verdict::Reject => {
                self.stat.rejected += 1;
                self.wants.remove(item.log().prefix());
                return self.fault(slot, Fault::Invalid);
            }
        }
        // Without room for the log the item is dropped like one that is ignored.
        let Ok(log) = self.enter(item.log()) else {
            return;
        };
        let newest = self.is_newest(slot, hops);
        match place {
            Place::Next => self.keep(slot, hops, log, item),
            Place::Clash(seq) => {
                let log = item.log();
                self.outputs.push_back(Output::Clash { log, seq, item });
            }
            Place::Ahead => {
                if newest {
                    self.show_early(slot, &item);
                }
                self.park(slot, log, item);
            }
            Place::Held | Place::Closed | Place::Early => {}
        }
    }

    /// Has one of the newest items shown before its turn.
    fn show_early(&mut self, slot: usize, item: &Arc<Item>) {
        if let Some(from) = self.link(slot).map(|link| link.peer) {
            // It will have been seen when the next of ours is written.
            self.lamport = self.lamport.max(item.signed().header.lamport);
            self.outputs.push_back(Output::Early {
                item: Arc::clone(item),
                from,
            });
        }
    }

    /// Puts an item aside and asks for those before it.
    fn park(&mut self, slot: usize, log: Log, item: Arc<Item>) {
        let (prefix, before) = (item.log().prefix(), item.seq() - 1);
        self.parked.park(log, item);
        if self
            .wants
            .get(prefix)
            .is_none_or(|wanted| wanted.upto < before)
        {
            // What lies between is likely on its way by the same path, unless the path loses.
            let at = self.now + self.config.patience / 2;
            self.wants.note(prefix, before, slot, at);
        }
    }

    fn came_again(&mut self, slot: usize, log: Log, item: &Item) {
        self.stat.duplicates += 1;
        if !self.may_send(slot) {
            return;
        }
        let newest = self
            .frontier
            .tip(log)
            .is_some_and(|tip| tip.seq <= item.seq());
        let live = self.live;
        let Some(branch) = self.branch_mut(log).filter(|_| newest) else {
            return;
        };
        branch.told |= 1 << slot;
        let prefix = item.log().prefix();
        if usize::from(branch.parent) != slot {
            self.trees.push((slot, prefix, false));
            return;
        }
        // The parent pushes what was pulled elsewhere by now: it is late, or even pushes what went
        // around from here. There it would have been earlier.
        let better = branch.backup;
        if branch.pushed {
            return;
        }
        let by_chance = self.is_hasty() || self.is_late();
        let Some(branch) = self.branch_mut(log).filter(|_| !by_chance) else {
            return self.was_late();
        };
        if better != NOBODY
            && usize::from(better) != slot
            && live & (1 << better) != 0
            && branch.children & (1 << better) == 0
        {
            branch.parent = better;
            branch.backup = NOBODY;
            branch.misses = 0;
            self.stat.moved += 1;
            self.trees.push((usize::from(better), prefix, true));
            self.trees.push((slot, prefix, false));
        }
        self.was_late();
    }

    /// Keeps the next item of `log` and all that waited for it.
    fn keep(&mut self, slot: usize, hops: u8, log: Log, item: Arc<Item>) {
        self.find_parent(slot, hops, log, &item);
        let mut next = Some(item);
        while let Some(item) = next {
            let seq = item.seq();
            self.came(Some(slot), log, &item);
            if hops == SERVED && self.is_old(&item) {
                self.announce_old(slot, log);
            } else {
                let hops = if hops == SERVED {
                    0
                } else {
                    hops.min(MOST_HOPS)
                };
                self.spread(Some(slot), hops, log, item);
            }
            next = self
                .parked
                .take(log, seq + 1)
                .filter(|next| self.follows(log, next));
        }
        let seq = self.frontier.tip(log).map_or(0, |tip| tip.seq);
        self.parked.drop_log(log, Some(seq));
        self.got(slot, log, seq);
        if hops == SERVED {
            self.tell_parent(slot, log);
        }
    }

    /// Tells the parent that what it may be about to push came from elsewhere.
    fn tell_parent(&mut self, from: usize, log: Log) {
        let live = self.live;
        let parent = self.branch_mut(log).map(|branch| branch.parent);
        let parent = parent.filter(|parent| *parent != NOBODY && live & (1 << parent) != 0);
        if let Some(parent) = parent.map(usize::from).filter(|parent| *parent != from)
            && let Some(mark) = self.mark(parent, log)
        {
            self.told.push((parent, mark));
        }
    }

    /// A parked item was judged when it came; whether it follows shows now.
    fn follows(&mut self, log: Log, item: &Arc<Item>) -> bool {
        let Some(tip) = self.frontier.tip(log) else {
            return false;
        };
        match place(tip, item, self.config.window, self.now) {
            Place::Next => true,
            Place::Clash(seq) => {
                let (log, item) = (item.log(), Arc::clone(item));
                self.outputs.push_back(Output::Clash { log, seq, item });
                false
            }
            _ => false,
        }
    }

    /// The neighbour that brought an item first along its tree is the parent from now on; one that
    /// was asked for it when there is none.
    fn find_parent(&mut self, slot: usize, hops: u8, log: Log, item: &Item) {
        let (pulled, asked) = (hops == SERVED, self.was_asked(slot, item.log().prefix()));
        let now = self.now;
        if !pulled {
            self.fared(false);
            self.strayed(false);
        }
        if let Some(link) = self.link_mut(slot) {
            link.score.useful(pulled);
            if pulled {
                link.served = now;
            }
        }
        let Some(branch) = self.branches.get_mut(log.index()) else {
            return;
        };
        branch.pushed = !pulled;
        branch.arrive(now);
        if pulled {
            branch.backup = slot as u8;
        }
        if !pulled || asked && branch.parent == NOBODY {
            branch.parent = slot as u8;
            branch.misses = 0;
        } else if branch.parent == NOBODY && branch.children & (1 << slot) == 0 {
            // Nobody pushed it and nobody announced it, so no tree comes here: from now on one does.
            branch.parent = slot as u8;
            branch.misses = 0;
            self.trees.push((slot, item.log().prefix(), true));
        }
        let elsewhere = branch.parent != NOBODY && usize::from(branch.parent) != slot;
        if pulled && elsewhere && !self.is_old(item) {
            self.missed(log);
        }
    }

    /// Advances the log.
    fn came(&mut self, slot: Option<usize>, log: Log, item: &Arc<Item>) {
        let header = &item.signed().header;
        let (hash, seq, hour) = (*item.hash(), item.seq(), item.hour());
        let (lamport, sent_at) = (header.lamport, header.sent_at);
        self.frontier.update(log, |tip| {
            *tip = Tip {
                id: tip.id,
                hash,
                seq,
                hour,
                closed: false,
                lamport,
                sent_at,
            };
        });
        self.lamport = self.lamport.max(lamport);
        self.rounds.news(self.now, &mut self.rng);
        self.note_head(log, Position::of(item));
        self.recent.add(Arc::clone(item));
        self.stat.delivered += 1;
        let from = slot
            .and_then(|slot| self.link(slot))
            .map_or(self.me, |link| link.peer);
        self.outputs.push_back(Output::Deliver {
            item: Arc::clone(item),
            from,
        });
        let announcers = self
            .wants
            .get(item.log().prefix())
            .filter(|wanted| wanted.upto >= seq)
            .map_or(0, |wanted| wanted.announcers);
        if let Some(branch) = self.branch_mut(log) {
            branch.told = announcers | slot.map_or(0, |slot| 1 << slot);
        }
    }

    fn note_head(&mut self, log: Log, position: Position) {
        self.heads.retain(|(head, _)| *head != log);
        self.heads.push((log, position));
        if self.heads.len() > dchat_wire::limits::HEADS {
            let oldest = self.heads.iter().enumerate().min_by_key(|(_, (_, at))| *at);
            if let Some((oldest, _)) = oldest {
                self.heads.swap_remove(oldest);
            }
        }
    }

    /// Whether an item that did not come along its tree is one that is made up for, and not urgent:
    /// no tree has it on its way.
    fn is_old(&self, item: &Item) -> bool {
        Time(item.sent_at()) + self.config.settled < self.now
    }

    /// Has an old item announced to all who may lack it: each pulls it once, wherever in the room it
    /// came in again.
    fn announce_old(&mut self, from: usize, log: Log) {
        let (live, turn) = (self.live, log.0.wrapping_add(self.stat.delivered as u32));
        let most = self.config.announce_to;
        let hasty = self.is_hasty();
        let Some(branch) = self.branch_mut(log) else {
            return;
        };
        let others = live & !branch.told & !(1 << from);
        let chosen = if hasty {
            others
        } else {
            few_of(others, turn, most)
        };
        for slot in self.live_slots() {
            if chosen & (1 << slot) != 0 {
                self.announce_later(slot, log);
            }
        }
    }

    /// Pushes an item to the children, or where there is no tree yet a few hops to everybody, and
    /// has it announced to the others.
    fn spread(&mut self, from: Option<usize>, hops: u8, log: Log, item: Arc<Item>) {
        let live = self.live;
        let (congested, hasty) = (self.congested_slots(), self.is_hasty());
        let Some(branch) = self.branches.get_mut(log.index()) else {
            return;
        };
        let from = from.map_or(0, |slot| 1_u16 << slot);
        let others = live & !from & !branch.told;
        // Nobody is a child, and nobody will push again what comes from here.
        let cold = branch.children & live == 0 && (hops > 0 || !branch.pushed);
        let targets = if cold && hops > 0 {
            others
        } else {
            others & branch.children
        };
        let pushed = targets & !congested;
        if cold {
            branch.children |= pushed;
        }
        let mut announced = others & !pushed & !branch.pending;
        // The first of a log may have come where a cold push ends: from there nothing goes on by itself.
        let cold = cold || item.seq() == 1;
        if !cold && !hasty {
            // Some do while trees lose nothing: each time others, so that all are heard of.
            announced = few_of(
                announced,
                item.seq().wrapping_add(log.0),
                self.config.announce_to,
            );
        }
        branch.pending |= announced;
        let hops = if cold { hops.saturating_sub(1) } else { 0 };
        for slot in self.live_slots() {
            if pushed & (1 << slot) != 0 {
                let item = Arc::clone(&item);
                self.send_slot(slot, Message::Push { hops, item });
            }
            if announced & (1 << slot) != 0
                && let Some(link) = self.link_mut(slot)
            {
                link.pending.push(log);
            }
        }
        if announced != 0 && cold {
            self.announce_within(self.config.announce_cold);
        } else if announced != 0 {
            self.announce_soon();
        }
    }

    /// An own item.
    pub(super) fn publish(&mut self, item: Arc<Item>, judge: &mut impl Judge) {
        let Ok(log) = self.enter(item.log()) else {
            return;
        };
        let follows = self
            .frontier
            .tip(log)
            .is_some_and(|tip| place(tip, &item, self.config.window, self.now) == Place::Next);
        if !follows || judge.judge(&item) != Verdict::Accept {
            return;
        }
        let now = self.now;
        if let Some(branch) = self.branch_mut(log) {
            branch.arrive(now);
            branch.parent = NOBODY;
        }
        self.came(None, log, &item);
        let members = self
            .frontier
            .len()
            .max(self.passive.len() + self.links.len() + 1);
        let hops = cold_hops(members, self.config.degree);
        self.spread(None, hops, log, item);
    }

    /// Asks the driver for the proof that `log` is closed.
    pub(super) fn prove(&mut self, slot: usize, log: Log) {
        let now = self.now;
        let Some(id) = self.frontier.tip(log).map(|tip| tip.id) else {
            return;
        };
        if let Some(link) = self.link_mut(slot)
            && link.costly.take(1, now)
        {
            let peer = link.peer;
            let load = super::Load::Proof { peer, log: id };
            self.outputs.push_back(Output::Load(load));
        }
    }

    /// A neighbour says an author contradicts itself.
    pub(super) fn proven(
        &mut self,
        slot: usize,
        one: Arc<Item>,
        other: Arc<Item>,
        judge: &mut impl Judge,
    ) {
        let log = self.frontier.find(&one.log());
        let tip = log.and_then(|log| self.frontier.tip(log));
        if tip.is_some_and(|tip| tip.closed) {
            return;
        }
        let now = self.now;
        if !self
            .link_mut(slot)
            .is_some_and(|link| link.costly.take(1, now))
        {
            return;
        }
        match Proof::new(one, other, judge) {
            Ok(proof) => self.close(proof, Some(slot)),
            Err(_) => self.fault(slot, Fault::Nonsense),
        }
    }

    /// The driver found the stored item that another contradicts.
    pub(super) fn contradiction(
        &mut self,
        one: Arc<Item>,
        other: Arc<Item>,
        judge: &mut impl Judge,
    ) {
        if let Ok(proof) = Proof::new(one, other, judge) {
            self.close(proof, None);
        }
    }

    /// Closes the log of `proof`, and tells everybody but the neighbour it came from.
    fn close(&mut self, proof: Proof, from: Option<usize>) {
        let Ok(log) = self.enter(proof.log()) else {
            return;
        };
        if self.frontier.tip(log).is_some_and(|tip| tip.closed) {
            return;
        }
        let (one, other) = proof.items();
        let hour = one.hour().max(other.hour());
        self.frontier.update(log, |tip| {
            let id = tip.id;
            let hour = hour.max(tip.hour);
            *tip = Tip {
                hour,
                closed: true,
                ..Tip::empty(id)
            };
        });
        self.forget_log(log);
        self.wants.remove(proof.log().prefix());
        for slot in self.live_slots() {
            if Some(slot) != from {
                let message = Message::Proof(Arc::clone(one), Arc::clone(other));
                self.send_slot(slot, message);
            }
        }
        self.outputs.push_back(Output::Evidence(proof));
    }
}

/// At most `most` of the slots in `mask`, beginning after the `turn`-th.
fn few_of(mask: u16, turn: u32, most: u32) -> u16 {
    let mut rest = mask.rotate_right(turn % 16);
    let mut few = 0;
    for _ in 0..most {
        few |= rest & rest.wrapping_neg();
        rest &= rest.wrapping_sub(1);
    }
    few.rotate_left(turn % 16)
}

#[cfg(test)]
mod tests {
    use super::few_of;

    #[test]
    fn a_few_are_taken_in_turn() {
        assert_eq!(few_of(0b1011, 0, 2), 0b0011);
        assert_eq!(few_of(0b1011, 1, 2), 0b1010);
        assert_eq!(few_of(0b1011, 3, 2), 0b1001);
        assert_eq!(few_of(0b1000, 9, 2), 0b1000);
        assert_eq!(few_of(0, 5, 2), 0);
        let turns: u16 = (0..16).fold(0, |all, turn| all | few_of(u16::MAX, turn, 2));
        assert_eq!(turns, u16::MAX);
    }
}
