//! Who is still there, who is new, and who was lost: the table kept fresh within a budget.

use core::time::Duration;

use crate::call::{K, Known, Nodes, Question};
use crate::config::Config;
use crate::contact::Contact;
use crate::key::Key;
use crate::lookup::{Goal, Task};
use crate::record::Notary;
use crate::table::{Admission, Entry, Missed};
use crate::time::Time;

use super::Node;
use super::asks::UPKEEP;
use super::calls::{Pending, Purpose};

/// Time between two looks at what is due: several pings go out at once, which costs less than one
/// look for each.
const PACE: Duration = Duration::from_secs(4);
/// The same while newcomers wait.
const BRISK: Duration = Duration::from_millis(500);
/// Time between two questions that refill buckets.
const REFILL: Duration = Duration::from_secs(10);
/// Time between two estimates of the network's size.
const ESTIMATE: Duration = Duration::from_secs(60);
/// Seconds of the budget that can be saved up.
const SAVED: u32 = 120;
/// Questions to fill an empty table with: a node that joins asks for its neighbours and a few in
/// each direction at once.
const START: u32 = 40;
/// So many near nodes unknown to us in one answer mean that we were parted from them.
const MANY: usize = 4;
/// Times a node that joined looks up its own position once more, and how long after the first; eight
/// times as long after the next.
const CHECKS: u8 = 2;
const CHECK: Duration = Duration::from_secs(30);
/// Times it does so, beside these, because the neighbours found lie too thin; after twice as long each
/// time.
const THIN: u8 = 5;
/// Contacts anywhere that are asked who is near us, beside a lookup of our own position that is not
/// the first: with one honest contact in eight, seven of eight such rounds meet one.
const ELSEWHERE: usize = 16;
/// Time between two lookups of our own position.
const REJOIN: Duration = Duration::from_secs(30);

/// Somebody that was there long and is not any more.
#[derive(Clone, Copy, Debug)]
struct Lost<H> {
    contact: Contact<H>,
    /// Seconds it had been there.
    age: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Upkeep<H> {
    /// Bytes that may be spent.
    budget: f32,
    counted: Time,
    /// When to look next.
    next: Time,
    near: Time,
    near_every: Duration,
    near_turn: usize,
    refill: Time,
    revive: Time,
    lost: Vec<Lost<H>>,
    lost_turn: usize,
    estimated: Time,
    joined: Option<Time>,
    joining: bool,
    /// When our own position is looked up once more, and how many times yet.
    check: Option<Time>,
    checks: u8,
    /// How often in a row our neighbours lay too thin.
    thin: u8,
}

impl<H: Copy> Upkeep<H> {
    pub(super) fn new(config: &Config, now: Time) -> Self {
        Self {
            budget: (START * config.call_cost) as f32,
            counted: now,
            next: now,
            near: now + config.sibling_refresh.0,
            near_every: config.sibling_refresh.0,
            near_turn: 0,
            refill: now,
            revive: now + config.revive,
            lost: Vec::new(),
            lost_turn: 0,
            estimated: now,
            joined: None,
            joining: false,
            check: None,
            checks: CHECKS,
            thin: 0,
        }
    }

    /// How long the next check of our place waits, after our neighbours lay too thin or did not.
    fn next_check(&mut self, is_thin: bool) -> Option<Duration> {
        if is_thin && self.thin < THIN {
            self.thin += 1;
            return Some(CHECK * (1 << (self.thin - 1)));
        }
        self.thin = if is_thin { THIN } else { 0 };
        if self.check.is_some() || self.checks == 0 {
            return None;
        }
        let wait = CHECK * 8_u32.pow(u32::from(CHECKS - self.checks.min(CHECKS)));
        self.checks -= 1;
        Some(wait)
    }

    /// It is there again.
    pub(super) fn found(&mut self, at: &Key) {
        self.lost.retain(|lost| lost.contact.at != *at);
    }

    fn remember(&mut self, contact: Contact<H>, age: u32, most: usize) {
        self.found(&contact.at);
        if self.lost.len() >= most {
            let youngest = (0..).zip(&self.lost).min_by_key(|(_, lost)| lost.age);
            let Some((index, youngest)) = youngest else {
                return;
            };
            if youngest.age > age {
                return;
            }
            self.lost.remove(index);
        }
        self.lost.push(Lost { contact, age });
    }

    fn spend(&mut self, bytes: u32) -> bool {
        let can = self.budget >= bytes as f32;
        if can {
            self.budget -= bytes as f32;
        }
        can
    }
}

impl<H: Copy + Ord, N: Notary> Node<H, N> {
    /// Lets in somebody who was there just now.
    pub(super) fn admit(&mut self, contact: &Contact<H>, rtt: Option<Duration>) {
        self.upkeep.found(&contact.at);
        if let Admission::Full(Some(oldest)) = self.table.admit(contact, rtt, self.now)
            && self.config.maintain
            && self.upkeep.spend(self.config.ping_cost)
        {
            self.ask(oldest, Purpose::Check, oldest.at);
        }
    }

    /// Somebody is said to be there, or says so itself.
    pub(super) fn notice(&mut self, contact: &Contact<H>, is_warm: bool) {
        if self.table.hear(contact, None, self.now) {
            return;
        }
        if self.config.maintain && self.table.wants(contact) && self.asks.hear(*contact, is_warm) {
            self.upkeep.next = self.upkeep.next.min(self.now + BRISK);
        }
    }

    /// Somebody to begin with.
    pub(super) fn seed(&mut self, contact: Contact<H>) {
        if contact.at == self.at() || self.has_left {
            return;
        }
        if let Some(task) = self.joining() {
            task.seed(contact);
        } else if self.table.len() < self.config.k || self.upkeep.joined.is_none() {
            self.rejoin(&[contact]);
        } else if self.table.wants(&contact) {
            self.asks.hear(contact, false);
        }
    }

    /// The lookup of our own position that is under way.
    fn joining(&mut self) -> Option<&mut Task<H>> {
        let is_join = |task: &&mut Task<H>| matches!(task.goal, Goal::Join);
        self.tasks.iter_mut().find(is_join)
    }

    fn rejoin(&mut self, seeds: &[Contact<H>]) {
        if !self.upkeep.joining && !self.has_left {
            self.upkeep.joining = true;
            self.join(seeds);
        }
    }

    /// Our own position was looked up: whoever else is near is to be verified.
    pub(super) fn joined(&mut self, task: &Task<H>) {
        self.upkeep.joining = false;
        self.upkeep.joined = Some(self.now);
        let is_thin = task.is_thin(&self.means());
        if let Some(wait) = self.upkeep.next_check(is_thin) {
            self.upkeep.check = Some(self.now + self.rng.jitter(wait));
        }
        let near: Vec<_> = task
            .unasked()
            .filter(|near| self.table.wants(near))
            .collect();
        for contact in near {
            self.asks.hear(contact, false);
        }
        self.upkeep.next = self.now;
    }

    /// Looks up our own position once more. The first time we knew nobody but a seed, so whoever was
    /// met first may have led us among its fellows, who will not tell us of our neighbours, nor them
    /// of us. Now there are contacts elsewhere to begin other paths from.
    fn check_place(&mut self) {
        if self.upkeep.joining || self.upkeep.check.is_none_or(|at| at > self.now) {
            return;
        }
        self.upkeep.check = None;
        self.rejoin(&[]);
        self.ask_elsewhere();
    }

    /// Asks contacts drawn from all who is near us. Whoever was led among colluding nodes finds nothing
    /// odd: its neighbours are all of them, and the size of the network is what they make of it. Of its
    /// other contacts a few are honest, wherever they are, and one answer of theirs is enough. The
    /// nearest are asked by the lookup anyway.
    fn ask_elsewhere(&mut self) {
        let near = self.table.sibling_distance(self.config.k);
        let at = self.at();
        let is_far = |entry: &&Entry<H>| {
            entry.fails() == 0 && near.is_some_and(|near| at.distance(&entry.at) > near)
        };
        let far = self.table.iter().filter(is_far);
        let mut far: Vec<_> = far.map(Entry::contact).collect();
        for _ in 0..ELSEWHERE.min(far.len()) {
            let drawn = self.rng.word() % far.len() as u64;
            let contact = far.swap_remove(drawn as usize);
            self.ask(contact, Purpose::Elsewhere, at);
        }
    }

    /// We were away: nobody is believed to be there until heard of again.
    pub(super) fn resume(&mut self) {
        self.table.doubt();
        self.upkeep.next = self.now;
        let lost: Vec<_> = self.upkeep.lost.iter().map(|lost| lost.contact).collect();
        self.rejoin(&lost);
    }

    /// Somebody did not answer.
    pub(super) fn miss(&mut self, at: &Key) {
        match self.table.miss(at) {
            Missed::Gone(contact, age) => {
                let most = self.config.lost;
                self.upkeep.remember(contact, age, most);
                self.lost_sibling();
            }
            Missed::Suspect => {
                self.upkeep.next = self.upkeep.next.min(self.now + BRISK);
            }
            Missed::Unknown => {}
        }
    }

    /// Somebody is gone for certain, or cannot be used.
    pub(super) fn lose(&mut self, at: &Key) {
        if self.table.remove(at).is_some() {
            self.lost_sibling();
        }
    }

    /// Takes in who is said to be near us or in a bucket.
    pub(super) fn learn(&mut self, pending: &Pending<H>, nodes: &Nodes<H>) {
        let mut news = 0;
        let mut first = None;
        for node in nodes.iter().filter(|node| self.table.wants(node)) {
            let is_near = self.table.is_sibling(&node.at);
            news += usize::from(is_near);
            if is_near && first.is_none() {
                first = Some(node);
            }
            self.asks.hear(node, false);
        }
        let (least, most) = self.config.sibling_refresh;
        let every = match (pending.purpose, news) {
            (Purpose::Refill, _) | (Purpose::Elsewhere, 0) => return,
            (_, 0) => (2 * self.upkeep.near_every).min(most),
            _ => least,
        };
        self.upkeep.near_every = every;
        self.upkeep.near = self.now + self.rng.jitter(every);
        let is_long_ago = |at: Time| self.now.since(at) >= REJOIN;
        let is_joining = self.upkeep.joining;
        if news >= MANY && (is_joining || self.upkeep.joined.is_none_or(is_long_ago)) {
            let seeds: Vec<_> = nodes.iter().chain([pending.to]).collect();
            match self.joining() {
                Some(task) => seeds.iter().for_each(|seed| task.seed(*seed)),
                None => self.rejoin(&seeds),
            }
        } else if let Some(first) = first {
            // It knows its own neighbours best, and so most of ours.
            self.ask(first, Purpose::Near, self.at());
        }
    }

    /// Somebody lost is back: who else?
    pub(super) fn revived(&mut self, contact: Contact<H>) {
        if self.upkeep.spend(self.config.call_cost) {
            self.ask(contact, Purpose::Near, self.at());
        }
    }

    fn ask(&mut self, to: Contact<H>, purpose: Purpose, target: Key) {
        if self.asks.ready.len() < UPKEEP {
            self.asks.ready.push_back((to, purpose, target));
        }
    }

    /// The question who is near `target` apart from whom we know there.
    pub(super) fn ask_for_news(&self, target: Key) -> Question {
        let mut known = Known::default();
        if target == self.at() {
            for sibling in self.table.siblings() {
                known.push(sibling.at.tail());
            }
        } else {
            for node in self.table.closest(&target, K, |_| true).iter() {
                known.push(node.at.tail());
            }
        }
        Question::Find {
            target,
            want: K as u8,
            known,
        }
    }

    /// When there is something to do.
    pub(super) fn next_upkeep(&self) -> Option<Time> {
        let is_idle = self.table.is_empty() && self.asks.heard.is_empty();
        (self.config.maintain && !self.has_left && !is_idle).then_some(self.upkeep.next)
    }

    /// Does what is due and the budget allows.
    pub(super) fn keep_up(&mut self) {
        if self.next_upkeep().is_none_or(|next| next > self.now) {
            return;
        }
        self.refill_budget();
        self.ping_due();
        self.verify_newcomers();
        self.ask_siblings();
        self.check_place();
        self.refill_buckets();
        self.try_lost();
        if self.now.since(self.upkeep.estimated) >= ESTIMATE {
            self.upkeep.estimated = self.now;
            self.estimate_size();
        }
        self.put_anew();
        let pace = if self.asks.heard.is_empty() {
            PACE
        } else {
            BRISK
        };
        self.upkeep.next = self.now + self.rng.jitter(pace);
    }

    fn refill_budget(&mut self) {
        let rate = self.config.budget_bytes_per_s / if self.serving { 1 } else { 4 };
        let passed = self.now.since(self.upkeep.counted).as_secs_f32();
        self.upkeep.counted = self.now;
        // What a joining node starts with may be more than can be saved up later.
        let most = (rate * SAVED).max(2 * self.config.call_cost) as f32;
        let most = most.max(self.upkeep.budget);
        self.upkeep.budget = (self.upkeep.budget + passed * rate as f32).min(most);
    }

    fn ping_due(&mut self) {
        let room = UPKEEP.saturating_sub(self.calls.for_upkeep() + self.asks.ready.len());
        let cost = self.config.ping_cost;
        let (calls, upkeep, ready) = (&self.calls, &mut self.upkeep, &mut self.asks.ready);
        self.table.due(self.now, room, |contact| {
            if calls.is_asking(&contact.at) || !upkeep.spend(cost) {
                return false;
            }
            ready.push_back((contact, Purpose::Check, contact.at));
            true
        });
    }

    fn verify_newcomers(&mut self) {
        while self.asks.ready.len() + self.calls.for_upkeep() < UPKEEP
            && let Some(newcomer) = self.asks.heard.front().copied()
        {
            let contact = newcomer.contact;
            if self.table.wants(&contact) && !self.calls.is_asking(&contact.at) {
                let cost = if newcomer.is_warm {
                    self.config.ping_cost
                } else {
                    self.config.call_cost
                };
                if !self.upkeep.spend(cost) {
                    break;
                }
                self.asks
                    .ready
                    .push_back((contact, Purpose::Check, contact.at));
            }
            self.asks.heard.pop_front();
        }
        if self.asks.heard.is_empty() && self.asks.heard.capacity() > 0 {
            self.asks.heard = std::collections::VecDeque::new();
        }
    }

    fn ask_siblings(&mut self) {
        if self.upkeep.near > self.now || !self.upkeep.spend(self.config.call_cost) {
            return;
        }
        let siblings = self.table.siblings();
        self.upkeep.near = self.now + self.rng.jitter(self.upkeep.near_every);
        if siblings.is_empty() {
            return;
        }
        // Each has its turn: whoever answers nothing new does not keep the others from it.
        let turn = self.upkeep.near_turn % siblings.len();
        self.upkeep.near_turn = turn + 1;
        if let Some(sibling) = siblings.get(turn) {
            self.ask(sibling.contact(), Purpose::Near, self.at());
        }
    }

    fn refill_buckets(&mut self) {
        if self.upkeep.refill > self.now {
            return;
        }
        let target = self.table.stale_bucket(self.now, &mut self.rng);
        let wait = if target.is_some() {
            REFILL
        } else {
            self.config.bucket_refresh / 8
        };
        self.upkeep.refill = self.now + self.rng.jitter(wait);
        let Some(target) = target else { return };
        let near = self.table.closest(&target, 1, |entry| entry.fails() == 0);
        if let Some(to) = near.iter().next()
            && self.upkeep.spend(self.config.call_cost)
        {
            self.table.refreshed(&target, self.now);
            self.ask(to, Purpose::Refill, target);
        }
    }

    fn try_lost(&mut self) {
        if self.upkeep.revive > self.now || self.upkeep.lost.is_empty() {
            return;
        }
        self.upkeep.revive = self.now + self.rng.jitter(self.config.revive);
        let turn = self.upkeep.lost_turn % self.upkeep.lost.len();
        self.upkeep.lost_turn = turn + 1;
        if let Some(lost) = self.upkeep.lost.get(turn).copied()
            && self.upkeep.spend(self.config.ping_cost)
        {
            self.ask(lost.contact, Purpose::Revive, lost.contact.at);
        }
    }
}
