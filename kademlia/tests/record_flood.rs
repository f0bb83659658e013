//! Floods of records: refused by name, in bounded memory, and nobody else notices.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    unreachable_pub,
    reason = "tests, which use a part of what they share"
)]

#[path = "records/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use dchat_kademlia::record::{Meta, Notary, Strict};
use dchat_kademlia::store::{Limits, Put, Store};
use dchat_kademlia::token::Writer;
use dchat_kademlia::{Key, Time};
use dchat_wire::Bytes;
use dchat_wire::dht::Refusal;
use dchat_wire::record::SignedRecord;
use peak_alloc::PeakAlloc;

use support::*;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Stores of one flood: a million where the code is optimised.
const STORES: u64 = if cfg!(debug_assertions) {
    20_000
} else {
    1_000_000
};
const MEBIBYTE: usize = 1024 * 1024;

/// One test at a time: they share the count of the heap.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Believes every signature: what an attacker's own identities would sign, without the work.
struct Credulous;

impl Notary for Credulous {
    fn read(&mut self, record: &SignedRecord) -> Result<Meta, Refusal> {
        Strict.read(record)
    }

    fn verify(&mut self, _: &SignedRecord, _: &Meta) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A service advert for topic `number`, by patching an honest one; its signature does not verify.
struct Forge {
    body: Vec<u8>,
    at: usize,
}

impl Forge {
    fn new() -> Self {
        let name = "00000000";
        let body = record(1, 1, &service(name)).body.as_slice().to_vec();
        let at = body.windows(8).position(|part| part == name.as_bytes());
        Self {
            at: at.unwrap(),
            body,
        }
    }

    fn record(&mut self, number: u64) -> (Key, Arc<SignedRecord>) {
        let name = format!("{number:08x}");
        self.body[self.at..self.at + 8].copy_from_slice(name.as_bytes());
        let record = SignedRecord {
            body: Bytes::new(self.body.clone()).unwrap(),
            signature: [1; 64],
        };
        let key = dchat_wire::hash::dht_key(dchat_wire::record::kind::SERVICE, name.as_bytes());
        (Key(key), Arc::new(record))
    }
}

/// What a flood came to.
struct Outcome {
    /// How often each answer was given; `None` for what was stored.
    answers: BTreeMap<Option<Refusal>, u64>,
    /// Most bytes of heap it took at any time.
    heap: usize,
}

/// Puts what `make` makes, a hundred a second, into a store that holds an honest record, and checks
/// that the record stays and another honest writer still gets in.
fn flood<N: Notary>(
    notary: &mut N,
    mut make: impl FnMut(u64) -> (Key, Arc<SignedRecord>, Writer, bool),
) -> Outcome {
    let mut store = Store::new(Limits::default());
    let honest = record(900, 1, &device());
    put(&mut store, &honest, writer(900), NOW).unwrap();
    let mut answers = BTreeMap::new();
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let mut now = NOW;
    for number in 0..STORES {
        now = Time(NOW.0 + number * 10);
        store.expire(now);
        let (key, record, writer, near) = make(number);
        let put = Put {
            key,
            record: &record,
            writer,
            near,
        };
        let answer = store.put(&put, now, notary).err();
        *answers
            .entry(answer.map(|refused| refused.reason))
            .or_default() += 1;
    }
    let heap = HEAP.peak_usage().saturating_sub(before);
    assert_eq!(store.values(&key_of(&honest), &[], now).records, [honest]);
    let other = SignedRecord::issue(&identity(901), 1, now.0, HOUR, &device());
    put(&mut store, &Arc::new(other), writer(60_901), now).unwrap();
    Outcome { answers, heap }
}

fn one_subnet(id: u64) -> Writer {
    Writer {
        subnet: subnet(7),
        ..writer(id)
    }
}

#[test]
fn a_million_forged_records_from_one_subnet() {
    let _turn = alone();
    let mut forge = Forge::new();
    let outcome = flood(&mut Strict, |number| {
        let (key, record) = forge.record(number);
        (key, record, one_subnet(number), true)
    });
    assert_eq!(outcome.answers.get(&None), None);
    assert!(outcome.answers[&Some(Refusal::TooMany)] > STORES * 9 / 10);
    assert_eq!(outcome.answers.len(), 2, "{:?}", outcome.answers);
    assert!(outcome.answers.contains_key(&Some(Refusal::BadSignature)));
    assert!(outcome.heap < 64 * 1024, "{} bytes", outcome.heap);
}

#[test]
fn a_million_signed_records_from_one_subnet() {
    let _turn = alone();
    let mut forge = Forge::new();
    let outcome = flood(&mut Credulous, |number| {
        let (key, record) = forge.record(number);
        (key, record, one_subnet(number), true)
    });
    let allowed = [None, Some(Refusal::TooMany), Some(Refusal::SubnetQuota)];
    assert!(outcome.answers.keys().all(|key| allowed.contains(key)));
    assert!(outcome.answers[&None] <= 256);
    assert!(outcome.heap < MEBIBYTE / 2, "{} bytes", outcome.heap);
}

#[test]
fn a_million_signed_records_for_far_keys_from_everywhere() {
    let _turn = alone();
    let mut forge = Forge::new();
    let outcome = flood(&mut Credulous, |number| {
        let (key, record) = forge.record(number);
        (key, record, writer(number % 60_000), false)
    });
    let allowed = [None, Some(Refusal::TooMany), Some(Refusal::TooFar)];
    assert!(outcome.answers.keys().all(|key| allowed.contains(key)));
    assert!(outcome.heap < MEBIBYTE, "{} bytes", outcome.heap);
}

#[test]
fn a_million_forged_records_from_everywhere() {
    let _turn = alone();
    let mut forge = Forge::new();
    let outcome = flood(&mut Strict, |number| {
        let (key, record) = forge.record(number);
        (key, record, writer(number % 60_000), true)
    });
    assert_eq!(outcome.answers.get(&None), None);
    assert!(outcome.heap < 128 * 1024, "{} bytes", outcome.heap);
}

#[test]
fn a_million_replays() {
    let _turn = alone();
    let records: Vec<_> = (1..=3).map(|n| record(5, n, &device())).collect();
    let mut order = [1, 2, 0, 1, 2].into_iter().cycle();
    let outcome = flood(&mut Strict, |number| {
        // First the second and the third, then all three over and over.
        let record = match number {
            0 | 1 => &records[1 + number as usize],
            _ => &records[order.next().unwrap()],
        };
        (key_of(record), record.clone(), one_subnet(number), true)
    });
    assert!(outcome.answers[&Some(Refusal::Outdated)] > STORES / 2);
    assert_eq!(outcome.answers.len(), 2, "{:?}", outcome.answers);
    assert!(outcome.heap < 16 * 1024, "{} bytes", outcome.heap);
}

#[test]
fn a_million_contradictions() {
    let _turn = alone();
    let records: Vec<_> = (0..100)
        .map(|n| {
            let mut device = device();
            device.fallback_key = [n; 32];
            record(5, 1, &device)
        })
        .collect();
    let outcome = flood(&mut Strict, |number| {
        let record = &records[(number % 100) as usize];
        (
            key_of(record),
            record.clone(),
            writer(number % 60_000),
            true,
        )
    });
    // Two of the hundred are held and known again.
    assert_eq!(outcome.answers[&None], STORES / 100 * 2 - 1);
    assert_eq!(outcome.answers.len(), 2, "{:?}", outcome.answers);
    assert!(outcome.heap < 16 * 1024, "{} bytes", outcome.heap);
}

#[test]
fn an_empty_store_takes_no_heap_and_gives_all_of_it_back() {
    let _turn = alone();
    // The test runner's own threads take and free a little meanwhile.
    let slack = 4096;
    let before = HEAP.current_usage();
    let mut store = Store::new(Limits::default());
    assert_eq!(store.values(&owner_key(1, 1), &[], NOW).held, 0);
    assert!(HEAP.current_usage() <= before + slack);
    for topic in 0..200 {
        put(&mut store, &advert(1, topic), writer(topic), NOW).unwrap();
    }
    assert!(HEAP.current_usage() > before + 10 * slack);
    store.expire(after(48 * HOUR));
    assert_eq!(store.poll_timeout(), None);
    assert!(HEAP.current_usage() <= before + slack);
}
