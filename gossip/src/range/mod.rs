//! Ranges of a room's history, for who has to find out what differs without comparing logs.
//!
//! All items stand in one row, by lamport time and hash. Of any range of it the count and the sum of
//! salted hashes tell whether two members hold the same; where they differ, the one who is asked cuts
//! the range into sixteen, until a part is small enough to be sent whole.
//!
//! [`Archive`] is the row, and [`answer`] what a member says to a question about it;
//! [`Node`](crate::node) answers so. It asks nobody: digests and sketches bring a member everything
//! that others keep, the newest first, and of each log it takes only what follows on what it holds, so
//! that a range could bring nothing more. Who asks is a program that keeps no logs, such as one that
//! shows a room's past page by page, or a member that does without sketches (spec `80-gossip` §9.2).

mod answer;
mod archive;

pub use answer::answer;
pub use archive::{Archive, Key, Summary};
