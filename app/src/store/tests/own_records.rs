//! Own records of the table, from one start to the next.

use super::*;
use crate::store::OwnRecord;
use crate::store::limits::MAX_OWN_RECORDS;

fn record(kind: u16, name: &str, sequence: u64, expires_at: u64) -> OwnRecord {
    OwnRecord {
        kind,
        name: name.to_owned(),
        sequence,
        expires_at,
    }
}

fn remember(store: &mut Store, record: &OwnRecord) {
    store
        .transaction("own-record", |tx| tx.remember_own_record(record))
        .unwrap_or_else(|error: StoreError| panic!("{error}"));
}

fn remembered(store: &mut Store) -> Vec<OwnRecord> {
    store
        .read(|view| view.own_records())
        .unwrap_or_else(|error: StoreError| panic!("{error}"))
}

#[test]
fn they_come_back_after_a_crash_those_signed_last_first() {
    let profile = Profile::new();
    let mut store = profile.open();
    let records = [
        record(1, "", 7, 100),
        record(5, "chess", 9, 50),
        record(5, "go", 8, 200),
    ];
    for record in &records {
        remember(&mut store, record);
    }
    // As after a crash: what was committed is in the write-ahead log only.
    std::mem::forget(store);
    let [address, chess, go] = records;
    assert_eq!(remembered(&mut profile.open()), [chess, go, address]);
}

#[test]
fn of_one_name_the_highest_sequence_and_the_latest_end_stay() {
    let mut store = Profile::new().open();
    for (sequence, expires_at) in [(5, 100), (4, 300), (6, 200)] {
        remember(&mut store, &record(1, "", sequence, expires_at));
    }
    assert_eq!(remembered(&mut store), [record(1, "", 6, 300)]);
}

#[test]
fn numbers_beyond_what_a_column_holds_stay_the_highest() {
    let mut store = Profile::new().open();
    remember(&mut store, &record(1, "", u64::MAX, u64::MAX));
    remember(&mut store, &record(1, "", 1, 1));
    let most = i64::MAX.unsigned_abs();
    assert_eq!(remembered(&mut store), [record(1, "", most, most)]);
}

#[test]
fn those_signed_longest_ago_are_forgotten_when_there_are_too_many() {
    let mut store = Profile::new().open();
    for number in 0..=MAX_OWN_RECORDS as u64 {
        // The later it is signed, the earlier it ends.
        let ends = 10_000 - number;
        remember(&mut store, &record(5, &number.to_string(), number, ends));
    }
    let kept = remembered(&mut store);
    assert_eq!(kept.len(), MAX_OWN_RECORDS);
    assert!(kept.iter().all(|one| one.sequence > 0));
}
