//! Everything a profile remembers, in one encrypted database.
//!
//! State: a SQLCipher database (AES-256, HMAC-SHA-512 per page) opened with the raw key of the
//! [vault](crate::vault); one connection, used from one thread. Inputs are typed operations
//! inside [`Store::transaction`] and [`Store::read`]; outputs are rows ([`Entry`], [`Contact`],
//! [`Frontier`], …) and outcomes. Time comes in as Unix milliseconds; nothing here reads a clock.
//!
//! # One transaction
//! What belongs together is committed together: a decrypted message, the frontier of its log and
//! the advanced ratchet are one [`Store::transaction`]. It is durable when the call returns
//! (`synchronous=FULL`); after an error, and after a crash at any moment before, none of it
//! happened. A transaction of what others will send again may say that it need not outlast the
//! machine's power ([`Outlasts`]): it outlasts the process, and the next that does takes it along.
//!
//! # Logs
//! A conversation is a set of per-author logs, each named (conversation, author, incarnation)
//! ([`LogName`]) and numbered from 1 without gaps. Entries of both directions are in one table,
//! and their local order of arrival ([`Entry::ord`]) only grows. Invariants, held by this module
//! whatever a peer sends:
//! - an entry is stored exactly once, and only if it is the next of its log and points to the
//!   entry before it ([`Tx::append_received`] says `Duplicate`, `Gap`, `Fork` otherwise and
//!   changes nothing);
//! - an entry is never removed; expiry removes its text and leaves a stub, so no log has a hole;
//! - states of our own entries only move forward, `queued → stored → delivered → read`, or end
//!   in `failed` ([`EntryState`]).
//!
//! # Bounds
//! All in [`limits`]. What would exceed one is refused and said so; nothing stored is evicted to
//! make room for a stranger. Memory: 2 MiB of page cache, at most 1 MiB of pending index, and
//! the rows asked for.
//!
//! # Search
//! Messages are found by folded words and by any run of characters of scripts written without
//! spaces; see [`terms`]. The index holds no second copy of the text.

mod append;
mod contact;
#[cfg(feature = "crash-points")]
mod crash;
mod dht;
mod entry;
mod error;
mod expiry;
mod file;
mod group;
mod held_invite;
mod history;
mod invite;
mod item;
mod item_expiry;
pub mod limits;
mod log;
mod meta;
mod moved;
mod name;
mod open;
mod outbox;
mod own_record;
mod request;
mod room;
mod schema;
mod search;
mod session;
pub mod terms;
mod token;
mod transaction;

#[cfg(test)]
mod tests;

pub use append::{AppendError, Appended, NewEntry, Received, ReceivedEntry};
pub use contact::{Contact, ContactError, ContactState};
#[cfg(feature = "crash-points")]
pub use crash::{CommitEvent, CommitSide, CrashAt};
pub use dht::DhtNode;
pub use entry::{Cursor, Entry, EntryId, EntryState, Hash};
pub use error::{OpenError, StoreError};
pub use expiry::Expired;
pub use group::{GroupOutbound, SessionBytes};
pub use held_invite::HeldInvite;
pub use history::Page;
pub use invite::{Invite, InviteId, Redemption};
pub use item::{ItemPlace, NewItem, RoomTip, StoredItem, StoredProof};
pub use log::{ConversationId, Frontier, Incarnation, LogName};
pub use meta::MetaKey;
pub use moved::Place;
pub use name::{ContactName, NameError};
pub use open::{Outlasts, Store};
pub use outbox::{Acknowledged, Pending, Receipt};
pub use own_record::OwnRecord;
pub use request::{Filed, Request};
pub use room::{Room, RoomError, RoomKind, RoomPerson};
pub use session::Session;
pub use token::Token;
pub use transaction::{Tx, View};

#[cfg(not(any(feature = "vendored-openssl", feature = "system-openssl")))]
compile_error!(
    "dchat encrypts its database: turn on `vendored-openssl` (the default) or `system-openssl`"
);

/// A peer, by the 32 bytes of its Ed25519 public key.
pub type PeerKey = [u8; 32];

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type UnixMillis = i64;
