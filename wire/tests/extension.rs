//! The extension block: one order, none twice, none critical that is not known.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::extension::{CRITICAL, Extensions};
use dchat_wire::ping::Ping;
use dchat_wire::{DecodeError, List, decode, encode, grease};
use support::samples::{extension, extensions, ping};

fn refused(kinds: &[u16]) -> &'static str {
    let items = kinds.iter().map(|kind| extension(*kind, b"x"));
    let list = List::first_of(items);
    let body = [encode(&1_u64), encode(&list)].concat();
    let Err(DecodeError::Invalid {
        field: "Ping.extensions",
        reason,
    }) = decode::<Ping>(&body)
    else {
        panic!("{kinds:?} decode");
    };
    assert_eq!(Extensions::new(list), Err(reason));
    reason
}

/// Checks DC-WIRE-020 (negative).
#[test]
fn out_of_order_is_refused() {
    assert_eq!(
        refused(&[2, 1]),
        "extension types are not strictly ascending"
    );
}

/// Checks DC-WIRE-020 (negative).
#[test]
fn twice_is_refused() {
    assert_eq!(
        refused(&[1, 1]),
        "extension types are not strictly ascending"
    );
}

/// Checks DC-WIRE-021 (negative), DC-WIRE-022 (negative).
#[test]
fn an_unknown_critical_one_is_refused() {
    assert_eq!(
        refused(&[CRITICAL]),
        "a critical extension is not known here"
    );
    assert_eq!(
        refused(&[1, 0xffff]),
        "a critical extension is not known here"
    );
}

/// Checks DC-WIRE-020 (positive), DC-WIRE-023 (positive).
#[test]
fn unknown_ones_are_kept_and_written_again() {
    let ping = Ping {
        extensions: extensions(),
        ..ping()
    };
    let decoded: Ping = decode(&encode(&ping)).unwrap();
    assert_eq!(decoded.extensions.as_slice().len(), 2);
    assert_eq!(encode(&decoded), encode(&ping));
}

/// Checks DC-WIRE-021 (positive), DC-WIRE-022 (positive), DC-WIRE-026 (positive, negative).
#[test]
fn every_reserved_one_is_accepted() {
    for seed in 0..=u8::MAX {
        let block = grease::extensions(seed, &[seed; 40]);
        assert_eq!(block.as_slice().len(), 1);
        assert!(grease::is_reserved(block.as_slice()[0].kind));
        assert_eq!(block.as_slice()[0].value.as_slice().len(), grease::CONTENT);
        let ping = Ping {
            extensions: block,
            ..ping()
        };
        assert_eq!(decode(&encode(&ping)), Ok(ping));
    }
}
