//! Coming and going.

use std::sync::Arc;

use dchat_kademlia::node::{Input, Node};

use super::population::{NEVER, Person};
use super::world::{EPOCH, Event, World};
use crate::sim::Rng;

/// Contacts a node that stops has on file for its next start: those it knew for the longest time.
const REMEMBERED: usize = 16;

impl World {
    /// Starts a node that knows `seeds`: makes its core and lets it join. When nodes come and go,
    /// plans its end after `stay` milliseconds, or after a session drawn now.
    pub fn join(&mut self, node: u32, seeds: &[u32], stay: Option<u64>) {
        if self.people[node as usize].up {
            return;
        }
        self.boot(node);
        self.tally.joins += 1;
        let time = self.time();
        let contacts: Vec<_> = seeds
            .iter()
            .filter(|seed| **seed != node)
            .map(|seed| self.people[*seed as usize].contact(*seed))
            .collect();
        if let Some(core) = self.nodes[node as usize].as_mut() {
            core.handle_input(Input::Serving(true), time);
            for contact in contacts {
                core.handle_input(Input::Seed { contact }, time);
            }
        }
        self.settle(node);
        let hostile = self.people[node as usize].conduct.is_hostile();
        if let Some(sessions) = self.setting.churn
            && !hostile
        {
            let stay = stay.unwrap_or_else(|| sessions.length(&mut self.rng));
            self.wheel.push(self.wheel.now() + stay, Event::Leave(node));
            self.people[node as usize].leaves = self.wheel.now() + stay;
        }
    }

    /// Gives a node a fresh core, which knows nobody, and lets others find it.
    pub(super) fn boot(&mut self, node: u32) {
        self.count_time();
        let time = self.time();
        let person = &mut self.people[node as usize];
        person.up = true;
        person.session += 1;
        person.since = time.0 - EPOCH;
        person.wake = NEVER;
        person.leaves = NEVER;
        let label = u64::from(node) << 32 | u64::from(person.session);
        let seed = Rng::secret(self.setting.seed, "kademlia node", label);
        let (at, conduct) = (person.at, person.conduct);
        let config = Arc::clone(&self.setting.config);
        let core = Node::with_notary(config, at, seed, time, self.clerk.clone());
        self.nodes[node as usize] = Some(Box::new(core));
        self.enlist(node);
        if conduct.answers() {
            self.truth.insert(at, node);
        }
        if conduct.is_hostile() {
            self.fellows.insert(at, node);
        }
        self.journal.note(3, self.wheel.now(), [node, 0], 0);
    }

    /// Starts an attacker that has no core: it only answers, and knows what all attackers know.
    pub fn haunt(&mut self, node: u32) {
        self.boot(node);
        self.nodes[node as usize] = None;
    }

    /// Stops a node without a word, as a crash or a cut line does.
    pub fn leave(&mut self, node: u32) {
        if !self.people[node as usize].up {
            return;
        }
        self.count_time();
        let mut known = Vec::new();
        if let Some(core) = self.nodes[node as usize].take() {
            let mut oldest: Vec<_> = core.contacts().collect();
            oldest.sort_by_key(|entry| core::cmp::Reverse(entry.age()));
            let oldest = oldest.iter().take(REMEMBERED);
            known.extend(oldest.map(|entry| entry.contact().handle));
        }
        let person = &mut self.people[node as usize];
        person.up = false;
        person.session += 1;
        person.wake = NEVER;
        person.known = known;
        let at = person.at;
        for job in core::mem::take(&mut person.jobs) {
            self.jobs.remove(job);
            self.tally.abandoned += 1;
        }
        self.truth.remove(&at);
        self.fellows.remove(&at);
        self.pools.close(node);
        self.acquaintance[node as usize] = Vec::new();
        self.delist(node);
        self.journal.note(4, self.wheel.now(), [node, 0], 0);
    }

    pub(super) fn leave_if_due(&mut self, node: u32) {
        if self.people[node as usize].leaves != self.wheel.now() {
            return;
        }
        self.leave(node);
        if let Some(sessions) = self.setting.churn {
            let away = sessions.length(&mut self.rng);
            self.wheel.push(self.wheel.now() + away, Event::Join(node));
        }
    }

    /// Plans the start of a node.
    pub fn join_at(&mut self, at: u64, node: u32) {
        self.wheel.push(at, Event::Join(node));
    }

    /// A node starts: with the contacts it remembers and somebody who runs, as from a list of
    /// bootstrap nodes. Some come as somebody else, who knows that one only.
    pub(super) fn join_again(&mut self, node: u32) {
        if self.people[node as usize].up {
            return;
        }
        let (mut node, mut seeds) = (node, Vec::new());
        if self.people[node as usize].session > 0 && self.rng.chance(self.setting.renewed) {
            let somebody = Person::random(&mut self.rng);
            node = self.add(somebody);
        } else {
            seeds.append(&mut self.people[node as usize].known);
        }
        seeds.extend(self.random_honest());
        self.join(node, &seeds, None);
    }

    fn enlist(&mut self, node: u32) {
        self.live_place[node as usize] = u32::try_from(self.live.len()).unwrap_or(u32::MAX);
        self.live.push(node);
    }

    fn delist(&mut self, node: u32) {
        let place = self.live_place[node as usize] as usize;
        self.live.swap_remove(place);
        if let Some(moved) = self.live.get(place) {
            self.live_place[*moved as usize] = u32::try_from(place).unwrap_or(u32::MAX);
        }
        self.live_place[node as usize] = u32::MAX;
    }
}
