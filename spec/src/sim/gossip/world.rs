//! The members, what is under way between them, and time.

use std::sync::Arc;

use dchat_gossip::frontier::Tip;
use dchat_gossip::log::Item;
use dchat_gossip::node::{Load, Output};
use dchat_gossip::{Config, Input, Message, Node, Time};

use super::conduct::Conduct;
use super::library::{self, EVERYWHERE, Library, Signatures, author_of};
use super::links::{Links, Manner};
use super::tally::Tally;
use crate::sim::Rng;
use crate::sim::kademlia::{Journal, Slab, Wheel};

/// When a world begins: 2026-11-21 00:00 UTC, in milliseconds since 1970.
pub const START: u64 = 1_795_219_200_000;
/// Members somebody who comes is told of, which can be reached: what rendezvous in the DHT gives.
const CONTACTS: usize = 3;
/// How often who has no neighbour looks there again.
const LOOK_AGAIN: u64 = 30_000;
/// Until a connection that cannot be made is given up.
const DIAL_TIMEOUT: u64 = 3_000;
/// Until neighbours notice that a member went without a word: this, and at most two thirds more.
const SILENCE: u64 = 3_000;

/// What a world is made of.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Members at the beginning, attackers included.
    pub members: u32,
    /// Of everything random.
    pub seed: u64,
    /// Part of the frames that is lost.
    pub loss: f64,
    /// What becomes of a lost frame.
    pub manner: Manner,
    /// Part of the members that is hostile.
    pub hostile: f64,
    /// Every member's.
    pub config: Config,
}

impl Setting {
    /// So many members and nothing in their way.
    #[must_use]
    pub fn calm(members: u32, seed: u64) -> Self {
        Self {
            members,
            seed,
            loss: 0.0,
            manner: Manner::Datagrams,
            hostile: 0.0,
            config: Config::default(),
        }
    }
}

/// A member, apart from its core.
#[derive(Clone, Debug)]
pub struct Member {
    /// What it does.
    pub conduct: Conduct,
    /// Whether it is online.
    pub up: bool,
    /// How often it came: what was sent to an earlier run of it is lost.
    pub run: u32,
    /// Since when it has been online.
    pub since: u64,
    /// The side of a split it is on.
    pub side: u8,
    /// Honest items it holds.
    pub held: u32,
    /// When it last held all there were.
    pub whole: u64,
    wake: u64,
    /// Author and newest item delivered, sorted.
    tips: Vec<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Arrive { from: u32, to: u32, frame: u32 },
    Wake(u32),
    Up { node: u32, peer: u32 },
    Down { node: u32, peer: u32, run: u32 },
    Look { node: u32, run: u32 },
    Room { node: u32, peer: u32 },
    Leave,
    Return(u32),
    Mischief(u32),
}

struct Frame {
    message: Message<u32>,
    /// Of the sender and of the receiver when it was sent.
    runs: (u32, u32),
}

/// See the [module](self).
pub struct World {
    pub(super) setting: Setting,
    pub(super) config: Arc<Config>,
    pub(super) nodes: Vec<Node<u32>>,
    pub(super) members: Vec<Member>,
    pub(super) links: Links,
    pub(super) library: Library,
    pub(super) tally: Tally,
    pub(super) rng: Rng,
    /// Of attackers.
    pub(super) whim: Rng,
    pub(super) queue: Wheel<Event>,
    pub(super) churn: super::churn::Churn,
    pub(super) split: bool,
    pub(super) watch: Option<super::catch_up::Watch>,
    frames: Slab<Frame>,
    journal: Journal,
    now: u64,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World({} members at {})", self.members.len(), self.now)
    }
}

impl World {
    /// A world whose members all come at once, each knowing three of those before.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        let mut world = Self {
            setting,
            config: Arc::new(setting.config),
            nodes: Vec::new(),
            members: Vec::new(),
            links: Links::new(setting.seed, setting.loss, setting.manner),
            library: Library::default(),
            tally: Tally::default(),
            rng: Rng::new(setting.seed, "gossip world", 0),
            whim: Rng::new(setting.seed, "gossip attackers", 0),
            queue: Wheel::new(START),
            churn: super::churn::Churn::default(),
            split: false,
            watch: None,
            frames: Slab::default(),
            journal: Journal::new(),
            now: START,
        };
        let hostile = (setting.hostile * f64::from(setting.members)).round() as u32;
        let mut left = (setting.members, hostile);
        for _ in 0..setting.members {
            let turn = Conduct::HOSTILE[left.1 as usize % Conduct::HOSTILE.len()];
            let is_hostile = world.whim.below(left.0.into()) < u64::from(left.1);
            left = (left.0 - 1, left.1 - u32::from(is_hostile));
            world.add(if is_hostile { turn } else { Conduct::Honest });
        }
        world
    }

    /// A new member comes.
    pub fn add(&mut self, conduct: Conduct) -> u32 {
        let node = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(self.core(node, 0));
        let side = if self.split { node as u8 % 2 } else { 0 };
        self.members.push(Member {
            conduct,
            up: true,
            run: 0,
            since: self.now,
            side,
            held: 0,
            whole: self.now,
            wake: u64::MAX,
            tips: Vec::new(),
        });
        self.look(node);
        if conduct == Conduct::Flooding || conduct == Conduct::Equivocating {
            self.after(1000, Event::Mischief(node));
        }
        node
    }

    fn core(&self, node: u32, run: u32) -> Node<u32> {
        let secret = Rng::new(
            self.setting.seed,
            "gossip core",
            u64::from(run) << 32 | u64::from(node),
        );
        let mut secret = secret;
        let seed = (secret.next_u64(), secret.next_u64());
        Node::new(Arc::clone(&self.config), node, seed, Time(self.now))
    }

    /// Tells a member of some others.
    fn look(&mut self, node: u32) {
        let run = self.members[node as usize].run;
        let among = if self.now == START {
            u64::from(node)
        } else {
            self.members.len() as u64
        };
        let mut contacts = Vec::new();
        for _ in 0..CONTACTS * 8 {
            let peer = self.rng.below(among) as u32;
            if peer != node && self.reaches(node, peer) && contacts.len() < CONTACTS {
                contacts.push(peer);
            }
        }
        self.input(node, Input::Contacts(contacts));
        self.after(LOOK_AGAIN, Event::Look { node, run });
    }

    /// A member goes, without a word or with one.
    pub fn leave(&mut self, node: u32, word: bool) {
        if word {
            self.input(node, Input::Leave);
        }
        let neighbours: Vec<u32> = self.nodes[node as usize].neighbours().collect();
        let member = &mut self.members[node as usize];
        member.up = false;
        let run = member.run;
        for peer in neighbours {
            self.lose(peer, node, run);
        }
    }

    fn lose(&mut self, node: u32, peer: u32, run: u32) {
        let after = SILENCE + self.rng.below(SILENCE * 2 / 3);
        self.after(after, Event::Down { node, peer, run });
    }

    /// A member comes back with what it had stored.
    pub fn come_back(&mut self, node: u32) {
        let run = self.members[node as usize].run + 1;
        let tips: Vec<_> = self.nodes[node as usize]
            .frontier()
            .iter()
            .map(|(_, tip)| *tip)
            .collect();
        let mut core = self.core(node, run);
        // What was in a room fits into one.
        let _fits = core.restore(tips);
        self.nodes[node as usize] = core;
        let now = self.now;
        let member = &mut self.members[node as usize];
        (member.up, member.run, member.since, member.wake) = (true, run, now, u64::MAX);
        self.look(node);
    }

    /// Gives a member that has heard nothing yet what is on record of each author up to some item.
    pub fn stock(&mut self, node: u32, upto: impl Fn(u32, u32) -> u32) {
        let authors: Vec<(u32, u32)> = self.library.authors().collect();
        let mut tips = Vec::new();
        for (author, count) in authors {
            let seq = upto(author, count).min(count);
            let log = library::log_of(author);
            let newest = self.library.load(log, seq.saturating_sub(1), seq, 1).pop();
            let Some(newest) = newest else {
                continue;
            };
            tips.push(Tip {
                id: log,
                hash: *newest.hash(),
                seq,
                hour: newest.hour(),
                closed: false,
                lamport: newest.signed().header.lamport,
                sent_at: newest.sent_at(),
            });
            let member = &mut self.members[node as usize];
            member.held += seq;
            member.tips.push((author, seq));
        }
        // What was in a room fits into one.
        let _fits = self.nodes[node as usize].restore(tips);
    }

    /// Splits the room in two: members of one half reach nobody in the other.
    pub fn split(&mut self) {
        self.split = true;
        for (number, member) in self.members.iter_mut().enumerate() {
            member.side = number as u8 % 2;
        }
        for node in 0..self.nodes.len() as u32 {
            let neighbours: Vec<u32> = self.nodes[node as usize].neighbours().collect();
            for peer in neighbours {
                if !self.reaches(node, peer) {
                    let run = self.members[peer as usize].run;
                    self.lose(node, peer, run);
                }
            }
        }
    }

    /// Makes it one again.
    pub fn heal(&mut self) {
        self.split = false;
        for member in &mut self.members {
            member.side = 0;
        }
    }

    fn reaches(&self, from: u32, to: u32) -> bool {
        let (from, to) = (&self.members[from as usize], &self.members[to as usize]);
        from.up && to.up && from.side == to.side
    }

    /// A member writes a message; false when it is not online.
    pub fn write(&mut self, author: u32) -> bool {
        if !self.members[author as usize].up {
            return false;
        }
        let mut text = vec![b'x'; library::TEXT];
        self.rng.fill(&mut text[..8]);
        let draft = self.nodes[author as usize].draft(library::log_of(author), Time(self.now));
        let Some(item) = library::compose(author, &draft, text) else {
            return false;
        };
        let side = self.members[author as usize].side;
        let side = if self.split { side } else { EVERYWHERE };
        self.library.write(Arc::clone(&item), self.now, side);
        self.input(author, Input::Publish(item));
        true
    }

    /// Gives a member a message as if `from` had sent it, whatever lies between them.
    pub fn inject(&mut self, from: u32, to: u32, message: Message<u32>) {
        self.input(to, Input::Received { from, message });
    }

    /// Gives a member's core an input.
    pub fn input(&mut self, node: u32, input: Input<u32>) {
        let now = Time(self.now);
        self.nodes[node as usize].handle_input(input, now, &mut Signatures);
        self.drain(node);
    }

    fn drain(&mut self, node: u32) {
        while let Some(output) = self.nodes[node as usize].poll_output() {
            self.output(node, output);
        }
        let next = self.nodes[node as usize].poll_timeout().0;
        let member = &mut self.members[node as usize];
        if next < member.wake {
            member.wake = next;
            self.queue.push(next, Event::Wake(node));
        }
    }

    fn output(&mut self, node: u32, output: Output<u32>) {
        match output {
            Output::Send { to, message } => {
                let conduct = self.members[node as usize].conduct;
                if let Some(message) = conduct.distort(message, &mut self.whim) {
                    self.transmit(node, to, message);
                }
            }
            Output::Deliver { item, .. } => self.deliver(node, &item),
            Output::Early { item, .. } => {
                if let Some(watch) = self.watch.as_mut() {
                    watch.saw(node, &item, self.now);
                }
            }
            Output::Connect(peer) => self.connect(node, peer),
            Output::Release(_) => {}
            Output::Load(Load::Items {
                peer,
                log,
                after,
                upto,
                most_bytes,
            }) => {
                let items = self.library.load(log, after, upto, most_bytes);
                self.feed(node, Input::Loaded { peer, items });
            }
            Output::Load(Load::Newest { peer, most, .. }) => {
                let held = self.nodes[node as usize].frontier();
                let items = self.library.newest(held, most);
                self.feed(node, Input::LoadedNewest { peer, items });
            }
            // Members ask each other for no ranges.
            Output::Load(Load::Row { .. }) => self.feed(node, Input::LoadedRow(None)),
            Output::Load(Load::Proof { peer, log }) => {
                let proof = self.library.proof(log).map(|proof| {
                    let (one, other) = proof.items();
                    (Arc::clone(one), Arc::clone(other))
                });
                if let Some((one, other)) = proof {
                    self.feed(node, Input::LoadedProof { peer, one, other });
                }
            }
            Output::Clash { seq, item, .. } => {
                if let Some(one) = self.library.against(seq, &item) {
                    self.feed(node, Input::Contradiction { one, other: item });
                }
            }
            Output::Evidence(proof) => {
                self.library.prove(&proof);
                self.journal
                    .note(3, self.now, [node, 0], proof.log().prefix() as u32);
            }
            Output::Shunned(peer) => self.tally.shunned.push((node, peer)),
        }
    }

    /// An answer of the member's own database; what follows from it is drained by who asked.
    fn feed(&mut self, node: u32, input: Input<u32>) {
        let now = Time(self.now);
        self.nodes[node as usize].handle_input(input, now, &mut Signatures);
    }

    fn deliver(&mut self, node: u32, item: &Arc<Item>) {
        let author = author_of(item);
        if let Some(watch) = self.watch.as_mut() {
            watch.saw(node, item, self.now);
        }
        let member = &mut self.members[node as usize];
        let newest = match member.tips.binary_search_by_key(&author, |tip| tip.0) {
            Ok(at) => &mut member.tips[at].1,
            Err(at) => {
                member.tips.insert(at, (author, 0));
                &mut member.tips[at].1
            }
        };
        self.tally.disorder += u64::from(item.seq() != *newest + 1);
        *newest = item.seq();
        if member.conduct.is_hostile() {
            return;
        }
        self.journal.note(2, self.now, [node, author], item.seq());
        self.tally.delivered += u64::from(node != author);
        let Some(written) = self.library.written(item) else {
            return;
        };
        member.held += 1;
        if member.held == self.library.count() {
            member.whole = self.now;
        }
        if node == author {
            return;
        }
        self.tally.ideal += item.encoded_len() as u64;
        let there = written.side == EVERYWHERE || self.split && written.side == member.side;
        if there && member.since <= written.at {
            self.tally.latency.add(self.now - written.at);
        }
    }

    fn connect(&mut self, node: u32, peer: u32) {
        if peer as usize >= self.members.len() {
            return self.after(DIAL_TIMEOUT, Event::Down { node, peer, run: 0 });
        }
        if self.reaches(node, peer) {
            // QUIC's handshake, and the flight after it.
            let after = 3 * self.links.delay(node, peer);
            self.after(after, Event::Up { node, peer });
        } else {
            let run = self.members[peer as usize].run;
            self.after(DIAL_TIMEOUT, Event::Down { node, peer, run });
        }
    }

    /// Sends a frame on its way.
    pub(super) fn transmit(&mut self, from: u32, to: u32, message: Message<u32>) {
        if !self.members[from as usize].conduct.is_hostile() {
            self.tally.sent(&message, message.frame_len() as u64);
            if let Message::Push { item, .. } = &message
                && item.signed().signature == [0; 64]
            {
                self.tally.forged += 1;
            }
        }
        let Some(receiver) = self.members.get(to as usize) else {
            return;
        };
        let runs = (self.members[from as usize].run, receiver.run);
        if let Some(at) = self.links.carry(self.now, from, to) {
            let bytes = message.frame_len() as u64;
            let (at, full) = self.links.queue((self.now, at), (from, to), bytes);
            if full {
                let (peer, congested) = (to, true);
                self.feed(from, Input::Congested { peer, congested });
            }
            let frame = self.frames.insert(Frame { message, runs });
            self.queue.push(at, Event::Arrive { from, to, frame });
        }
    }

    pub(super) fn after(&mut self, ms: u64, event: Event) {
        self.queue.push(self.now + ms, event);
    }

    /// Lets so many milliseconds pass.
    pub fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(event) = self.queue.pop(end) {
            self.now = self.queue.now();
            self.happen(event);
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { from, to, frame } => self.arrive(from, to, frame),
            Event::Wake(node) => {
                let member = &mut self.members[node as usize];
                if member.up && member.wake <= self.now {
                    member.wake = u64::MAX;
                    self.nodes[node as usize].handle_timeout(Time(self.now));
                    self.drain(node);
                }
            }
            Event::Up { node, peer } => {
                if self.reaches(node, peer) {
                    if let Some(watch) = self.watch.as_mut() {
                        watch.linked(node, peer, self.now);
                    }
                    self.input(node, Input::Up(peer));
                } else if self.members[node as usize].up {
                    self.input(node, Input::Down(peer));
                }
            }
            Event::Down { node, peer, run } => {
                // Of a connection that has been replaced nobody hears.
                let other = self.members.get(peer as usize);
                let newer = other.is_some_and(|other| other.up && other.run != run);
                if self.members[node as usize].up && !newer {
                    self.input(node, Input::Down(peer));
                }
            }
            Event::Look { node, run } => {
                let member = &self.members[node as usize];
                if member.up && member.run == run {
                    if self.nodes[node as usize].neighbours().next().is_none() {
                        self.look(node);
                    } else {
                        self.after(LOOK_AGAIN, Event::Look { node, run });
                    }
                }
            }
            Event::Room { node, peer } => {
                if self.members[node as usize].up {
                    let congested = false;
                    self.input(node, Input::Congested { peer, congested });
                }
            }
            Event::Leave => self.somebody_leaves(),
            Event::Return(node) => self.somebody_returns(node),
            Event::Mischief(node) => self.mischief(node),
        }
    }

    fn arrive(&mut self, from: u32, to: u32, frame: u32) {
        let Some(Frame { message, runs }) = self.frames.remove(frame) else {
            return;
        };
        let same =
            self.members[from as usize].run == runs.0 && self.members[to as usize].run == runs.1;
        let (sender, receiver) = (&self.members[from as usize], &self.members[to as usize]);
        let has_room = self.links.came((from, to), message.frame_len() as u64);
        if has_room {
            let (node, peer) = (from, to);
            self.queue.push(self.now, Event::Room { node, peer });
        }
        // A sender's last words still arrive.
        if same && receiver.up && sender.side == receiver.side {
            self.journal
                .note(1, self.now, [from, to], message.frame_len() as u32);
            let before = self.nodes[to as usize].stat().duplicates;
            let counts = !receiver.conduct.is_hostile();
            self.input(to, Input::Received { from, message });
            if counts {
                self.tally.duplicates += self.nodes[to as usize].stat().duplicates - before;
            }
        }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The cores, by their numbers.
    #[must_use]
    pub fn nodes(&self) -> &[Node<u32>] {
        &self.nodes
    }

    /// The members, by their numbers.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What was written.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// What was written, to add to it.
    pub fn library_mut(&mut self) -> &mut Library {
        &mut self.library
    }

    /// What was counted.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Counts anew.
    pub fn reset(&mut self) {
        self.tally = Tally::default();
    }

    /// Honest members that are online.
    pub fn honest(&self) -> impl Iterator<Item = u32> + '_ {
        let of = |(_, member): &(usize, &Member)| member.up && !member.conduct.is_hostile();
        let members = self.members.iter().enumerate();
        members.filter(of).map(|(number, _)| number as u32)
    }

    /// Whether every honest member that is online holds every honest message.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let all = self.library.count();
        self.honest()
            .all(|node| self.members[node as usize].held == all)
    }

    /// Runs until that is so, at most so many milliseconds; how many it took.
    pub fn until_whole(&mut self, most: u64) -> Option<u64> {
        let began = self.now;
        loop {
            if self.is_whole() {
                return Some(self.now - began);
            }
            if self.now - began >= most {
                return None;
            }
            self.run(50);
        }
    }

    /// How many different histories honest members hold that are online.
    pub fn histories(&mut self) -> usize {
        let honest: Vec<u32> = self.honest().collect();
        let mut roots: Vec<[u8; 32]> = honest
            .into_iter()
            .map(|node| self.nodes[node as usize].root())
            .collect();
        roots.sort_unstable();
        roots.dedup();
        roots.len()
    }

    /// The hash of all events so far.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.journal.digest()
    }
}
