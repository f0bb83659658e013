//! Derivations.

use dchat_wire::PeerId;
use dchat_wire::chat::InviteProof;
use dchat_wire::codec;
use dchat_wire::hash::{self, Context};
use dchat_wire::parcel;

use crate::vector::{Answer, Vector, hex};

fn peer(vector: &Vector, name: &str) -> PeerId {
    PeerId::from_public_key(vector.fixed(name)).unwrap()
}

pub(crate) fn derive(vector: &Vector) -> Answer {
    let context = vector.text("context");
    let context = Context::ALL
        .into_iter()
        .find(|known| known.as_str() == context)
        .unwrap();
    let parts = vector.list("parts");
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    vector.claimed("digest", hex(&context.digest(&parts)))
}

pub(crate) fn pair(vector: &Vector) -> Answer {
    let name = hash::pair_conversation(&peer(vector, "one"), &peer(vector, "other"));
    vector.claimed("conversation", hex(&name))
}

pub(crate) fn entry_id(vector: &Vector) -> Answer {
    let id = hash::entry_id(
        &vector.fixed("conversation"),
        &peer(vector, "author"),
        &vector.fixed("incarnation"),
        vector.u64("seq"),
    );
    vector.claimed("id", hex(&id))
}

pub(crate) fn entry_hash(vector: &Vector) -> Answer {
    let content = codec::decode(&vector.bytes("content"))?;
    let hash = parcel::entry_hash(
        &vector.fixed("conversation"),
        &peer(vector, "author"),
        &vector.fixed("incarnation"),
        vector.u64("seq"),
        &vector.fixed("prev"),
        &content,
    );
    vector.claimed("hash", hex(&hash))
}

pub(crate) fn invite_proof(vector: &Vector) -> Answer {
    let mac = InviteProof::mac(
        &vector.fixed("secret"),
        &peer(vector, "inviter"),
        &peer(vector, "redeemer"),
    );
    vector.claimed("mac", hex(&mac))
}

pub(crate) fn invite_check(vector: &Vector) -> Answer {
    let digest = Context::INVITE_CHECK.digest(&[&vector.bytes("body")]);
    vector.claimed("check", hex(&digest[..4]))
}

pub(crate) fn reset_key(vector: &Vector) -> Answer {
    let key = Context::RESET_KEY.digest(&[&vector.bytes("seed")]);
    vector.claimed("key", hex(&key))
}
