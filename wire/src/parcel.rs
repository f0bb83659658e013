//! What travels inside the ratchet: entries of a log, and frontiers, which are the acknowledgement.
//!
//! A conversation is a set of logs. A log is named by its author and an incarnation, numbers its
//! entries from 1 without gaps, and chains them by hash (spec `40-messaging` §5).

use crate::codec::{self, Bytes, DecodeError, List, OverLimit, body, checked_field};
use crate::defect::{self, Defect};
use crate::extension::Extensions;
use crate::hash::Context;
use crate::id::PeerId;
use crate::limits;

body! {
    /// The plaintext of an envelope.
    pub struct Parcel {
        /// What the sender holds of the logs of both authors.
        pub frontiers: List<Frontier, { limits::PARCEL_FRONTIERS }>,
        /// Entries of the sender's own logs, in order of sequence within a log.
        pub entries: List<Entry, { limits::PARCEL_ENTRIES }>,
        /// Extensions.
        pub extensions: Extensions,
        /// Zeros up to the next step of [`padded_len`], so that lengths tell little.
        pub padding: Padding,
    }
}

body! {
    /// How much of one log somebody holds.
    pub struct Frontier {
        /// Whose log.
        pub author: PeerId,
        /// Which of the author's logs.
        pub incarnation: [u8; 16],
        /// Every entry up to this sequence is committed; 0 when there is none.
        pub held: u64,
        /// Entries below this sequence are not to be had any more; 1 when all are.
        pub low_water: u64,
        /// Every entry up to this sequence was shown to a person; at most `held`.
        pub read: u64,
        /// Hash of the entry `held`; zeros when `held` is 0.
        pub tip: [u8; 32],
    }
}

body! {
    /// One entry of a log, or the stub of one that expired.
    pub struct Entry {
        /// Which of the author's logs.
        pub incarnation: [u8; 16],
        /// From 1, without gaps.
        pub seq: u64,
        /// Hash of the entry before; zeros for the first.
        pub prev: [u8; 32],
        /// [`entry_hash`]. Checked against the content; for a stub it is the author's word.
        pub hash: [u8; 32],
        /// Absent when the entry expired before it was sent.
        pub content: Option<Content>,
    }
}

body! {
    /// What an author wrote.
    pub struct Content {
        /// Milliseconds since 1970 by the author's clock.
        pub sent_at: u64,
        /// When it is to be forgotten, in milliseconds since 1970.
        pub expires_at: Option<u64>,
        /// The newest entries of other logs that the author had seen.
        pub heads: List<Head, { limits::HEADS }>,
        /// What the body is; [`entry_kind`] lists them. An unknown kind is stored and not shown.
        pub kind: u16,
        /// For [`entry_kind::TEXT`] UTF-8.
        pub body: Bytes<{ limits::ENTRY_BODY }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

/// What an entry may hold (spec `registry` §9).
pub mod entry_kind {
    /// Text in UTF-8, at most [`limits::TEXT`](crate::limits::TEXT) bytes.
    pub const TEXT: u16 = 1;
    /// [`GroupOperations`](crate::group::GroupOperations): an invitation, its acceptance, or word of
    /// a removal. Not shown as a message.
    pub const GROUP_OPERATIONS: u16 = 2;
    /// [`GroupKeys`](crate::group::GroupKeys). Not shown as a message.
    pub const GROUP_KEYS: u16 = 3;
}

body! {
    /// An entry of another log.
    pub struct Head {
        /// Its author.
        pub author: PeerId,
        /// Its log.
        pub incarnation: [u8; 16],
        /// Its sequence.
        pub seq: u64,
        /// Its hash.
        pub hash: [u8; 32],
    }
}

/// The hash of an entry, which the next one names as `prev`.
#[must_use]
pub fn entry_hash(
    conversation: &[u8; 32],
    author: &PeerId,
    incarnation: &[u8; 16],
    seq: u64,
    prev: &[u8; 32],
    content: &Content,
) -> [u8; 32] {
    let prev = if defect::is(Defect::HashesWithoutPrevious) {
        &[0; 32]
    } else {
        prev
    };
    Context::ENTRY.digest(&[
        conversation,
        author.public_key(),
        incarnation,
        &seq.to_le_bytes(),
        prev,
        &codec::encode(content),
    ])
}

/// Zero bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Padding(Bytes<{ limits::PARCEL }>);

impl Padding {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_slice().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn to_repr(&self) -> &Bytes<{ limits::PARCEL }> {
        &self.0
    }

    fn from_repr(bytes: Bytes<{ limits::PARCEL }>) -> Result<Self, &'static str> {
        if bytes.as_slice().iter().any(|byte| *byte != 0) {
            return Err("padding that is not zero");
        }
        Ok(Self(bytes))
    }
}
checked_field!(Padding as Bytes<{ limits::PARCEL }>);

/// Why a parcel cannot be sealed: our own caller put too much into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a parcel of {len} bytes is over the limit of {}", limits::PARCEL)]
pub struct ParcelTooLarge {
    /// Its length without padding.
    pub len: usize,
}

impl Parcel {
    /// A parcel of these frontiers and entries, not yet padded.
    #[must_use]
    pub fn new(
        frontiers: List<Frontier, { limits::PARCEL_FRONTIERS }>,
        entries: List<Entry, { limits::PARCEL_ENTRIES }>,
    ) -> Self {
        Self {
            frontiers,
            entries,
            extensions: Extensions::default(),
            padding: Padding::default(),
        }
    }

    /// The encoding, padded to [`padded_len`].
    ///
    /// # Errors
    /// [`ParcelTooLarge`] when it would be over [`limits::PARCEL`].
    pub fn seal(mut self) -> Result<Vec<u8>, ParcelTooLarge> {
        self.padding = Padding::default();
        let len = codec::encoded_len(&self);
        let missing = padded_len(len)
            .checked_sub(len)
            .ok_or(ParcelTooLarge { len })?;
        let missing = if defect::is(Defect::SendsUnpadded) {
            0
        } else {
            missing
        };
        self.padding = Padding(Bytes::new(vec![0; missing]).map_err(|_| ParcelTooLarge { len })?);
        Ok(codec::encode(&self))
    }

    /// Decodes a padded parcel.
    ///
    /// # Errors
    /// [`DecodeError`], also when it is over [`limits::PARCEL`] or the padding is not the one [`Parcel::seal`] makes.
    pub fn open(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > limits::PARCEL {
            return Err(OverLimit::new("Parcel", bytes.len() as u64, limits::PARCEL).into());
        }
        let parcel: Self = codec::decode(bytes)?;
        let unpadded = bytes.len() - parcel.padding.len();
        if padded_len(unpadded) != bytes.len() && !defect::is(Defect::AcceptsWrongPadding) {
            return Err(DecodeError::Invalid {
                field: "Parcel.padding",
                reason: "not padded to the next step",
            });
        }
        Ok(parcel)
    }
}

/// The length to which `len` bytes are padded: Padmé (Nikitin et al., PETS 2019), which keeps
/// `log2(log2(len))` bits of a length and costs at most 12 %; at least [`limits::PARCEL_MIN`] and at
/// most [`limits::PARCEL`].
#[must_use]
pub fn padded_len(len: usize) -> usize {
    let len = len.max(limits::PARCEL_MIN);
    if defect::is(Defect::PadsCoarsely) {
        return len.next_power_of_two().min(limits::PARCEL);
    }
    let exponent = len.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1_usize << (exponent - kept)) - 1;
    ((len + mask) & !mask).min(limits::PARCEL)
}
