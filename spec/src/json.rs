//! JSON with the order of its fields kept, so that the files come out the same bit for bit.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// A JSON value of a vector: no fractions, no negative numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`: an absent `Option`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number below 2^32, which every JSON library keeps exactly.
    Number(u32),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, in this order.
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    /// A `u64` as a decimal string: many JSON libraries lose digits above 2^53.
    #[must_use]
    pub fn decimal(value: u64) -> Self {
        Self::Text(value.to_string())
    }

    /// Bytes as hexadecimal, with long runs of one byte shortened.
    #[must_use]
    pub fn bytes(bytes: &[u8]) -> Self {
        if bytes.len() < SHORTEN_FROM {
            return Self::Text(hex(bytes));
        }
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        for run in bytes.chunk_by(|a, b| a == b) {
            if run.len() < RUN {
                plain.extend_from_slice(run);
                continue;
            }
            if !plain.is_empty() {
                pieces.push(Self::Text(hex(&plain)));
                plain.clear();
            }
            pieces.push(Self::Object(vec![
                ("repeat", Self::Text(hex(&run[..1]))),
                ("times", Self::Number(run.len() as u32)),
            ]));
        }
        if !plain.is_empty() {
            pieces.push(Self::Text(hex(&plain)));
        }
        match pieces.as_slice() {
            [Self::Text(_)] => Self::Text(hex(bytes)),
            _ => Self::List(pieces),
        }
    }
}

/// Shorter byte strings are written out, so that most cases can be read at a glance.
const SHORTEN_FROM: usize = 257;
/// Shortest run worth a piece of its own.
const RUN: usize = 64;

/// Lowercase hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => items.serialize(serializer),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}
