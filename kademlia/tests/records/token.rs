//! A token is one asker's, for one key, for a while.

use dchat_kademlia::token::{PERIOD, Tokens, Writer};
use dchat_kademlia::{Subnet, Time};
use proptest::prelude::*;

use crate::support::*;

fn tokens() -> Tokens {
    Tokens::new([7; 32])
}

/// Checks DC-DHT-029 (positive), DC-DHT-031 (positive).
#[test]
fn holds_for_its_asker_and_key() {
    let key = owner_key(1, 1);
    let token = tokens().issue(&writer(1), &key, NOW);
    assert!(tokens().check(&token, &writer(1), &key, NOW));
}

/// Checks DC-DHT-029 (negative), DC-DHT-031 (negative).
#[test]
fn is_nobody_elses() {
    let key = owner_key(1, 1);
    let token = tokens().issue(&writer(1), &key, NOW);
    assert!(!tokens().check(&token, &writer(2), &key, NOW));
    assert!(!tokens().check(&token, &writer(1), &owner_key(1, 2), NOW));
    let moved = Writer {
        subnet: subnet(2),
        ..writer(1)
    };
    assert!(!tokens().check(&token, &moved, &key, NOW));
    let nowhere = Writer {
        subnet: Subnet::EXEMPT,
        ..writer(1)
    };
    assert!(!tokens().check(&token, &nowhere, &key, NOW));
    assert!(!Tokens::new([8; 32]).check(&token, &writer(1), &key, NOW));
}

/// Checks DC-DHT-030 (positive, negative).
#[test]
fn holds_through_the_next_period_and_no_longer() {
    let key = owner_key(1, 1);
    let start = Time(NOW.0 / PERIOD * PERIOD);
    let token = tokens().issue(&writer(1), &key, start);
    let check = |later| tokens().check(&token, &writer(1), &key, Time(start.0 + later));
    assert!(check(PERIOD - 1));
    assert!(check(2 * PERIOD - 1));
    assert!(!check(2 * PERIOD));
    assert!(!tokens().check(&token, &writer(1), &key, Time(start.0 - 1)));
}

#[test]
fn the_first_period_has_none_before_it() {
    let key = owner_key(1, 1);
    let token = tokens().issue(&writer(1), &key, Time(0));
    assert!(tokens().check(&token, &writer(1), &key, Time(0)));
    assert!(!tokens().check(&token, &writer(1), &key, Time(u64::MAX)));
}

proptest! {
    #[test]
    fn no_other_token_is_taken(flips in 1..=u128::MAX) {
        let key = owner_key(1, 1);
        let token = tokens().issue(&writer(1), &key, NOW);
        let other = (u128::from_le_bytes(token) ^ flips).to_le_bytes();
        prop_assert!(!tokens().check(&other, &writer(1), &key, NOW));
    }
}
