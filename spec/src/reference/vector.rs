//! A question of a vector, and what can be said to it.

use dchat_wire::id::PeerIdError;
use dchat_wire::{DecodeError, PeerId};
use serde_json::Value;
use thiserror::Error;

/// An error as a vector names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Its name.
    pub error: String,
    /// The field at fault, where it is known.
    pub field: Option<String>,
    /// What came out before the error.
    pub before: Option<Value>,
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self {
            error: error.name().to_owned(),
            field: error.field().map(str::to_owned),
            before: None,
        }
    }
}

/// Why there is no output.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum Unanswered {
    /// The input is refused: an answer like any other.
    #[error("refused with {}", .0.error)]
    Refused(Refusal),
    /// An operation, a type or a context that is not known here. Nothing was done.
    #[error("this operation is not known")]
    Unsupported,
    /// The question has no such input, or the implementation contradicts itself.
    #[error("{0}")]
    Failed(String),
}

impl From<DecodeError> for Unanswered {
    fn from(error: DecodeError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<PeerIdError> for Unanswered {
    fn from(error: PeerIdError) -> Self {
        refused(match error {
            PeerIdError::Malformed => "not-a-peer-id",
            PeerIdError::NotAKey => "not-a-key",
        })
    }
}

/// The error of that name.
pub(super) fn refused(error: &str) -> Unanswered {
    Unanswered::Refused(Refusal {
        error: error.to_owned(),
        field: None,
        before: None,
    })
}

/// Fails unless `true`: for what an implementation must agree with itself about.
pub(super) fn agrees(condition: bool, otherwise: &str) -> Result<(), Unanswered> {
    match condition {
        true => Ok(()),
        false => Err(Unanswered::Failed(otherwise.to_owned())),
    }
}

/// The output of an operation, or why there is none.
pub type Answer = Result<Value, Unanswered>;

/// What a vector asks.
#[derive(Clone, Debug)]
pub struct Vector {
    /// Of the case.
    pub id: String,
    /// The operation.
    pub op: String,
    input: Value,
}

impl Vector {
    /// The question of a case, or of a line of the runner. `None` when it has no `id` or `op`, or
    /// pieces of bytes that are none.
    #[must_use]
    pub fn read(case: &Value) -> Option<Self> {
        let text = |name: &str| case.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            id: text("id")?,
            op: text("op")?,
            input: joined(case.get("input")?)?,
        })
    }

    fn lacks(&self, what: &str, name: &str) -> Unanswered {
        Unanswered::Failed(format!("{}: no {what} {name}", self.id))
    }

    /// An input.
    pub(super) fn value(&self, name: &str) -> Result<&Value, Unanswered> {
        self.input
            .get(name)
            .ok_or_else(|| self.lacks("input", name))
    }

    /// An input that is text.
    pub(super) fn text(&self, name: &str) -> Result<&str, Unanswered> {
        let value = self.value(name)?.as_str();
        value.ok_or_else(|| self.lacks("text", name))
    }

    /// An input that is a small number.
    pub(super) fn number<T: TryFrom<u64>>(&self, name: &str) -> Result<T, Unanswered> {
        let value = self.value(name)?.as_u64();
        value
            .and_then(|value| value.try_into().ok())
            .ok_or_else(|| self.lacks("number", name))
    }

    /// An input that is a `u64`.
    pub(super) fn u64(&self, name: &str) -> Result<u64, Unanswered> {
        decimal(self.value(name)?).ok_or_else(|| self.lacks("u64", name))
    }

    /// An input of bytes.
    pub(super) fn bytes(&self, name: &str) -> Result<Vec<u8>, Unanswered> {
        unhex(self.text(name)?).ok_or_else(|| self.lacks("bytes", name))
    }

    /// An input of so many bytes.
    pub(super) fn fixed<const N: usize>(&self, name: &str) -> Result<[u8; N], Unanswered> {
        let bytes = self.bytes(name)?;
        bytes
            .try_into()
            .map_err(|_| self.lacks("fixed bytes", name))
    }

    /// An input that is a usable PeerId.
    pub(super) fn peer(&self, name: &str) -> Result<PeerId, Unanswered> {
        Ok(PeerId::from_public_key(self.fixed(name)?)?)
    }

    /// An input that is a list, each item read by `read`.
    pub(super) fn items<T>(
        &self,
        name: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, Unanswered> {
        let items = self.value(name)?.as_array();
        items
            .and_then(|items| items.iter().map(read).collect())
            .ok_or_else(|| self.lacks("list", name))
    }

    /// An input that is a list of bytes.
    pub(super) fn list(&self, name: &str) -> Result<Vec<Vec<u8>>, Unanswered> {
        self.items(name, |item| unhex(item.as_str()?))
    }

    /// The output, unless the vector claims another.
    pub(super) fn claimed(&self, name: &str, output: Value) -> Answer {
        match self.input.get("claimed") {
            Some(claimed) if *claimed != output => Err(refused("mismatch")),
            _ => Ok(serde_json::json!({ name: output })),
        }
    }
}

/// The value with lists of pieces put together to one hexadecimal string.
#[must_use]
pub fn joined(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Array(items) if items.iter().any(is_run) => {
            let pieces: Option<String> = items.iter().map(piece).collect();
            pieces?.into()
        }
        Value::Array(items) => {
            let items: Option<Vec<Value>> = items.iter().map(joined).collect();
            items?.into()
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields: Option<serde_json::Map<String, Value>> = fields
                .map(|(name, value)| Some((name.clone(), joined(value)?)))
                .collect();
            fields?.into()
        }
        other => other.clone(),
    })
}

/// Bytes that one piece may stand for: more than any input of a vector.
const LONGEST_RUN: u64 = 1 << 24;

fn is_run(item: &Value) -> bool {
    item.get("repeat").is_some()
}

fn piece(item: &Value) -> Option<String> {
    let Some(repeated) = item.get("repeat") else {
        return item.as_str().map(str::to_owned);
    };
    let times = item.get("times")?.as_u64().filter(|&n| n <= LONGEST_RUN)?;
    Some(repeated.as_str()?.repeat(usize::try_from(times).ok()?))
}

pub(super) fn hex(bytes: &[u8]) -> Value {
    crate::json::hex(bytes).into()
}

/// A `u64` in decimal.
pub(super) fn decimal(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
            _ => None,
        })
        .collect()
}
