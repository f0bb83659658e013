//! Every digest of the protocol: BLAKE3 in its key-derivation mode, one context string per use.
//!
//! The contexts are the registry of spec `registry` §5; two uses never share one, so a digest made
//! for one purpose is worthless for another.

use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt as _, hash_derive_key_context};

use crate::defect::{self, Defect};
use crate::id::PeerId;

/// A BLAKE3 derive-key context, and its place among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context(&'static str, usize);

/// The key of each of [`Context::ALL`]: half of what a short digest would cost.
static KEYS: LazyLock<[ContextKey; Context::ALL.len()]> =
    LazyLock::new(|| Context::ALL.map(|context| hash_derive_key_context(context.0)));

impl Context {
    /// Names a one-to-one conversation.
    pub const PAIR: Self = Self("dchat/1 2026-11 pair conversation", 0);
    /// Chains the entries of a log.
    pub const ENTRY: Self = Self("dchat/1 2026-11 entry hash", 1);
    /// Names a message to people and programs.
    pub const ENTRY_ID: Self = Self("dchat/1 2026-11 entry id", 2);
    /// Keys the proof that an invite is redeemed by one who holds its secret.
    pub const INVITE_PROOF: Self = Self("dchat/1 2026-11 invite proof", 3);
    /// Guards an invite link against typing errors.
    pub const INVITE_CHECK: Self = Self("dchat/1 2026-11 invite checksum", 4);
    /// Keys the node's stateless resets, so that they outlive a restart.
    pub const RESET_KEY: Self = Self("dchat/1 2026-11 stateless reset key", 5);
    /// Authenticates path probes.
    pub const PROBE: Self = Self("dchat/1 2026-11 path probe", 6);

    /// The position of a node of the DHT, from what its puzzle yields.
    pub const POSITION: Self = Self("dchat/1 2026-11 dht position", 7);
    /// The key a record is stored under.
    pub const DHT_KEY: Self = Self("dchat/1 2026-11 dht key", 8);
    /// Names a record in questions of the DHT.
    pub const RECORD: Self = Self("dchat/1 2026-11 record digest", 9);
    /// The seed of a key that signs records only those who share a secret find.
    pub const BLINDED_SIGNER: Self = Self("dchat/1 2026-11 blinded signer", 10);
    /// Encrypts their payload.
    pub const BLINDED_SEAL: Self = Self("dchat/1 2026-11 blinded seal", 11);
    /// Authenticates pulses.
    pub const PULSE: Self = Self("dchat/1 2026-11 pulse", 12);

    /// Names an author's log in a room.
    pub const LOG: Self = Self("dchat/1 2026-11 room log", 13);
    /// Chains the items of a log.
    pub const ITEM: Self = Self("dchat/1 2026-11 item hash", 14);
    /// Binds an item to its body.
    pub const ITEM_BODY: Self = Self("dchat/1 2026-11 item body", 15);
    /// Digests what a member of a room holds.
    pub const FRONTIER: Self = Self("dchat/1 2026-11 frontier", 16);
    /// Names an operation on a group's membership.
    pub const MEMBERSHIP: Self = Self("dchat/1 2026-11 membership operation", 17);

    /// Digests a room's secret, of whatever length.
    pub const ROOM_SECRET: Self = Self("dchat/1 2026-11 room secret", 18);
    /// The key of a room, from its name and secret.
    pub const ROOM_KEY: Self = Self("dchat/1 2026-11 room key", 19);
    /// Names a room where logs are named and items signed.
    pub const ROOM: Self = Self("dchat/1 2026-11 room", 20);
    /// Names a room to one peer that is in it.
    pub const ROOM_OPEN: Self = Self("dchat/1 2026-11 room open", 21);
    /// What the members of a room find each other by.
    pub const ROOM_RENDEZVOUS: Self = Self("dchat/1 2026-11 room rendezvous", 22);
    /// Encrypts the bodies of a room.
    pub const ROOM_BODY: Self = Self("dchat/1 2026-11 room body", 23);
    /// The nonce of one of them.
    pub const ROOM_NONCE: Self = Self("dchat/1 2026-11 room nonce", 24);
    /// The seed of the key somebody signs with in a room.
    pub const ROOM_AUTHOR: Self = Self("dchat/1 2026-11 room author", 25);

    /// All contexts, for the registry and its vectors.
    pub const ALL: [Self; 26] = [
        Self::PAIR,
        Self::ENTRY,
        Self::ENTRY_ID,
        Self::INVITE_PROOF,
        Self::INVITE_CHECK,
        Self::RESET_KEY,
        Self::PROBE,
        Self::POSITION,
        Self::DHT_KEY,
        Self::RECORD,
        Self::BLINDED_SIGNER,
        Self::BLINDED_SEAL,
        Self::PULSE,
        Self::LOG,
        Self::ITEM,
        Self::ITEM_BODY,
        Self::FRONTIER,
        Self::MEMBERSHIP,
        Self::ROOM_SECRET,
        Self::ROOM_KEY,
        Self::ROOM,
        Self::ROOM_OPEN,
        Self::ROOM_RENDEZVOUS,
        Self::ROOM_BODY,
        Self::ROOM_NONCE,
        Self::ROOM_AUTHOR,
    ];

    /// The context string as the spec gives it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// The digest of the concatenated `parts`. Callers give parts of fixed length, or at most one
    /// of variable length and last, so that the concatenation is unambiguous.
    #[must_use]
    pub fn digest(self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = match KEYS.get(self.1) {
            Some(key) => blake3::Hasher::new_from_context_key(key),
            None => blake3::Hasher::new_derive_key(self.0),
        };
        for part in parts {
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }
}

/// The name of the conversation between two peers: the same for both, whoever asks.
#[must_use]
pub fn pair_conversation(one: &PeerId, other: &PeerId) -> [u8; 32] {
    let (low, high) = if one <= other {
        (one, other)
    } else {
        (other, one)
    };
    Context::PAIR.digest(&[low.public_key(), high.public_key()])
}

/// The key under which what `name` stands for is stored, for records of `kind`: the signer's public
/// key for what a signer says of itself, a topic's name for what many say.
#[must_use]
pub fn dht_key(kind: u16, name: &[u8]) -> [u8; 32] {
    if defect::is(Defect::KeysWithoutKind) {
        return Context::DHT_KEY.digest(&[name]);
    }
    Context::DHT_KEY.digest(&[&kind.to_le_bytes(), name])
}

/// The 16-byte name of a message: known to its author before it is sent, and equal on both sides.
#[must_use]
pub fn entry_id(
    conversation: &[u8; 32],
    author: &PeerId,
    incarnation: &[u8; 16],
    seq: u64,
) -> [u8; 16] {
    let digest = Context::ENTRY_ID.digest(&[
        conversation,
        author.public_key(),
        incarnation,
        &seq.to_le_bytes(),
    ]);
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_context_is_in_its_place_and_derives_by_its_own_key() {
        for (place, context) in Context::ALL.into_iter().enumerate() {
            assert_eq!(context.1, place, "{}", context.0);
            let derived = blake3::derive_key(context.0, b"hello");
            assert_eq!(context.digest(&[b"hel", b"lo"]), derived);
        }
    }
}
