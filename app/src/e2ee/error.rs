//! What can go wrong with keys, and whose fault it is.

/// A message was not encrypted. The session is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// Peer misbehaved: its ratchet key is a point of small order.
    #[error("the peer's ratchet key is not usable")]
    BadKey,
}

/// A message was not decrypted. The session can decrypt what it could before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// Bad bytes: over the limit. Nothing was parsed.
    #[error("a ratchet message of {len} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its length.
        len: usize,
        /// The bound.
        limit: usize,
    },
    /// Bad bytes: no ratchet message.
    #[error("not a ratchet message")]
    Malformed,
    /// Peer misbehaved: a key in it is a point of small order.
    #[error("the message holds a key that is not usable")]
    BadKey,
    /// The key for it is gone or never was: decrypted before, skipped too long ago, or the session
    /// is not in step any more (one side went back to an old copy). A new session cures it.
    #[error("no key for this message: it was used before, or the session is out of step")]
    NoKey,
    /// It was encrypted with another key than the session expects. A new session cures it.
    #[error("the message does not authenticate")]
    NotAuthentic,
}

impl DecryptError {
    /// Whether a new session can help; otherwise the peer sends what nobody may send.
    #[must_use]
    pub fn is_curable(self) -> bool {
        matches!(self, Self::NoKey | Self::NotAuthentic)
    }
}

/// No session was made towards a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenSessionError {
    /// Peer misbehaved: a key in its device record is a point of small order.
    #[error("the peer's device record holds a key that is not usable")]
    BadKey,
}

/// No session was made from an opening message. The device is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// Peer misbehaved: the message is of another device than the one its identity signed.
    #[error("the opening message is of a device that the peer's identity did not sign")]
    ForeignDevice,
    /// It was made for a fallback key that is not ours, or not any more. A session from our
    /// current record cures it.
    #[error("the opening message is for a fallback key that is no longer here")]
    UnknownFallback,
    /// As for any message.
    #[error(transparent)]
    Decrypt(#[from] DecryptError),
}

impl AcceptError {
    /// Whether a new session can help; otherwise the peer sends what nobody may send.
    #[must_use]
    pub fn is_curable(self) -> bool {
        match self {
            Self::ForeignDevice => false,
            Self::UnknownFallback => true,
            Self::Decrypt(error) => error.is_curable(),
        }
    }
}

/// A stored state cannot be read or written: the database was changed by hand, or is of another
/// version. The keys in it are lost; a session can be made anew, a device cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Not what this module wrote.
    #[error("a stored ratchet state is damaged")]
    Damaged,
    /// Over [`MAX_STATE`](super::MAX_STATE).
    #[error("a ratchet state of {len} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its length.
        len: usize,
        /// The bound.
        limit: usize,
    },
}
