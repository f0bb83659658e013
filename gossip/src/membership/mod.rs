//! Who belongs to a private group: what follows from a set of signed operations, whatever the order
//! in which they came (spec `81-groups` §3).
//!
//! Operations name those their author had seen, and so form a graph; the past of one is all that can
//! be reached from it. What an author may do is read from the past of what it does, so nobody can be
//! talked into something by what comes later, but for one thing: **removal wins**. Whoever removes
//! somebody has not seen some of what that one did; all of that is void, and with it what rested on
//! it. When removals void each other, the one whose author is earlier in the creation chain stays:
//! the creator, then by the depth of the invitation, then by its hash.
//!
//! The same rule for what somebody writes: it signs with a key it took with its place, and whoever
//! ends that place says how far each log had come. Of all that end it the lowest number counts, so
//! what a removed member wrote later is void for everybody, whether it came before or after word of
//! the removal. Who is invited again takes another key.
//!
//! State: at most [`MAX_OPERATIONS`] operations and, for each, its past as a set of bits: four
//! mebibytes for a full one, kilobytes for an ordinary one. Operations that name others that are not
//! here wait, at most [`MAX_WAITING`]. Who is no administrator has room for [`PER_INVITE`] operations for
//! each invitation, who was removed for [`PER_REMOVED`] that had not seen it, and [`RESERVED`] of all
//! operations are for administrators: so nobody else can fill a group. What others rest on is taken all the
//! same, or members that saw different parts of too much would not come together again.

mod exchange;
mod graph;
mod label;
mod state;

pub use graph::{
    Inserted, MAX_OPERATIONS, MAX_WAITING, Membership, PER_INVITE, PER_REMOVED, PER_STRANGER,
    RESERVED, Refused,
};
pub use state::{Member, Roster, Standing, Writer};
