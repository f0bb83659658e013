//! How a connection ended.

use core::fmt;

use quinn::ConnectionError;

use super::frames::codes;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The peer's application closed it.
    Closed(u64, String),
    /// The peer's QUIC or TLS closed it, with this transport error code.
    Transport(u64, String),
    /// By a stateless reset.
    Reset,
    /// Nothing came any more.
    TimedOut,
    /// This side closed it.
    Here,
    /// In another way.
    Other(String),
}

impl Ending {
    /// The code of a TLS alert that ended a handshake.
    #[must_use]
    pub fn alert(&self) -> Option<u8> {
        match self {
            Self::Transport(code @ 0x100..=0x1ff, _) => Some((code & 0xff) as u8),
            _ => None,
        }
    }
}

impl From<ConnectionError> for Ending {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => Self::Closed(
                close.error_code.into_inner(),
                String::from_utf8_lossy(&close.reason).into_owned(),
            ),
            ConnectionError::ConnectionClosed(close) => Self::Transport(
                close.error_code.into(),
                String::from_utf8_lossy(&close.reason).into_owned(),
            ),
            ConnectionError::Reset => Self::Reset,
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::LocallyClosed => Self::Here,
            other => Self::Other(other.to_string()),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(code, reason) => {
                write!(f, "closed with {} ({code:#04x})", codes::name(*code))?;
                if reason.is_empty() {
                    Ok(())
                } else {
                    write!(f, ": {reason}")
                }
            }
            Self::Transport(code, reason) => {
                write!(f, "closed by the transport with {code:#x} {reason}")
            }
            Self::Reset => f.write_str("reset without state"),
            Self::TimedOut => f.write_str("silent until the idle timeout"),
            Self::Here => f.write_str("closed by the partner"),
            Self::Other(what) => write!(f, "ended: {what}"),
        }
    }
}
