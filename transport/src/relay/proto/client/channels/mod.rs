//! Asking for channels, and consenting to those others ask for.
//!
//! **State.** For each connection to a relay the channels on it: asked for, or open.
//!
//! **In.** [`Input`]: connections to relays, peers a channel is wanted to, frames on streams and
//! their ends. **Out.** [`Output`]: streams to open, write to and close, and channels that opened,
//! failed or closed. After each input and each timeout the caller drains
//! [`Channels::poll_output`].
//!
//! **Who may have a channel to us.** A contact always, within [`Config::per_peer`]; a stranger
//! while fewer than [`Config::strangers`] have one and not too often; one who is denied never;
//! strangers never while [`Consent::strangers`] is false. The relay proves nothing about whom it
//! asks for, so this only bounds what is let in: who really is there shows in the handshake that
//! follows.
//!
//! **Invariants.** Every stream is closed exactly once while its connection lives. Each
//! [`Input::Ask`] is followed by exactly one [`Output::Opened`] or [`Output::Failed`], but for one
//! repeated while it is being answered. A number names at most one channel of a connection.
//!
//! **Bounds.** [`Config`].

mod config;
mod event;
mod table;

pub use config::{Config, Consent};
pub use event::{Failure, Input, Output, Stats};
pub use table::Channels;
