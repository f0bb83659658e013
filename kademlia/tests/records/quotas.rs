//! Every bound of a store at its edge, and that it bounds nobody else.

use crate::support::*;
use dchat_kademlia::Subnet;
use dchat_kademlia::record::RULES;
use dchat_kademlia::store::{Limits, OVERHEAD, Store};
use dchat_kademlia::token::Writer;
use dchat_wire::dht::Refusal;
use dchat_wire::record::kind;

/// Bytes the store counts for one of [`advert`]'s with a number of one digit.
fn size() -> u32 {
    let mut store = Store::new(Limits::default());
    put(&mut store, &advert(1, 1), writer(1), NOW).unwrap();
    store.bytes()
}

#[test]
fn bytes_count_the_body_the_signature_and_what_is_kept_about_it() {
    let body = advert(1, 1).body.as_slice().len() as u32;
    assert_eq!(size(), body + 64 + OVERHEAD);
}

#[test]
fn records_of_a_writer() {
    let limits = Limits {
        writer_records: 3,
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    for topic in 0..3 {
        put(&mut store, &advert(1, topic), writer(1), NOW).unwrap();
    }
    let refused = put(&mut store, &advert(1, 3), writer(1), NOW);
    assert_eq!(reason(refused), Refusal::WriterQuota);
    put(&mut store, &advert(1, 3), writer(2), NOW).unwrap();
}

#[test]
fn bytes_of_a_writer() {
    let limits = Limits {
        writer_bytes: 2 * size(),
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    put(&mut store, &advert(1, 1), writer(1), NOW).unwrap();
    put(&mut store, &advert(1, 2), writer(1), NOW).unwrap();
    let refused = put(&mut store, &advert(1, 3), writer(1), NOW);
    assert_eq!(reason(refused), Refusal::WriterQuota);
}

/// The writer `id` in subnet 7.
fn in_7(id: u64) -> Writer {
    Writer {
        subnet: subnet(7),
        ..writer(id)
    }
}

#[test]
fn records_of_a_subnet() {
    let limits = Limits {
        subnet_records: 3,
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    for id in 0..3 {
        put(&mut store, &advert(1, id), in_7(id), NOW).unwrap();
    }
    let refused = put(&mut store, &advert(1, 3), in_7(3), NOW);
    assert_eq!(reason(refused), Refusal::SubnetQuota);
    put(&mut store, &advert(1, 3), writer(8), NOW).unwrap();
}

#[test]
fn bytes_of_a_subnet() {
    let limits = Limits {
        subnet_bytes: 2 * size(),
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    put(&mut store, &advert(1, 1), in_7(1), NOW).unwrap();
    put(&mut store, &advert(1, 2), in_7(2), NOW).unwrap();
    let refused = put(&mut store, &advert(1, 3), in_7(3), NOW);
    assert_eq!(reason(refused), Refusal::SubnetQuota);
}

#[test]
fn an_exempt_subnet_is_not_bounded_but_its_writers_are() {
    let limits = Limits {
        subnet_records: 1,
        writer_records: 2,
        burst: 1,
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    let exempt = |id| Writer {
        subnet: Subnet::EXEMPT,
        ..writer(id)
    };
    for topic in 0..4 {
        put(&mut store, &advert(1, topic), exempt(topic / 2), NOW).unwrap();
    }
    let refused = put(&mut store, &advert(1, 4), exempt(0), NOW);
    assert_eq!(reason(refused), Refusal::WriterQuota);
}

#[test]
fn records_under_a_key() {
    let mut store = Store::new(Limits::default());
    for signer in 0..64 {
        put(&mut store, &advert(signer, 0), writer(signer), NOW).unwrap();
    }
    let refused = put(&mut store, &advert(64, 0), writer(64), NOW).unwrap_err();
    assert_eq!(refused.reason, Refusal::Full);
    assert!(refused.retry_after_s >= 60);
    // Who is there may renew its own.
    let renewed = record(3, 2, &service("topic 0"));
    put(&mut store, &renewed, writer(3), NOW).unwrap();
    put(&mut store, &advert(64, 1), writer(64), NOW).unwrap();
}

#[test]
fn bytes_of_a_kind() {
    let eighths = RULES.iter().find(|rule| rule.kind == kind::SERVICE);
    let limits = Limits {
        bytes: 4 * size() * 8 / u32::from(eighths.unwrap().eighths),
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    for topic in 0..4 {
        put(&mut store, &advert(1, topic), writer(topic), NOW).unwrap();
    }
    let refused = put(&mut store, &advert(1, 4), writer(4), NOW);
    assert_eq!(reason(refused), Refusal::Full);
    put(&mut store, &record(1, 1, &device()), writer(4), NOW).unwrap();
}

#[test]
fn bytes_of_all() {
    let limits = Limits {
        bytes: 8 * 1024,
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    let mut refused = None;
    for signer in 0..100 {
        let stored = if signer % 2 == 0 {
            put(
                &mut store,
                &record(signer, 1, &device()),
                writer(signer),
                NOW,
            )
        } else {
            put(
                &mut store,
                &record(signer, 1, &presence(vec![1; 100])),
                writer(signer),
                NOW,
            )
        };
        if let Err(why) = stored {
            assert!(store.bytes() <= limits.bytes && store.bytes() > limits.bytes - 1024);
            refused = Some(why.reason);
        }
    }
    assert_eq!(refused, Some(Refusal::Full));
}

#[test]
fn what_is_far_has_a_share_and_no_more() {
    let limits = Limits {
        far_bytes: 2 * size(),
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    let mut far = |topic| {
        let record = advert(1, topic);
        put_at(&mut store, key_of(&record), &record, writer(1), false, NOW)
    };
    far(1).unwrap();
    far(2).unwrap();
    assert_eq!(reason(far(3)), Refusal::Full);
    assert_eq!(store.far_bytes(), 2 * size());
    put(&mut store, &advert(1, 3), writer(1), NOW).unwrap();
}

#[test]
fn far_records_cannot_take_what_is_reserved_for_near_ones() {
    let limits = Limits {
        bytes: 32 * size(),
        far_bytes: 4 * size(),
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    for topic in 0..10 {
        let record = advert(1, topic);
        let _ = put_at(&mut store, key_of(&record), &record, writer(1), false, NOW);
    }
    // Four of the eight that the kind may take.
    for topic in 0..4 {
        put(&mut store, &advert(2, topic), writer(2), NOW).unwrap();
    }
}

#[test]
fn a_replaced_record_makes_room_for_its_successor() {
    let limits = Limits {
        writer_records: 1,
        subnet_records: 1,
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    for sequence in 1..5 {
        let record = record(1, sequence, &device());
        put(&mut store, &record, writer(1), NOW).unwrap();
    }
    assert_eq!(store.len(), 1);
}

#[test]
fn evidence_counts_like_any_record() {
    let limits = Limits {
        writer_records: 1,
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    let mut other = device();
    other.fallback_key = [9; 32];
    put(&mut store, &record(1, 1, &device()), writer(1), NOW).unwrap();
    let refused = put(&mut store, &record(1, 1, &other), writer(1), NOW);
    assert_eq!(reason(refused), Refusal::WriterQuota);
    assert_eq!(store.len(), 1);
}

#[test]
fn the_rate_of_a_subnet() {
    let limits = Limits {
        burst: 10,
        per_second: 2,
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    let mut stored = |from: u64, now| {
        let puts = (0..30).filter(|n| {
            let record = advert(1, from + n);
            put(&mut store, &record, in_7(from + n), now).is_ok()
        });
        puts.count()
    };
    assert_eq!(stored(0, NOW), 10);
    assert_eq!(stored(100, after(3000)), 6);
    assert_eq!(stored(200, after(3000)), 0);
    assert_eq!(stored(300, after(1_000_000)), 10);
}

#[test]
fn forged_records_use_up_the_rate_of_their_subnet_only() {
    let limits = Limits {
        burst: 10,
        ..Limits::default()
    };
    let mut store = Store::new(limits);
    for topic in 0..20 {
        let _ = put(&mut store, &forged(&advert(1, topic)), in_7(1), NOW);
    }
    let refused = put(&mut store, &advert(1, 1), in_7(2), NOW);
    assert_eq!(reason(refused), Refusal::TooMany);
    put(&mut store, &advert(1, 1), writer(8), NOW).unwrap();
}
