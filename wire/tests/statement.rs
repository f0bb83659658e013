//! What a stored record says: read by its kind, placed by what it speaks of.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::advert::{MailboxPointer, Presence, RelayAdvert, Rendezvous, ServiceAdvert};
use dchat_wire::codec::Body;
use dchat_wire::dht::Socket;
use dchat_wire::extension::Extensions;
use dchat_wire::hash::dht_key;
use dchat_wire::record::{AddressRecord, Payload, RecordError, kind};
use dchat_wire::statement::Statement;
use dchat_wire::{Bytes, List, Text, encode, grease, limits};
use support::samples;

fn extensions() -> Extensions {
    Extensions::default()
}

fn relay(shard: u8) -> RelayAdvert {
    RelayAdvert {
        shard,
        socket: Socket::new(samples::v4()).unwrap(),
        other: Some(Socket::new(samples::v6()).unwrap()),
        extensions: extensions(),
    }
}

fn service() -> ServiceAdvert {
    ServiceAdvert {
        name: Text::new("chess").unwrap(),
        addresses: List::first_of(samples::addresses()),
        extensions: extensions(),
    }
}

fn mailbox() -> MailboxPointer {
    MailboxPointer {
        mailboxes: List::first_of(samples::addresses()),
        extensions: extensions(),
    }
}

fn presence() -> Presence {
    Presence {
        sealed: Bytes::new(vec![4; 256]).unwrap(),
        extensions: extensions(),
    }
}

fn rendezvous() -> Rendezvous {
    Rendezvous {
        slot: [6; 16],
        sealed: Bytes::new(vec![4; 256]).unwrap(),
        extensions: extensions(),
    }
}

/// The payload is read as `statement` by its kind, lives as long as its type says, and is refused
/// when a byte is missing or one too many.
#[track_caller]
fn is_read<P: Payload + Body>(payload: &P, statement: Statement) {
    let mut bytes = encode(payload);
    assert_eq!(Statement::max_lifetime(P::KIND), Some(P::MAX_LIFETIME));
    assert_eq!(statement.kind(), P::KIND);
    assert_eq!(Statement::read(P::KIND, &bytes), Ok(statement));
    let short = Statement::read(P::KIND, &bytes[..bytes.len() - 1]);
    assert!(matches!(short, Err(RecordError::Malformed(_))), "{short:?}");
    bytes.push(0);
    let long = Statement::read(P::KIND, &bytes);
    assert!(matches!(long, Err(RecordError::Malformed(_))), "{long:?}");
}

#[test]
fn every_kind_is_read_as_what_it_is() {
    let addresses = samples::address_record();
    is_read(&addresses, Statement::Address(addresses.clone()));
    is_read(&samples::device(), Statement::Device(samples::device()));
    is_read(&relay(3), Statement::Relay(relay(3)));
    is_read(&service(), Statement::Service(service()));
    is_read(&mailbox(), Statement::Mailbox(mailbox()));
    is_read(&presence(), Statement::Presence(presence()));
    is_read(&rendezvous(), Statement::Rendezvous(rendezvous()));
    assert_eq!(Statement::KINDS.len(), 7);
}

#[test]
fn a_voucher_and_what_is_not_registered_are_not_stored() {
    for kind in [0, kind::VOUCHER, grease::code(0), u16::MAX] {
        let refused = Statement::read(kind, &encode(&samples::voucher()));
        assert_eq!(refused, Err(RecordError::WrongKind(kind)));
        assert_eq!(Statement::max_lifetime(kind), None);
    }
}

#[test]
fn the_topic_of_relays_has_no_other_parts() {
    for shard in 0..=u8::MAX {
        let read = Statement::read(kind::RELAY, &encode(&relay(shard)));
        assert_eq!(read.is_ok(), shard < limits::RELAY_SHARDS, "{shard}");
    }
}

#[test]
fn who_is_nowhere_says_nothing() {
    let mut record = samples::address_record();
    let read = |record: &AddressRecord| Statement::read(kind::ADDRESS, &encode(record));
    record.addresses = List::first_of(samples::addresses().into_iter().take(1));
    assert!(read(&record).is_ok());
    record.addresses = List::default();
    let refused = read(&record);
    assert!(
        matches!(refused, Err(RecordError::Malformed(_))),
        "{refused:?}"
    );
}

#[test]
fn topics_are_placed_by_their_name_and_the_rest_by_their_signer() {
    let (one, two) = (samples::peer(1), samples::peer(2));
    let under = |kind, name: &[u8]| dht_key(kind, name);
    let relays = Statement::Relay(relay(2));
    assert_eq!(relays.key(&one), under(kind::RELAY, &[2]));
    assert_eq!(relays.key(&one), relays.key(&two));
    let services = Statement::Service(service());
    assert_eq!(services.key(&one), under(kind::SERVICE, b"chess"));
    for own in [
        Statement::Address(samples::address_record()),
        Statement::Device(samples::device()),
        Statement::Mailbox(mailbox()),
        Statement::Presence(presence()),
        Statement::Rendezvous(rendezvous()),
    ] {
        assert_eq!(own.key(&one), under(own.kind(), one.public_key()));
        assert_ne!(own.key(&one), own.key(&two));
    }
}

#[test]
fn members_of_a_group_are_told_apart_by_their_slots() {
    assert_eq!(Statement::Rendezvous(rendezvous()).slot(), [6; 16]);
    assert_eq!(Statement::Presence(presence()).slot(), [0; 16]);
}
