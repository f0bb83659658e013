//! The control socket: how other processes of the same user drive the node of a home.
//!
//! `control.sock` in the home (mode 0600) speaks lines of JSON, in both directions one value a line:
//!
//! ```text
//! node   {"hello":{"version":"0.1.0","role":"daemon","process":4711}}     once, at the start
//! client {"do":"send","to":"Bob","text":"hi","ttl_s":null}                one request at a time
//! node   {"ok":{"is":"sent","value":{…}}}  or  {"err":{"kind":…,"message":…}}
//! node   {"event":{…}}                                                    any time after "subscribe"
//! node   "bye"                    the node ends; a request without an answer was not carried out
//! ```
//!
//! The process that has locked the home and uses the network is the one that serves it. A stale
//! socket of a killed process is replaced by the next one. Asking to `shutdown` ends a daemon; any
//! other process hands the home over and goes on as a client of whoever asked.
//!
//! Bounds: [`CONNECTIONS`] clients, [`REQUEST_LINE`] bytes a request, [`ANSWER_LINE`] bytes an answer;
//! a client that does not read for [`WRITE_PATIENCE`] is cut off, and until then loses events, never
//! answers. Clients of another user are turned away.

mod client;
mod line;
mod message;
mod path;
mod server;

#[cfg(test)]
mod tests;

pub use client::{CallError, Client};
pub use line::{LineError, LineReader};
pub use message::{ANSWER_LINE, Answer, CONNECTIONS, Hello, REQUEST_LINE, Role, WRITE_PATIENCE};
pub use path::SOCKET;
pub use server::Server;

use std::io;

/// Why the control socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket cannot be made, or not be reached although somebody is behind it.
    #[error("cannot {action} the control socket of this home: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody is behind it and says nothing.
    #[error("the dchat process of this home does not answer")]
    Silent,
    /// What answers is not this protocol.
    #[error("the dchat process of this home is of another version")]
    Foreign,
}
