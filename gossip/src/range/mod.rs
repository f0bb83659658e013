//! Catching up on an archive: whoever comes late to a long history gets the newest items first, and
//! then the rest by ranges, from several members at once.
//!
//! All items of an archive stand in one row, by lamport time and hash. Of any range of it the count
//! and the sum of salted hashes tell whether two members hold the same; where they differ, the one who
//! holds it cuts the range into sixteen, until a part is small enough to be sent whole or the asker
//! holds nothing of it. The frontier ([`node`](crate::node)) keeps members equal from day to day; this
//! is for the hundred thousand items of somebody who was away.
//!
//! [`Archive`] is the row, [`answer`] what a member says to a question about it, and [`CatchUp`] who
//! asks: at most [`IN_FLIGHT`] ranges under way for each member that answers, none twice at once.

mod answer;
mod archive;
mod catch_up;

pub use answer::{answer, fetch};
pub use archive::{Archive, Key, Summary};
pub use catch_up::{CatchUp, IN_FLIGHT, Request};
