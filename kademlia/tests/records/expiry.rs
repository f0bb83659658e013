//! Records go when their time is over, and with the last one everything.

use dchat_kademlia::Time;
use dchat_kademlia::store::{Limits, Store};

use crate::support::*;

#[test]
fn in_the_order_of_their_times() {
    let mut store = Store::new(Limits::default());
    let lifetimes = [5, 3, 9, 1, 7].map(|minutes| minutes * 60_000);
    for (topic, lifetime) in lifetimes.into_iter().enumerate() {
        let record = lasting(1, 1, &service(&topic.to_string()), lifetime);
        put(&mut store, &record, writer(1), NOW).unwrap();
    }
    for (gone, minutes) in [1, 3, 5, 7, 9].into_iter().enumerate() {
        let due = after(minutes * 60_000);
        assert_eq!(store.poll_timeout(), Some(due));
        assert_eq!(store.expire(Time(due.0 - 1)), 0);
        assert_eq!(store.len(), 5 - gone);
        assert_eq!(store.expire(due), 1);
    }
    assert!(store.is_empty());
    assert_eq!((store.bytes(), store.far_bytes()), (0, 0));
}

/// Checks DC-DHT-035 (negative).
#[test]
fn what_is_over_is_not_served_even_before_it_goes() {
    let mut store = Store::new(Limits::default());
    let record = lasting(1, 1, &device(), HOUR);
    put(&mut store, &record, writer(1), NOW).unwrap();
    let key = key_of(&record);
    assert_eq!(store.values(&key, &[], after(HOUR - 1)).held, 1);
    assert_eq!(store.values(&key, &[], after(HOUR)).held, 0);
}

#[test]
fn many_go_at_once() {
    let mut store = Store::new(Limits::default());
    for topic in 0..200 {
        put(&mut store, &advert(1, topic), writer(topic), NOW).unwrap();
    }
    assert_eq!(store.expire(after(24 * HOUR)), 200);
    assert!(store.is_empty());
}

#[test]
fn a_far_record_is_kept_an_hour() {
    let mut store = Store::new(Limits::default());
    let record = record(1, 1, &device());
    let kept = put_at(&mut store, key_of(&record), &record, writer(1), false, NOW);
    assert_eq!(kept.unwrap().keep_s, 3600);
    assert_eq!(store.poll_timeout(), Some(after(HOUR)));
    assert_eq!(store.expire(after(HOUR)), 1);
}

#[test]
fn a_far_record_never_outlives_its_own_time() {
    let mut store = Store::new(Limits::default());
    let record = lasting(1, 1, &device(), 1000);
    let kept = put_at(&mut store, key_of(&record), &record, writer(1), false, NOW);
    assert_eq!(kept.unwrap().keep_s, 1);
    assert_eq!(store.expire(after(1000)), 1);
}

#[test]
fn an_empty_store_wants_nothing() {
    let mut store = Store::new(Limits::default());
    assert_eq!(store.poll_timeout(), None);
    assert_eq!(store.expire(NOW), 0);
    assert_eq!(store.values(&owner_key(1, 1), &[], NOW).held, 0);
    assert_eq!(store.len(), 0);
}

#[test]
fn a_store_comes_to_rest_once_all_is_gone() {
    let mut store = Store::new(Limits::default());
    put(&mut store, &lasting(1, 1, &device(), 1000), writer(1), NOW).unwrap();
    let mut steps = 0;
    while let Some(due) = store.poll_timeout() {
        store.expire(due);
        steps += 1;
        assert!(
            steps < 10,
            "expire leaves something due that it does not do"
        );
    }
    assert!(store.is_empty());
}

#[test]
fn the_end_of_time_does_not_overflow() {
    let mut store = Store::new(Limits::default());
    put(&mut store, &record(1, 1, &device()), writer(1), NOW).unwrap();
    assert_eq!(store.expire(Time(u64::MAX)), 1);
}
