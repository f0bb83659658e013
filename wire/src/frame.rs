//! Frames: how bodies are delimited and told apart on a stream.
//!
//! ```text
//!  0            4        6        8
//! +------------+--------+--------+-----------------+
//! | length u32 | type   | flags  | body            |   little-endian
//! +------------+--------+--------+-----------------+
//! ```
//!
//! `length` counts the body. Flag bit 0 says that a receiver which does not know the type must
//! close; without it the frame is skipped. Other flag bits are ignored (spec `10-encoding` §4).

use crate::chat::{ChatOpen, Envelope, Undecryptable};
use crate::close;
use crate::codec::{self, DecodeError};
use crate::defect::{self, Defect};
use crate::dht::{DhtFind, DhtGet, DhtNodes, DhtPut, DhtRefused, DhtStored, DhtValues};
use crate::gossip::{
    GossipAnnounce, GossipDigest, GossipFetch, GossipJoin, GossipLeave, GossipMore, GossipOpen,
    GossipProof, GossipPull, GossipPush, GossipRange, GossipShuffle, GossipSketch, GossipSpans,
    GossipTree,
};
use crate::group::GroupOperations;
use crate::hello::Hello;
use crate::identify::Identify;
use crate::limits;
use crate::nat::{Candidates, Punch, Reach, Reached};
use crate::ping::Ping;
use crate::relay::{
    RelayAccept, RelayConnect, RelayIncoming, RelayOpened, RelayRefused, RelayReserve,
    RelayReserved,
};

/// Flag bit: who does not know the type must close the connection.
pub const FLAG_CRITICAL: u16 = 1;

macro_rules! frames {
    ($($(#[$meta:meta])* $name:ident($body:ty) = $code:literal, max $max:expr;)*) => {
        /// A frame type in use (spec `registry` §1).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum FrameType {
            $($(#[$meta])* $name = $code,)*
        }

        impl FrameType {
            /// All types, for the registry and its tests.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The type that `code` stands for.
            #[must_use]
            pub fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Largest body, in bytes.
            #[must_use]
            pub fn max_body(self) -> usize {
                match self {
                    $(Self::$name => $max,)*
                }
            }

            /// The name in the registry.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Decodes a body of this type.
            ///
            /// # Errors
            /// [`DecodeError`] when the bytes are not exactly one canonical body.
            pub fn decode(self, body: &[u8]) -> Result<Frame, DecodeError> {
                if body.len() > self.max_body() && !defect::is(Defect::AcceptsLongFrame) {
                    let (len, limit) = (body.len() as u64, self.max_body());
                    return Err(codec::OverLimit { field: "body", len, limit }.into());
                }
                match self {
                    $(Self::$name => codec::decode(body).map(Frame::$name),)*
                }
            }
        }

        /// A frame.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Frame {
            $($(#[$meta])* $name($body),)*
        }

        impl Frame {
            /// Its type.
            #[must_use]
            pub fn frame_type(&self) -> FrameType {
                match self {
                    $(Self::$name(_) => FrameType::$name,)*
                }
            }

            fn body_len(&self) -> usize {
                match self {
                    $(Self::$name(body) => codec::encoded_len(body),)*
                }
            }

            fn append_body(&self, bytes: &mut Vec<u8>) {
                match self {
                    $(Self::$name(body) => codec::append(body, bytes),)*
                }
            }
        }
    };
}

frames! {
    /// First frame of the control stream.
    Hello(Hello) = 0x0001, max 2048;
    /// Addresses, once after HELLO.
    Identify(Identify) = 0x0002, max 4096;
    /// Addresses that changed.
    IdentifyPush(Identify) = 0x0003, max 4096;
    /// Question of a ping stream.
    Ping(Ping) = 0x0004, max 1024;
    /// Answer of a ping stream.
    Pong(Ping) = 0x0005, max 1024;
    /// Addresses to probe, for an accepted contact.
    Candidates(Candidates) = 0x0006, max 4096;
    /// A round of probing begins.
    Punch(Punch) = 0x0007, max 1024;
    /// Question of a stream: a datagram is to be sent to the asker.
    Reach(Reach) = 0x0008, max 1024;
    /// Answer to it.
    Reached(Reached) = 0x0009, max 1024;
    /// First frame of the chat stream.
    ChatOpen(ChatOpen) = 0x0010, max 8192;
    /// A ratchet message.
    Envelope(Envelope) = 0x0011, max limits::RATCHET_MESSAGE + 4096;
    /// An envelope could not be decrypted.
    Undecryptable(Undecryptable) = 0x0012, max 1024;
    /// Asks a relay for a reservation.
    RelayReserve(RelayReserve) = 0x0020, max 1024;
    /// A reservation is granted.
    RelayReserved(RelayReserved) = 0x0021, max 8192;
    /// A relay, or a peer asked by it, says no.
    RelayRefused(RelayRefused) = 0x0022, max 1024;
    /// Asks a relay for a channel.
    RelayConnect(RelayConnect) = 0x0023, max 1024;
    /// A relay asks whether a channel is wanted.
    RelayIncoming(RelayIncoming) = 0x0024, max 1024;
    /// It is.
    RelayAccept(RelayAccept) = 0x0025, max 1024;
    /// The channel is open.
    RelayOpened(RelayOpened) = 0x0026, max 1024;
    /// Asks who is nearest to a position.
    DhtFind(DhtFind) = 0x0030, max 1024;
    /// Answers it.
    DhtNodes(DhtNodes) = 0x0031, max 4096;
    /// Asks what is stored under a key.
    DhtGet(DhtGet) = 0x0032, max 1024;
    /// Answers it.
    DhtValues(DhtValues) = 0x0033, max limits::DHT_VALUES;
    /// Asks to store a record.
    DhtPut(DhtPut) = 0x0034, max 8192;
    /// It is stored.
    DhtStored(DhtStored) = 0x0035, max 1024;
    /// Answers any of the three questions: no.
    DhtRefused(DhtRefused) = 0x0036, max 1024;
    /// First frame of a room's stream.
    GossipOpen(GossipOpen) = 0x0040, max 1024;
    /// No longer neighbours in the room.
    GossipLeave(GossipLeave) = 0x0041, max 4096;
    /// Somebody is new.
    GossipJoin(GossipJoin) = 0x0042, max 1024;
    /// Some members for others.
    GossipShuffle(GossipShuffle) = 0x0043, max 4096;
    /// An item.
    GossipPush(GossipPush) = 0x0044, max limits::ENTRY_BODY + 4096;
    /// Items to be had.
    GossipAnnounce(GossipAnnounce) = 0x0045, max 16 * 1024;
    /// Asks for items.
    GossipPull(GossipPull) = 0x0046, max 20 * 1024;
    /// Changes who pushes what.
    GossipTree(GossipTree) = 0x0047, max 20 * 1024;
    /// All that is held, in sixteen bytes.
    GossipDigest(GossipDigest) = 0x0048, max 16;
    /// Cells of a sketch of it.
    GossipSketch(GossipSketch) = 0x0049, max 40 * 1024;
    /// Asks for more of them.
    GossipMore(GossipMore) = 0x004a, max 8192;
    /// An author contradicts itself.
    GossipProof(GossipProof) = 0x004b, max 8192;
    /// Asks what an archive holds.
    GossipRange(GossipRange) = 0x004c, max 8192;
    /// Where it differs.
    GossipSpans(GossipSpans) = 0x004d, max 8192;
    /// Asks for a part of it.
    GossipFetch(GossipFetch) = 0x004e, max 1024;
    /// Operations on a group's membership.
    GroupOperations(GroupOperations) = 0x0050, max limits::FRAME_BODY;
}

impl Frame {
    /// Header and body.
    ///
    /// Extensions are the one part that can take a body over [`FrameType::max_body`]; a frame with
    /// so many is refused by its receiver.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let len = self.body_len();
        let mut bytes = Vec::with_capacity(limits::FRAME_HEADER + len);
        bytes.extend_from_slice(&(len as u32).to_le_bytes());
        bytes.extend_from_slice(&(self.frame_type() as u16).to_le_bytes());
        bytes.extend_from_slice(&FLAG_CRITICAL.to_le_bytes());
        self.append_body(&mut bytes);
        bytes
    }
}

/// Why a stream cannot be read on: there is no way to find the next frame, or no right to skip one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A body that is not canonical.
    #[error("{frame:?}: {error}")]
    Malformed {
        /// Which frame.
        frame: FrameType,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// A length over the type's bound.
    #[error("a body of {len} bytes for frame type {code:#06x} is over the limit of {limit}")]
    TooLong {
        /// The type's code.
        code: u16,
        /// The length announced.
        len: u32,
        /// The bound.
        limit: usize,
    },
    /// A critical type not known here.
    #[error("frame type {code:#06x} is critical and not known here")]
    Unsupported {
        /// The type's code.
        code: u16,
    },
}

impl FrameError {
    /// What the connection is closed with.
    #[must_use]
    pub fn code(self) -> close::Code {
        match self {
            _ if defect::is(Defect::MalformedAsUnexpected) => close::Code::Unexpected,
            _ if defect::is(Defect::UnsupportedAsMalformed) => close::Code::Malformed,
            Self::Malformed { .. } | Self::TooLong { .. } => close::Code::Malformed,
            Self::Unsupported { .. } => close::Code::Unsupported,
        }
    }
}

/// Cuts a stream into frames, however its bytes are split.
///
/// State: at most one header and one body, grown as its bytes come and never beyond the type's
/// bound. Unknown frames are skipped without being buffered. After an error the reader stays at it.
#[derive(Default)]
pub struct FrameReader {
    header: [u8; limits::FRAME_HEADER],
    header_len: usize,
    body: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Header,
    Body {
        frame: FrameType,
        len: usize,
    },
    Skip {
        left: usize,
    },
    Failed(FrameError),
}

impl FrameReader {
    /// A reader at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the stream may end here: between two frames.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Header) && self.header_len == 0
    }

    /// Takes bytes from the front of `input` and returns the next whole frame, or `None` when all
    /// of `input` is taken without one.
    ///
    /// # Errors
    /// [`FrameError`]: the stream cannot be read on; close it with [`FrameError::code`].
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, FrameError> {
        loop {
            match self.state {
                State::Failed(error) => return Err(error),
                State::Header => {
                    take(input, &mut self.header, &mut self.header_len);
                    if self.header_len < limits::FRAME_HEADER {
                        return Ok(None);
                    }
                    self.header_len = 0;
                    self.state = next_state(self.header).map_err(|error| self.fail(error))?;
                }
                State::Skip { left } => {
                    let skipped = left.min(input.len());
                    *input = &input[skipped..];
                    if skipped < left {
                        self.state = State::Skip {
                            left: left - skipped,
                        };
                        return Ok(None);
                    }
                    self.state = State::Header;
                }
                State::Body { frame, len } => {
                    self.fill(input, len);
                    if self.body.len() < len {
                        return Ok(None);
                    }
                    let body = core::mem::take(&mut self.body);
                    self.state = State::Header;
                    return match frame.decode(&body) {
                        Ok(frame) => Ok(Some(frame)),
                        Err(error) => Err(self.fail(FrameError::Malformed { frame, error })),
                    };
                }
            }
        }
    }

    fn fail(&mut self, error: FrameError) -> FrameError {
        self.state = State::Failed(error);
        self.body = Vec::new();
        error
    }

    fn fill(&mut self, input: &mut &[u8], len: usize) {
        let taken = (len - self.body.len()).min(input.len());
        let needed = self.body.len() + taken;
        if needed > self.body.capacity() {
            // Doubling, but never past the body's end: memory follows the bytes that came.
            let capacity = (2 * needed).max(1024).min(len);
            self.body.reserve_exact(capacity - self.body.len());
        }
        self.body.extend_from_slice(&input[..taken]);
        *input = &input[taken..];
    }
}

impl core::fmt::Debug for FrameReader {
    /// Without the bytes: bodies carry messages, and logs must not.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FrameReader")
            .field("state", &self.state)
            .field("header_len", &self.header_len)
            .field("body_len", &self.body.len())
            .finish()
    }
}

fn take(input: &mut &[u8], header: &mut [u8; limits::FRAME_HEADER], filled: &mut usize) {
    let taken = (header.len() - *filled).min(input.len());
    header[*filled..*filled + taken].copy_from_slice(&input[..taken]);
    *filled += taken;
    *input = &input[taken..];
}

fn next_state(header: [u8; limits::FRAME_HEADER]) -> Result<State, FrameError> {
    let [l0, l1, l2, l3, t0, t1, f0, f1] = header;
    let len = u32::from_le_bytes([l0, l1, l2, l3]);
    let code = u16::from_le_bytes([t0, t1]);
    let critical = u16::from_le_bytes([f0, f1]) & FLAG_CRITICAL != 0;
    let known = FrameType::from_code(code);
    let limit = known.map_or(limits::UNKNOWN_BODY, FrameType::max_body);
    match known {
        None if defect::is(Defect::ClosesOnUnknownFrame) => Err(FrameError::Unsupported { code }),
        None if critical && !defect::is(Defect::SkipsCriticalFrame) => {
            Err(FrameError::Unsupported { code })
        }
        _ if f0 & 2 != 0 && defect::is(Defect::ClosesOnUnknownFlag) => {
            Err(FrameError::Unsupported { code })
        }
        _ if len as usize > limit && !defect::is(Defect::AcceptsLongFrame) => {
            Err(FrameError::TooLong { code, len, limit })
        }
        None => Ok(State::Skip { left: len as usize }),
        Some(frame) => Ok(State::Body {
            frame,
            len: len as usize,
        }),
    }
}
