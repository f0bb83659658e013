//! One test for each way a put is refused, and what it leaves.

use std::sync::Arc;

use dchat_kademlia::store::{Limits, Store};
use dchat_wire::codec::Bytes;
use dchat_wire::dht::Refusal;
use dchat_wire::record::{CLOCK_SKEW, RecordBody, SignedRecord, kind};

use crate::support::*;

fn store() -> Store {
    Store::new(Limits::default())
}

/// Puts a record and checks that nothing is held for it.
#[track_caller]
fn refused(record: &Arc<SignedRecord>, key: dchat_kademlia::Key) -> Refusal {
    let mut store = store();
    let refused = reason(put_at(&mut store, key, record, writer(1), true, NOW));
    assert!(store.is_empty());
    assert_eq!(store.bytes(), 0);
    refused
}

/// Checks DC-DHT-032 (positive), DC-DHT-035 (positive).
#[test]
fn an_honest_record_is_kept_until_it_expires() {
    let mut store = store();
    let record = lasting(1, 1, &device(), HOUR);
    let kept = put(&mut store, &record, writer(1), NOW).unwrap();
    assert_eq!((kept.keep_s, kept.new), (3600, true));
    let values = store.values(&key_of(&record), &[], NOW);
    assert_eq!((values.records, values.held), (vec![record], 1));
}

#[test]
fn bytes_that_are_no_record() {
    let record = Arc::new(SignedRecord {
        body: Bytes::new(vec![1; 300]).unwrap(),
        signature: [0; 64],
    });
    let key = owner_key(kind::DEVICE, 1);
    assert_eq!(refused(&record, key), Refusal::BadRecord);
}

#[test]
fn a_forged_signature() {
    let record = record(1, 1, &device());
    let key = key_of(&record);
    assert_eq!(refused(&forged(&record), key), Refusal::BadSignature);
}

#[test]
fn a_record_signed_by_another_than_it_says() {
    let record = signed(2, &body(1));
    let key = owner_key(kind::DEVICE, 1);
    assert_eq!(refused(&record, key), Refusal::BadSignature);
}

#[test]
fn another_key_than_its_own() {
    let record = record(1, 1, &device());
    let other = owner_key(kind::DEVICE, 2);
    assert_eq!(refused(&record, other), Refusal::WrongKey);
}

#[test]
fn the_key_of_another_kind() {
    let record = record(1, 1, &device());
    let other = owner_key(kind::ADDRESS, 1);
    assert_eq!(refused(&record, other), Refusal::WrongKey);
}

#[test]
fn a_record_that_has_expired() {
    let record = signed(
        1,
        &RecordBody {
            issued_at: NOW.0 - HOUR,
            expires_at: NOW.0,
            ..body(1)
        },
    );
    let key = key_of(&record);
    assert_eq!(refused(&record, key), Refusal::Expired);
}

#[test]
fn a_record_from_the_future() {
    let issued = |issued_at| {
        signed(
            1,
            &RecordBody {
                issued_at,
                expires_at: issued_at + HOUR,
                ..body(1)
            },
        )
    };
    let skewed = issued(NOW.0 + CLOCK_SKEW);
    let mut store = store();
    assert!(put(&mut store, &skewed, writer(1), NOW).is_ok());
    let early = issued(NOW.0 + CLOCK_SKEW + 1);
    let key = key_of(&early);
    assert_eq!(refused(&early, key), Refusal::Expired);
}

/// Checks DC-ID-019 (negative).
#[test]
fn a_record_older_than_what_is_held() {
    let mut store = store();
    let newer = record(1, 8, &device());
    put(&mut store, &newer, writer(1), NOW).unwrap();
    let older = record(1, 7, &device());
    assert_eq!(
        reason(put(&mut store, &older, writer(1), NOW)),
        Refusal::Outdated
    );
    let held = store.values(&key_of(&newer), &[], NOW).records;
    assert_eq!(held, [newer]);
}

/// Checks DC-ID-018 (positive, negative).
#[test]
fn a_newer_record_that_is_not_believed_leaves_what_is_held() {
    let mut store = store();
    let believed = record(1, 7, &device());
    put(&mut store, &believed, writer(1), NOW).unwrap();
    for newer in [
        forged(&record(1, 8, &device())),
        signed(
            2,
            &RecordBody {
                sequence: 8,
                ..body(1)
            },
        ),
    ] {
        assert_eq!(
            reason(put_at(
                &mut store,
                key_of(&believed),
                &newer,
                writer(1),
                true,
                NOW
            )),
            Refusal::BadSignature
        );
        let held = store.values(&key_of(&believed), &[], NOW).records;
        assert_eq!(held, std::slice::from_ref(&believed));
    }
}

/// Checks DC-ID-019 (positive).
#[test]
fn a_newer_record_replaces() {
    let mut store = store();
    put(&mut store, &record(1, 7, &device()), writer(1), NOW).unwrap();
    let newer = record(1, 8, &device());
    let kept = put(&mut store, &newer, writer(1), NOW).unwrap();
    assert!(kept.new);
    assert_eq!(store.len(), 1);
    assert_eq!(
        store.values(&key_of(&newer), &[], NOW).records,
        std::slice::from_ref(&newer)
    );
}

#[test]
fn the_same_record_again_changes_nothing() {
    let mut store = store();
    let record = lasting(1, 7, &device(), HOUR);
    put(&mut store, &record, writer(1), NOW).unwrap();
    let bytes = store.bytes();
    let kept = put(&mut store, &record, writer(2), after(1000)).unwrap();
    assert_eq!((kept.keep_s, kept.new), (3599, false));
    assert_eq!((store.len(), store.bytes()), (1, bytes));
}

/// Checks DC-DHT-033 (positive).
#[test]
fn a_contradiction_is_kept_as_evidence_and_served() {
    let mut store = store();
    let mut other = device();
    other.fallback_key = [9; 32];
    let (one, two) = (record(1, 7, &device()), record(1, 7, &other));
    put(&mut store, &one, writer(1), NOW).unwrap();
    let refused = put(&mut store, &two, writer(1), NOW).unwrap_err();
    assert_eq!(refused.reason, Refusal::Conflict);
    let short = |record: &SignedRecord| record.digest()[..8].to_vec();
    let evidence = refused.evidence.unwrap();
    assert_eq!(
        evidence.map(|digest| digest.to_vec()),
        [short(&one), short(&two)]
    );
    let values = store.values(&key_of(&one), &[], NOW);
    assert_eq!((values.records, values.held), (vec![one, two], 2));
}

/// Checks DC-DHT-033 (negative).
#[test]
fn a_third_contradiction_is_not_kept() {
    let mut store = store();
    let contradiction = |n| {
        let mut device = device();
        device.fallback_key = [n; 32];
        record(1, 7, &device)
    };
    put(&mut store, &contradiction(1), writer(1), NOW).unwrap();
    for n in 2..5 {
        let refused = put(&mut store, &contradiction(n), writer(1), NOW).unwrap_err();
        assert_eq!(refused.reason, Refusal::Conflict);
        assert!(refused.evidence.is_some());
        assert_eq!(store.len(), 2);
    }
    // Both that are held are known again, as the same.
    for n in 1..3 {
        let kept = put(&mut store, &contradiction(n), writer(1), NOW).unwrap();
        assert!(!kept.new);
    }
}

/// Checks DC-DHT-032 (negative), DC-DHT-033 (negative).
#[test]
fn a_forged_contradiction_is_no_evidence() {
    let mut store = store();
    let mut other = device();
    other.fallback_key = [9; 32];
    put(&mut store, &record(1, 7, &device()), writer(1), NOW).unwrap();
    let forged = forged(&record(1, 7, &other));
    assert_eq!(
        reason(put(&mut store, &forged, writer(1), NOW)),
        Refusal::BadSignature
    );
    assert_eq!(store.len(), 1);
}

#[test]
fn a_newer_record_ends_a_contradiction() {
    let mut store = store();
    let mut other = device();
    other.fallback_key = [9; 32];
    put(&mut store, &record(1, 7, &device()), writer(1), NOW).unwrap();
    put(&mut store, &record(1, 7, &other), writer(1), NOW).unwrap_err();
    let newer = record(1, 8, &device());
    put(&mut store, &newer, writer(1), NOW).unwrap();
    assert_eq!(
        store.values(&key_of(&newer), &[], NOW).records,
        std::slice::from_ref(&newer)
    );
    assert_eq!(store.len(), 1);
}

#[test]
fn members_of_a_group_have_slots_of_their_own() {
    let mut store = store();
    for slot in 0..3 {
        put(&mut store, &record(1, 1, &rendezvous(slot)), writer(1), NOW).unwrap();
    }
    put(&mut store, &record(1, 2, &rendezvous(0)), writer(1), NOW).unwrap();
    assert_eq!(store.len(), 3);
}

#[test]
fn signers_under_one_topic_do_not_replace_one_another() {
    let mut store = store();
    for signer in 0..3 {
        put(&mut store, &advert(signer, 0), writer(1), NOW).unwrap();
    }
    let values = store.values(&key_of(&advert(0, 0)), &[], NOW);
    assert_eq!(values.held, 3);
}

/// Checks DC-DHT-020 (positive, negative).
#[test]
fn what_the_asker_has_is_left_out_and_counted() {
    let mut store = store();
    let records: Vec<_> = (0..3).map(|signer| advert(signer, 0)).collect();
    for record in &records {
        put(&mut store, record, writer(1), NOW).unwrap();
    }
    let mut have = [0; 8];
    have.copy_from_slice(&records[1].digest()[..8]);
    let values = store.values(&key_of(&records[0]), &[have], NOW);
    assert_eq!(values.held, 3);
    assert_eq!(values.records.len(), 2);
    assert!(!values.records.contains(&records[1]));
}

#[test]
fn a_refused_put_tells_when_to_come_back() {
    let limits = Limits {
        burst: 1,
        per_second: 2,
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    put(&mut store, &advert(1, 1), writer(1), NOW).unwrap();
    let refused = put(&mut store, &advert(1, 2), writer(1), NOW).unwrap_err();
    assert_eq!(
        (refused.reason, refused.retry_after_s),
        (Refusal::TooMany, 1)
    );
    assert!(put(&mut store, &advert(1, 2), writer(1), after(500)).is_ok());
}
