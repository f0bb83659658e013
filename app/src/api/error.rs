//! Why a request was not carried out.

use serde::{Deserialize, Serialize};

/// Why a request was not carried out. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What kind, which decides the exit code.
    pub kind: ErrorKind,
    /// For people: whose fault and what to do next.
    pub message: String,
}

/// Kinds of [`ApiError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request makes no sense as it stands. Exit code 2.
    Usage,
    /// No such contact, message or request. Exit code 2.
    NotFound,
    /// A peer or the network cannot be reached. Exit code 3.
    Unreachable,
    /// A peer or this node's policy says no. Exit code 4.
    Denied,
    /// The home is locked: by a passphrase or by another process. Exit code 5.
    Locked,
    /// The machine failed: disk, database, socket. Exit code 1.
    Failed,
}

impl ApiError {
    /// An error of `kind` that tells a person `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}
