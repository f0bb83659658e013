//! Members that come and go, and attackers that do more than distort.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dchat_gossip::{Input, Time};

use super::conduct::{Conduct, nonsense};
use super::library;
use super::world::{Event, World};

/// How long who comes back has been away, on average.
const AWAY: Duration = Duration::from_secs(120);
/// Milliseconds within which all that are away are back when churn ends: somebody comes back with an
/// item that nobody else has, and who has only just come lacks what all others hold.
pub(super) const LAST_RETURN: u64 = 10_000;
/// Part of those who go that never come back; somebody new comes instead.
const FOR_GOOD: f64 = 0.25;
/// Part of those who go that say so.
const WORD: f64 = 0.5;
/// Nonsense a flooding member sends in a second.
const FLOOD: u32 = 100;

/// Who is away.
#[derive(Clone, Debug, Default)]
pub(super) struct Churn {
    /// Departures in a second; none while it is zero.
    pub(super) rate: f64,
    /// Members that went and have not been replaced: those online bound them.
    away: BTreeSet<u32>,
    /// Attackers do no more than distort.
    pub(super) quiet: bool,
}

impl World {
    /// From now on this part of the members goes every minute; others come in their place. When it is
    /// none any more, all that are away are back within ten seconds.
    pub fn churn(&mut self, part_a_minute: f64) {
        let idle = self.churn.rate == 0.0;
        self.churn.rate = part_a_minute / 60.0 * f64::from(self.setting.members);
        if idle && self.churn.rate > 0.0 {
            self.next_departure();
        }
        if self.churn.rate == 0.0 {
            for node in self.churn.away.clone() {
                let wait = self.rng.below(LAST_RETURN);
                self.after(wait, Event::Return(node));
            }
        }
    }

    /// From now on attackers send nothing of their own accord.
    pub fn quiet(&mut self) {
        self.churn.quiet = true;
    }

    fn next_departure(&mut self) {
        let wait = self.rng.until_next(self.churn.rate);
        self.after(wait.as_millis() as u64, Event::Leave);
    }

    pub(super) fn somebody_leaves(&mut self) {
        if self.churn.rate == 0.0 {
            return;
        }
        let node = self.rng.below(self.members.len() as u64) as u32;
        let member = &self.members[node as usize];
        if !member.up {
            return self.after(0, Event::Leave);
        }
        let word = self.rng.chance(WORD);
        self.leave(node, word);
        let away = self.rng.until_next(1.0 / AWAY.as_secs_f64());
        self.churn.away.insert(node);
        self.after(away.as_millis() as u64, Event::Return(node));
        self.next_departure();
    }

    pub(super) fn somebody_returns(&mut self, node: u32) {
        if !self.churn.away.remove(&node) {
            return;
        }
        if self.rng.chance(FOR_GOOD) {
            let conduct = self.members[node as usize].conduct;
            self.add(conduct);
        } else {
            self.come_back(node);
        }
    }

    /// What an attacker does of its own accord, every second.
    pub(super) fn mischief(&mut self, node: u32) {
        let member = &self.members[node as usize];
        if self.churn.quiet {
            return;
        }
        if !member.up {
            return self.after(1000, Event::Mischief(node));
        }
        match member.conduct {
            Conduct::Flooding => {
                for _ in 0..FLOOD {
                    self.flood(node);
                }
                self.after(1000, Event::Mischief(node));
            }
            // Once, after most have found their neighbours: who has contradicted itself is heard no
            // more.
            Conduct::Equivocating => {
                let wait = 60_000 + self.whim.below(120_000);
                if self.now() < super::world::START + 60_000 {
                    return self.after(wait, Event::Mischief(node));
                }
                self.equivocate(node);
            }
            Conduct::Honest | Conduct::Silent | Conduct::Hoarding | Conduct::Lying => {}
        }
    }

    fn neighbour(&mut self, node: u32) -> Option<u32> {
        let neighbours: Vec<u32> = self.nodes[node as usize].neighbours().collect();
        self.whim.pick(&neighbours).copied()
    }

    fn flood(&mut self, node: u32) {
        // Now and then one whose neighbour it is not.
        let stranger = self.whim.chance(0.1);
        let to = match self.neighbour(node) {
            Some(to) if !stranger => to,
            _ => self.whim.below(self.members.len() as u64) as u32,
        };
        let authors = self.library.authors().count() as u64;
        let which = self.whim.below(authors) as usize;
        let author = self
            .library
            .authors()
            .nth(which)
            .map_or(0, |(author, _)| author);
        let log = library::log_of(author);
        let day_ago = self.now().saturating_sub(24 * 3_600_000);
        let horizon = (day_ago / 3_600_000) as u32;
        let members = self.members.len() as u32;
        let (library, core, now) = (&self.library, &self.nodes[node as usize], self.now());
        let known = || library.load(log, 0, 1, 1).pop();
        let forged = || {
            let draft = core.draft(library::log_of(node), Time(now));
            library::forge(node, &draft, vec![b'!'; 64])
        };
        let frame = nonsense(&mut self.whim, log, horizon, members, known, forged);
        if let Some(frame) = frame {
            self.transmit(node, to, frame);
        }
    }

    /// Gives every other neighbour another item for the same place.
    pub fn equivocate(&mut self, node: u32) {
        let draft = self.nodes[node as usize].draft(library::log_of(node), Time(self.now()));
        let one = library::compose(node, &draft, vec![b'1'; library::TEXT]);
        let other = library::compose(node, &draft, vec![b'2'; library::TEXT]);
        let (Some(one), Some(other)) = (one, other) else {
            return;
        };
        let neighbours: Vec<u32> = self.nodes[node as usize].neighbours().collect();
        for (at, peer) in neighbours.into_iter().enumerate() {
            let item = Arc::clone(if at % 2 == 0 { &one } else { &other });
            let hops = 1;
            self.transmit(node, peer, dchat_gossip::Message::Push { hops, item });
        }
        self.library.fork(Arc::clone(&one));
        self.library.fork(other);
        self.input(node, Input::Publish(one));
    }
}
