//! One member of one room: the whole of it as a state machine.
//!
//! State: the [frontier](crate::frontier), one [branch](crate::spread) a log, up to sixteen links,
//! a cache of other members, and what is wanted, parked or under way. Bodies are the driver's: what
//! comes is [delivered](Output::Deliver) once and has to be [loaded](Output::Load) when others ask
//! for it. Inputs: [`Node::handle_input`] and [`Node::handle_timeout`], each with the time; after
//! either the driver drains [`Node::poll_output`] and asks [`Node::poll_timeout`] when to come back.
//!
//! Invariants: a log's items are delivered in order, each once, though the room's newest may be
//! [shown](Output::Early) before; nothing is passed on before its
//! [`Verdict`](crate::log::Verdict); at most one request for an item is under way; whatever is dropped
//! for want of room is found again by comparing digests. Bounds: 120 bytes a log, of at most
//! [`MAX_LOGS`](crate::frontier::MAX_LOGS), and less than a mebibyte beside, whatever peers send; two
//! more for some seconds where a long history is compared by [ranges](crate::range).

mod announce;
mod compare;
mod io;
mod members;
mod newest;
mod pull;
mod ranges;
mod receive;
mod serve;

pub use io::{Draft, Input, Load, Output, Stat};

use std::collections::VecDeque;
use std::sync::Arc;

use dchat_wire::gossip::{Mark, Want};

use crate::config::{Config, SLOTS};
use crate::frontier::{Frontier, Full, Log, LogId, Tip};
use crate::log::{Judge, Parked, Position};
use crate::message::Message;
use crate::overlay::{Link, Passive};
use crate::rng::Rng;
use crate::round::{Rounds, Sessions};
use crate::score::Fault;
use crate::spread::{Branch, Recent, Wants};
use crate::time::Time;

/// A member of a room; see the [module](self). `H` names members: a number the driver gives each.
#[derive(Debug)]
pub struct Node<H> {
    config: Arc<Config>,
    me: H,
    now: Time,
    rng: Rng,
    frontier: Frontier,
    /// As many as logs ever had numbers.
    branches: Vec<Branch>,
    parked: Parked,
    recent: Recent,
    lamport: u64,
    /// The newest items, for the next of ours to name; at most four logs.
    heads: Vec<(Log, Position)>,
    links: Vec<Option<Link<H>>>,
    /// Slots of live links.
    live: u16,
    passive: Passive<H>,
    wants: Wants,
    rounds: Rounds,
    sessions: Sessions,
    newest: newest::Newest,
    ranges: ranges::Ranges<H>,
    announce_at: Option<Time>,
    /// The part of items that trees lost lately, in 65,536ths.
    lossy: u16,
    /// The part that came from elsewhere first, lost or late, in 65,536ths.
    astray: u16,
    shuffle_at: Time,
    /// Shuffles since a link was lost.
    hunger: u8,
    mix_at: Time,
    heal_at: Time,
    dial_at: Time,
    /// Since when there are more links than wanted.
    crowded: Option<Time>,
    hour_at: Time,
    horizon: u32,
    left: bool,
    /// Requests of this turn, sent together at its end: slot, whether to graft, what.
    asks: Vec<(usize, bool, Want)>,
    /// What parents are told of this turn: slot, what came from elsewhere.
    told: Vec<(usize, Mark)>,
    /// Changes of trees of this turn: slot, log, whether to graft.
    trees: Vec<(usize, u64, bool)>,
    outputs: VecDeque<Output<H>>,
    stat: Stat,
}

impl<H: Copy + Eq> Node<H> {
    /// The member `me`, which has no neighbours and holds nothing. `seed` is secret.
    #[must_use]
    pub fn new(config: Arc<Config>, me: H, seed: (u64, u64), now: Time) -> Self {
        let mut rng = Rng::new(seed);
        let soon = |rng: &mut Rng, most: core::time::Duration| {
            let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX / 2);
            now + core::time::Duration::from_millis(rng.between(most / 4, most))
        };
        let mut node = Self {
            rounds: Rounds::new(config.pacing, now, &mut rng),
            shuffle_at: soon(&mut rng, config.shuffle_every / 10),
            mix_at: soon(&mut rng, config.mix_every),
            heal_at: soon(&mut rng, config.heal_every),
            me,
            now,
            frontier: Frontier::new(),
            branches: Vec::new(),
            parked: Parked::default(),
            recent: Recent::default(),
            lamport: 0,
            heads: Vec::new(),
            links: Vec::new(),
            live: 0,
            passive: Passive::new(),
            wants: Wants::default(),
            sessions: Sessions::default(),
            newest: newest::Newest::default(),
            ranges: ranges::Ranges::default(),
            announce_at: None,
            lossy: 0,
            astray: 0,
            dial_at: now,
            hunger: 0,
            crowded: None,
            hour_at: now,
            horizon: 0,
            left: false,
            asks: Vec::new(),
            told: Vec::new(),
            trees: Vec::new(),
            outputs: VecDeque::new(),
            stat: Stat::default(),
            config,
            rng,
        };
        node.turn_hour();
        node
    }

    /// Takes up what was held before a restart. To be called before anything is received.
    ///
    /// # Errors
    /// [`Full`]: there is no room for so many logs; those before are taken up.
    pub fn restore(&mut self, tips: impl IntoIterator<Item = Tip>) -> Result<(), Full> {
        for tip in tips {
            let log = self.enter(tip.id)?;
            self.lamport = self.lamport.max(tip.lamport);
            self.frontier.update(log, |held| *held = tip);
        }
        self.is_alone();
        Ok(())
    }

    /// Takes an input. `judge` is asked of every item before it is kept or passed on.
    pub fn handle_input(&mut self, input: Input<H>, now: Time, judge: &mut impl Judge) {
        self.now = self.now.max(now);
        match input {
            Input::Received { from, message } => self.receive(from, message, judge),
            Input::Publish(item) => self.publish(item, judge),
            Input::Loaded { peer, items } => self.loaded(peer, items),
            Input::LoadedNewest { peer, items } => self.loaded_newest(peer, items),
            Input::LoadedRow(keys) => self.loaded_row(keys),
            Input::Congested { peer, congested } => self.congested(peer, congested),
            Input::Contradiction { one, other } => self.contradiction(one, other, judge),
            Input::LoadedProof { peer, one, other } => {
                if self.slot_of(peer).is_some() {
                    self.send(peer, Message::Proof(one, other));
                }
            }
            Input::Contacts(peers) => self.contacts(peers),
            Input::Up(peer) => self.up(peer),
            Input::Down(peer) => self.down(peer),
            Input::NoItem(peer) => {
                if let Some(slot) = self.slot_of(peer) {
                    self.stat.rejected += 1;
                    self.fault(slot, Fault::Invalid);
                }
            }
            Input::Leave => self.leave(),
        }
        self.end_of_turn();
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.now = self.now.max(now);
        if self.hour_at <= self.now {
            self.turn_hour();
        }
        if self.announce_at.is_some_and(|at| at <= self.now) {
            self.announce();
        }
        self.pull_due();
        self.compare_due();
        self.ranges_due();
        self.tend_links();
        self.end_of_turn();
    }

    /// When [`Node::handle_timeout`] is to be called; it may be called at any time.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        [
            self.hour_at,
            self.announce_at.unwrap_or(Time(u64::MAX)),
            self.wants.next(),
            self.rounds.next(),
            self.sessions.next(),
            self.ranges.next(),
            self.links_next(),
        ]
        .into_iter()
        .min()
        .unwrap_or(Time(u64::MAX))
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output<H>> {
        self.outputs.pop_front()
    }

    /// What the next item of `log`, an own one, has to be made of; the driver signs it and gives it
    /// to [`Input::Publish`].
    #[must_use]
    pub fn draft(&self, log: LogId, now: Time) -> Draft {
        let tip = self
            .frontier
            .find(&log)
            .and_then(|log| self.frontier.tip(log));
        let empty = Tip::empty(log);
        let tip = tip.unwrap_or(&empty);
        let heads = self
            .heads
            .iter()
            .filter(|(_, position)| position.log != log);
        let heads = heads.filter_map(|(other, _)| self.frontier.tip(*other));
        let sent_at = now.0.max(tip.sent_at);
        Draft {
            seq: tip.seq + 1,
            prev: tip.hash,
            sent_at,
            lamport: (self.lamport + 1).max(sent_at),
            heads: heads.map(|tip| (tip.id, tip.seq, tip.hash)).collect(),
        }
    }

    /// What is held.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// A digest of all that is held and within the window, equal for two members exactly when they
    /// hold the same.
    #[must_use]
    pub fn root(&mut self) -> [u8; 32] {
        self.frontier.root(self.horizon)
    }

    /// The neighbours.
    pub fn neighbours(&self) -> impl Iterator<Item = H> + '_ {
        let links = self.links.iter().flatten();
        links.filter(|link| link.is_live()).map(|link| link.peer)
    }

    /// How many of the neighbours this member chose itself.
    #[must_use]
    pub fn chosen(&self) -> usize {
        let links = self.links.iter().flatten();
        links.filter(|link| link.is_live() && link.outbound).count()
    }

    /// Who pushes the items of a log here, and to whom they are pushed on.
    #[must_use]
    pub fn branch(&self, log: &LogId) -> Option<(Option<H>, Vec<H>)> {
        let log = self.frontier.find(log)?;
        let branch = self.branches.get(log.index())?;
        let peer = |slot: usize| self.link(slot).map(|link| link.peer);
        let children = self.live_slots();
        let children = children.filter(|slot| branch.children & (1 << slot) != 0);
        Some((
            peer(branch.parent.into()),
            children.filter_map(peer).collect(),
        ))
    }

    /// What has been counted.
    #[must_use]
    pub fn stat(&self) -> Stat {
        Stat {
            logs: self.frontier.len(),
            wanted: self.wants.len(),
            parked: self.parked.len(),
            passive: self.passive.len(),
            ..self.stat
        }
    }

    fn receive(&mut self, from: H, message: Message<H>, judge: &mut impl Judge) {
        if let Message::Open {
            nonce,
            answer,
            alone,
        } = message
        {
            return self.opened(from, nonce, answer, alone);
        }
        let now = self.now;
        let Some(slot) = self.slot_of(from) else {
            return self.stranger(from, &message);
        };
        if let Some(link) = self.link_mut(slot) {
            link.heard = now;
        }
        if let Message::Leave { reason, peers } = message {
            return self.parted(slot, reason, peers);
        }
        if !self.link(slot).is_some_and(Link::is_live) {
            // It thinks so already: our question came, and its answer did not.
            return self.open_again(slot);
        }
        if !matches!(message, Message::Push { .. }) && !self.may_send(slot) {
            return;
        }
        match message {
            Message::Push { hops, item } => self.pushed(slot, hops, item, judge),
            Message::Announce(marks) => self.announced(slot, &marks),
            Message::Pull { graft, wants } => self.pulled(slot, graft, &wants),
            Message::Tree { graft, prune } => self.regrown(slot, &graft, &prune),
            Message::Digest(digest) => self.compared(slot, digest),
            Message::Sketch {
                salt,
                of,
                horizon,
                first,
                cells,
            } => self.sketched(slot, (salt, of, horizon), first, &cells),
            Message::More {
                salt,
                have,
                want,
                unknown,
            } => self.asked_for_more(slot, salt, (have, want), &unknown),
            Message::Proof(one, other) => self.proven(slot, one, other, judge),
            Message::Fetch { from, to, most } => self.fetched(slot, (from, to), most),
            Message::Range {
                salt,
                spans,
                newest,
            } => self.ranged(slot, (salt, spans), newest),
            Message::Join { peer, hops } => self.joined(slot, peer, hops),
            Message::Shuffle { answer, peers } => self.shuffled(slot, answer, peers),
            // Nobody was asked.
            Message::Spans { .. } | Message::Open { .. } | Message::Leave { .. } => {}
        }
    }

    /// Counts a frame that brings nothing; false when there are too many of them.
    fn may_send(&mut self, slot: usize) -> bool {
        let now = self.now;
        let may = self
            .link_mut(slot)
            .is_some_and(|link| link.frames.take(1, now));
        if !may {
            self.fault(slot, Fault::Flood);
        }
        may
    }

    /// Sends what this turn has collected.
    fn end_of_turn(&mut self) {
        self.send_asks();
        self.send_trees();
        self.send_told();
    }

    fn send(&mut self, to: H, message: Message<H>) {
        self.outputs.push_back(Output::Send { to, message });
    }

    fn send_slot(&mut self, slot: usize, message: Message<H>) {
        if let Some(peer) = self.link(slot).map(|link| link.peer) {
            self.send(peer, message);
        }
    }

    fn link(&self, slot: usize) -> Option<&Link<H>> {
        self.links.get(slot).and_then(Option::as_ref)
    }

    fn link_mut(&mut self, slot: usize) -> Option<&mut Link<H>> {
        self.links.get_mut(slot).and_then(Option::as_mut)
    }

    fn slot_of(&self, peer: H) -> Option<usize> {
        let of_peer = |link: &Option<Link<H>>| link.as_ref().is_some_and(|link| link.peer == peer);
        self.links.iter().position(of_peer)
    }

    /// Slots of live links.
    fn live_slots(&self) -> impl Iterator<Item = usize> + use<H> {
        let live = self.live;
        (0..SLOTS).filter(move |slot| live & (1 << slot) != 0)
    }

    /// Notes how an item fared on its tree.
    fn fared(&mut self, lost: bool) {
        self.lossy = averaged(self.lossy, lost);
    }

    /// Notes whether an item came from elsewhere than its tree.
    fn strayed(&mut self, elsewhere: bool) {
        self.astray = averaged(self.astray, elsewhere);
    }

    /// What seemed lost came after all: its tree is slow, not lossy.
    fn was_late(&mut self) {
        self.lossy = self.lossy.saturating_sub(u16::MAX / 32);
    }

    /// Whether trees lose so much that announcements should not wait: a twentieth, which a single
    /// loss is not.
    fn is_hasty(&self) -> bool {
        self.lossy > u16::MAX / 20
    }

    /// Whether a twentieth comes late, but comes.
    fn is_late(&self) -> bool {
        self.astray > u16::MAX / 20 && !self.is_hasty()
    }

    fn enter(&mut self, id: LogId) -> Result<Log, Full> {
        let log = self.frontier.enter(id)?;
        if self.branches.len() <= log.index() {
            self.branches.resize(log.index() + 1, Branch::default());
        }
        Ok(log)
    }

    fn branch_mut(&mut self, log: Log) -> Option<&mut Branch> {
        self.branches.get_mut(log.index())
    }

    /// Moves the horizon, and forgets logs that have been beyond it for two hours: no clock within
    /// what is tolerated still counts them.
    fn turn_hour(&mut self) {
        let window = u64::try_from(self.config.window.0.as_millis()).unwrap_or(u64::MAX);
        self.horizon = crate::log::hour(self.now.0.saturating_sub(window));
        let next = (u64::from(self.horizon) + 1).saturating_mul(3_600_000);
        self.hour_at = Time(next.saturating_add(window));
        let mut gone = Vec::new();
        self.frontier
            .forget(self.horizon.saturating_sub(2), |log| gone.push(log));
        for log in gone {
            self.forget_log(log);
        }
    }

    fn forget_log(&mut self, log: Log) {
        if let Some(branch) = self.branch_mut(log) {
            *branch = Branch::default();
        }
        self.parked.drop_log(log, None);
        self.heads.retain(|(head, _)| *head != log);
        for link in self.links.iter_mut().flatten() {
            link.serving.drop_log(log);
            link.pending.retain(|pending| *pending != log);
        }
    }

    /// Holds `fault` against the neighbour in `slot`, and ends the link when it is one too many.
    fn fault(&mut self, slot: usize, fault: Fault) {
        let now = self.now;
        self.stat.faults += 1;
        let evict = self
            .link_mut(slot)
            .is_some_and(|link| link.score.fault(fault, now));
        if evict {
            self.shun(slot);
        }
    }
}

/// A moving average of yes and no over some thirty answers, in 65,536ths.
fn averaged(part: u16, yes: bool) -> u16 {
    if yes {
        part + (u16::MAX - part) / 32
    } else {
        part - part.div_ceil(32)
    }
}
