//! What two peers find out from each other's HELLO.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use dchat_wire::List;
use dchat_wire::hello::{Capabilities, Versions, capability};

#[test]
fn two_peers_speak_the_highest_version_both_know() {
    let range = |low, high| Versions::new(low, high).unwrap();
    for (one, other, common) in [
        (range(1, 1), range(1, 1), Some(1)),
        (range(1, 4), range(2, 3), Some(3)),
        (range(1, 4), range(4, 9), Some(4)),
        (range(1, 4), range(5, 9), None),
        (range(3, 3), range(1, 2), None),
    ] {
        assert_eq!(one.common(other), common, "{one:?} {other:?}");
        assert_eq!(other.common(one), common, "{other:?} {one:?}");
    }
}

#[test]
fn a_range_of_versions_keeps_its_ends() {
    let versions = Versions::new(2, 7).unwrap();
    assert_eq!((versions.low(), versions.high()), (2, 7));
}

#[test]
fn a_capability_is_found_only_where_it_was_said() {
    let said = [capability::CHAT, capability::DHT];
    let capabilities = Capabilities::new(List::new(said.to_vec()).unwrap()).unwrap();
    assert_eq!(capabilities.as_slice(), said);
    for code in 0..10 {
        assert_eq!(capabilities.contains(code), said.contains(&code), "{code}");
    }
    assert!(!Capabilities::default().contains(capability::CHAT));
}

#[test]
fn capabilities_out_of_order_or_said_twice_are_refused() {
    for said in [vec![2, 1], vec![1, 1], vec![1, 3, 2]] {
        let refused = Capabilities::new(List::new(said).unwrap());
        assert_eq!(refused, Err("capabilities are not strictly ascending"));
    }
}

#[test]
fn a_range_of_versions_is_neither_empty_nor_from_0() {
    for (low, high) in [(0, 0), (0, 1), (2, 1)] {
        let refused = Versions::new(low, high);
        assert_eq!(refused, Err("the version range is empty or starts at 0"));
    }
}
