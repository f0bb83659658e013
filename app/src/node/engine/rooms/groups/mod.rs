//! Groups of this profile: what is particular to a room whose members are chosen.
//!
//! A group is a [`Room`](super::Room) whose [`Kind`](super::kind::Kind) is a [`Circle`]: the
//! [group](crate::group) in memory, and the key we write with. Operations on its membership come in
//! frames of the room's stream, which carry them before items, and in entries of one-to-one
//! conversations; keys come in entries only. Whatever follows is done in the same transaction
//! ([`Session::in_group`](crate::node::engine::Session)).
//!
//! Who is a member of a common group may open a chat with us without being a contact. Neighbours are
//! members, and who was offered a place; nobody else is let in, and who goes is shown out.

mod circle;
mod exchange;
mod follow;
mod ledger;
mod reach;
mod show;
mod verbs;

pub(super) use circle::Circle;
pub(in crate::node::engine) use verbs::MemberChange;
pub(super) use verbs::not_in;
