//! Derivations.

use dchat_wire::chat::InviteProof;
use dchat_wire::codec;
use dchat_wire::hash::{self, Context};
use dchat_wire::parcel;

use super::vector::{Answer, Unanswered, Vector, hex};

pub(super) fn derive(vector: &Vector) -> Answer {
    let context = vector.text("context")?;
    let context = Context::ALL
        .into_iter()
        .find(|known| known.as_str() == context)
        .ok_or(Unanswered::Unsupported)?;
    let parts = vector.list("parts")?;
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    vector.claimed("digest", hex(&context.digest(&parts)))
}

pub(super) fn pair(vector: &Vector) -> Answer {
    let name = hash::pair_conversation(&vector.peer("one")?, &vector.peer("other")?);
    vector.claimed("conversation", hex(&name))
}

pub(super) fn entry_id(vector: &Vector) -> Answer {
    let id = hash::entry_id(
        &vector.fixed("conversation")?,
        &vector.peer("author")?,
        &vector.fixed("incarnation")?,
        vector.u64("seq")?,
    );
    vector.claimed("id", hex(&id))
}

pub(super) fn entry_hash(vector: &Vector) -> Answer {
    let content = codec::decode(&vector.bytes("content")?)?;
    let hash = parcel::entry_hash(
        &vector.fixed("conversation")?,
        &vector.peer("author")?,
        &vector.fixed("incarnation")?,
        vector.u64("seq")?,
        &vector.fixed("prev")?,
        &content,
    );
    vector.claimed("hash", hex(&hash))
}

pub(super) fn invite_proof(vector: &Vector) -> Answer {
    let mac = InviteProof::mac(
        &vector.fixed("secret")?,
        &vector.peer("inviter")?,
        &vector.peer("redeemer")?,
    );
    vector.claimed("mac", hex(&mac))
}

pub(super) fn invite_check(vector: &Vector) -> Answer {
    let digest = Context::INVITE_CHECK.digest(&[&vector.bytes("body")?]);
    vector.claimed("check", hex(&digest[..4]))
}

pub(super) fn reset_key(vector: &Vector) -> Answer {
    let key = Context::RESET_KEY.digest(&[&vector.bytes("seed")?]);
    vector.claimed("key", hex(&key))
}
