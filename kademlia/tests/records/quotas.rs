//! Every bound of a store at its edge, and that it bounds nobody else.

use dchat_kademlia::Subnet;
use dchat_kademlia::record::RULES;
use dchat_kademlia::store::{Limits, OVERHEAD, Store};
use dchat_kademlia::token::Writer;
use dchat_wire::dht::Refusal;
use dchat_wire::record::kind;

use crate::support::*;

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

/// Checks DC-DHT-034 (positive, negative).
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

/// Checks DC-DHT-034 (positive, negative).
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

/// Checks DC-DHT-034 (negative).
#[test]
fn records_under_a_signers_key() {
    let mut store = Store::new(Limits::default());
    for slot in 0..64 {
        put(&mut store, &record(1, 1, &rendezvous(slot)), writer(1), NOW).unwrap();
    }
    let refused = put(&mut store, &record(1, 1, &rendezvous(64)), writer(64), NOW).unwrap_err();
    assert_eq!(refused.reason, Refusal::Full);
    assert!(refused.retry_after_s >= 60);
    // Who is there may renew its own.
    let renewed = record(1, 2, &rendezvous(3));
    put(&mut store, &renewed, writer(3), NOW).unwrap();
    assert_eq!(store.len(), 64);
}

/// Puts an advert of each of `signers`, signer n from subnet n; who is held at the end.
fn crowd(seed: u64, signers: &[u64]) -> Vec<u64> {
    let mut store = Store::new(Limits::default()).with_seed(seed);
    let adverts: Vec<_> = signers.iter().map(|signer| advert(*signer, 0)).collect();
    for (signer, record) in signers.iter().zip(&adverts) {
        let answer = put(&mut store, record, writer(*signer), NOW);
        assert!(
            answer.is_ok_and(|kept| kept.new) || answer.is_err_and(|no| no.reason == Refusal::Full)
        );
    }
    assert_eq!(store.len(), signers.len().min(64));
    let held: Vec<_> = store
        .records()
        .map(|(_, record, _)| record.clone())
        .collect();
    let is_held = |(_, record): &(&u64, &_)| held.contains(record);
    let kept = signers.iter().zip(&adverts).filter(is_held);
    let mut kept: Vec<_> = kept.map(|(signer, _)| *signer).collect();
    kept.sort_unstable();
    kept
}

#[test]
fn under_a_crowded_topic_it_does_not_matter_who_came_first() {
    let forth: Vec<_> = (0..100).collect();
    let back: Vec<_> = (0..100).rev().collect();
    let kept = crowd(5, &forth);
    assert_eq!(kept, crowd(5, &back));
    assert_ne!(kept, crowd(6, &forth));
}

#[test]
fn one_subnet_has_few_records_under_a_topic() {
    let mut store = Store::new(Limits::default());
    for id in 0..4 {
        put(&mut store, &advert(id, 0), in_7(id), NOW).unwrap();
    }
    let refused = put(&mut store, &advert(4, 0), in_7(4), NOW);
    assert_eq!(reason(refused), Refusal::SubnetQuota);
    // Of another topic it may speak, and members of a group may be neighbours.
    put(&mut store, &advert(4, 1), in_7(4), NOW).unwrap();
    for slot in 0..6 {
        put(&mut store, &record(1, 1, &rendezvous(slot)), in_7(1), NOW).unwrap();
    }
}

/// Checks DC-DHT-032 (negative).
#[test]
fn a_forged_record_displaces_nobody() {
    let mut store = Store::new(Limits::default());
    for signer in 0..64 {
        put(&mut store, &advert(signer, 0), writer(signer), NOW).unwrap();
    }
    let before: Vec<_> = store
        .records()
        .map(|(_, record, _)| record.digest())
        .collect();
    let mut would_displace = 0;
    for signer in 64..164 {
        let forged = forged(&advert(signer, 0));
        let refused = reason(put(&mut store, &forged, writer(signer), NOW));
        would_displace += u32::from(refused == Refusal::BadSignature);
    }
    assert!(would_displace > 0);
    let after: Vec<_> = store
        .records()
        .map(|(_, record, _)| record.digest())
        .collect();
    assert_eq!(before, after);
}

/// Checks DC-DHT-034 (negative).
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

/// Checks DC-DHT-034 (negative).
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
    assert_eq!(reason(far(3)), Refusal::TooFar);
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

/// Checks DC-DHT-032 (negative).
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
