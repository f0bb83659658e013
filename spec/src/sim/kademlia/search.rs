//! Making measured searches, and judging them.

use dchat_kademlia::Key;
use dchat_kademlia::call::K;
use dchat_kademlia::node::{Outcome, Search};

use super::job::{Aim, Ended, Job, overlap};
use super::records::Filed;
use super::world::World;

/// Milliseconds that a join may take: of a hundred, five take longer at most.
const JOINING: u64 = 3_000;

impl World {
    /// Lets a node search for those nearest to `target`.
    pub fn find(&mut self, node: u32, target: Key) {
        let time = self.time();
        let Some(core) = self.nodes[node as usize].as_mut() else {
            return;
        };
        let search = core.find(target, time);
        self.begin(node, search, target, Aim::Find);
    }

    /// Lets a node look for the record of this number.
    pub fn get(&mut self, node: u32, record: u32) {
        let time = self.time();
        let (Some(core), Some(filed)) = (
            self.nodes[node as usize].as_mut(),
            self.filed.get(record as usize),
        ) else {
            return;
        };
        let key = filed.key;
        let search = core.get(key, filed.kind, time);
        self.begin(node, search, key, Aim::Get(record));
    }

    /// Lets a node store the record of this number.
    pub fn put(&mut self, node: u32, record: u32) {
        let time = self.time();
        let (Some(core), Some(filed)) = (
            self.nodes[node as usize].as_mut(),
            self.filed.get(record as usize),
        ) else {
            return;
        };
        let key = filed.key;
        let search = core.put(key, filed.record.clone(), time);
        self.begin(node, search, key, Aim::Put(record));
    }

    /// Adds a record to those that can be stored and looked for; says its number.
    pub fn file(&mut self, filed: Filed) -> u32 {
        self.filed.push(filed);
        u32::try_from(self.filed.len() - 1).unwrap_or(u32::MAX)
    }

    /// The records of the world.
    #[must_use]
    pub fn filed(&self) -> &[Filed] {
        &self.filed
    }

    /// How many honest nodes that run hold each record of the world.
    #[must_use]
    pub fn replicas(&self) -> Vec<u32> {
        let mut keys: Vec<(Key, usize)> = self
            .filed
            .iter()
            .enumerate()
            .map(|(number, filed)| (filed.key, number))
            .collect();
        keys.sort_unstable();
        let mut replicas = vec![0; self.filed.len()];
        let honest = |node: &&u32| !self.people[**node as usize].conduct.is_hostile();
        for node in self.live.iter().filter(honest) {
            let Some(core) = &self.nodes[*node as usize] else {
                continue;
            };
            for (key, record, _) in core.store().records() {
                if let Ok(place) = keys.binary_search_by_key(&key, |(key, _)| *key)
                    && self.filed[keys[place].1].record == *record
                {
                    replicas[keys[place].1] += 1;
                }
            }
        }
        replicas
    }

    fn begin(&mut self, node: u32, search: Search, target: Key, aim: Aim) {
        let job = self.jobs.insert(Job {
            node,
            search,
            target,
            aim,
            began: self.wheel.now(),
            calls: 0,
            chains: Vec::new(),
        });
        self.people[node as usize].jobs.push(job);
        self.settle(node);
    }

    /// A core has done what was asked; searches of its own concern nobody.
    pub(super) fn finish(&mut self, node: u32, search: Search, outcome: &Outcome<u32>) {
        let jobs = &mut self.people[node as usize].jobs;
        let of = |job: &u32| self.jobs.get(*job).is_some_and(|job| job.search == search);
        let Some(place) = jobs.iter().position(of) else {
            return;
        };
        let number = jobs.swap_remove(place);
        let Some(job) = self.jobs.remove(number) else {
            return;
        };
        let ended = self.judge(&job, outcome);
        let verdict =
            u32::from(ended.overlap) << 16 | u32::from(ended.value) << 8 | u32::from(ended.hops);
        self.journal
            .note(5, self.wheel.now(), [node, ended.calls], verdict);
        self.ended.push(ended);
    }

    fn judge(&self, job: &Job, outcome: &Outcome<u32>) -> Ended {
        let others = |node: u32| node != job.node && self.reachable(job.node, node);
        let truth = self.truth.nearest(&job.target, K, others);
        let found: Vec<u32> = outcome.nodes.iter().map(|contact| contact.handle).collect();
        // Nobody has to find who was still joining when it began, or came later.
        let was_there = |node: u32| {
            let since = self.people[node as usize].since;
            since == 0 || since + JOINING <= job.began
        };
        let first = self
            .truth
            .nearest(&job.target, 1, |node| others(node) && was_there(node));
        let found_first = found.iter().find(|node| was_there(**node));
        let hostile = |node: &&u32| self.people[**node as usize].conduct.is_hostile();
        let value = match job.aim {
            Aim::Find => false,
            Aim::Get(record) => {
                let wanted = &self.filed[record as usize].record;
                outcome.records.iter().any(|record| record == wanted)
            }
            Aim::Put(_) => outcome.stored > 0,
        };
        Ended {
            aim: job.aim,
            took_ms: u32::try_from(self.wheel.now() - job.began).unwrap_or(u32::MAX),
            calls: job.calls,
            hops: found.first().map_or(0, |nearest| job.hops(*nearest)),
            nearest: found_first == first.first(),
            overlap: overlap(&found, &truth),
            wanted: u8::try_from(truth.len()).unwrap_or(u8::MAX),
            hostile: u8::try_from(found.iter().filter(hostile).count()).unwrap_or(u8::MAX),
            value,
            stored: outcome.stored,
        }
    }
}
