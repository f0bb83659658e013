//! End-to-end encryption between two devices: Olm by vodozemac behind our own seam; and for groups
//! [Megolm](OutboundSession), whose keys travel inside it.
//!
//! State: a [`Device`] (long-lived keys, the current and the previous fallback key, the record that
//! publishes them) and [`PairwiseSession`]s (one double ratchet each). Both go in and out as opaque
//! [`Secret`] bytes, which the encrypted database keeps: of two copies only one may go on.
//! Inputs are plaintexts, ratchet messages and verified
//! [`DeviceRecord`](dchat_wire::record::DeviceRecord)s; outputs are the other way round. Nothing
//! here reads a clock. vodozemac draws its keys from the operating system: that is the only
//! randomness and it stays inside this module.
//!
//! # Invariants
//! - A ratchet message decrypts at most once: its key is gone afterwards.
//! - A failed decryption leaves the session able to decrypt what it could before.
//! - A session made from an opening message belongs to the device key that the peer's identity
//!   signed.
//! - A state is committed before what it encrypted is sent, and together with what it decrypted.
//! - `Debug` shows session ids and counts, never keys.
//!
//! # Bounds
//! - A message over [`limits::RATCHET_MESSAGE`](dchat_wire::limits::RATCHET_MESSAGE) is refused
//!   before it is parsed.
//! - vodozemac keeps 5 receiving chains a session and 40 skipped keys a chain, refuses to skip
//!   more than 2,000 keys at once, and forgets the oldest beyond that. A message whose key is gone
//!   is [`DecryptError::NoKey`], which a new session cures.
//! - A state takes at most [`MAX_STATE`] bytes.
//!
//! # Tags of 8 bytes
//! vodozemac 0.11.1 offers the full 32-byte tag (`SessionConfig::version_2`) only behind its
//! feature `experimental-session-config`, so sessions are of version 1, whose HMAC-SHA-256 is cut
//! to 8 bytes. A forger has one try in 2^64 per message, and only the peer itself can try: messages
//! travel inside TLS. What is carried where others can write gets an outer seal with a full tag.

mod device;
mod error;
mod megolm;
mod olm;
mod secret;
mod session;

#[cfg(test)]
mod tests;

pub(crate) use device::opened_session;
pub use device::{Device, FALLBACK_LIFETIME, RECORD_LIFETIME};
pub use error::{AcceptError, DecryptError, EncryptError, OpenSessionError, StateError};
pub use megolm::{Export, InboundSession, OutboundSession, message_index};
pub use olm::OlmSession;
pub use secret::Secret;
pub use session::{PairwiseSession, Sealed, SessionId};

/// Largest state of a device or a session, in bytes: 200 skipped keys and 6 chains in JSON are
/// about 40 KiB.
pub const MAX_STATE: usize = 128 * 1024;
