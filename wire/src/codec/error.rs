//! Why bytes were refused.

use super::bincode;

/// Bytes that are not one canonical value. Always the sender's fault; nothing of them is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside `field`.
    #[error("{field}: the bytes end inside it")]
    UnexpectedEnd {
        /// `Struct.field`.
        field: &'static str,
    },
    /// A whole value, then more.
    #[error("{extra} bytes follow the value")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// A length or count over its bound in [`limits`](crate::limits).
    #[error(transparent)]
    OverLimit(#[from] OverLimit),
    /// A `bool` or the presence byte of an `Option` that is neither 0 nor 1.
    #[error("{field}: a byte that must be 0 or 1 is neither")]
    NotBoolean {
        /// `Struct.field`.
        field: &'static str,
    },
    /// The bytes have the right shape but a value the field's type refuses.
    #[error("{field}: {reason}")]
    Invalid {
        /// `Struct.field`.
        field: &'static str,
        /// What is wrong, as the spec words it.
        reason: &'static str,
    },
}

impl DecodeError {
    /// The error's name in the test vectors (spec `10-encoding` §7).
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::UnexpectedEnd { .. } => "unexpected-end",
            Self::TrailingBytes { .. } => "trailing-bytes",
            Self::OverLimit(_) => "over-limit",
            Self::NotBoolean { .. } => "not-boolean",
            Self::Invalid { .. } => "invalid",
        }
    }

    /// The field at fault as `Struct.field`, where one is.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::UnexpectedEnd { field }
            | Self::NotBoolean { field }
            | Self::Invalid { field, .. } => Some(field),
            Self::OverLimit(over) => Some(over.field),
            Self::TrailingBytes { .. } => None,
        }
    }
}

/// A length or count over its bound, found before anything was allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {len} is over the limit of {limit}")]
pub struct OverLimit {
    /// `Struct.field`, or the type's name when it was built locally.
    pub field: &'static str,
    /// The length found, in bytes or items.
    pub len: u64,
    /// The bound.
    pub limit: usize,
}

impl OverLimit {
    pub(crate) fn new(field: &'static str, len: u64, limit: usize) -> Self {
        Self { field, len, limit }
    }
}

/// What a decoder remembers of a failure: the innermost field, and the reason where the codec
/// crate's own error cannot carry it.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    field: Option<&'static str>,
    cause: Option<Cause>,
}

#[derive(Debug)]
enum Cause {
    OverLimit { len: u64, limit: usize },
    Invalid(&'static str),
}

impl Trail {
    /// Names the field at fault. The first call, from the innermost field, wins.
    pub(crate) fn name(&mut self, field: &'static str) {
        self.field.get_or_insert(field);
    }

    /// Records a length over its bound and returns the error that stops the decoder.
    pub(crate) fn over_limit(&mut self, len: u64, limit: usize) -> bincode::DecodeError {
        self.cause = Some(Cause::OverLimit { len, limit });
        bincode::DecodeError::LimitExceeded
    }

    /// Records a refused value and returns the error that stops the decoder.
    pub(crate) fn invalid(&mut self, reason: &'static str) -> bincode::DecodeError {
        self.cause = Some(Cause::Invalid(reason));
        bincode::DecodeError::Other(reason)
    }

    pub(crate) fn explain(self, error: bincode::DecodeError) -> DecodeError {
        let field = self.field.unwrap_or("body");
        match self.cause {
            Some(Cause::OverLimit { len, limit }) => OverLimit::new(field, len, limit).into(),
            Some(Cause::Invalid(reason)) => DecodeError::Invalid { field, reason },
            None => match error {
                bincode::DecodeError::InvalidBooleanValue(_)
                | bincode::DecodeError::UnexpectedVariant { .. } => {
                    DecodeError::NotBoolean { field }
                }
                _ => DecodeError::UnexpectedEnd { field },
            },
        }
    }
}
