//! STUN (RFC 8489) as far as a peer needs it: what is my address from outside, and from where am I
//! let in (RFC 5780).
//!
//! **State.** None, but for [`Transactions`]: the questions that wait for an answer.
//!
//! **In.** Datagrams from anyone, of up to [`MAX_DATAGRAM`] bytes. [`is_stun`] tells a message by its
//! first two bits and magic cookie; [`decode`] and [`answer`] take any bytes.
//!
//! **Out.** [`request`] writes a Binding request of [`REQUEST`] bytes, which is as long as the longest
//! [`answer`] of ours: a node answers no request that is shorter than its answer, so that it cannot be
//! made to send more than it receives. [`decode`] gives a [`Message`].
//!
//! **Invariants.** Nothing panics. Before `stun-rs` sees a byte, a scan of our own has checked the
//! lengths, bounded the attributes to [`MAX_ATTRIBUTES`], and left out every attribute whose value we
//! do not use, so its string preparation and its quadratic lists are never reached. Transaction ids
//! come from a seed. A FINGERPRINT that is present has to be right; what follows MESSAGE-INTEGRITY
//! is ignored (RFC 8489 §14.5).
//!
//! **Old and odd servers.** MAPPED-ADDRESS is taken where XOR-MAPPED-ADDRESS is absent, and
//! CHANGED-ADDRESS of RFC 3489 for OTHER-ADDRESS. Padding is a SOFTWARE attribute and not PADDING,
//! which servers without RFC 5780 have to refuse.

mod encode;
mod integrity;
mod message;
mod retry;
mod scan;
mod server;
mod transactions;

pub use encode::request;
pub use integrity::{Integrity, IntegrityError, Key, verify};
pub use message::{Answer, Change, DecodeError, Message, Refusal, Request, TransactionId, decode};
pub use retry::Retry;
pub use scan::is_stun;
pub use server::answer;
pub use transactions::{Busy, Config, Faults, Input, Output, Transactions, Why};

/// Longest message looked at, in bytes: a whole Ethernet frame's payload. Larger datagrams do not
/// arrive unfragmented, and no answer to a question of ours is fragmented.
pub const MAX_DATAGRAM: usize = 1500;

/// Attributes in one message. Servers in use send at most ten.
pub const MAX_ATTRIBUTES: usize = 32;

/// Bytes of a Binding request of ours without CHANGE-REQUEST, which adds 8: at least the 52 of an
/// answer with an IPv6 address and a fingerprint (RFC 8489 §14.2, §14.7).
pub const REQUEST: usize = 64;
