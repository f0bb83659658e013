//! A question, its answer, and what they cost.

use dchat_kademlia::call::{Answer, Known, Question};
use dchat_kademlia::node::{Asker, CallId, Fault, Input, Output};
use dchat_kademlia::{Contact, Key};

use super::adversary::{self, Conduct, SLOW_MS};
use super::cost;
use super::link::{HANDSHAKE_PTO_MS, pto};
use super::world::{EPOCH, Event, World};

/// Questions of a pulse before its peer counts as gone, and milliseconds between them.
const PULSE_TRIES: u32 = 2;
const PULSE_MS: u32 = 1_000;
/// Milliseconds until a dial that nobody answers is given up: the default of the core's hard timeout.
const DIAL_MS: u32 = 4_000;
/// Peers whose pulse keys a node keeps.
const ACQUAINTED: usize = 4_096;

/// A call under way.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    from: u32,
    session: u32,
    to: u32,
    /// Where it is taken to be: who came back with another key is somebody else.
    at: Key,
    to_session: u32,
    call: CallId,
    way: Way,
    /// The measured search it is made for.
    job: Option<u32>,
    /// When the question left.
    began: u64,
    question: Question,
    answer: Option<Answer<u32>>,
}

/// What carries a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Pulse,
    Warm,
    Cold,
}

impl World {
    /// Carries out what a core wants, until it wants nothing more, and plans when to wake it.
    pub(super) fn settle(&mut self, node: u32) {
        while let Some(core) = self.nodes[node as usize].as_mut() {
            match core.poll_output() {
                Some(Output::Call { call, to, question }) => self.send(node, call, to, question),
                Some(Output::Done { search, outcome }) => self.finish(node, search, &outcome),
                None => break,
            }
        }
        let Some(core) = &self.nodes[node as usize] else {
            return;
        };
        let Some(due) = core.poll_timeout() else {
            return;
        };
        let due = due.0.saturating_sub(EPOCH).max(self.wheel.now());
        let person = &mut self.people[node as usize];
        if due < person.wake {
            person.wake = due;
            self.wheel.push(due, Event::Wake(node));
        }
    }

    fn send(&mut self, from: u32, call: CallId, to: Contact<u32>, question: Question) {
        let Contact { at, handle: to, .. } = to;
        let now = self.now();
        let rtt = self.links.rtt(from, to);
        let reachable = self.reachable(from, to) && self.people[to as usize].at == at;
        let job = self.job_of(from, &question);
        if let Some(job) = job.and_then(|job| self.jobs.get_mut(job)) {
            job.asks(to);
        }
        let way = match question {
            Question::Ping if self.acquainted(from, to) => Way::Pulse,
            _ if self.pools.is_warm(from, to, now) => Way::Warm,
            _ => Way::Cold,
        };
        let exchange = Exchange {
            from,
            session: self.people[from as usize].session,
            to,
            at,
            to_session: self.people[to as usize].session,
            call,
            way,
            job,
            began: now,
            question,
            answer: None,
        };
        match way {
            Way::Pulse => self.pulse(exchange, rtt),
            Way::Warm | Way::Cold if reachable => self.ask(exchange, rtt),
            Way::Warm => {
                // The packets of a dead connection: the question and two probes.
                let bytes = 3 * cost::stream(cost::question(&exchange.question));
                self.spend(&exchange, 0, bytes);
                self.plan(exchange, DIAL_MS, Event::Fail);
            }
            Way::Cold => {
                // The first flight again and again, each time after twice as long.
                let flights = (DIAL_MS / HANDSHAKE_PTO_MS + 1).ilog2() + 1;
                self.spend(&exchange, u64::from(flights) * cost::FIRST_FLIGHT, 0);
                self.tally.dead_dials += u64::from(exchange.job.is_none());
                self.plan(exchange, DIAL_MS, Event::Fail);
            }
        }
    }

    fn pulse(&mut self, exchange: Exchange, rtt: u32) {
        self.tally.pings += 1;
        for tried in 0..PULSE_TRIES {
            self.tally.pulse_bytes += cost::PULSE;
            if self.links.arrives(&mut self.rng) {
                self.plan(exchange, tried * PULSE_MS + rtt / 20, Event::Arrive);
                return;
            }
        }
        self.plan(exchange, PULSE_TRIES * PULSE_MS, Event::Fail);
    }

    fn ask(&mut self, exchange: Exchange, rtt: u32) {
        let now = self.now();
        self.pools.carry(exchange.from, exchange.to, now);
        let mut bytes = cost::question(&exchange.question);
        let mut delay = rtt / 20;
        let mut handshake = 0;
        if exchange.way == Way::Cold {
            handshake = cost::HANDSHAKE + cost::KEPT;
            bytes += cost::SERVER;
            delay += rtt * cost::HANDSHAKE_RTTS / 10;
            let packets = cost::HANDSHAKE_PACKETS;
            delay += self.links.losses(&mut self.rng, packets, HANDSHAKE_PTO_MS);
            self.meet(exchange.from, exchange.to);
            self.tally.dials += u64::from(exchange.job.is_none());
        }
        self.tally.calls += u64::from(exchange.job.is_none());
        delay += self
            .links
            .losses(&mut self.rng, cost::packets(bytes), pto(rtt / 10));
        self.spend(&exchange, handshake, cost::stream(bytes));
        self.plan(exchange, delay, Event::Arrive);
    }

    fn plan(&mut self, exchange: Exchange, delay_ms: u32, event: impl Fn(u32) -> Event) {
        let at = self.now() + u64::from(delay_ms);
        let place = self.exchanges.insert(exchange);
        self.wheel.push(at, event(place));
    }

    /// The question is there.
    pub(super) fn arrive(&mut self, place: u32) {
        let now = self.now();
        let time = self.time();
        let Some(exchange) = self.exchanges.get(place) else {
            return;
        };
        let (from, to) = (exchange.from, exchange.to);
        let person = &self.people[to as usize];
        let same = person.session == exchange.to_session;
        let there = person.up && person.at == exchange.at;
        // Whoever started again has lost its keys.
        let heard = match exchange.way {
            Way::Pulse => self.acquainted(to, from),
            Way::Warm | Way::Cold => same,
        };
        let parted =
            self.parted && self.people[from as usize].side != self.people[to as usize].side;
        if !heard || parted || !there {
            let late = match exchange.way {
                Way::Pulse => PULSE_TRIES * PULSE_MS,
                Way::Warm | Way::Cold => DIAL_MS,
            };
            let at = (exchange.began + u64::from(late)).max(now);
            self.wheel.push(at, Event::Fail(place));
            return;
        }
        let asker = &self.people[from as usize];
        let asker = Asker {
            subnet: asker.subnet,
            id: asker.id,
            contact: Some(asker.contact(from)),
        };
        let honest = match self.nodes[to as usize].as_mut() {
            Some(core) => core.answer(&asker, &exchange.question, time),
            None => adversary::blank(&exchange.question),
        };
        let conduct = self.people[to as usize].conduct;
        let question = &exchange.question;
        let hoard = match (conduct, question) {
            (Conduct::Stale | Conduct::Forging, Question::Get { key, .. }) => self.hoard.get(key),
            _ => None,
        };
        if let (Conduct::Honest, Answer::Nodes(nodes) | Answer::Values { nodes, .. }) =
            (conduct, &honest)
        {
            self.tally.named += nodes.len() as u64;
            let gone = |named: &Contact<u32>| {
                let person = &self.people[named.handle as usize];
                !person.up || person.at != named.at
            };
            self.tally.stale += nodes.iter().filter(gone).count() as u64;
        }
        self.tally.refused += u64::from(matches!(honest, Answer::Refused { .. }));
        let all = (&self.fellows, self.people.as_slice());
        let answer = adversary::distort(conduct, question, honest, all, hoard);
        self.reply(place, answer, conduct);
        self.settle(to);
    }

    fn reply(&mut self, place: u32, answer: Option<Answer<u32>>, conduct: Conduct) {
        let now = self.now();
        let Some(mut exchange) = self.exchanges.remove(place) else {
            return;
        };
        let (from, to) = (exchange.from, exchange.to);
        let rtt = self.links.rtt(from, to);
        let Some(answer) = answer else {
            // Silence: the asker's own timers deal with it.
            return;
        };
        let mut delay = rtt / 20;
        if exchange.way == Way::Pulse {
            self.tally.pulse_bytes += cost::PULSE;
            if !self.links.arrives(&mut self.rng) {
                // The question is asked once more, and its answer now taken to arrive.
                self.tally.pulse_bytes += 2 * cost::PULSE;
                delay += PULSE_MS;
            }
        } else {
            let bytes = cost::answer(&answer)
                + if exchange.way == Way::Cold {
                    cost::SERVER
                } else {
                    0
                };
            delay += self
                .links
                .losses(&mut self.rng, cost::packets(bytes), pto(rtt / 10));
            self.spend(&exchange, 0, cost::stream(bytes) + cost::ACK);
            if conduct == Conduct::Slow {
                delay += u32::try_from(SLOW_MS).unwrap_or_default();
            }
        }
        self.journal.note(1, now, [from, to], delay);
        exchange.answer = Some(answer);
        self.plan(exchange, delay, Event::Return);
    }

    /// The answer is there.
    pub(super) fn returned(&mut self, place: u32) {
        let time = self.time();
        let Some(exchange) = self.exchanges.remove(place) else {
            return;
        };
        let from = exchange.from;
        if self.people[from as usize].session != exchange.session {
            return;
        }
        let (Some(core), Some(answer)) = (self.nodes[from as usize].as_mut(), exchange.answer)
        else {
            return;
        };
        if let Some(job) = exchange.job.and_then(|job| self.jobs.get_mut(job))
            && job.node == from
            && let Answer::Nodes(nodes) | Answer::Values { nodes, .. } = &answer
        {
            job.told(exchange.to, nodes);
        }
        core.handle_input(
            Input::Answered {
                call: exchange.call,
                answer,
            },
            time,
        );
        self.settle(from);
    }

    /// The driver knows that there will be no answer.
    pub(super) fn failed(&mut self, place: u32) {
        let time = self.time();
        let Some(exchange) = self.exchanges.remove(place) else {
            return;
        };
        let from = exchange.from;
        if self.people[from as usize].session != exchange.session {
            return;
        }
        let Some(core) = self.nodes[from as usize].as_mut() else {
            return;
        };
        self.journal
            .note(2, self.wheel.now(), [from, exchange.to], 0);
        core.handle_input(
            Input::Failed {
                call: exchange.call,
                fault: Fault::Unreachable,
            },
            time,
        );
        self.settle(from);
    }

    /// Books bytes to what they were sent for.
    fn spend(&mut self, exchange: &Exchange, handshake: u64, bytes: u64) {
        if exchange.job.is_some() {
            self.tally.search_bytes += handshake + bytes;
            return;
        }
        self.tally.handshake_bytes += handshake;
        match exchange.question {
            Question::Ping | Question::Find { .. } => self.tally.find_bytes += bytes,
            Question::Get { .. } | Question::Put { .. } => self.tally.record_bytes += bytes,
        }
    }

    /// The measured search a question belongs to: the one of the node for the same target, or for
    /// one in a branch beside it, which has one bit turned.
    fn job_of(&self, node: u32, question: &Question) -> Option<u32> {
        let person = &self.people[node as usize];
        let target = match question {
            Question::Ping => return None,
            Question::Find { target, .. } => target,
            Question::Get { key, .. } | Question::Put { key, .. } => key,
        };
        let same = |job: &&u32| {
            let of = self.jobs.get(**job).map(|job| job.target);
            of.is_some_and(|of| of == *target || bits_apart(&of, target) == 1)
        };
        person.jobs.iter().find(same).copied()
    }

    /// Whether packets between two nodes arrive.
    #[must_use]
    pub fn reachable(&self, a: u32, b: u32) -> bool {
        let (a, b) = (&self.people[a as usize], &self.people[b as usize]);
        b.up && !(self.parted && a.side != b.side)
    }

    /// What a node that runs says to a question put to it at once: for floods, whose own packets are
    /// not of interest. `None` when it does not run.
    pub fn confront(
        &mut self,
        node: u32,
        asker: &Asker<u32>,
        question: &Question,
    ) -> Option<Answer<u32>> {
        let time = self.time();
        let answer = self.nodes[node as usize]
            .as_mut()?
            .answer(asker, question, time);
        self.settle(node);
        Some(answer)
    }

    /// An attacker connects to `node`, proves who it is, and asks something.
    pub fn knock(&mut self, attacker: u32, node: u32) {
        let person = &self.people[attacker as usize];
        let asker = Asker {
            subnet: person.subnet,
            id: person.id,
            contact: Some(person.contact(attacker)),
        };
        let target = self.people[node as usize].at;
        let question = Question::Find {
            target,
            want: 20,
            known: Known::default(),
        };
        self.meet(attacker, node);
        self.confront(node, &asker, &question);
    }

    /// Whether `a` holds a pulse key of a connection with `b`.
    fn acquainted(&self, a: u32, b: u32) -> bool {
        self.are_founders(a, b) || self.acquaintance[a as usize].binary_search(&b).is_ok()
    }

    /// Whether both were there when the world began, acquainted.
    fn are_founders(&self, a: u32, b: u32) -> bool {
        let founder = |node: u32| {
            let person = &self.people[node as usize];
            person.since == 0 && person.session == 1
        };
        self.setting.acquainted && founder(a) && founder(b)
    }

    /// Both hold a key from now on.
    fn meet(&mut self, a: u32, b: u32) {
        if self.are_founders(a, b) {
            return;
        }
        for (one, other) in [(a, b), (b, a)] {
            let known = &mut self.acquaintance[one as usize];
            if let Err(place) = known.binary_search(&other)
                && known.len() < ACQUAINTED
            {
                known.insert(place, other);
            }
        }
    }
}

/// Bits in which two keys differ.
fn bits_apart(a: &Key, b: &Key) -> u32 {
    a.0.iter()
        .zip(&b.0)
        .map(|(a, b)| (a ^ b).count_ones())
        .sum()
}
