//! Private groups (`81-groups`): the partner makes a group, invites the peer over the conversation of
//! somebody who redeemed an invite, and plays the other members. It holds their keys, so it can make any
//! operation and any item, right or wrong.
//!
//! What only the peer's user can do (accept, say, leave …) is done by a command that the runner was given
//! ([`user`]). What the peer holds shows in the heads it names, in what it answers and in whom it talks
//! to; what it says is decrypted with the sessions it handed over.
//!
//! * [`story`]: the operations of a group that everybody may know.
//! * [`fellow`]: a member that the runner plays: its one-to-one conversation and its place in the group.
//!   `knowledge`, `hearing`: what it asks and hears. [`mod@line`]: its streams with the peer, and `keep` the
//!   task that keeps them. [`keys`]: sessions that come, and its own.
//! * [`company`]: a group with its founder and the peer.
//! * [`user`]: the command.

pub mod company;
pub mod fellow;
mod hearing;
mod keep;
pub mod keys;
mod knowledge;
pub mod line;
pub mod story;
pub mod user;

pub use company::Company;
pub use fellow::Fellow;
pub use hearing::Said;
pub use story::Story;
pub use user::User;
