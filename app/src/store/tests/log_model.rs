//! The log operations against a model that is too simple to be wrong.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::{Acknowledged, EntryState, Pending, Receipt};

#[derive(Debug, Clone)]
enum Operation {
    Say { lives_for: Option<i64> },
    Hear { seq: u64, fork: bool, stub: bool },
    Acknowledge { through: u64, receipt: Receipt },
    MarkRead { through: u64 },
    SkipTo { low_water: u64 },
    Expire { at: i64 },
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    let seq = || 0_u64..12;
    let receipt = prop_oneof![
        Just(Receipt::Stored),
        Just(Receipt::Delivered),
        Just(Receipt::Read)
    ];
    prop_oneof![
        4 => prop::option::of(0_i64..10).prop_map(|lives_for| Operation::Say { lives_for }),
        8 => (seq(), prop::bool::weighted(0.1), prop::bool::weighted(0.2))
            .prop_map(|(seq, fork, stub)| Operation::Hear { seq, fork, stub }),
        3 => (seq(), receipt).prop_map(|(through, receipt)| Operation::Acknowledge { through, receipt }),
        2 => seq().prop_map(|through| Operation::MarkRead { through }),
        1 => seq().prop_map(|low_water| Operation::SkipTo { low_water }),
        2 => (0_i64..10).prop_map(|at| Operation::Expire { at }),
        1 => Just(Operation::Reopen),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct ModelEntry {
    text: Option<String>,
    expires_at: Option<i64>,
    state: EntryState,
}

#[derive(Debug, Default)]
struct Model {
    /// All of both logs, in order of arrival.
    arrived: Vec<(bool, u64)>,
    own: BTreeMap<u64, ModelEntry>,
    acked: u64,
    read_by_them: u64,
    theirs: BTreeMap<u64, ModelEntry>,
    next_of_theirs: u64,
    low_water: u64,
    read_by_us: u64,
    theirs_exists: bool,
}

fn text(own: bool, seq: u64) -> String {
    format!("{own} {seq}")
}

fn rank(state: EntryState) -> u8 {
    match state {
        EntryState::Queued => 0,
        EntryState::Stored => 1,
        EntryState::Delivered => 2,
        EntryState::Read => 3,
        EntryState::Failed | EntryState::Received => u8::MAX,
    }
}

impl Model {
    fn new() -> Self {
        Self {
            next_of_theirs: 1,
            low_water: 1,
            ..Self::default()
        }
    }

    fn say(&mut self, expires_at: Option<i64>) -> u64 {
        let seq = self.own.len() as u64 + 1;
        self.own.insert(
            seq,
            ModelEntry {
                text: Some(text(true, seq)),
                expires_at,
                state: EntryState::Queued,
            },
        );
        self.arrived.push((true, seq));
        seq
    }

    /// `None` when it is appended.
    fn hear(&mut self, seq: u64, fork: bool, stub: bool) -> Option<Received> {
        if seq > self.next_of_theirs {
            return Some(Received::Gap {
                next_seq: self.next_of_theirs,
            });
        }
        if seq < self.next_of_theirs {
            let held = self.theirs.contains_key(&seq);
            return Some(if seq == 0 || (held && fork) {
                Received::Fork
            } else {
                Received::Duplicate
            });
        }
        if fork {
            return Some(Received::Fork);
        }
        self.theirs_exists = true;
        self.theirs.insert(
            seq,
            ModelEntry {
                text: (!stub).then(|| text(false, seq)),
                expires_at: None,
                state: EntryState::Received,
            },
        );
        self.arrived.push((false, seq));
        self.next_of_theirs += 1;
        None
    }

    fn acknowledge(&mut self, through: u64, receipt: Receipt) -> Acknowledged {
        let last_seq = self.own.len() as u64;
        if last_seq == 0 {
            return Acknowledged::NoSuchLog;
        }
        if through > last_seq {
            return Acknowledged::Beyond { last_seq };
        }
        let target = match receipt {
            Receipt::Stored => EntryState::Stored,
            Receipt::Delivered => EntryState::Delivered,
            Receipt::Read => EntryState::Read,
        };
        let mut changed = Vec::new();
        for (seq, entry) in self.own.range_mut(..=through) {
            if rank(entry.state) < rank(target) {
                entry.state = target;
                changed.push(*seq);
            }
        }
        if receipt != Receipt::Stored {
            self.acked = self.acked.max(through);
        }
        if receipt == Receipt::Read {
            self.read_by_them = self.read_by_them.max(through);
        }
        Acknowledged::Changed(changed.into_iter().map(|seq| [seq as u8; 16]).collect())
    }

    fn skip_to(&mut self, low_water: u64) -> bool {
        if low_water <= self.next_of_theirs {
            return false;
        }
        if self.read_by_us + 1 == self.next_of_theirs {
            self.read_by_us = low_water - 1;
        }
        self.next_of_theirs = low_water;
        self.low_water = low_water;
        self.theirs_exists = true;
        true
    }

    fn mark_read(&mut self, through: u64) -> bool {
        let through = through.min(self.next_of_theirs - 1);
        let news = through > self.read_by_us;
        self.read_by_us = self.read_by_us.max(through);
        news
    }

    fn expire(&mut self, now: i64) -> (usize, usize) {
        let (mut stubs, mut failed) = (0, 0);
        for entry in self.own.values_mut().chain(self.theirs.values_mut()) {
            if entry.text.is_some() && entry.expires_at.is_some_and(|at| at <= now) {
                entry.text = None;
                stubs += 1;
                if rank(entry.state) < rank(EntryState::Delivered) {
                    entry.state = EntryState::Failed;
                    failed += 1;
                }
            }
        }
        (stubs, failed)
    }
}

fn model_id(seq: u64) -> EntryId {
    [seq as u8; 16]
}

fn apply(profile: &Profile, store: &mut Store, model: &mut Model, operation: &Operation) {
    let (own, theirs) = (own_log(CHAT), bobs_log(CHAT));
    match *operation {
        Operation::Say { lives_for } => {
            let expires_at = lives_for.map(|lives_for| NOW + lives_for);
            let seq = model.say(expires_at);
            let said = text(true, seq);
            let entry = NewEntry {
                id: model_id(seq),
                kind: 1,
                text: &said,
                sent_at: NOW,
                expires_at,
            };
            let appended = store
                .transaction("say", |tx| {
                    tx.append_own(&own, &entry, NOW, |seq, prev| {
                        assert_eq!(*prev, hash_of(&own, seq - 1));
                        hash_of(&own, seq)
                    })
                })
                .unwrap();
            assert_eq!(appended.seq, seq);
        }
        Operation::Hear { seq, fork, stub } => {
            let expected = model.hear(seq, fork, stub);
            let said = text(false, seq);
            let mut entry = received(&theirs, seq, &said);
            if stub {
                entry.text = None;
            }
            if fork {
                entry.hash = digest(&theirs, seq, 1);
                entry.prev = digest(&theirs, seq, 2);
            }
            let outcome = commit(store, |tx| tx.append_received(&theirs, &entry, NOW)).unwrap();
            match expected {
                None => assert!(matches!(outcome, Received::Appended { .. }), "{outcome:?}"),
                Some(expected) => assert_eq!(outcome, expected),
            }
        }
        Operation::Acknowledge { through, receipt } => {
            let expected = model.acknowledge(through, receipt);
            let outcome = commit(store, |tx| tx.acknowledge(&own, through, receipt)).unwrap();
            assert_eq!(outcome, expected);
        }
        Operation::MarkRead { through } => {
            let expected = model.mark_read(through);
            let outcome = commit(store, |tx| tx.mark_read(&theirs, through)).unwrap();
            assert_eq!(outcome, expected);
        }
        Operation::SkipTo { low_water } => {
            let expected = model.skip_to(low_water);
            let tip = hash_of(&theirs, low_water.saturating_sub(1));
            let outcome = commit(store, |tx| tx.skip_to(&theirs, low_water, &tip)).unwrap();
            assert_eq!(outcome, expected);
        }
        Operation::Expire { at } => {
            let expected = model.expire(NOW + at);
            let outcome = commit(store, |tx| tx.expire(NOW + at)).unwrap();
            assert_eq!((outcome.stubs, outcome.failed.len()), expected);
        }
        Operation::Reopen => *store = profile.open(),
    }
}

fn compare(store: &mut Store, model: &Model) {
    let (own, theirs) = (own_log(CHAT), bobs_log(CHAT));
    let stored = history(store, &CHAT);
    assert_eq!(
        stored.iter().map(|e| (e.own, e.seq)).collect::<Vec<_>>(),
        model.arrived
    );
    for entry in &stored {
        let expected = if entry.own {
            &model.own[&entry.seq]
        } else {
            &model.theirs[&entry.seq]
        };
        let got = ModelEntry {
            text: entry.text.clone(),
            expires_at: entry.expires_at,
            state: entry.state,
        };
        assert_eq!(got, *expected, "{} {}", entry.own, entry.seq);
    }
    assert!(stored.is_sorted_by_key(|entry| entry.ord));

    let last = model.own.len() as u64;
    let at = frontier(store, &own);
    assert_eq!(at.is_some(), last > 0);
    if let Some(at) = at {
        assert_eq!(
            (at.next_seq, at.tip, at.acked, at.read),
            (
                last + 1,
                hash_of(&own, last),
                model.acked,
                model.read_by_them
            )
        );
    }
    let at = frontier(store, &theirs);
    assert_eq!(at.is_some(), model.theirs_exists);
    if let Some(at) = at {
        assert_eq!(
            (at.next_seq, at.tip, at.low_water, at.read),
            (
                model.next_of_theirs,
                hash_of(&theirs, model.next_of_theirs - 1),
                model.low_water,
                model.read_by_us
            )
        );
    }

    let unread: Vec<_> = model
        .theirs
        .range(model.read_by_us + 1..)
        .filter(|(_, entry)| entry.text.is_some())
        .map(|(seq, _)| *seq)
        .collect();
    store
        .read(|view| {
            assert_eq!(view.unread_count(&CHAT)?, unread.len() as u64);
            let page = view.unread(Some(&CHAT), 100)?;
            assert_eq!(
                page.entries.iter().map(|e| e.seq).collect::<Vec<_>>(),
                unread
            );
            let waiting: Vec<_> = (model.acked < last)
                .then_some(Pending {
                    log: own,
                    acked: model.acked,
                    last_seq: last,
                })
                .into_iter()
                .collect();
            assert_eq!(view.pending()?, waiting);
            let outbox = view.entries_after(&own, model.acked, 1_000, usize::MAX)?;
            assert!(
                outbox
                    .iter()
                    .map(|entry| entry.seq)
                    .eq(model.acked + 1..=last)
            );
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn logs_do_what_the_model_does(operations in prop::collection::vec(operation(), 1..40)) {
        let profile = Profile::new();
        let mut store = profile.open();
        let mut model = Model::new();
        for operation in &operations {
            apply(&profile, &mut store, &mut model, operation);
            compare(&mut store, &model);
        }
        store.verify().unwrap();
    }
}
