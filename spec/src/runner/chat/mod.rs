//! The chat of a partner (`40-messaging`): what it sends is put down by hand, the ratchet is
//! vodozemac's, what it is sent is read with dchat-wire.
//!
//! * [`body`]: CHAT_OPEN, ENVELOPE, parcels, entries and frontiers, right and wrong.
//! * [`device`]: the keys of a partner's device and the record of them.
//! * [`log`]: a log of the partner's: entries, their hashes, frontiers.
//! * [`person`]: somebody who redeemed an invite, kept from case to case: invites are scarce.
//! * [`talk`]: the chat of one connection.

pub mod body;
pub mod device;
pub mod log;
pub mod person;
pub mod talk;

pub use body::{ChatOpen, Content, Entry, Frontier};
pub use device::Device;
pub use log::Log;
pub use person::{Order, People, Person};
pub use talk::{Received, Talk};

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
