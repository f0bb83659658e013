//! A store against a naive model of it, over random puts, questions and times.

use std::sync::Arc;

use dchat_kademlia::store::{Limits, Store};
use dchat_kademlia::token::Writer;
use dchat_kademlia::{Key, Time};
use dchat_wire::dht::Refusal;
use dchat_wire::record::SignedRecord;
use proptest::prelude::*;

use crate::support::*;

/// Small enough for every bound to be met.
const LIMITS: Limits = Limits {
    bytes: 12_000,
    far_bytes: 3_000,
    writer_records: 6,
    writer_bytes: 4_000,
    subnet_records: 9,
    subnet_bytes: 6_000,
    topic_subnet: 3,
    burst: 40,
    per_second: 1,
    far_seconds: 600,
};

#[derive(Clone, Debug)]
enum Step {
    Put { what: What, writer: u64, near: bool },
    Wait(u64),
    Get { what: What },
}

/// One of a few hundred records, many of which contradict or replace one another.
#[derive(Clone, Copy, Debug)]
struct What {
    kind: u8,
    signer: u64,
    sequence: u64,
    variant: u8,
    minutes: u64,
}

impl What {
    fn record(self) -> Arc<SignedRecord> {
        let lifetime = self.minutes * 60_000;
        let (signer, sequence) = (self.signer, self.sequence);
        match self.kind {
            0 => {
                let mut device = device();
                device.fallback_key = [self.variant; 32];
                lasting(signer, sequence, &device, lifetime)
            }
            1 => lasting(
                signer,
                sequence,
                &service(&format!("{}", self.variant % 2)),
                lifetime,
            ),
            _ => lasting(signer, sequence, &rendezvous(self.variant), lifetime),
        }
    }
}

fn what() -> impl Strategy<Value = What> {
    (0..3_u8, 0..5_u64, 1..4_u64, 0..3_u8, 1..4_u64).prop_map(
        |(kind, signer, sequence, variant, quarters)| What {
            kind,
            signer,
            sequence,
            variant,
            minutes: quarters * 15,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (what(), 0..6_u64, prop::bool::weighted(0.8))
            .prop_map(|(what, writer, near)| Step::Put { what, writer, near }),
        1 => (1..600_u64).prop_map(Step::Wait),
        2 => what().prop_map(|what| Step::Get { what }),
    ]
}

/// Six writers in three subnets.
fn by(number: u64) -> Writer {
    Writer {
        subnet: subnet(number / 2),
        ..writer(number)
    }
}

struct Item {
    key: Key,
    record: Arc<SignedRecord>,
    /// Kind, signer and slot in words.
    name: String,
    sequence: u64,
    until: Time,
    bytes: u32,
    writer: u64,
    near: bool,
    kind: u16,
}

/// What a store should do, without its rate, in the plainest way.
#[derive(Default)]
struct Model {
    items: Vec<Item>,
}

impl Model {
    fn put(&mut self, what: What, writer: u64, near: bool, now: Time) -> Result<bool, Refusal> {
        let record = what.record();
        let body = record.unverified().unwrap();
        let slot = if what.kind == 2 { what.variant } else { 0 };
        let name = format!("{} {} {slot}", body.kind, what.signer);
        let expires = Time(body.expires_at);
        if expires <= now {
            return Err(Refusal::Expired);
        }
        let key = key_of(&record);
        let same_name = |item: &&Item| item.key == key && item.name == name;
        if self.items.iter().any(|item| item.record == record) {
            return Ok(false);
        }
        if self
            .items
            .iter()
            .filter(same_name)
            .any(|item| item.sequence > what.sequence)
        {
            return Err(Refusal::Outdated);
        }
        let rivals = self
            .items
            .iter()
            .filter(same_name)
            .filter(|item| item.sequence == what.sequence)
            .count();
        if rivals == 2 {
            return Err(Refusal::Conflict);
        }
        let far = Time(now.0 + u64::from(LIMITS.far_seconds) * 1000);
        let item = Item {
            key,
            name: name.clone(),
            sequence: what.sequence,
            until: if near { expires } else { expires.min(far) },
            bytes: record.body.as_slice().len() as u32 + 64 + 256,
            writer,
            near,
            kind: body.kind,
            record,
        };
        let stays = |other: &&Item| rivals == 1 || other.key != key || other.name != name;
        let sum = |which: &dyn Fn(&Item) -> bool| {
            let counted = self.items.iter().filter(stays).chain([&item]);
            let counted: Vec<_> = counted.filter(|item| which(item)).collect();
            let bytes: u32 = counted.iter().map(|item| item.bytes).sum();
            (counted.len(), bytes)
        };
        let over = |(records, bytes): (usize, u32), (most, room)| records > most || bytes > room;
        let of_writer = sum(&|other| other.writer == writer);
        if over(of_writer, (6, LIMITS.writer_bytes)) {
            return Err(Refusal::WriterQuota);
        }
        let of_subnet = sum(&|other| other.writer / 2 == writer / 2);
        let is_topic = what.kind == 1;
        let of_topic = sum(&|other| other.writer / 2 == writer / 2 && other.key == key).0;
        if over(of_subnet, (9, LIMITS.subnet_bytes)) || (is_topic && of_topic > 3) {
            return Err(Refusal::SubnetQuota);
        }
        let rule = dchat_kademlia::record::rule(item.kind).unwrap();
        let of_kind = sum(&|other| other.kind == item.kind).1;
        let of_key = sum(&|other| other.key == key).0;
        let of_far = sum(&|other| !other.near).1;
        let of_all = sum(&|_| true).1;
        if of_kind > LIMITS.bytes / 8 * u32::from(rule.eighths) || of_all > LIMITS.bytes {
            return Err(Refusal::Full);
        }
        if !near && of_far > LIMITS.far_bytes {
            return Err(Refusal::TooFar);
        }
        if of_key > usize::from(rule.per_key) {
            return Err(Refusal::Full);
        }
        if rivals == 0 {
            self.items
                .retain(|item| item.key != key || item.name != name);
        }
        self.items.push(item);
        if rivals == 1 {
            Err(Refusal::Conflict)
        } else {
            Ok(true)
        }
    }
}

fn sorted(records: Vec<Arc<SignedRecord>>) -> Vec<[u8; 32]> {
    let mut digests: Vec<_> = records.iter().map(|record| record.digest()).collect();
    digests.sort_unstable();
    digests
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_store_does_what_the_model_does(steps in prop::collection::vec(step(), 1..80)) {
        let mut store = Store::new(LIMITS);
        let mut model = Model::default();
        let mut now = NOW;
        for step in steps {
            match step {
                Step::Put { what, writer, near } => {
                    let record = what.record();
                    let put = put_at(&mut store, key_of(&record), &record, by(writer), near, now);
                    let got = put.map(|kept| kept.new).map_err(|refused| refused.reason);
                    // The rate is tested elsewhere.
                    if got != Err(Refusal::TooMany) {
                        prop_assert_eq!(got, model.put(what, writer, near, now), "{:?}", what);
                    }
                }
                Step::Wait(seconds) => {
                    now = Time(now.0 + seconds * 1000);
                    let before = model.items.len();
                    model.items.retain(|item| item.until > now);
                    prop_assert_eq!(store.expire(now), before - model.items.len());
                }
                Step::Get { what } => {
                    let key = key_of(&what.record());
                    let values = store.values(&key, &[], now);
                    let expected = model.items.iter().filter(|item| item.key == key);
                    let expected: Vec<_> = expected.map(|item| item.record.clone()).collect();
                    prop_assert_eq!(usize::from(values.held), expected.len());
                    prop_assert_eq!(sorted(values.records), sorted(expected));
                }
            }
            let bytes: u32 = model.items.iter().map(|item| item.bytes).sum();
            let far: u32 = model.items.iter().filter(|item| !item.near).map(|item| item.bytes).sum();
            prop_assert_eq!(store.len(), model.items.len());
            prop_assert_eq!((store.bytes(), store.far_bytes()), (bytes, far));
            prop_assert!(bytes <= LIMITS.bytes && far <= LIMITS.far_bytes);
            let next = model.items.iter().map(|item| item.until).min();
            if next.is_some() {
                prop_assert_eq!(store.poll_timeout(), next);
            }
        }
    }

    #[test]
    fn arbitrary_records_are_refused_and_leave_nothing(body: Vec<u8>, half: [u8; 32], key: [u8; 32]) {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&half);
        let record = Arc::new(SignedRecord {
            body: dchat_wire::Bytes::new(body).unwrap(),
            signature,
        });
        let mut store = Store::new(LIMITS);
        prop_assert!(put_at(&mut store, Key(key), &record, by(1), true, NOW).is_err());
        prop_assert!(store.is_empty());
    }
}
