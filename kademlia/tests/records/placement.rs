//! Each kind under its own key, within its own bounds.

use std::sync::Arc;

use dchat_kademlia::record::{Notary as _, Placement, RULES, Strict, rule, validate};
use dchat_wire::codec::Bytes;
use dchat_wire::dht::Refusal;
use dchat_wire::hash::dht_key;
use dchat_wire::record::{Payload, RecordBody, SignedRecord, kind};
use dchat_wire::relay::Voucher;
use dchat_wire::statement::Statement;
use dchat_wire::{codec, limits};

use crate::support::*;

fn one_of_each() -> Vec<(u16, Arc<SignedRecord>)> {
    vec![
        (kind::ADDRESS, record(1, 1, &addresses())),
        (kind::DEVICE, record(1, 1, &device())),
        (kind::RELAY, record(1, 1, &relay(3))),
        (kind::SERVICE, record(1, 1, &service("chess"))),
        (kind::MAILBOX, record(1, 1, &mailbox())),
        (kind::PRESENCE, record(1, 1, &presence(vec![1; 256]))),
        (kind::RENDEZVOUS, record(1, 1, &rendezvous(9))),
    ]
}

#[test]
fn every_stored_kind_has_a_rule_and_a_record_that_is_valid() {
    let kinds: Vec<_> = one_of_each().iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, RULES.map(|rule| rule.kind));
    assert_eq!(kinds, Statement::KINDS);
    for (kind, record) in one_of_each() {
        let meta = Strict.read(&record).unwrap();
        assert_eq!(validate(&meta.key, &record, NOW), Ok(meta));
        assert_eq!((meta.kind, meta.signer), (kind, peer(1)));
        assert_eq!((meta.sequence, meta.issued), (1, NOW));
        assert_eq!(meta.digest, record.digest());
    }
}

#[test]
fn what_a_signer_says_of_itself_is_under_its_key() {
    for (kind, record) in one_of_each() {
        let own = owner_key(kind, 1);
        let is_own = rule(kind).unwrap().placement == Placement::Signer;
        assert_eq!(key_of(&record) == own, is_own, "kind {kind}");
    }
}

#[test]
fn what_many_say_is_under_the_topic() {
    assert_eq!(
        key_of(&record(1, 1, &relay(3))).0,
        dht_key(kind::RELAY, &[3])
    );
    assert_eq!(
        key_of(&record(2, 1, &service("chess"))).0,
        dht_key(kind::SERVICE, b"chess")
    );
}

#[test]
fn only_a_rendezvous_has_slots() {
    for (kind, record) in one_of_each() {
        let slot = Strict.read(&record).unwrap().slot;
        let expected = if kind == kind::RENDEZVOUS { 9 } else { 0 };
        assert_eq!(slot, [expected; 16], "kind {kind}");
    }
}

#[test]
fn a_voucher_is_not_stored() {
    let voucher = Voucher {
        peer: peer(2),
        extensions: Default::default(),
    };
    assert_eq!(
        Strict.read(&record(1, 1, &voucher)),
        Err(Refusal::BadRecord)
    );
    assert_eq!(rule(Voucher::KIND), None);
}

#[test]
fn a_kind_that_is_not_registered_is_not_stored() {
    let refused = Strict.read(&signed(
        1,
        &RecordBody {
            kind: 0x7777,
            ..body(1)
        },
    ));
    assert_eq!(refused, Err(Refusal::BadRecord));
}

#[test]
fn a_payload_of_another_kind_is_refused() {
    let refused = Strict.read(&signed(
        1,
        &RecordBody {
            kind: kind::ADDRESS,
            ..body(1)
        },
    ));
    assert_eq!(refused, Err(Refusal::BadRecord));
}

#[test]
fn a_part_of_the_topic_that_does_not_exist_is_refused() {
    let refused = Strict.read(&record(1, 1, &relay(limits::RELAY_SHARDS)));
    assert_eq!(refused, Err(Refusal::BadRecord));
}

#[test]
fn bytes_after_the_payload_are_refused() {
    let mut payload = codec::encode(&device());
    payload.push(0);
    let payload = Bytes::new(payload).unwrap();
    let refused = Strict.read(&signed(1, &RecordBody { payload, ..body(1) }));
    assert_eq!(refused, Err(Refusal::BadRecord));
}

#[test]
fn a_payload_over_its_kinds_bound_is_refused_although_it_decodes() {
    use dchat_wire::extension::{Extension, Extensions};
    use dchat_wire::{Bytes, List};
    let padded = |len| {
        let extension = Extension {
            kind: 0x1234,
            value: Bytes::new(vec![0; len]).unwrap(),
        };
        let mut advert = relay(0);
        advert.extensions = Extensions::new(List::new(vec![extension]).unwrap()).unwrap();
        let len = codec::encode(&advert).len();
        (len, Strict.read(&record(1, 1, &advert)).map(|_| ()))
    };
    let most = rule(kind::RELAY).unwrap().payload;
    let (empty, _) = padded(0);
    assert_eq!(padded(most - empty), (most, Ok(())));
    assert_eq!(
        padded(most - empty + 1),
        (most + 1, Err(Refusal::BadRecord))
    );
}

#[test]
fn every_kind_fits_its_largest_fields() {
    let sealed = vec![0; limits::SEALED];
    assert!(
        Strict
            .read(&record(1, 1, &presence(sealed.clone())))
            .is_ok()
    );
    let mut full = rendezvous(1);
    full.sealed = Bytes::new(sealed).unwrap();
    assert!(Strict.read(&record(1, 1, &full)).is_ok());
    let longest = "/ip6/2001:db8:1111:2222:3333:4444:5555:6666/udp/65535/quic-v1/p2p/\
        12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X/p2p-circuit/p2p/\
        12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X";
    let longest: dchat_wire::Address = longest.parse().unwrap();
    let mut many = addresses();
    many.addresses = dchat_wire::List::new(vec![longest; limits::ADDRESSES]).unwrap();
    assert!(Strict.read(&record(1, 1, &many)).is_ok());
    let mut offered = service(&"n".repeat(limits::NAME));
    offered.addresses = dchat_wire::List::first_of(vec![longest; limits::ADVERT_ADDRESSES]);
    assert!(Strict.read(&record(1, 1, &offered)).is_ok());
}

#[test]
fn a_lifetime_is_the_kinds_at_most() {
    for rule in RULES {
        let lifetime = dchat_kademlia::record::rule(rule.kind).unwrap().lifetime;
        let (_, record) = one_of_each()
            .into_iter()
            .find(|(kind, _)| *kind == rule.kind)
            .unwrap();
        let read = record.unverified().unwrap();
        let lasting = |lifetime| {
            Strict
                .read(&signed(
                    1,
                    &RecordBody {
                        expires_at: NOW.0 + lifetime,
                        ..read.clone()
                    },
                ))
                .map(|_| ())
        };
        assert_eq!(lasting(lifetime), Ok(()));
        assert_eq!(lasting(lifetime + 1), Err(Refusal::Expired));
        assert_eq!(lasting(0), Err(Refusal::Expired));
    }
}
