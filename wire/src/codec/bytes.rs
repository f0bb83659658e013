//! Byte strings with a bound.

use super::bincode::{Decode, DecodeError as Stop, Decoder, Encode, EncodeError, Encoder, Reader};
use super::error::{OverLimit, Trail};
use super::field::{Field, sealed};
use crate::defect::{self, Defect};

/// At most `MAX` bytes: a `u64` count, then the bytes.
///
/// Held without spare room, so that many empty ones take little more memory than their counts.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bytes<const MAX: usize>(Box<[u8]>);

impl<const MAX: usize> Bytes<MAX> {
    /// Takes `bytes`.
    ///
    /// # Errors
    /// [`OverLimit`] when they are more than `MAX`; they are dropped.
    pub fn new(bytes: Vec<u8>) -> Result<Self, OverLimit> {
        if bytes.len() > MAX {
            return Err(OverLimit::new("Bytes", bytes.len() as u64, MAX));
        }
        Ok(Self(bytes.into_boxed_slice()))
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, owned.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0.into_vec()
    }
}

impl<const MAX: usize> core::fmt::Debug for Bytes<MAX> {
    /// The length only: bodies carry messages, and logs must not.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Bytes({})", self.0.len())
    }
}

impl<const MAX: usize> sealed::Sealed for Bytes<MAX> {}
impl<const MAX: usize> Field for Bytes<MAX> {
    const MIN_LEN: usize = size_of::<u64>();
}

impl<const MAX: usize> Encode for Bytes<MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        Encode::encode(&*self.0, encoder)
    }
}

impl<const MAX: usize> Decode<Trail> for Bytes<MAX> {
    fn decode<D: Decoder<Context = Trail>>(decoder: &mut D) -> Result<Self, Stop> {
        take(decoder, MAX).map(|bytes| Self(bytes.into_boxed_slice()))
    }
}

/// Reads a count of at most `max` and that many bytes.
pub(super) fn take<D: Decoder<Context = Trail>>(
    decoder: &mut D,
    max: usize,
) -> Result<Vec<u8>, Stop> {
    let len = count(decoder, max)?;
    decoder.claim_bytes_read(len)?;
    let reader = decoder.reader();
    let bytes = reader
        .peek_read(len)
        .ok_or(Stop::UnexpectedEnd { additional: len })?
        .to_vec();
    reader.consume(len);
    Ok(bytes)
}

/// Reads a `u64` count of at most `max`.
pub(super) fn count<D: Decoder<Context = Trail>>(
    decoder: &mut D,
    max: usize,
) -> Result<usize, Stop> {
    let len = <u64 as Decode<Trail>>::decode(decoder)?;
    match usize::try_from(len) {
        Ok(len) if len <= max || defect::is(Defect::AcceptsOverLimit) => Ok(len),
        _ => Err(decoder.context().over_limit(len, max)),
    }
}
