//! One-to-one chat as a pure state machine over one database transaction.
//!
//! State: a [`Conversation`] for every connected peer, volatile (what was exchanged and sent on
//! this connection); everything that lasts is behind [`Ledger`], which the caller implements over
//! ONE transaction. At most one `Conversation` with a peer may live at a time.
//!
//! # How to drive it
//! ```text
//! begin transaction
//!   compose(..)*                         own messages, connected or not
//!   conversation.handle_input(..)*       frames of the peer, read markers
//!   conversation.take_notices()          what came that is no text, to be acted on here
//!   conversation.settle(..)              encrypts what is due, saves each used session once
//! commit (durable)
//! conversation.committed()               what was staged may leave
//! while let Some(output) = conversation.poll_output() { .. }
//! ```
//! More inputs in one transaction are a batch: one acknowledgement, one saved ratchet state, one
//! flush of the disk. There are no timers: every step follows from an input. Expiry is the
//! ledger's, by the clock of its caller; here an entry past its time travels as a stub.
//!
//! # Invariants
//! - Nothing is output before it is committed. If the transaction fails, or any verb returned an
//!   [`Error`], the caller undoes the transaction, drops the `Conversation` and closes the
//!   connection with [`Error::code`]: nothing was sent and nothing is lost. A crash between commit
//!   and send only skips ratchet keys.
//! - An entry is shown exactly once, in the order of its author's log: it is appended only as the
//!   next of its log, with the hash that its content has and the hash of the one before.
//! - A frontier about a log is sent only after the entries it acknowledges are in the transaction,
//!   and advances only.
//! - States of own entries follow frontiers whose tip is the hash of our own entry at that number.
//!
//! # Restored and copied homes
//! A frontier about our current log that we cannot confirm (more entries than we have, or another
//! hash) means that this home continued from an old copy. The rule that finds where: *whoever hears
//! an author claim fewer entries than it holds answers with what it holds at that number*. So we
//! claim ever closer numbers, by bisection, until the last common entry is known; what the peer has
//! is acknowledged, what it lacks is moved to a new incarnation, and a new ratchet session begins.
//! One such change a connection, and [`MAX_OWN_LOGS`] logs in all.
//!
//! # Bounds
//! [`window`] (entries and bytes in flight), 8 sessions a peer, [`MAX_RENEWALS`] new sessions and
//! [`MAX_REFUSED`] undecryptable ones a connection, 16 frontiers and 64 entries a parcel. Outputs
//! of one transaction are bounded by the frames that went in and by the window.

mod compose;
mod divergence;
mod entry;
mod error;
mod exchange;
mod frontier;
mod incoming;
mod ledger;
mod outgoing;
mod output;
mod pair;
mod publish;
mod sessions;
pub mod window;

#[cfg(test)]
mod tests;

pub use compose::{Composed, Draft, MAX_QUEUED, compose, compose_notice};
pub use error::{ComposeError, Error, Misbehaviour, Warning};
pub use exchange::{Conversation, Input, MAX_REFUSED, MAX_RENEWALS};
pub use incoming::MAX_OWN_LOGS;
pub use ledger::{Author, Ledger, Log, LogEntry, Place, Receipt, Received, StoredSession};
pub use output::{EntryId, Message, Notice, Output, State};
pub use pair::Pair;
pub use publish::publish_device;

/// Random name of one life of an author's log.
pub type Incarnation = [u8; 16];
/// Hash of an entry; zeros before the first.
pub type Hash = [u8; 32];
