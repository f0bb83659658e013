//! Links: who becomes a neighbour, who stays one, who goes.

use core::time::Duration;

use dchat_wire::gossip::Parting;
use dchat_wire::limits;

use super::Node;
use super::io::Output;
use crate::config::SLOTS;
use crate::frontier::LinkSalt;
use crate::message::Message;
use crate::overlay::{Link, State};
use crate::spread::{Branch, NOBODY};
use crate::time::Time;

/// Attempts to connect at once.
const ATTEMPTS: usize = 3;
/// Between two shuffles of a member that knows few others, at first: doubled each time.
const HUNGRY: Duration = Duration::from_secs(2);
/// How often a newcomer is passed on.
const JOIN_HOPS: u8 = 4;

impl<H: Copy + Eq> Node<H> {
    /// The driver found members.
    pub(super) fn contacts(&mut self, peers: Vec<H>) {
        for peer in peers {
            if peer != self.me && self.slot_of(peer).is_none() {
                self.passive.found(peer, self.now, &mut self.rng);
            }
        }
        // Whoever was just found is not waited for.
        self.dial_at = self.dial_at.min(self.now);
        self.dial();
    }

    fn heard(&mut self, peer: H) {
        if peer != self.me && self.slot_of(peer).is_none() {
            self.passive.heard(peer, self.now, &mut self.rng);
        }
    }

    fn count(&self, state: impl Fn(&Link<H>) -> bool) -> usize {
        self.links
            .iter()
            .flatten()
            .filter(|link| state(link))
            .count()
    }

    fn live_count(&self) -> usize {
        self.live.count_ones() as usize
    }

    /// Connects to members while there are too few neighbours, or too few that were chosen here.
    pub(super) fn dial(&mut self) {
        if self.left || self.now < self.dial_at {
            return;
        }
        loop {
            let trying = self.count(|link| !link.is_live());
            let chosen = self.count(|link| link.outbound);
            let wanted =
                self.live_count() + trying < self.config.degree || chosen < self.config.degree / 2;
            if !wanted || trying >= ATTEMPTS {
                return;
            }
            let alone = self.live == 0;
            let peer = self
                .pick(false)
                .or_else(|| if alone { self.pick(true) } else { None });
            let Some(peer) = peer else {
                self.dial_at = self.now + Duration::from_secs(1);
                return;
            };
            if !self.connect(peer) {
                return;
            }
        }
    }

    fn pick(&mut self, lost: bool) -> Option<H> {
        let links = &self.links;
        let linked = |peer| links.iter().flatten().any(|link| link.peer == peer);
        self.passive.pick(lost, self.now, &mut self.rng, linked)
    }

    fn connect(&mut self, peer: H) -> bool {
        let nonce = self.rng.number();
        let link = Link::new(peer, State::Connecting, true, nonce, self.now);
        let connecting = self.place_link(link).is_some();
        if connecting {
            self.outputs.push_back(Output::Connect(peer));
        }
        connecting
    }

    fn place_link(&mut self, link: Link<H>) -> Option<usize> {
        let free = self.links.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.links.len());
        if slot >= SLOTS {
            return None;
        }
        if slot == self.links.len() {
            self.links.push(None);
        }
        if let Some(place) = self.links.get_mut(slot) {
            *place = Some(link);
        }
        Some(slot)
    }

    /// A connection that was asked for is there.
    pub(super) fn up(&mut self, peer: H) {
        let now = self.now;
        let Some(slot) = self.slot_of(peer) else {
            return;
        };
        if let Some(link) = self.link_mut(slot)
            && link.state == State::Connecting
        {
            link.state = State::Opening;
            link.since = now;
            self.open_again(slot);
        }
    }

    /// Somebody who is no neighbour sends as if it were one: it has not heard that the link ended.
    pub(super) fn stranger(&mut self, from: H, message: &Message<H>) {
        if !matches!(message, Message::Leave { .. }) {
            let (reason, peers) = (Parting::Full, Vec::new());
            self.send(from, Message::Leave { reason, peers });
        }
    }

    /// Asks again to be neighbours, at most once a second.
    pub(super) fn open_again(&mut self, slot: usize) {
        let (now, alone) = (self.now, self.live == 0);
        if let Some(link) = self.link_mut(slot)
            && link.state == State::Opening
            && link.asked_at + Duration::from_secs(1) <= now
        {
            link.asked_at = now;
            let (peer, nonce, answer) = (link.peer, link.nonce, false);
            self.send(
                peer,
                Message::Open {
                    nonce,
                    answer,
                    alone,
                },
            );
        }
    }

    /// A member asks to be a neighbour, or agrees.
    pub(super) fn opened(&mut self, peer: H, nonce: u64, answer: bool, alone: bool) {
        let now = self.now;
        if self.left || peer == self.me {
            return;
        }
        if self.passive.is_shunned(peer, now) {
            return self.refuse(peer, Parting::Misbehaved);
        }
        let slot = self.slot_of(peer);
        let state = slot.and_then(|slot| self.link(slot)).map(|link| link.state);
        match (slot, state) {
            // Agreed; or both asked at once, which is agreement.
            (Some(slot), Some(State::Opening | State::Connecting)) => {
                let connecting = state == Some(State::Connecting);
                if connecting && answer {
                    return;
                }
                if connecting {
                    self.answer(slot);
                }
                if let Some(link) = self.link_mut(slot).filter(|_| answer) {
                    link.measured(now.since(link.asked_at));
                }
                self.begin(slot, nonce, !connecting);
            }
            (Some(_), Some(State::Live(_))) if answer => {}
            // It began anew without a word.
            (Some(slot), Some(State::Live(_))) => {
                self.end(slot);
                self.accept(peer, nonce, alone);
            }
            _ if !answer => self.accept(peer, nonce, alone),
            _ => {}
        }
    }

    fn accept(&mut self, peer: H, nonce: u64, alone: bool) {
        let most = self.config.degree + self.config.spare + if alone { 2 } else { 0 };
        if self.live_count() >= most {
            return self.refuse(peer, Parting::Full);
        }
        let own = self.rng.number();
        let link = Link::new(peer, State::Opening, false, own, self.now);
        match self.place_link(link) {
            Some(slot) => {
                self.answer(slot);
                self.begin(slot, nonce, false);
            }
            None => self.refuse(peer, Parting::Full),
        }
    }

    fn answer(&mut self, slot: usize) {
        let (answer, alone) = (true, false);
        if let Some(nonce) = self.link(slot).map(|link| link.nonce) {
            self.send_slot(
                slot,
                Message::Open {
                    nonce,
                    answer,
                    alone,
                },
            );
        }
    }

    fn refuse(&mut self, peer: H, reason: Parting) {
        let peers = self.some_peers(peer);
        self.send(peer, Message::Leave { reason, peers });
        self.outputs.push_back(Output::Release(peer));
    }

    /// A link goes live.
    fn begin(&mut self, slot: usize, nonce: u64, compare: bool) {
        let now = self.now;
        let first = self.live == 0;
        let Some(link) = self.link_mut(slot) else {
            return;
        };
        link.state = State::Live(LinkSalt::of(link.nonce, nonce));
        link.since = now;
        let peer = link.peer;
        self.live |= 1 << slot;
        self.passive.well(peer, now, &mut self.rng);
        // The first comparison may be lost, or be about what is on its way.
        self.rounds.inconsistent(now, &mut self.rng);
        if compare {
            if first {
                self.ask_newest(slot);
            }
            self.compare(slot);
        }
        if first && compare {
            let hops = JOIN_HOPS;
            self.send(
                peer,
                Message::Join {
                    peer: self.me,
                    hops,
                },
            );
            self.shuffle_with(slot);
        }
        if self.live_count() > self.most_links() && self.crowded.is_none() {
            self.crowded = Some(now);
        }
        self.dial();
    }

    /// A connection is gone, or could not be made.
    pub(super) fn down(&mut self, peer: H) {
        if let Some(slot) = self.slot_of(peer) {
            self.end(slot);
            self.passive.lost(peer, self.now, &mut self.rng);
            self.dial();
        }
    }

    /// A neighbour goes, or who was asked refuses.
    pub(super) fn parted(&mut self, slot: usize, reason: Parting, peers: Vec<H>) {
        let now = self.now;
        let Some(peer) = self.link(slot).map(|link| link.peer) else {
            return;
        };
        self.end(slot);
        match reason {
            Parting::Full => {
                self.passive.well(peer, now, &mut self.rng);
                self.passive.refused(peer, now);
            }
            Parting::Leaving | Parting::UnknownRoom => {
                self.passive.lost(peer, now, &mut self.rng);
            }
            Parting::Misbehaved => self.passive.shun(peer, now, &mut self.rng),
        }
        self.outputs.push_back(Output::Release(peer));
        for peer in peers.into_iter().take(limits::GOSSIP_PEERS) {
            self.heard(peer);
        }
        self.dial();
    }

    /// Ends a link with a neighbour that misbehaved.
    pub(super) fn shun(&mut self, slot: usize) {
        if let Some(peer) = self.link(slot).map(|link| link.peer) {
            self.end(slot);
            self.passive.shun(peer, self.now, &mut self.rng);
            self.refuse(peer, Parting::Misbehaved);
            self.outputs.push_back(Output::Shunned(peer));
            self.dial();
        }
    }

    /// Forgets a link and all that hung on it. Branches whose parent it was are grafted where their
    /// last item was about as early.
    fn end(&mut self, slot: usize) {
        let was_live = self.live & (1 << slot) != 0;
        if let Some(place) = self.links.get_mut(slot) {
            *place = None;
        }
        self.live &= !(1 << slot);
        self.sessions.drop_slot(slot);
        self.drop_newest(slot);
        self.asks.retain(|ask| ask.0 != slot);
        self.trees.retain(|tree| tree.0 != slot);
        self.told.retain(|told| told.0 != slot);
        if !was_live {
            return;
        }
        self.wants.drop_slot(slot, self.now);
        if self.live == 0 {
            self.is_alone();
        }
        if self.passive.len() < self.config.degree * 2 {
            self.hunger = 0;
            self.shuffle_at = self.shuffle_at.min(self.now + HUNGRY);
        }
        let (live, now) = (self.live, self.now);
        for (log, tip) in self.frontier.iter() {
            let Some(branch) = self.branches.get_mut(log.index()) else {
                continue;
            };
            let orphan = usize::from(branch.parent) == slot;
            branch.clear(slot);
            // Older trees are mended when they are next needed.
            if !orphan || branch.age(now) == u16::MAX {
                continue;
            }
            // Best, who had the newest item about as early; else who has it and not from here; else
            // anybody but a child: should it be a child's child, no item comes that way, one that is
            // pulled comes back by it, and that undoes it.
            let others = live & !branch.children;
            let told = others & branch.told;
            let parent = match branch.backup {
                backup if backup != NOBODY && others & (1 << backup) != 0 => backup,
                _ if told != 0 => told.trailing_zeros() as u8,
                _ if others != 0 => others.trailing_zeros() as u8,
                _ => continue,
            };
            branch.parent = parent;
            branch.backup = NOBODY;
            self.trees
                .push((usize::from(parent), tip.id.prefix(), true));
        }
        if self.live_count() <= self.most_links() {
            self.crowded = None;
        }
    }

    /// Says goodbye to everybody.
    pub(super) fn leave(&mut self) {
        self.left = true;
        for slot in 0..self.links.len() {
            let Some(peer) = self.link(slot).map(|link| link.peer) else {
                continue;
            };
            let peers = self.some_peers(peer);
            self.end(slot);
            let reason = Parting::Leaving;
            self.send(peer, Message::Leave { reason, peers });
            self.outputs.push_back(Output::Release(peer));
        }
    }

    /// Some members for another: half neighbours, half others.
    fn some_peers(&mut self, other: H) -> Vec<H> {
        let most = limits::GOSSIP_PEERS;
        let mut peers: Vec<H> = self.neighbours().filter(|peer| *peer != other).collect();
        while peers.len() > most / 2 {
            let at = self.rng.below(peers.len());
            peers.swap_remove(at);
        }
        for peer in self.passive.sample(most, &mut self.rng) {
            if peers.len() < most && peer != other && !peers.contains(&peer) {
                peers.push(peer);
            }
        }
        peers
    }

    fn shuffle_with(&mut self, slot: usize) {
        let Some(peer) = self.link(slot).map(|link| link.peer) else {
            return;
        };
        let peers = self.some_peers(peer);
        let answer = false;
        self.send(peer, Message::Shuffle { answer, peers });
    }

    /// A neighbour names some members.
    pub(super) fn shuffled(&mut self, slot: usize, answer: bool, peers: Vec<H>) {
        let Some(peer) = self.link(slot).map(|link| link.peer) else {
            return;
        };
        if !answer {
            let peers = self.some_peers(peer);
            let answer = true;
            self.send(peer, Message::Shuffle { answer, peers });
        }
        for peer in peers.into_iter().take(limits::GOSSIP_PEERS) {
            self.heard(peer);
        }
        self.dial();
    }

    /// Somebody is new: taken as a neighbour here when there is room, and passed on a few times.
    pub(super) fn joined(&mut self, slot: usize, peer: H, hops: u8) {
        if peer == self.me {
            return;
        }
        self.heard(peer);
        let others: Vec<usize> = self
            .live_slots()
            .filter(|other| *other != slot && self.link(*other).is_some_and(|l| l.peer != peer))
            .collect();
        let which = self.rng.below(others.len());
        if hops > 0
            && let Some(to) = others.get(which)
        {
            let hops = hops.min(JOIN_HOPS) - 1;
            self.send_slot(*to, Message::Join { peer, hops });
        }
        self.dial();
    }

    /// When links need tending next.
    pub(super) fn links_next(&self) -> Time {
        let mut next = self.shuffle_at.min(self.mix_at).min(self.heal_at);
        if let Some(since) = self.crowded {
            next = next.min(since + self.config.trim_after);
        }
        if self.dial_at > self.now {
            next = next.min(self.dial_at);
        }
        for link in self.links.iter().flatten().filter(|link| !link.is_live()) {
            next = next.min(link.since + self.config.open_timeout);
            if link.state == State::Opening {
                next = next.min(link.asked_at + Duration::from_secs(1));
            }
        }
        next
    }

    /// Does what is due for links.
    pub(super) fn tend_links(&mut self) {
        let now = self.now;
        for slot in 0..self.links.len() {
            self.open_again(slot);
            let late = self
                .link(slot)
                .filter(|link| !link.is_live() && link.since + self.config.open_timeout <= now);
            if let Some(peer) = late.map(|link| link.peer) {
                self.end(slot);
                self.passive.lost(peer, now, &mut self.rng);
                self.outputs.push_back(Output::Release(peer));
            }
        }
        if self
            .crowded
            .is_some_and(|since| since + self.config.trim_after <= now)
        {
            self.trim();
        }
        let every = |node: &mut Self, every: Duration| {
            let every = every.as_millis() as u64;
            let jitter = node.rng.between(0, every / 2);
            now + Duration::from_millis(every * 3 / 4 + jitter)
        };
        if self.shuffle_at <= now {
            let few = self.passive.len() < 32;
            let hungry = HUNGRY * 2_u32.saturating_pow(self.hunger.into());
            self.hunger = self.hunger.saturating_add(1);
            let wait = self.config.shuffle_every * if few { 1 } else { 10 };
            let wait = if few { wait.min(hungry) } else { wait };
            self.shuffle_at = every(self, wait);
            let slots: Vec<usize> = self.live_slots().collect();
            let which = self.rng.below(slots.len());
            if let Some(slot) = slots.get(which) {
                self.shuffle_with(*slot);
            }
            for link in self.links.iter_mut().flatten() {
                link.score.fade();
            }
        }
        if self.mix_at <= now {
            self.mix_at = every(self, self.config.mix_every);
            self.try_one(false);
        }
        if self.heal_at <= now {
            self.heal_at = every(self, self.config.heal_every);
            self.try_one(true);
        }
        self.dial();
    }

    /// Tries to link with somebody who is no neighbour.
    fn try_one(&mut self, lost: bool) {
        let room = self.live_count() < self.config.degree + self.config.spare;
        if !self.left
            && room
            && let Some(peer) = self.pick(lost)
        {
            self.connect(peer);
        }
    }

    /// Links that are kept: one more than are wanted, or a link that one member ends for having too
    /// many would have another look for one, and so on without end.
    fn most_links(&self) -> usize {
        self.config.degree + self.config.spare / 2
    }

    /// Ends links until there are no more than may be: the least useful of those that did not begin
    /// just now, and not those chosen here while half of all are not.
    fn trim(&mut self) {
        self.crowded = None;
        while self.live_count() > self.most_links() {
            let (now, trim_after) = (self.now, self.config.trim_after);
            let keep_chosen = self.chosen() <= self.config.degree / 2;
            let worst = self
                .live_slots()
                .filter_map(|slot| Some((slot, self.link(slot)?)))
                .filter(|(_, link)| link.since + trim_after <= now)
                .map(|(slot, link)| {
                    let kept = keep_chosen && link.outbound;
                    let carries = self.carries(slot);
                    (
                        (carries > 0, kept, carries, link.score.worth()),
                        slot,
                        link.peer,
                    )
                })
                .min_by_key(|(value, _, _)| *value);
            let Some((_, slot, peer)) = worst else {
                self.crowded = Some(now);
                return;
            };
            self.end(slot);
            self.passive.well(peer, now, &mut self.rng);
            self.passive.refused(peer, now);
            let (reason, peers) = (Parting::Full, Vec::new());
            self.send(peer, Message::Leave { reason, peers });
            self.outputs.push_back(Output::Release(peer));
        }
    }

    /// How many trees that are in use go through a link.
    fn carries(&self, slot: usize) -> usize {
        let carries = |branch: &&Branch| {
            let child = branch.children & (1 << slot) != 0;
            (child || usize::from(branch.parent) == slot) && branch.age(self.now) < u16::MAX
        };
        self.branches.iter().filter(carries).count()
    }
}
