//! How a command ends.

use crate::{
    api::{ApiError, ErrorKind},
    control::ControlError,
    seam::OpenError,
    settings::SettingsError,
    text,
};

/// Exit codes: part of the command line's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The machine failed: disk, database, socket.
    Failed = 1,
    /// The command makes no sense as it was typed.
    Usage = 2,
    /// A peer or the network cannot be reached.
    Unreachable = 3,
    /// A peer or this node's policy says no.
    Denied = 4,
    /// The home is locked: by a passphrase or by another process.
    Locked = 5,
    /// The message is queued and not delivered.
    Queued = 6,
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Usage | ErrorKind::NotFound => Self::Usage,
            ErrorKind::Unreachable => Self::Unreachable,
            ErrorKind::Denied => Self::Denied,
            ErrorKind::Locked => Self::Locked,
            ErrorKind::Failed => Self::Failed,
        }
    }
}

/// An ending other than [`Exit::Done`], and what a person is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened and what to do; empty when everything was said already.
    pub message: String,
}

impl Failure {
    /// Ends with `exit` and tells `message`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// What was typed cannot be done.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Ends with `exit`; everything was said already.
    #[must_use]
    pub fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// The line for standard error, if there is anything to say. Whatever strangers' text the
    /// message carries cannot get at the terminal or start another line.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        if self.message.is_empty() {
            return None;
        }
        let message = text::line(&self.message);
        let message = message.trim();
        let stop = if message.ends_with(['.', '?', '!', '…']) {
            ""
        } else {
            "."
        };
        Some(format!("dchat: {message}{stop}"))
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::new(error.kind.into(), error.message)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let exit = match error {
            SettingsError::Unreadable { .. } => Exit::Failed,
            _ => Exit::Usage,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let (exit, remedy) = match error {
            ControlError::Io { .. } => (Exit::Failed, "Check that the home is yours"),
            ControlError::Silent => (Exit::Locked, "Stop it, then try again"),
            ControlError::Foreign => (Exit::Failed, "Stop it, then start this version"),
        };
        Self::new(exit, format!("{error}. {remedy}."))
    }
}

/// Standard output. A reader that has had enough (`dchat history bob | head`) is no failure.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::silent(Exit::Done)
        } else {
            Self::new(
                Exit::Failed,
                format!("cannot write to standard output: {error}. Check where it leads."),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_contract() {
        let codes = [
            (ErrorKind::Failed, 1),
            (ErrorKind::Usage, 2),
            (ErrorKind::NotFound, 2),
            (ErrorKind::Unreachable, 3),
            (ErrorKind::Denied, 4),
            (ErrorKind::Locked, 5),
        ];
        for (kind, code) in codes {
            assert_eq!(Exit::from(kind) as u8, code);
        }
        assert_eq!((Exit::Done as u8, Exit::Queued as u8), (0, 6));
    }

    #[test]
    fn an_error_is_one_line_whatever_it_quotes() {
        let failure = Failure::usage("no contact is called \u{1b}[31mEve\nroot# ");
        let line = failure.line();
        assert_eq!(
            line.as_deref(),
            Some("dchat: no contact is called ␛[31mEve root#.")
        );
    }

    #[test]
    fn a_reader_that_has_had_enough_is_no_failure() {
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit, failure.line()), (Exit::Done, None));
    }
}
