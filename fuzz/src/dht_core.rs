//! A node of the DHT among nodes that may say anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dchat_kademlia::call::{Answer, K, Known, Nodes, Question};
use dchat_kademlia::node::{
    Asker, CallId, Fault, HEARD, Input, Node, Outcome, Output, Search, UPKEEP,
};
use dchat_kademlia::record::validate;
use dchat_kademlia::{Config, Contact, Key, Subnet, Time};
use dchat_wire::dht::Refusal;

use crate::dht_records::{self as records, START};
use crate::script::Script;

/// Input: parameters, then a script of lookups, answers true and false, to questions asked and not
/// asked, of questions by others, and of time, which may leap or go back.
///
/// Only who answered a question of ours, or was met by the driver itself, becomes a contact or part of
/// a result; results are in order and their records valid; questions, lookups and what waits keep
/// their bounds; every lookup ends once and by its deadline; nothing is asked without end, and no
/// timer fires for ever.
///
/// # Panics
/// When it is not so.
pub fn dht_core(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::new(script.u8());
    let mut steps = 0;
    while let Some(step) = script.step() {
        steps += 1;
        if steps > 300 {
            break;
        }
        world.step(step, &mut script);
        world.latest = world.latest.max(world.now);
        world.drain();
        world.check();
    }
    world.end();
}

struct Call {
    id: CallId,
    to: Contact<u16>,
    question: Question,
}

struct World {
    node: Node<u16>,
    config: Arc<Config>,
    at: Key,
    now: Time,
    /// The node's time, which never goes back.
    latest: Time,
    asked: Vec<Call>,
    /// Who answered anything, or was met.
    proven: BTreeSet<Key>,
    /// Lookups that have not ended, and when they must; none of those that wait for others.
    searches: BTreeMap<Search, (Key, Option<u16>)>,
    tokens: Vec<(u8, Key, [u8; 16])>,
}

impl World {
    fn new(choice: u8) -> Self {
        let config = Arc::new(Config {
            maintain: choice & 1 == 0,
            k: if choice & 2 == 0 { K } else { 3 },
            wide: [8, 6, 5],
            siblings: if choice & 2 == 0 { 40 } else { 6 },
            searches: 3,
            queued: 4,
            in_flight: 12,
            lost: 4,
            quorum: 2,
            asker_rate: (5, 30),
            subnet_rate: (10, 60),
            ..Config::default()
        });
        let at = place(0);
        let now = Time(START);
        Self {
            node: Node::new(Arc::clone(&config), at, [9; 32], now),
            config,
            at,
            now,
            latest: now,
            asked: Vec::new(),
            proven: BTreeSet::new(),
            searches: BTreeMap::new(),
            tokens: Vec::new(),
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 20 {
            0 => {
                let target = target(script);
                let search = self.node.find(target, self.now);
                self.begun(search, target, None);
            }
            1 => {
                let one = records::any(script);
                let search = self.node.get(one.key, one.kind, self.now);
                self.begun(search, one.key, Some(one.kind));
            }
            2 => {
                let one = records::any(script);
                let search = self.node.put(one.key, Arc::clone(&one.record), self.now);
                self.begun(search, one.key, None);
            }
            3 => {
                let number = script.below(8);
                if let Some(search) = self.searches.keys().nth(number).copied() {
                    self.node.cancel(search);
                    self.searches.remove(&search);
                }
            }
            4..10 => self.answer(script),
            10 => self.fail(script),
            11 => {
                let ours = script.flag();
                let contact = contact(script);
                if ours {
                    self.proven.insert(contact.at);
                }
                let rtt = script.flag().then(|| script.time());
                self.input(Input::Seen { contact, rtt, ours });
            }
            12 => {
                let handle = contact(script).handle;
                self.input(Input::Gone { handle });
            }
            13 => {
                let contact = contact(script);
                self.input(Input::Seed { contact });
            }
            14 => match script.below(8) {
                0 => self.input(Input::Resumed),
                1 => {
                    self.node.leave(self.now);
                    let question = Question::Ping;
                    let answer = self.node.answer(&asker(script), &question, self.now);
                    assert!(matches!(answer, Answer::Refused { .. }));
                }
                number => self.input(Input::Serving(number < 6)),
            },
            15..18 => self.ask(script),
            18 => {
                self.now = Time(self.now.0.saturating_sub(u64::from(script.u16())));
                self.node.handle_timeout(self.now);
            }
            _ => {
                let leap = match script.u8() {
                    0 => Duration::from_secs(400 * 24 * 3600),
                    _ => script.time(),
                };
                self.now = self.now + leap;
                self.node.handle_timeout(self.now);
            }
        }
    }

    fn begun(&mut self, search: Search, target: Key, kind: Option<u16>) {
        assert!(self.searches.insert(search, (target, kind)).is_none());
    }

    fn input(&mut self, input: Input<u16>) {
        self.node.handle_input(input, self.now);
    }

    /// A question under way, or a made-up one.
    fn pick(&mut self, script: &mut Script<'_>) -> (CallId, Option<Call>) {
        let number = script.u8();
        if number & 0x80 != 0 || self.asked.is_empty() {
            let made_up = CallId(u32::from(number).wrapping_mul(0x0101_0101));
            // It may be one by chance.
            let index = self.asked.iter().position(|call| call.id == made_up);
            return (made_up, index.map(|index| self.asked.swap_remove(index)));
        }
        let index = usize::from(number) % self.asked.len();
        let call = self.asked.swap_remove(index);
        (call.id, Some(call))
    }

    fn answer(&mut self, script: &mut Script<'_>) {
        let (id, call) = self.pick(script);
        let honest = script.below(4) > 0;
        let question = call.as_ref().map(|call| &call.question);
        let answer = match (question, honest) {
            (Some(Question::Ping), true) => Answer::Pong,
            (Some(Question::Find { .. }), true) => Answer::Nodes(nodes(script)),
            (Some(Question::Get { .. }), true) => values(script),
            (Some(Question::Put { .. }), true) => Answer::Stored { keep_s: 60 },
            _ => match script.below(5) {
                0 => Answer::Pong,
                1 => Answer::Nodes(nodes(script)),
                2 => values(script),
                3 => Answer::Stored { keep_s: u32::MAX },
                _ => Answer::Refused {
                    reason: script.one_of(Refusal::ALL),
                    retry_after_s: script.u32(),
                },
            },
        };
        if let Some(call) = call {
            self.proven.insert(call.to.at);
        }
        self.input(Input::Answered { call: id, answer });
    }

    fn fail(&mut self, script: &mut Script<'_>) {
        let (call, _) = self.pick(script);
        let fault = script.one_of(&[Fault::Unreachable, Fault::Busy, Fault::Misbehaved]);
        self.input(Input::Failed { call, fault });
    }

    /// Somebody asks us.
    fn ask(&mut self, script: &mut Script<'_>) {
        let who = script.u8();
        let asker = asker(script);
        let (key, want, known) = (target(script), script.u8(), tails(script));
        let question = match script.below(4) {
            0 => Question::Ping,
            1 => Question::Find {
                target: key,
                want,
                known,
            },
            2 => Question::Get {
                key: records::key(script),
                want,
                known,
                have: (0..script.below(4))
                    .map(|_| records::short(&records::any(script).record))
                    .collect(),
            },
            _ => {
                let one = records::any(script);
                let token = self
                    .tokens
                    .iter()
                    .rfind(|(of, key, _)| *of == who && *key == one.key);
                Question::Put {
                    key: one.key,
                    token: token.map_or([who; 16], |(.., token)| *token),
                    record: Arc::clone(&one.record),
                }
            }
        };
        let asker = Asker {
            id: [who; 32],
            ..asker
        };
        match (&question, self.node.answer(&asker, &question, self.now)) {
            (Question::Ping, Answer::Pong) => {}
            (Question::Find { target, .. }, Answer::Nodes(nodes)) => {
                self.given(&asker, target, want, &known, &nodes);
            }
            (
                Question::Get { key, have, .. },
                Answer::Values {
                    records: given,
                    held,
                    token,
                    nodes,
                },
            ) => {
                self.given(&asker, key, want, &known, &nodes);
                assert!(given.len() <= 32 && given.len() <= held.into());
                for record in given {
                    validate(key, &record, self.latest).unwrap();
                    assert!(!have.contains(&records::short(&record)));
                }
                self.tokens.push((who, *key, token));
                if self.tokens.len() > 16 {
                    self.tokens.remove(0);
                }
            }
            (Question::Put { record, .. }, Answer::Stored { .. }) => {
                assert!(records::find(record).unwrap().is_signed);
            }
            (_, Answer::Refused { .. }) => {}
            (question, answer) => panic!("{answer:?} to {question:?}"),
        }
    }

    /// What an answer of ours names.
    fn given(&self, asker: &Asker<u16>, target: &Key, want: u8, known: &Known, nodes: &Nodes<u16>) {
        assert!(nodes.len() <= usize::from(want).min(K));
        assert!(nodes.iter().all(|node| self.proven.contains(&node.at)));
        let own = asker.contact.map(|contact| contact.at);
        assert!(
            nodes
                .iter()
                .all(|node| Some(node.at) != own && node.at != self.at)
        );
        assert!(
            nodes
                .iter()
                .all(|node| known.iter().all(|tail| tail != node.at.tail()))
        );
        ascending(target, nodes);
    }

    fn drain(&mut self) {
        let mut outputs = 0;
        let mut fires = 0;
        loop {
            while let Some(output) = self.node.poll_output() {
                outputs += 1;
                assert!(outputs < 2_000, "outputs without end");
                self.output(output);
            }
            match self.node.poll_timeout() {
                Some(at) if at <= self.now => {
                    fires += 1;
                    assert!(fires < 100, "a timer that fires for ever");
                    self.node.handle_timeout(self.now);
                }
                _ => return,
            }
        }
    }

    fn output(&mut self, output: Output<u16>) {
        match output {
            Output::Call { call, to, question } => {
                assert!(to.at != self.at, "ourselves asked {question:?}");
                self.asked.push(Call {
                    id: call,
                    to,
                    question,
                });
                // Those that were given up are the node's no more; the oldest go.
                if self.asked.len() > 200 {
                    self.asked.remove(0);
                }
            }
            Output::Done { search, outcome } => {
                let (target, kind) = self.searches.remove(&search).unwrap();
                self.ended(&target, kind, &outcome);
            }
        }
    }

    fn ended(&self, target: &Key, kind: Option<u16>, outcome: &Outcome<u16>) {
        assert!(
            outcome
                .nodes
                .iter()
                .all(|node| self.proven.contains(&node.at))
        );
        ascending(target, &outcome.nodes);
        assert!(kind.is_some() || outcome.records.is_empty());
        let mut signers = BTreeSet::new();
        for record in &outcome.records {
            let known = records::find(record).unwrap();
            assert!(known.is_signed && Some(known.kind) == kind && known.key == *target);
            assert!(signers.insert(known.name), "two of one name");
        }
        assert!(
            outcome
                .evidence
                .conflicts
                .iter()
                .all(|(one, other)| one != other)
        );
    }

    fn check(&self) {
        let stat = self.node.stat();
        // A lookup of the node's own has no turn to wait for.
        assert!(stat.searches <= self.config.searches + 1, "{stat:?}");
        assert!(stat.queued <= self.config.queued, "{stat:?}");
        assert!(
            stat.in_flight <= self.config.in_flight + UPKEEP + HEARD,
            "{stat:?}"
        );
        assert!(self.node.store().bytes() <= 8 << 20);
        for entry in self.node.contacts() {
            assert!(self.proven.contains(&entry.at), "hearsay in the table");
        }
    }

    /// Time passes, and nobody answers any more.
    fn end(&mut self) {
        let rounds = 2 + self.config.queued / self.config.searches;
        for _ in 0..=rounds {
            self.latest = self.latest + self.config.deadline;
            self.now = self.latest;
            self.node.handle_timeout(self.now);
            self.drain();
        }
        assert!(self.searches.is_empty(), "{:?} never ended", self.searches);
    }
}

fn ascending(target: &Key, nodes: &Nodes<u16>) {
    let distances: Vec<_> = nodes.iter().map(|node| target.distance(&node.at)).collect();
    assert!(
        distances.windows(2).all(|pair| pair[0] < pair[1]),
        "not in order"
    );
}

/// Where the node with this number is.
fn place(number: u16) -> Key {
    Key(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

/// Anybody of a few hundred, ourselves among them; some so near that they share half a position.
fn contact(script: &mut Script<'_>) -> Contact<u16> {
    let handle = script.u16() % 0x0300;
    let mut at = place(handle);
    if handle >= 0x0200 {
        at.0[..16].copy_from_slice(&place(0).0[..16]);
    }
    let subnet = match handle % 4 {
        0 => Subnet::EXEMPT,
        _ => Subnet::of([20, 0, (handle / 4 % 16) as u8, 1].into()),
    };
    Contact { at, subnet, handle }
}

fn nodes(script: &mut Script<'_>) -> Nodes<u16> {
    let mut nodes = Nodes::default();
    for _ in 0..script.below(K + 1) {
        nodes.push(contact(script));
    }
    nodes
}

fn values(script: &mut Script<'_>) -> Answer<u16> {
    Answer::Values {
        records: (0..script.below(6))
            .map(|_| Arc::clone(&records::any(script).record))
            .collect(),
        held: script.u8().into(),
        token: [script.u8(); 16],
        nodes: nodes(script),
    }
}

fn target(script: &mut Script<'_>) -> Key {
    match script.below(3) {
        0 => place(script.u16() % 0x0300),
        1 => records::key(script),
        _ => Key(script.array()),
    }
}

fn tails(script: &mut Script<'_>) -> Known {
    let mut known = Known::default();
    for _ in 0..script.below(8) {
        known.push(place(script.u16() % 0x0200).tail());
    }
    known
}

fn asker(script: &mut Script<'_>) -> Asker<u16> {
    let contact = contact(script);
    Asker {
        subnet: contact.subnet,
        id: [0; 32],
        contact: script.flag().then_some(contact),
    }
}
