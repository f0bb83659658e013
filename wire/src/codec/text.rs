//! UTF-8 strings with a bound.

use super::bincode::{Decode, DecodeError as Stop, Decoder, Encode, EncodeError, Encoder};
use super::bytes::take;
use super::error::{OverLimit, Trail};
use super::field::{Field, sealed};
use crate::defect::{self, Defect};

/// At most `MAX` bytes of UTF-8: a `u64` count of bytes, then the bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Takes `text`.
    ///
    /// # Errors
    /// [`OverLimit`] when it is more than `MAX` bytes; it is dropped.
    pub fn new(text: impl Into<String>) -> Result<Self, OverLimit> {
        let text = text.into();
        if text.len() > MAX {
            return Err(OverLimit::new("Text", text.len() as u64, MAX));
        }
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<const MAX: usize> core::fmt::Debug for Text<MAX> {
    /// The length only: bodies carry messages, and logs must not.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Text({})", self.0.len())
    }
}

impl<const MAX: usize> sealed::Sealed for Text<MAX> {}
impl<const MAX: usize> Field for Text<MAX> {
    const MIN_LEN: usize = size_of::<u64>();
}

impl<const MAX: usize> Encode for Text<MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        Encode::encode(self.0.as_bytes(), encoder)
    }
}

impl<const MAX: usize> Decode<Trail> for Text<MAX> {
    fn decode<D: Decoder<Context = Trail>>(decoder: &mut D) -> Result<Self, Stop> {
        let bytes = take(decoder, MAX)?;
        if defect::is(Defect::AcceptsBadText) {
            return Ok(Self(String::from_utf8_lossy(&bytes).into_owned()));
        }
        String::from_utf8(bytes)
            .map(Self)
            .map_err(|_| decoder.context().invalid("not UTF-8"))
    }
}
