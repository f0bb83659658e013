//! Lookups: begun, fed, ended; and the four verbs.

use std::collections::VecDeque;
use std::sync::Arc;

use dchat_wire::dht::Refusal;
use dchat_wire::record::SignedRecord;

use crate::call::{Answer, K, Nodes, Question};
use crate::contact::Contact;
use crate::key::Key;
use crate::lookup::{Goal, Means, Progress, Reply, Step, Task};
use crate::record::Notary;
use crate::table::{Entry, Table};
use crate::time::Time;

use super::Node;
use super::asks::UPKEEP;
use super::calls::{Lapse, Pending, Purpose};
use super::io::{CallId, Fault, Input, Outcome, Output, Search};

/// Paths a lookup takes whose result is too thin after it has parted.
const PATHS: u8 = 8;
/// Branches from which other paths begin.
const BRANCHES: u32 = 8;

impl<H: Copy + Ord, N: Notary> Node<H, N> {
    /// Looks for the nodes nearest to `target`.
    pub fn find(&mut self, target: Key, now: Time) -> Search {
        self.begin(Goal::Find, target, now)
    }

    /// Looks for records of `kind` under `key`.
    pub fn get(&mut self, key: Key, kind: u16, now: Time) -> Search {
        self.begin(Goal::Get(kind), key, now)
    }

    /// Stores `record` at the nodes nearest to `key`.
    pub fn put(&mut self, key: Key, record: Arc<SignedRecord>, now: Time) -> Search {
        self.begin(Goal::Put(record), key, now)
    }

    /// Ends a lookup without an outcome.
    pub fn cancel(&mut self, search: Search) {
        self.tasks.retain(|task| task.id != search);
        self.waiting.retain(|(id, ..)| *id != search);
        self.done.retain(|(id, _)| *id != search);
        self.calls.forget(search);
        self.start_waiting();
    }

    /// Takes in what happened.
    pub fn handle_input(&mut self, input: Input<H>, now: Time) {
        self.advance_clock(now);
        match input {
            Input::Answered { call, answer } => self.answered(call, answer),
            Input::Failed { call, fault } => self.failed(call, fault),
            Input::Seen { contact, rtt, ours } => {
                if ours {
                    self.admit(&contact, rtt);
                } else {
                    self.notice(&contact, true);
                }
            }
            Input::Gone { handle } => {
                if let Some(contact) = self.table.named(handle) {
                    self.lose(&contact.at);
                }
            }
            Input::Seed { contact } => self.seed(contact),
            Input::Serving(serving) => self.serving = serving && !self.has_left,
            Input::Resumed => self.resume(),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance_clock(now);
        let now = self.now;
        while let Some(lapse) = self.calls.lapse(self.now) {
            match lapse {
                Lapse::Late(pending) => self.late(&pending),
                Lapse::Over(pending) => self.unanswered(&pending, Fault::Unreachable),
            }
        }
        let is_due = |task: &&Task<H>| task.deadline <= now;
        while let Some(search) = self.tasks.iter().find(is_due).map(|task| task.id) {
            self.progress(search);
        }
        self.keep_records();
        self.keep_up();
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do, once no output is left.
    pub fn poll_timeout(&self) -> Option<Time> {
        let deadlines = self.tasks.iter().map(|task| task.deadline);
        let others = [
            self.calls.next_lapse(),
            self.next_keeping(),
            self.next_upkeep(),
        ];
        deadlines.chain(others.into_iter().flatten()).min()
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output<H>> {
        if let Some((search, outcome)) = self.done.pop_front() {
            if self.done.is_empty() {
                self.done = VecDeque::new();
            }
            return Some(Output::Done { search, outcome });
        }
        if let Some(output) = self.poll_search() {
            return Some(output);
        }
        if self.calls.for_upkeep() >= UPKEEP {
            return None;
        }
        if let Some((to, purpose, target)) = self.asks.next() {
            let question = match purpose {
                Purpose::Near | Purpose::Elsewhere | Purpose::Refill => self.ask_for_news(target),
                _ => Question::Ping,
            };
            return Some(self.call(to, purpose, question));
        }
        let (to, id, question) = self.next_repair()?;
        Some(self.call(to, Purpose::Repair(id), question))
    }

    fn poll_search(&mut self) -> Option<Output<H>> {
        if self.calls.for_searches() >= self.config.in_flight {
            return None;
        }
        let mut tasks = self.tasks.iter_mut();
        let (search, (to, step, question)) =
            tasks.find_map(|task| Some((task.id, task.next()?)))?;
        Some(self.call(to, Purpose::Search(search, step), question))
    }

    fn call(&mut self, to: Contact<H>, purpose: Purpose, question: Question) -> Output<H> {
        let rtt = self.table.entry(&to.at).and_then(|entry| entry.rtt());
        let soft = match purpose {
            // Another one beside it would hasten nothing but the replacement of a dead one.
            Purpose::Search(_, Step::Last) => self.config.hard / 2,
            _ => self.calls.patience(rtt),
        };
        let times = (soft, self.config.hard);
        let call = self.calls.open((to, purpose), self.now, times);
        Output::Call { call, to, question }
    }

    fn begin(&mut self, goal: Goal, target: Key, now: Time) -> Search {
        self.advance_clock(now);
        let search = Search(self.next_search);
        self.next_search = self.next_search.wrapping_add(1);
        if self.tasks.len() < self.config.searches {
            self.start(search, goal, target, &[]);
        } else if self.waiting.len() < self.config.queued {
            self.waiting.push_back((search, goal, target));
        } else {
            self.done.push_back((search, Box::new(Outcome::nothing())));
        }
        search
    }

    /// Begins a lookup of the node's own.
    pub(super) fn join(&mut self, seeds: &[Contact<H>]) {
        let search = Search(self.next_search);
        self.next_search = self.next_search.wrapping_add(1);
        self.start(search, Goal::Join, self.at(), seeds);
    }

    fn start(&mut self, search: Search, goal: Goal, target: Key, seeds: &[Contact<H>]) {
        self.estimate_size();
        let mut near = self.closest(&target, K);
        if near.len() < self.config.alpha {
            near = self.table.closest(&target, K, |_| true);
        }
        let what = (search, goal, target);
        let seeds = seeds.iter().copied().chain(near.iter());
        let task = Task::new(what, seeds, &self.means());
        self.tasks.push(task);
        self.progress(search);
    }

    pub(super) fn start_waiting(&mut self) {
        while self.tasks.len() < self.config.searches
            && let Some((search, goal, target)) = self.waiting.pop_front()
        {
            self.start(search, goal, target, &[]);
        }
    }

    pub(super) fn means(&mut self) -> Means<'_, N> {
        Means {
            config: &self.config,
            ourselves: self.table.at(),
            size: self.estimate,
            now: self.now,
            notary: &mut self.notary,
        }
    }

    fn answered(&mut self, call: CallId, answer: Answer<H>) {
        let Some(pending) = self.calls.close(call) else {
            return;
        };
        let took = self.now.since(pending.asked);
        if let Purpose::Repair(id) = pending.purpose {
            let is_gone = matches!(
                &answer,
                Answer::Refused {
                    reason: Refusal::NotServing,
                    ..
                }
            );
            self.repair_answered(id, &answer);
            if is_gone {
                self.lose(&pending.to.at);
            } else {
                self.admit(&pending.to, Some(took));
            }
            return;
        }
        match answer {
            Answer::Refused { reason, .. }
                if !matches!(pending.purpose, Purpose::Search(_, Step::Put)) =>
            {
                let fault = match reason {
                    Refusal::NotServing => Fault::Misbehaved,
                    _ => Fault::Busy,
                };
                self.unanswered(&pending, fault);
            }
            answer => {
                self.calls.took(took);
                self.answered_in_kind(&pending, answer, took);
            }
        }
    }

    fn answered_in_kind(
        &mut self,
        pending: &Pending<H>,
        answer: Answer<H>,
        took: core::time::Duration,
    ) {
        let is_right = match (pending.purpose, answer) {
            (Purpose::Search(search, step), answer) => {
                let Some(reply) = reply(answer) else {
                    return self.unanswered(pending, Fault::Misbehaved);
                };
                let from = pending.to.at;
                let is_right = self.with_task(search, |task, means| {
                    task.answered(&from, step, reply, means)
                });
                let Some(is_right) = is_right else { return };
                self.progress(search);
                is_right
            }
            (Purpose::Check | Purpose::Revive, Answer::Pong) => true,
            (Purpose::Near | Purpose::Elsewhere | Purpose::Refill, Answer::Nodes(nodes)) => {
                self.learn(pending, &nodes);
                true
            }
            _ => false,
        };
        if !is_right {
            return self.lose(&pending.to.at);
        }
        self.admit(&pending.to, Some(took));
        if pending.purpose == Purpose::Revive {
            self.revived(pending.to);
        }
    }

    fn failed(&mut self, call: CallId, fault: Fault) {
        if let Some(pending) = self.calls.close(call) {
            self.unanswered(&pending, fault);
        }
    }

    /// There will be no answer.
    fn unanswered(&mut self, pending: &Pending<H>, fault: Fault) {
        match fault {
            Fault::Unreachable => self.miss(&pending.to.at),
            Fault::Misbehaved => self.lose(&pending.to.at),
            Fault::Busy => {}
        }
        if let Purpose::Repair(id) = pending.purpose {
            self.repair.handle_failure(id);
        }
        if let Purpose::Search(search, step) = pending.purpose {
            if let Some(task) = self.tasks.iter_mut().find(|task| task.id == search) {
                task.failed(&pending.to.at, step);
            }
            self.progress(search);
        }
    }

    fn late(&mut self, pending: &Pending<H>) {
        if let Purpose::Search(search, step) = pending.purpose
            && let Some(task) = self.tasks.iter_mut().find(|task| task.id == search)
        {
            task.late(&pending.to.at, step);
        }
    }

    /// Does something with a lookup that is under way.
    fn with_task<R>(
        &mut self,
        search: Search,
        work: impl FnOnce(&mut Task<H>, &mut Means<'_, N>) -> R,
    ) -> Option<R> {
        let mut means = Means {
            config: &self.config,
            ourselves: self.table.at(),
            size: self.estimate,
            now: self.now,
            notary: &mut self.notary,
        };
        let task = self.tasks.iter_mut().find(|task| task.id == search)?;
        Some(work(task, &mut means))
    }

    /// Sends the lookup where it asks to go on, and ends it if it is over.
    fn progress(&mut self, search: Search) {
        let mut progress = self.with_task(search, |task, means| task.progress(means));
        if progress == Some(Progress::Parting) {
            progress = self.part(search);
        }
        if progress == Some(Progress::Widening) {
            progress = self.widen(search);
        }
        if let Some(Progress::Over { complete }) = progress
            && let Some(index) = self.tasks.iter().position(|task| task.id == search)
        {
            let task = self.tasks.swap_remove(index);
            self.finish(task, complete);
            self.start_waiting();
        }
    }

    fn part(&mut self, search: Search) -> Option<Progress> {
        let task = self.tasks.iter_mut().find(|task| task.id == search)?;
        let target = task.target();
        // Whoever has answered is a contact by now: those who led us here are not asked again.
        let is_new = |entry: &Entry<H>| entry.fails() == 0 && task.is_unasked(&entry.at);
        let seeds = elsewhere(&self.table, &target, is_new);
        if task.has_parted() {
            let nearest = self.table.closest(&target, K, is_new);
            task.part(PATHS, nearest.iter().chain(seeds.iter()));
        } else {
            task.part(self.config.paths, seeds.iter());
        }
        self.with_task(search, |task, means| task.progress(means))
    }

    fn widen(&mut self, search: Search) -> Option<Progress> {
        let region = self.with_task(search, |task, means| task.region(means))??;
        let seeds = region.branches.map(|target| {
            let is_outside = |entry: &Entry<H>| !region.is_crowd(&entry.at);
            self.table.closest(&target, K, is_outside)
        });
        self.with_task(search, |task, means| {
            task.widen(&region, &seeds, means);
            task.progress(means)
        })
    }

    pub(super) fn finish(&mut self, task: Task<H>, complete: bool) {
        self.calls.forget(task.id);
        if matches!(task.goal, Goal::Join) {
            self.joined(&task);
        }
        let (id, is_own) = (task.id, self.is_own(&task));
        self.was_put(&task);
        if let Goal::Put(record) = &task.goal {
            let (record, key, last) = (Arc::clone(record), task.target(), task.last(self.config.k));
            self.keep_own(&key, &record, last);
        }
        let (outcome, measured) = task.finish(complete, &self.means());
        if let Some(measured) = measured {
            self.size.measured(measured);
        }
        if !is_own {
            self.done.push_back((id, outcome));
        }
        if self.tasks.is_empty() {
            self.tasks = Vec::new();
        }
    }
}

/// Contacts of ours to begin other paths from: each the nearest to what the target would be with
/// another one of its first bits. Nobody near the target has a say in who they are.
fn elsewhere<H: Copy>(
    table: &Table<H>,
    target: &Key,
    admits: impl Fn(&Entry<H>) -> bool,
) -> Nodes<H> {
    let mut seeds = Nodes::default();
    for bit in 0..BRANCHES {
        let near = table.closest(&target.with_bit_turned(bit), 1, &admits);
        if let Some(contact) = near.iter().next() {
            seeds.push(contact);
        }
    }
    seeds
}

fn reply<H>(answer: Answer<H>) -> Option<Reply<H>> {
    Some(match answer {
        Answer::Pong => return None,
        Answer::Nodes(nodes) => Reply::Nodes(nodes),
        Answer::Values {
            records,
            held,
            token,
            nodes,
        } => Reply::Values {
            records,
            held,
            token,
            nodes,
        },
        Answer::Stored { .. } => Reply::Stored,
        Answer::Refused { reason, .. } => Reply::Refused(reason),
    })
}
