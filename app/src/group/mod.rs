//! One private group as a pure state machine over one database transaction.
//!
//! State: a [`Group`] holds the [membership](dchat_gossip::membership) in memory, as the operations
//! in the [`GroupLedger`] make it; keys and sessions stay in the ledger. Nothing here reads a clock,
//! a socket or the order of a hash map; vodozemac draws the keys of sessions from the operating
//! system, behind [`e2ee`](crate::e2ee).
//!
//! # How to drive it
//! ```text
//! begin transaction
//!   group.invite(..), remove(..), ...    what a person does
//!   group.receive_operations(..)*        from a neighbour's frame or from an entry
//!   group.receive_keys(..)*              from an entry
//!   group.seal(..) / group.open(..)*     bodies of own and of other items
//!   while let Some(output) = group.poll_output() { .. }
//! commit
//! ```
//! Outputs are drained inside the transaction, because most of them are written to the same database:
//! entries for other members, items that can be read now, items that count no more. What goes to the
//! network or to a person is kept back until the commit. If the transaction fails, or a verb returns
//! an error of the ledger, the caller undoes it, drops the `Group` and loads it again.
//!
//! # Invariants
//! - Who belongs here, and what counts of what anybody wrote, follows from the set of operations
//!   alone, whatever the order in which they came.
//! - An item is sealed with a session that only present members were given, as far as the author
//!   knows: whenever somebody goes, the session goes in the same transaction.
//! - A session is saved before what it sealed leaves, and is given to every member before it is used.
//! - A session is believed to be whose it was told by; it opens no item of anybody else.
//! - A member that goes reads nothing from an author who has seen it go.
//!
//! # What newcomers read
//! By default nothing from before they came: who speaks in a private group knows who hears it, and a
//! group that wants otherwise says so (`late=N`, `late=all`), which everybody invited is shown. Each
//! author gives a newcomer its own sessions; what an author wrote who is gone stays sealed.
//!
//! # Bounds
//! Operations as in [`membership`](dchat_gossip::membership); 256 members; [`MAX_SESSIONS`] sessions
//! an author, [`MAX_STRANGE_SESSIONS`] of somebody who is not known to be a member; a session seals
//! [`MAX_MESSAGES`] items and lives [`MAX_AGE`]. Outputs are bounded by members times inputs.

mod deeds;
mod error;
mod late;
mod ledger;
mod open;
mod operations;
mod output;
mod seal;
mod state;

#[cfg(test)]
mod tests;

pub use error::{ActError, SealError};
pub use ledger::{GroupLedger, MAX_SESSIONS, MAX_STRANGE_SESSIONS, StoredOutbound};
pub use open::Opened;
pub use operations::Heard;
pub use output::{Event, Output};
pub use seal::{MAX_AGE, MAX_MESSAGES};
pub use state::Group;
