//! Every vector, as it lies in its file, against the reference implementation.
//!
//! The vectors were made without `dchat-wire`; here it decodes them, and its answers are spelled out
//! again and compared.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

#[path = "../../src/reference/describe.rs"]
mod describe;
#[path = "../../src/reference/digests.rs"]
mod digests;
#[path = "../../src/reference/finding.rs"]
mod finding;
#[path = "../../src/reference/hashing.rs"]
mod hashing;
#[path = "../../src/reference/identities.rs"]
mod identities;
#[path = "../../src/reference/olm.rs"]
mod olm;
#[path = "../../src/reference/relaying.rs"]
mod relaying;
#[path = "../../src/reference/rooms.rs"]
mod rooms;
#[path = "../../src/reference/streams.rs"]
mod streams;
#[path = "../../src/reference/structures.rs"]
mod structures;
#[path = "../../src/reference/talking.rs"]
mod talking;
#[path = "../../src/reference/vector.rs"]
mod vector;

use std::collections::BTreeSet;

use serde_json::Value;

use vector::{Answer, Vector, load_all};

/// What `dchat-wire` answers to a vector.
fn answer(vector: &Vector) -> Answer {
    match vector.op.as_str() {
        "decode" => structures::decode(vector),
        "parcel" => structures::parcel(vector),
        "padded-length" => structures::padded_length(vector),
        "common-version" => structures::common_version(vector),
        "close-code" => structures::close_code(vector),
        "reserved" => structures::reserved(vector),
        "probe" => structures::probe(vector),
        "frame" => streams::frame(vector),
        "stream" => streams::stream(vector),
        "peer-id-bytes" => identities::peer_id_bytes(vector),
        "peer-id-text" => identities::peer_id_text(vector),
        "address-bytes" => identities::address_bytes(vector),
        "address-text" => identities::address_text(vector),
        "invite" => identities::invite(vector),
        "record" => identities::record(vector),
        "signed-bytes" => identities::signed_bytes(vector),
        "signature" => identities::signature(vector),
        "certificate" => identities::certificate(vector),
        "derive" => digests::derive(vector),
        "pair" => digests::pair(vector),
        "entry-id" => digests::entry_id(vector),
        "entry-hash" => digests::entry_hash(vector),
        "invite-proof" => digests::invite_proof(vector),
        "invite-check" => digests::invite_check(vector),
        "reset-key" => digests::reset_key(vector),
        "olm-keys" => olm::keys(vector),
        "olm-message" => olm::message(vector),
        "olm-decrypt" => olm::decrypt(vector),
        "relay-datagram" => relaying::datagram(vector),
        "position" => hashing::position(vector),
        "dht-key" => hashing::dht_key(vector),
        "distance" => hashing::distance(vector),
        "stored-record" => hashing::stored_record(vector),
        "record-digest" => hashing::record_digest(vector),
        "blinded-identity" => hashing::blinded_identity(vector),
        "sealed-payload" => hashing::sealed_payload(vector),
        "pulse" => hashing::pulse(vector),
        "item" => rooms::item(vector),
        "room" => rooms::room(vector),
        "room-body" => rooms::room_body(vector),
        "digest" => rooms::digest(vector),
        "sketch" => rooms::sketch(vector),
        "sketch-read" => rooms::sketch_read(vector),
        "span" => rooms::span(vector),
        "operation" => rooms::operation(vector),
        "membership" => rooms::membership(vector),
        other => panic!("{}: no way to run {other}", vector.id),
    }
}

/// What is wrong with the answer, if anything.
fn verdict(vector: &Vector) -> Result<(), String> {
    match (answer(vector), &vector.error) {
        (Ok(output), None) => {
            let expected = vector.expected.clone().unwrap_or(Value::Null);
            (output == expected)
                .then_some(())
                .ok_or(format!("{output} instead of {expected}"))
        }
        (Ok(_), Some(error)) => Err(format!("accepted instead of {error}")),
        (Err(refusal), None) => Err(format!("refused: {refusal:?}")),
        (Err(refusal), Some(error)) => {
            let field_agrees = match &vector.field {
                Some(field) => refusal.field.as_ref() == Some(field),
                None => true,
            };
            let before_agrees = match &vector.expected {
                Some(expected) => refusal.before.as_ref() == Some(expected),
                None => true,
            };
            (refusal.error == *error && field_agrees && before_agrees)
                .then_some(())
                .ok_or(format!("{refusal:?} instead of {error} {:?}", vector.field))
        }
    }
}

#[test]
fn every_vector_gets_its_answer() {
    let failures: Vec<String> = load_all()
        .iter()
        .filter_map(|vector| {
            let reason = verdict(vector).err()?;
            Some(format!("{}: {:.400}", vector.id, reason))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn there_is_a_valid_and_an_invalid_vector_of_every_operation_that_can_fail() {
    let of = |invalid: bool| -> BTreeSet<String> {
        load_all()
            .into_iter()
            .filter(|vector| vector.error.is_some() == invalid)
            .map(|vector| vector.op)
            .collect()
    };
    let never_fails = BTreeSet::from(["signed-bytes".to_owned()]);
    assert_eq!(&of(true) | &never_fails, of(false));
}
