//! At which relays to be reachable.
//!
//! **State.** The relays that could be used, in the order of preference: those the user named
//! before those found, then by round trip where that is known. For each whether it is at rest after
//! a failure, being connected to, being asked, or held.
//!
//! **In.** [`Input`]: the list, connections to relays that come and go, and answers to RESERVE.
//! **Out.** [`Output`]: connections wanted, frames to send, the addresses under which we can be
//! reached. After each input and each timeout the caller drains [`Reservations::poll_output`].
//!
//! **Rules.** [`Config::wanted`] relays are held when there are as many. A connection that is slow
//! to come up does not keep the next relay waiting; a reservation too many is given up, the least
//! preferred first. When a relay is lost the next is asked at once, and the lost one rests. A relay
//! that is clearly better than the worst that is held takes its place, once it is held itself.
//! A reservation is renewed at half its time, give or take a tenth, so that those who came together
//! do not return together. A voucher that is not the relay's, not ours, or was seen before makes
//! the relay [`Event::BadVoucher`] and unused for [`Config::never`].
//!
//! **Bounds.** [`Config::candidates`] relays with [`SOCKETS`] sockets each, one question to each at
//! a time; waits after failures double up to [`Config::rest_max`].

mod config;
mod event;
mod keeper;
mod relay;

pub use config::{Candidate, Config, SOCKETS};
pub use event::{Event, Held, Input, Output};
pub use keeper::Reservations;
