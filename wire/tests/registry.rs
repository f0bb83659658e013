//! The registries: every code stands for one thing, and none is taken from what is reserved.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;

use dchat_wire::advert::{MailboxPointer, Presence, RelayAdvert, Rendezvous, ServiceAdvert};
use dchat_wire::chat::Stage;
use dchat_wire::close::Code;
use dchat_wire::codec::Field;
use dchat_wire::gossip::{Parting, Sketched};
use dchat_wire::group::Deed;
use dchat_wire::hash::Context;
use dchat_wire::hello::{capability, role};
use dchat_wire::nat::{Allocation, CandidateKind, Filtering, Mapping, ReachFrom, ReachResult};
use dchat_wire::parcel::entry_kind;
use dchat_wire::record::{AddressRecord, CLOCK_SKEW, DeviceRecord, Payload as _, kind};
use dchat_wire::relay::Voucher;
use dchat_wire::sign::Purpose;
use dchat_wire::{FrameType, dht, encode, grease, limits, relay};

fn distinct<T: Ord>(items: impl IntoIterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    items.into_iter().all(|item| seen.insert(item))
}

/// Checks DC-REG-001 (negative), DC-WIRE-024 (negative).
#[test]
fn frame_types_are_distinct_and_not_reserved() {
    assert!(distinct(
        FrameType::ALL.iter().map(|frame_type| *frame_type as u16)
    ));
    assert!(distinct(
        FrameType::ALL.iter().map(|frame_type| frame_type.name())
    ));
    for frame_type in FrameType::ALL {
        assert!(!grease::is_reserved(*frame_type as u16));
        assert_eq!(FrameType::from_code(*frame_type as u16), Some(*frame_type));
        assert!(frame_type.max_body() <= limits::FRAME_BODY);
    }
    let known = (0..=u16::MAX)
        .filter(|code| FrameType::from_code(*code).is_some())
        .count();
    assert_eq!(known, FrameType::ALL.len());
}

#[test]
fn close_codes_are_distinct_and_return() {
    assert!(distinct(Code::ALL.iter().map(|code| *code as u32)));
    assert!(distinct(Code::ALL.iter().map(|code| code.text())));
    for code in Code::ALL {
        assert_eq!(Code::from_value(u64::from(*code as u32)), Some(*code));
    }
    assert_eq!(Code::from_value(u64::MAX), None);
    assert_eq!(Code::from_value(Code::ALL.len() as u64), None);
}

/// Checks DC-ID-001 (positive, negative).
#[test]
fn contexts_are_distinct_and_of_this_protocol() {
    assert!(distinct(
        Context::ALL.iter().map(|context| context.as_str())
    ));
    assert!(
        Context::ALL
            .iter()
            .all(|context| context.as_str().starts_with("dchat/1 "))
    );
    assert!(distinct(
        Context::ALL.iter().map(|context| context.digest(&[]))
    ));
    assert!(distinct(Purpose::ALL.iter().map(|one| one.context())));
    for purpose in Purpose::ALL {
        let context = purpose.context();
        assert!(context.is_ascii() && (1..=255).contains(&context.len()));
    }
}

/// Checks DC-REG-001 (negative), DC-REG-002 (negative), DC-WIRE-024 (negative).
#[test]
fn kinds_roles_and_capabilities_are_distinct_and_not_reserved() {
    let kinds = [
        kind::ADDRESS,
        kind::DEVICE,
        kind::VOUCHER,
        kind::RELAY,
        kind::SERVICE,
        kind::MAILBOX,
        kind::PRESENCE,
        kind::RENDEZVOUS,
    ];
    assert!(distinct(kinds));
    assert!(distinct([
        capability::CHAT,
        capability::PUNCH,
        capability::REACH,
        capability::DHT,
        capability::GOSSIP,
    ]));
    assert_eq!(role::RELAY & role::MAILBOX & role::BOOTSTRAP, 0);
    assert_eq!(
        (role::RELAY | role::MAILBOX | role::BOOTSTRAP).count_ones(),
        3
    );
    for code in kinds
        .into_iter()
        .chain([capability::CHAT, capability::DHT, capability::GOSSIP])
        .chain([
            entry_kind::TEXT,
            entry_kind::GROUP_OPERATIONS,
            entry_kind::GROUP_KEYS,
        ])
    {
        assert!(!grease::is_reserved(code));
    }
}

#[test]
fn every_kind_of_record_lives_as_long_as_the_registry_says() {
    let lifetimes = [
        AddressRecord::MAX_LIFETIME,
        DeviceRecord::MAX_LIFETIME,
        Voucher::MAX_LIFETIME,
        RelayAdvert::MAX_LIFETIME,
        ServiceAdvert::MAX_LIFETIME,
        MailboxPointer::MAX_LIFETIME,
        Presence::MAX_LIFETIME,
        Rendezvous::MAX_LIFETIME,
    ];
    let registered = [
        86_400_000,
        2_592_000_000,
        7_200_000,
        7_200_000,
        86_400_000,
        604_800_000,
        3_600_000,
        7_200_000,
    ];
    assert_eq!(lifetimes, registered);
    assert_eq!(CLOCK_SKEW, 600_000);
}

#[test]
fn bounds_that_are_computed_are_those_of_the_registry() {
    assert_eq!(limits::FRAME_BODY, 163_840);
    assert_eq!(limits::RECORD_BODY, 4352);
    assert_eq!(limits::DHT_VALUES, 36_864);
    assert_eq!(limits::TEXT, 65_536);
    assert_eq!(limits::ENTRY_BODY, 66_560);
    assert_eq!(limits::PARCEL, 131_072);
    assert_eq!(limits::RATCHET_MESSAGE, 131_584);
}

#[test]
fn a_reserved_code_is_reserved_and_never_critical() {
    let codes: BTreeSet<u16> = (0..=u8::MAX).map(grease::code).collect();
    assert!(
        codes
            .iter()
            .all(|code| grease::is_reserved(*code) && code & 0x8000 == 0)
    );
    assert_eq!(
        codes.len(),
        128,
        "every reserved code that is not critical is sent"
    );
}

/// Codes of `all`, which are written in one byte, or in two of which the second is 0.
fn codes<T: Field>(all: &[T]) -> Vec<u8> {
    all.iter()
        .map(|one| match encode(one).as_slice() {
            [code] | [code, 0] => *code,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn enumerated_fields_are_written_as_the_codes_of_the_registry() {
    fn from(first: u8, count: usize) -> Vec<u8> {
        (first..).take(count).collect()
    }
    assert_eq!(codes(&[Stage::Opening, Stage::Established]), [0, 1]);
    assert_eq!(codes(&[Sketched::Sequences, Sketched::Tips]), [0, 1]);
    assert_eq!(codes(Mapping::ALL), from(0, 5));
    assert_eq!(codes(Filtering::ALL), from(0, 5));
    assert_eq!(codes(Allocation::ALL), from(0, 5));
    assert_eq!(codes(CandidateKind::ALL), from(0, 4));
    assert_eq!(codes(ReachFrom::ALL), from(0, 3));
    assert_eq!(codes(ReachResult::ALL), from(0, 4));
    assert_eq!(codes(relay::Refusal::ALL), from(1, 9));
    assert_eq!(codes(dht::Refusal::ALL), from(1, 14));
    assert_eq!(codes(Parting::ALL), from(1, 4));
    assert_eq!(codes(Deed::ALL), from(1, 8));
}
