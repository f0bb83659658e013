//! An item whose shape has been checked, with what follows from its bytes.

use core::fmt;
use std::sync::Arc;

use dchat_wire::codec;
use dchat_wire::defect::{self, Defect};
use dchat_wire::gossip::{SignedItem, body_hash, item_hash};
use dchat_wire::limits;

use crate::frontier::{LogId, MAX_SEQ};

/// An item: what its author signed, its hash and its log. It is made once and shared; its signature
/// has not been checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    signed: SignedItem,
    hash: [u8; 32],
    log: LogId,
    len: u32,
}

/// Bytes that decode but are no item. Their sender is at fault; they are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemFault {
    /// Sequences go from 1 to [`MAX_SEQ`].
    #[error("the item's sequence is 0 or over {MAX_SEQ}")]
    Sequence,
    /// Only the first item follows none.
    #[error("the item names the one before it where there is none, or none where there is one")]
    Previous,
    /// A log goes on above its floor.
    #[error("the item lies below the floor it sets")]
    Floor,
    /// The lamport time is at least the time.
    #[error("the item's lamport time is before it was sent")]
    Lamport,
    /// Length or hash are of another body, or no body can be that long.
    #[error("the item's body is not the one that is signed")]
    Body,
}

impl Item {
    /// Takes `signed`, of `room`.
    ///
    /// # Errors
    /// [`ItemFault`] names what no author may sign or no member may pass on.
    pub fn new(room: &[u8; 32], signed: SignedItem) -> Result<Arc<Self>, ItemFault> {
        let header = &signed.header;
        if !(1..=MAX_SEQ).contains(&header.seq) {
            return Err(ItemFault::Sequence);
        }
        let follows = (header.seq == 1) == (header.prev == [0; 32]);
        if !follows && !defect::is(Defect::AcceptsItemWithoutPrevious) {
            return Err(ItemFault::Previous);
        }
        let any_shape = defect::is(Defect::AcceptsItemOutOfShape);
        if header.floor > header.seq && !any_shape {
            return Err(ItemFault::Floor);
        }
        if header.lamport < header.sent_at && !any_shape {
            return Err(ItemFault::Lamport);
        }
        let right = match &signed.body {
            Some(body) => {
                header.body_len as usize == body.as_slice().len()
                    && header.body_hash == body_hash(body.as_slice())
            }
            None => header.body_len as usize <= limits::ENTRY_BODY,
        };
        if !right && !defect::is(Defect::AcceptsOtherBody) {
            return Err(ItemFault::Body);
        }
        Ok(Arc::new(Self {
            hash: item_hash(room, header),
            log: LogId::of(room, &header.author, &header.incarnation),
            len: u32::try_from(codec::encoded_len(&signed)).unwrap_or(u32::MAX),
            signed,
        }))
    }

    /// As it travels.
    #[must_use]
    pub fn signed(&self) -> &SignedItem {
        &self.signed
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Its sequence.
    #[must_use]
    pub fn seq(&self) -> u32 {
        self.signed.header.seq
    }

    /// Its author's key.
    #[must_use]
    pub fn author(&self) -> &[u8; 32] {
        &self.signed.header.author
    }

    /// Milliseconds since 1970 at which it was sent, by its author's clock.
    #[must_use]
    pub fn sent_at(&self) -> u64 {
        self.signed.header.sent_at
    }

    /// The hour since 1970 in which it was sent.
    #[must_use]
    pub fn hour(&self) -> u32 {
        hour(self.sent_at())
    }

    /// Bytes of the item as it travels, without a frame.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.len as usize
    }

    /// Bytes of the body and its count, as far as it is here.
    pub(crate) fn body_len(&self) -> usize {
        self.signed
            .body
            .as_ref()
            .map_or(0, |body| 8 + body.as_slice().len())
    }

    /// The item without its body.
    #[must_use]
    pub fn stub(&self) -> SignedItem {
        SignedItem {
            header: self.signed.header.clone(),
            signature: self.signed.signature,
            body: None,
        }
    }
}

/// The hour of a time in milliseconds since 1970; times out of the ordinary are the last hour.
pub(crate) fn hour(time: u64) -> u32 {
    u32::try_from(time / 3_600_000).unwrap_or(u32::MAX)
}

impl fmt::Debug for Item {
    /// Without the body, which is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {} of {:?}", self.seq(), self.log)
    }
}
