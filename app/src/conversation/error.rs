//! What can go wrong, whose fault it is, and how the connection is closed for it.

use dchat_wire::DecodeError;
use dchat_wire::close::Code;
use dchat_wire::frame::FrameType;
use dchat_wire::record::RecordError;

use crate::e2ee::{AcceptError, DecryptError, EncryptError, OpenSessionError, StateError};

/// The conversation cannot go on over this connection. The caller undoes the transaction, drops
/// the [`Conversation`](super::Conversation) and closes with [`Error::code`]; a new connection
/// begins where the last commit ended.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// Environment: the ledger failed.
    #[error(transparent)]
    Ledger(E),
    /// Peer misbehaved.
    #[error("the peer broke the protocol: {0}")]
    Peer(#[from] Misbehaviour),
    /// Environment: a stored device cannot be read or a session's state cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// Our caller used a conversation after it returned an error, opened it twice, or never made
    /// a device.
    #[error("the conversation was used out of turn: {0}")]
    Misuse(&'static str),
}

impl<E> Error<E> {
    /// The code to close the connection with.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Peer(misbehaviour) => misbehaviour.code(),
            Self::Ledger(_) | Self::State(_) | Self::Misuse(_) => Code::Internal,
        }
    }
}

/// What a peer did that no correct peer does. The ledger is as before the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// A frame of another kind of stream.
    #[error("{0:?} does not belong on a chat stream")]
    ForeignFrame(FrameType),
    /// An envelope before both sides opened the chat.
    #[error("a chat frame before CHAT_OPEN")]
    NotOpen,
    /// CHAT_OPEN a second time.
    #[error("CHAT_OPEN twice on one stream")]
    OpenTwice,
    /// The device record in CHAT_OPEN.
    #[error("its device record is not valid: {0}")]
    DeviceRecord(RecordError),
    /// A key in the device record cannot be used.
    #[error(transparent)]
    DeviceKey(OpenSessionError),
    /// An opening message that belongs to another session than the envelope says.
    #[error("the envelope names another session than its message opens")]
    SessionMismatch,
    /// An opening message of another device, or one that is no message.
    #[error(transparent)]
    Opening(AcceptError),
    /// A ratchet message that is none, is too large, or holds unusable keys.
    #[error(transparent)]
    Ratchet(DecryptError),
    /// The peer's ratchet key cannot be used.
    #[error(transparent)]
    RatchetKey(EncryptError),
    /// Decrypted bytes that are no parcel, or are not padded as they must be.
    #[error("malformed parcel: {0}")]
    Parcel(DecodeError),
    /// A frontier of somebody who is not part of the conversation.
    #[error("a frontier of a third peer")]
    ForeignFrontier,
    /// A frontier that contradicts itself.
    #[error("a frontier that reads more than it holds, or has a tip without entries")]
    BadFrontier,
    /// Entries before our frontiers could tell which.
    #[error("entries before our frontiers were sent")]
    EntriesTooEarly,
    /// Entries are numbered from 1.
    #[error("an entry with number 0")]
    NumberZero,
    /// The hash is not the one of the content in the peer's log: altered, or another author's.
    #[error("the hash of entry {seq} is not that of its content")]
    WrongHash {
        /// The entry's number.
        seq: u64,
    },
    /// A text over the limit or not UTF-8.
    #[error("the text of entry {seq} is too long or not UTF-8")]
    BadText {
        /// The entry's number.
        seq: u64,
    },
    /// More than one change of incarnation in a connection: no true history does that.
    #[error("it contradicted our log twice in one connection")]
    DivergedTwice,
    /// It contradicted our logs in too many connections.
    #[error("it contradicted our log in too many connections; no further log is begun for it")]
    TooManyDivergences,
    /// Too many requests for a new session.
    #[error("it could not decrypt our sessions, again and again")]
    TooManyRenewals,
    /// Too many sessions that are not known here.
    #[error("it used too many sessions that cannot be decrypted")]
    TooManyUndecryptable,
    /// It is no contact and wrote, where no further request is kept. Not its fault alone: others have
    /// asked before.
    #[error("it wrote without being a contact, and as many requests wait as are kept")]
    TooManyRequests,
}

impl Misbehaviour {
    /// The code to close the connection with.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::ForeignFrame(_) | Self::NotOpen | Self::OpenTwice | Self::EntriesTooEarly => {
                Code::Unexpected
            }
            Self::TooManyDivergences
            | Self::TooManyRenewals
            | Self::TooManyUndecryptable
            | Self::TooManyRequests => Code::Limit,
            _ => Code::Malformed,
        }
    }
}

/// Something worth telling that stops nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The peer has a later or another history of ours.
    #[error(
        "this profile is a copy, or was restored from one: a new log was begun and {moved} \
         messages moved to it. Do not run one profile twice"
    )]
    Diverged {
        /// Entries moved.
        moved: u64,
    },
    /// The peer sent an entry that does not continue its log.
    #[error("the peer's history split at entry {seq}; the entry was refused")]
    Fork {
        /// The entry's number.
        seq: u64,
    },
    /// The peer left entries out.
    #[error("the peer sent entry {seq} when {expected} was next; it was refused")]
    Gap {
        /// The entry's number.
        seq: u64,
        /// The number that is next.
        expected: u64,
    },
    /// The peer began more logs than are kept.
    #[error("the peer began too many logs; the new one was refused")]
    TooManyIncarnations,
    /// A message could not be decrypted; the peer was asked for a new session and a resend.
    #[error("a message could not be decrypted ({0}); a resend was asked for")]
    Undecryptable(AcceptError),
    /// The peer could not decrypt us; a new session was made.
    #[error("the peer could not decrypt our messages; they are sent again in a new session")]
    Renewed,
    /// A stored session could not be read and was dropped.
    #[error("a stored session was damaged and was dropped")]
    SessionLost,
}

/// Why a message was not queued. Nothing was changed, provided the transaction is undone after
/// [`ComposeError::Ledger`].
#[derive(Debug, thiserror::Error)]
pub enum ComposeError<E> {
    /// Our caller: over the limit.
    #[error("the message has {len} bytes, {limit} are the most; split it")]
    TooLong {
        /// Its length.
        len: usize,
        /// The bound.
        limit: usize,
    },
    /// Our caller: past its time already.
    #[error("the message would have expired already")]
    Expired,
    /// As many wait as are kept.
    #[error("{limit} messages wait for this recipient already; wait until they are delivered")]
    Full {
        /// The bound.
        limit: u64,
    },
    /// Environment: the ledger failed.
    #[error(transparent)]
    Ledger(E),
}
