//! The profile directory: where everything of one identity lives, and who may use it.
//!
//! State: a directory (created with mode 0700) that holds the files named in [`FileName`], and an
//! advisory lock on one of them. [`Home::lock`] turns a [`Home`] into a [`LockedHome`]; the vault
//! and the store ask for a `LockedHome`, so a second process on the same profile cannot be
//! forgotten by a caller.
//!
//! Invariants:
//! - at most one `LockedHome` exists for a directory, over all processes of the machine. The
//!   kernel drops the lock with the process, so `kill -9` leaves nothing to clean up;
//! - every file this module writes is readable by its owner only, and is replaced as a whole:
//!   after a crash there is the old content or the new one ([`LockedHome::replace`]).
//!
//! The mode of a directory that already exists is left alone (it may be shared on purpose); what
//! is secret is protected file by file.

mod durable;
mod lock;
mod path;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use durable::fuse;
pub use lock::LockedHome;
pub use path::{FileName, Home, HomeError};
