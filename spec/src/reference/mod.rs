//! What the reference implementation answers to the questions of vectors.
//!
//! The vectors are made without any other crate of ours; here `dchat-wire` and the cores decode and
//! compute, and their answers are spelled out as the vectors do. The tests hold them against the
//! files, and the program `dchat-vectors` gives them to the conformance runner.
//!
//! * Input: a [`Vector`], of which anything may be missing or wrong. Output: an [`Answer`].
//! * Nothing is kept from one question to the next.

mod describe;
mod digests;
mod finding;
mod hashing;
mod identities;
mod megolm;
mod olm;
mod relaying;
mod rooms;
mod streams;
mod structures;
mod stun;
mod talking;
mod vector;

pub use vector::{Answer, Refusal, Unanswered, Vector, joined};

/// The answer to a vector.
///
/// # Errors
/// [`Unanswered`]: a refusal, which is an answer too, or why there is none.
pub fn answer(vector: &Vector) -> Answer {
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
        "megolm-decrypt" => megolm::decrypt(vector),
        "stun-answer" => stun::answer(vector),
        "stun-read" => stun::read(vector),
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
        _ => Err(Unanswered::Unsupported),
    }
}
