//! What relays answer: refusals, vouchers, and answers too late.

use std::time::Duration;

use dchat_wire::record::SignedRecord;
use dchat_wire::relay::Refusal;

use super::world::{World, found, id, ours};
use crate::relay::proto::client::VoucherError;
use crate::relay::proto::client::reservations::Event;

#[test]
fn a_refused_relay_rests_as_long_as_it_says_and_the_next_is_asked() {
    let mut world = World::new(found(3));
    world.hold(1, 30);
    world.up(2, 30);
    world.refuse(2, Refusal::Full, 120);
    assert_eq!(world.dialing(), [3]);
    world.dialing.clear();
    world.gone(3);
    world.wait(Duration::from_secs(80));
    world.dialing.remove(&3);
    assert!(!world.asked.contains_key(&2));
    world.wait(Duration::from_secs(80));
    assert!(world.asked.contains_key(&2) || world.dialing.contains(&2));
}

#[test]
fn a_relay_that_refuses_for_good_is_left_for_long() {
    let mut world = World::new(found(1));
    world.up(1, 30);
    world.refuse(1, Refusal::NotARelay, 0);
    let refused = world.now;
    world.step_until(|world| world.asked.contains_key(&1));
    let rest = (world.now - refused).as_secs() / 60;
    assert!(
        (45..=75).contains(&rest),
        "its policy may be another then: {rest} min"
    );
}

#[test]
fn a_renewal_refused_for_now_keeps_what_is_held_and_one_for_good_does_not() {
    let mut world = World::new(found(1));
    world.hold(1, 30);
    world.wait(Duration::from_secs(2000));
    world.refuse(1, Refusal::Limited, 5);
    assert_eq!(world.held(), [1]);
    world.wait(Duration::from_secs(6));
    world.refuse(1, Refusal::ShuttingDown, 60);
    assert_eq!(world.held(), []);
    assert!(world.circuits.is_empty());
}

/// Checks DC-RELAY-004 (negative).
#[test]
fn vouchers_that_prove_nothing_are_refused_by_name() {
    type Make = fn(&World) -> SignedRecord;
    let cases: [(Make, _); 4] = [
        (|world| world.voucher(2, ours(), 9), "WrongSigner"),
        (|world| world.voucher(1, id(3), 9), "OtherPeer"),
        (
            |world| world.aged_voucher(1, ours(), 9, 3_600_000),
            "Expired",
        ),
        (
            |world| {
                let mut forged = world.voucher(1, ours(), 9);
                forged.signature[0] ^= 1;
                forged
            },
            "BadSignature",
        ),
    ];
    for (voucher, name) in cases {
        let mut world = World::new(found(1));
        world.up(1, 30);
        let voucher = voucher(&world);
        world.reserved(1, 3600, voucher);
        assert_eq!(world.held(), []);
        let told = world.events.iter().find_map(|event| match event {
            Event::BadVoucher { error, .. } => Some(format!("{error:?}")),
            _ => None,
        });
        assert!(told.unwrap().contains(name));
    }
}

/// Checks DC-RELAY-004 (negative).
#[test]
fn a_replayed_voucher_is_refused_also_over_a_new_connection() {
    let mut world = World::new(found(1));
    world.up(1, 30);
    let old = world.voucher(1, ours(), 5);
    world.reserved(1, 3600, old.clone());
    assert_eq!(world.held(), [1]);
    world.gone(1);
    world.wait(Duration::from_secs(2));
    world.up(1, 30);
    world.reserved(1, 3600, old);
    assert_eq!(world.held(), []);
    let (relay, error) = (id(1), VoucherError::Replayed);
    assert!(world.events.contains(&Event::BadVoucher { relay, error }));
}

#[test]
fn an_expired_voucher_and_a_lifetime_of_nothing_are_not_held() {
    let mut world = World::new(found(1));
    world.up(1, 30);
    let old = world.voucher(1, ours(), 5);
    world.unix_ms += 2 * 3_600_000;
    world.reserved(1, 3600, old);
    assert_eq!(world.held(), []);
    let mut world = World::new(found(1));
    world.up(1, 30);
    let voucher = world.voucher(1, ours(), 5);
    world.reserved(1, 0, voucher);
    assert_eq!(world.held(), []);
}

#[test]
fn an_answer_to_an_older_question_is_ignored() {
    let mut world = World::new(found(1));
    world.up(1, 30);
    let stale = world.asked[&1];
    world.gone(1);
    world.wait(Duration::from_secs(2));
    world.up(1, 30);
    assert_ne!(world.asked[&1], stale);
    world.asked.insert(1, stale);
    world.grant(1);
    assert_eq!(world.held(), []);
}
