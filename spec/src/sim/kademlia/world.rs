//! The world: nodes, what is under way between them, and time.

use std::collections::BTreeMap;
use std::sync::Arc;

use dchat_kademlia::node::Node;
use dchat_kademlia::{Config, Key, Time};
use dchat_wire::record::SignedRecord;

use super::churn::Sessions;
use super::clerk::Clerk;
use super::exchange::Exchange;
use super::job::{Ended, Job};
use super::journal::Journal;
use super::link::Links;
use super::pool::Pools;
use super::population::Person;
use super::records::Filed;
use super::slab::Slab;
use super::tally::Tally;
use super::truth::Truth;
use super::wheel::Wheel;
use crate::sim::Rng;

/// When worlds begin: 2026-01-01, in milliseconds since 1970.
pub const EPOCH: u64 = 1_767_225_600_000;

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Of everything random.
    pub seed: u64,
    /// Part of the packets that are lost.
    pub loss: f64,
    /// What every core is made with.
    pub config: Arc<Config>,
    /// How long nodes stay, when they come and go.
    pub churn: Option<Sessions>,
    /// Part of those that do not come back, but somebody else instead.
    pub renewed: f64,
    /// Whether nodes were connected to everybody in their tables before the world began.
    pub acquainted: bool,
}

impl Setting {
    /// The links and cores that targets are stated for, without churn.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            loss: super::link::LOSS,
            config: Arc::new(Config::default()),
            churn: None,
            renewed: 0.25,
            acquainted: false,
        }
    }
}

/// An event: 8 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// The core of this node has something to do.
    Wake(u32),
    /// The question of this exchange arrives.
    Arrive(u32),
    /// Its answer arrives.
    Return(u32),
    /// It is known to have failed.
    Fail(u32),
    /// This node stops, if it is still the same run of it.
    Leave(u32),
    /// This node starts.
    Join(u32),
}

/// A world.
///
/// Between two calls it stands still at [`now`](Self::now): whatever was due is done.
#[derive(Debug)]
pub struct World {
    pub(super) setting: Setting,
    pub(super) wheel: Wheel<Event>,
    /// Everybody, running or not.
    pub(super) people: Vec<Person>,
    /// The cores of those who run.
    pub(super) nodes: Vec<Option<Box<Node<u32, Clerk>>>>,
    /// Who runs, and would be found.
    pub(super) truth: Truth,
    /// The attackers that work together.
    pub(super) fellows: Truth,
    pub(super) live: Vec<u32>,
    pub(super) live_place: Vec<u32>,
    pub(super) links: Links,
    pub(super) rng: Rng,
    pub(super) pools: Pools,
    pub(super) acquaintance: Vec<Vec<u32>>,
    pub(super) clerk: Clerk,
    pub(super) exchanges: Slab<Exchange>,
    pub(super) jobs: Slab<Job>,
    pub(super) ended: Vec<Ended>,
    pub(super) filed: Vec<Filed>,
    /// What stale and forging nodes answer, by key.
    pub(super) hoard: BTreeMap<Key, Arc<SignedRecord>>,
    /// Whether the sides of a partition are apart.
    pub(super) parted: bool,
    pub(super) journal: Journal,
    pub(super) tally: Tally,
    pub(super) tallied: u64,
}

impl World {
    /// A world of nobody.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        let seed = setting.seed;
        Self {
            links: Links::new(seed, setting.loss),
            rng: Rng::new(seed, "kademlia world", 0),
            setting,
            wheel: Wheel::new(0),
            people: Vec::new(),
            nodes: Vec::new(),
            truth: Truth::default(),
            fellows: Truth::default(),
            live: Vec::new(),
            live_place: Vec::new(),
            pools: Pools::default(),
            acquaintance: Vec::new(),
            clerk: Clerk::default(),
            exchanges: Slab::default(),
            jobs: Slab::default(),
            ended: Vec::new(),
            filed: Vec::new(),
            hoard: BTreeMap::new(),
            parted: false,
            journal: Journal::new(),
            tally: Tally::default(),
            tallied: 0,
        }
    }

    /// Adds somebody who does not run yet, and says its number.
    pub fn add(&mut self, person: Person) -> u32 {
        let node = u32::try_from(self.people.len()).unwrap_or(u32::MAX);
        self.people.push(person);
        self.nodes.push(None);
        self.live_place.push(u32::MAX);
        self.pools.grow();
        self.acquaintance.push(Vec::new());
        node
    }

    /// Lets time pass until `end`, in milliseconds since the beginning.
    pub fn run(&mut self, end: u64) {
        while let Some(event) = self.wheel.pop(end) {
            match event {
                Event::Wake(node) => self.wake(node),
                Event::Arrive(exchange) => self.arrive(exchange),
                Event::Return(exchange) => self.returned(exchange),
                Event::Fail(exchange) => self.failed(exchange),
                Event::Leave(node) => self.leave_if_due(node),
                Event::Join(node) => self.join_again(node),
            }
        }
    }

    fn wake(&mut self, node: u32) {
        let now = self.now();
        let Some(person) = self.people.get_mut(node as usize) else {
            return;
        };
        if person.wake != now {
            return;
        }
        person.wake = super::population::NEVER;
        let time = self.time();
        let Some(core) = self.nodes[node as usize].as_mut() else {
            return;
        };
        if core.poll_timeout().is_some_and(|due| due <= time) {
            self.journal.note(0, now, [node, 0], 0);
            core.handle_timeout(time);
        }
        self.settle(node);
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.wheel.now()
    }

    /// The time as cores see it.
    #[must_use]
    pub fn time(&self) -> Time {
        Time(EPOCH + self.now())
    }

    /// Everybody.
    #[must_use]
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// The core of a node that runs.
    #[must_use]
    pub fn node(&self, node: u32) -> Option<&Node<u32, Clerk>> {
        self.nodes.get(node as usize)?.as_deref()
    }

    /// Who runs, in no order that means anything.
    #[must_use]
    pub fn live(&self) -> &[u32] {
        &self.live
    }

    /// The positions of those who run and answer.
    #[must_use]
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// One of the honest nodes that run; `None` in a world without.
    pub fn random_honest(&mut self) -> Option<u32> {
        // Attackers are a minority, so a few draws find an honest node.
        for _ in 0..1000 {
            let node = *self.rng.pick(&self.live)?;
            if !self.people[node as usize].conduct.is_hostile() {
                return Some(node);
            }
        }
        None
    }

    /// A random number below `bound`.
    pub fn draw(&mut self, bound: u64) -> u64 {
        self.rng.below(bound)
    }

    /// Lets dishonest nodes have `record` to answer with under `key`.
    pub fn hoard(&mut self, key: Key, record: Arc<SignedRecord>) {
        self.hoard.insert(key, record);
    }

    /// A random position.
    pub fn random_key(&mut self) -> Key {
        super::population::random_key(&mut self.rng)
    }

    /// Counts from the last [`reset`](Self::reset) on.
    pub fn tally(&mut self) -> Tally {
        self.count_time();
        self.tally
    }

    /// Starts counting anew.
    pub fn reset(&mut self) {
        self.count_time();
        self.tally = Tally::default();
        self.ended.clear();
    }

    /// Adds the time since the last call to the time that nodes were up. To be called before the
    /// number of them changes.
    pub(super) fn count_time(&mut self) {
        let now = self.now();
        self.tally.node_ms += self.live.len() as u64 * (now - self.tallied);
        self.tallied = now;
    }

    /// What came of the measured searches since the last [`reset`](Self::reset).
    #[must_use]
    pub fn ended(&self) -> &[Ended] {
        &self.ended
    }

    /// Measured searches under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.jobs.len()
    }

    /// Everything that happened.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Cuts all ways between people of different sides, or joins them again.
    pub fn part(&mut self, parted: bool) {
        self.parted = parted;
    }

    /// Changes what somebody does, or where it is, before it starts.
    pub fn person_mut(&mut self, node: u32) -> Option<&mut Person> {
        self.people.get_mut(node as usize)
    }
}
