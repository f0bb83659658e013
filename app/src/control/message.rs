//! What a node says on its control socket, and the bounds.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::{ApiError, Event, Reply};

/// Clients served at a time.
pub const CONNECTIONS: usize = 32;
/// Bytes of a request: a text of 64 KiB with every byte written as `\u0000`, and room for the rest.
pub const REQUEST_LINE: usize = 6 * 64 * 1024 + 16 * 1024;
/// Bytes of an answer. Lists are as long as was asked for, and this is where it ends: about 200,000
/// messages of ordinary length.
pub const ANSWER_LINE: usize = 64 * 1024 * 1024;
/// How long a client may leave the socket's buffer full.
pub const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// How long a client waits for the first line of a node.
pub(super) const HELLO_PATIENCE: Duration = Duration::from_secs(5);
/// How long requests in progress may take when the node ends.
pub(super) const DRAIN: Duration = Duration::from_secs(5);

/// One line from the node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The first line.
    Hello(Hello),
    /// The request was carried out.
    Ok(Reply),
    /// It was not.
    Err(ApiError),
    /// Something happened.
    Event(Event),
    /// The node ends. A request without an answer was not carried out.
    Bye,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the program.
    pub version: String,
    /// What the process is for.
    pub role: Role,
    /// Its process id.
    pub process: u32,
}

/// What the process that has the home is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It runs the node until it is told to end.
    Daemon,
    /// It needs a node for a while, and hands the home over to a daemon that asks.
    Guest,
}
