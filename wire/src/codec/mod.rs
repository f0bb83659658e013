//! The encoding of bodies: fixed-width little-endian integers, and lengths as `u64`.
//!
//! The format is bincode's legacy profile and is specified independently of that crate in spec
//! `10-encoding`; this module is the only one that names it. Only a sealed set of types travels:
//! `u8 u16 u32 u64`, `bool`, `[u8; N]`, `Option`, [`Bytes`], [`Text`], [`List`], the types of this
//! crate that wrap those or stand for registered values of them (`codes!`), and structs of them declared
//! with `body!`.
//!
//! Decoding is strict: trailing bytes, a length over its bound, a tag other than 0 or 1, text that
//! is not UTF-8 and a value its type refuses are errors that name the field. A length is compared
//! with its bound and with the bytes left before a byte is allocated.

mod bytes;
mod codes;
mod error;
mod field;
mod list;
mod text;

pub use bytes::Bytes;
pub use error::{DecodeError, OverLimit};
pub use field::{Body, Field};
pub use list::List;
pub use text::Text;

pub(crate) use codes::{codes, refusals};
pub(crate) use error::Trail;
pub(crate) use field::{body, checked_field, sealed};

use ::bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use ::bincode::de::{Decoder as _, DecoderImpl};
use ::bincode::enc::EncoderImpl;
use ::bincode::enc::write::{SizeWriter, Writer};

use crate::defect::{self, Defect};
use crate::limits;

pub(crate) mod bincode {
    //! What `body!` needs of the codec crate, named here so that no other module imports it.
    pub(crate) use ::bincode::de::read::Reader;
    pub(crate) use ::bincode::de::{Decode, Decoder};
    pub(crate) use ::bincode::enc::{Encode, Encoder};
    pub(crate) use ::bincode::error::{DecodeError, EncodeError};
}

type Profile = Configuration<LittleEndian, Fixint, Limit<{ limits::FRAME_BODY }>>;

const fn profile() -> Profile {
    ::bincode::config::legacy().with_limit::<{ limits::FRAME_BODY }>()
}

/// Encodes `value`; the result is the only byte string that decodes to it.
#[must_use]
pub fn encode<T: Field>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded_len(value));
    append(value, &mut bytes);
    bytes
}

/// The length of [`encode`]'s result, without making it.
#[must_use]
pub fn encoded_len<T: Field>(value: &T) -> usize {
    write(value, SizeWriter::default()).bytes_written
}

/// Encodes `value` behind what `bytes` holds.
pub(crate) fn append<T: Field>(value: &T, bytes: &mut Vec<u8>) {
    write(value, Append(bytes));
}

fn write<T: Field, W: Writer>(value: &T, writer: W) -> W {
    let mut encoder = EncoderImpl::new(writer, ::bincode::config::legacy());
    #[expect(
        clippy::expect_used,
        reason = "neither writer fails, and the sealed types have no failing branch"
    )]
    value
        .encode(&mut encoder)
        .expect("the sealed types encode into memory");
    encoder.into_writer()
}

struct Append<'a>(&'a mut Vec<u8>);

impl Writer for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// What is left to decode. The codec crate's own reader of slices does not tell how much that is.
struct Input<'a>(&'a [u8]);

impl bincode::Reader for Input<'_> {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), bincode::DecodeError> {
        let additional = bytes.len();
        let (taken, left) = self
            .0
            .split_at_checked(additional)
            .ok_or(bincode::DecodeError::UnexpectedEnd { additional })?;
        bytes.copy_from_slice(taken);
        self.0 = left;
        Ok(())
    }

    #[inline]
    fn peek_read(&mut self, n: usize) -> Option<&[u8]> {
        self.0.get(..n)
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        self.0 = self.0.get(n..).unwrap_or_default();
    }
}

/// Decodes exactly one `T` from all of `bytes`.
///
/// # Errors
/// [`DecodeError`] names the first field that is wrong. Nothing is kept of a failed decode.
pub fn decode<T: Field>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > limits::FRAME_BODY {
        return Err(OverLimit::new("body", bytes.len() as u64, limits::FRAME_BODY).into());
    }
    let mut decoder =
        DecoderImpl::<_, Profile, Trail>::new(Input(bytes), profile(), Trail::default());
    match T::decode(&mut decoder) {
        Ok(value) => match decoder.reader().0.len() {
            0 => Ok(value),
            _ if defect::is(Defect::AcceptsTrailingBytes) => Ok(value),
            extra => Err(DecodeError::TrailingBytes { extra }),
        },
        Err(error) => Err(core::mem::take(decoder.context()).explain(error)),
    }
}
