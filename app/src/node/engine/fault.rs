//! Why the engine did not do what it was asked.

use crate::api::{ApiError, ErrorKind};
use crate::store::{AppendError, ContactError, NameError, RoomError, StoreError};

/// What stops one input.
#[derive(Debug)]
pub(in crate::node) enum Fault {
    /// The request cannot be carried out; nothing was changed and the batch goes on.
    Refused(ApiError),
    /// The database failed; the whole batch is undone.
    Store(StoreError),
}

impl Fault {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Refused(ApiError::new(ErrorKind::Usage, message))
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::Refused(ApiError::new(ErrorKind::NotFound, message))
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::Refused(ApiError::new(ErrorKind::Denied, message))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<NameError> for Fault {
    fn from(error: NameError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ContactError> for Fault {
    fn from(error: ContactError) -> Self {
        match error {
            ContactError::Store(error) => Self::Store(error),
            ContactError::Unknown => Self::not_found(error.to_string()),
            ContactError::Full => Self::denied(error.to_string()),
            ContactError::Name(_) | ContactError::NameTaken { .. } | ContactError::Known { .. } => {
                Self::usage(error.to_string())
            }
        }
    }
}

impl From<RoomError> for Fault {
    fn from(error: RoomError) -> Self {
        match error {
            RoomError::Store(error) => Self::Store(error),
            RoomError::Full => Self::denied(format!("{error}.")),
            RoomError::NameTaken { .. } => Self::usage(format!("{error}.")),
        }
    }
}

impl From<AppendError> for Fault {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Store(error) => Self::Store(error),
            other => Self::denied(other.to_string()),
        }
    }
}
