//! How far a member holds each log of a room, and one digest of it all.
//!
//! State: one [`Tip`] for each log, found by its [`LogId`] and named inside by a [`Log`], a number
//! that never changes while the room is open. Bounds: [`MAX_LOGS`] logs of [`MAX_SEQ`] items.
//!
//! The [root](Frontier::root) hashes logs in order of their names, in 256 parts by the first byte,
//! of which only those that changed are hashed again: an item costs nothing until a digest is
//! asked for. Nobody can make two states with one root, and on a link it travels salted with numbers
//! of both sides, so eight bytes of it do (spec `80-gossip` §5).

mod digest;
mod id;
mod root;
mod table;

pub use digest::{Digest, LinkSalt};
pub use id::LogId;
pub use table::{CLOSED, Frontier, Full, Log, MAX_LOGS, MAX_SEQ, Tip};
