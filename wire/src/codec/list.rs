//! Lists with a bound.

use super::bincode::{Decode, DecodeError as Stop, Decoder, Encode, EncodeError, Encoder, Reader};
use super::bytes::count;
use super::error::{OverLimit, Trail};
use super::field::{Field, sealed};

/// At most `MAX` items: a `u64` count, then each item.
///
/// `MAX` stays small enough for an item's size in memory not to matter beside the frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// Takes `items`.
    ///
    /// # Errors
    /// [`OverLimit`] when they are more than `MAX`; they are dropped.
    pub fn new(items: Vec<T>) -> Result<Self, OverLimit> {
        if items.len() > MAX {
            return Err(OverLimit::new("List", items.len() as u64, MAX));
        }
        Ok(Self(items))
    }

    /// Takes the first `MAX` of `items`.
    pub fn first_of(items: impl IntoIterator<Item = T>) -> Self {
        Self(items.into_iter().take(MAX).collect())
    }

    /// The items.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The items, owned.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> core::ops::Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: sealed::Sealed, const MAX: usize> sealed::Sealed for List<T, MAX> {}
impl<T: Field, const MAX: usize> Field for List<T, MAX> {
    const MIN_LEN: usize = size_of::<u64>();
}

impl<T: Field, const MAX: usize> Encode for List<T, MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.0.len() as u64).encode(encoder)?;
        self.0.iter().try_for_each(|item| item.encode(encoder))
    }
}

impl<T: Field, const MAX: usize> Decode<Trail> for List<T, MAX> {
    fn decode<D: Decoder<Context = Trail>>(decoder: &mut D) -> Result<Self, Stop> {
        let len = count(decoder, MAX)?;
        let least = len.saturating_mul(T::MIN_LEN);
        if decoder.reader().peek_read(least).is_none() {
            return Err(Stop::UnexpectedEnd { additional: least });
        }
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            items.push(T::decode(decoder)?);
        }
        Ok(Self(items))
    }
}
