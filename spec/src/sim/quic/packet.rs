//! Packets as bytes. The headers are QUIC's invariants (RFC 8999); what follows is ours.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A connection id. All have this length, as the node's own do.
pub type Cid = [u8; 8];

/// A stream, numbered as in QUIC: bit 0 says who opened it (0 the client).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// Bytes of a full datagram (RFC 9000 §14.1).
pub const SIZE: usize = 1200;
/// Bytes of a short-header packet that are not frames: header, id, number, tag.
pub const OVERHEAD: usize = 1 + 8 + 4 + TAG;

/// Bytes of the authentication tag, here zeros.
const TAG: usize = 16;
/// First bytes: Initial, Handshake (RFC 9000 §17.2), and the short header (§17.3).
const INITIAL: u8 = 0xc0;
const HANDSHAKE: u8 = 0xe0;
const SHORT: u8 = 0x40;
/// A short header too, for a receiver that does not know what it is.
const RESET: u8 = 0x41;
const VERSION: u32 = 1;

/// Runs of packet numbers in one acknowledgement.
pub(super) const RUNS: usize = 32;

/// What a packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Runs of packet numbers received, both ends included.
    Ack { runs: Vec<(u32, u32)> },
    /// Part of the handshake.
    Crypto { offset: u64, bytes: Bytes },
    /// Part of a stream.
    Stream {
        id: StreamId,
        offset: u64,
        fin: bool,
        bytes: Bytes,
    },
    /// An unreliable message.
    Datagram { bytes: Bytes },
    /// Nothing but a reason to acknowledge.
    Ping,
    /// The end.
    Close,
}

mod kind {
    pub(super) const PADDING: u8 = 0;
    pub(super) const ACK: u8 = 1;
    pub(super) const CRYPTO: u8 = 2;
    pub(super) const STREAM: u8 = 3;
    pub(super) const DATAGRAM: u8 = 4;
    pub(super) const PING: u8 = 5;
    pub(super) const CLOSE: u8 = 6;
}

impl Frame {
    /// Whether it has to be acknowledged.
    pub(super) fn is_eliciting(&self) -> bool {
        !matches!(self, Self::Ack { .. } | Self::Close)
    }

    /// Whether it is sent again when lost.
    pub(super) fn is_reliable(&self) -> bool {
        matches!(self, Self::Crypto { .. } | Self::Stream { .. })
    }

    /// Bytes it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Ack { runs } => 2 + runs.len() * 8,
            Self::Crypto { bytes, .. } => 1 + 8 + 2 + bytes.len(),
            Self::Stream { bytes, .. } => 1 + 8 + 8 + 1 + 2 + bytes.len(),
            Self::Datagram { bytes } => 1 + 2 + bytes.len(),
            Self::Ping | Self::Close => 1,
        }
    }

    fn append_to(&self, out: &mut BytesMut) {
        let with_length = |out: &mut BytesMut, bytes: &Bytes| {
            out.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
            out.put_slice(bytes);
        };
        match self {
            Self::Ack { runs } => {
                out.put_u8(kind::ACK);
                out.put_u8(u8::try_from(runs.len()).unwrap_or(u8::MAX));
                for (first, last) in runs {
                    out.put_u32(*first);
                    out.put_u32(*last);
                }
            }
            Self::Crypto { offset, bytes } => {
                out.put_u8(kind::CRYPTO);
                out.put_u64(*offset);
                with_length(out, bytes);
            }
            Self::Stream {
                id,
                offset,
                fin,
                bytes,
            } => {
                out.put_u8(kind::STREAM);
                out.put_u64(id.0);
                out.put_u64(*offset);
                out.put_u8(u8::from(*fin));
                with_length(out, bytes);
            }
            Self::Datagram { bytes } => {
                out.put_u8(kind::DATAGRAM);
                with_length(out, bytes);
            }
            Self::Ping => out.put_u8(kind::PING),
            Self::Close => out.put_u8(kind::CLOSE),
        }
    }

    fn take_from(input: &mut Bytes) -> Option<Self> {
        let with_length = |input: &mut Bytes| {
            let len = usize::from(input.try_get_u16().ok()?);
            (len <= input.len()).then(|| input.split_to(len))
        };
        Some(match input.try_get_u8().ok()? {
            kind::ACK => {
                let len = input.try_get_u8().ok()?;
                let mut run = || Some((input.try_get_u32().ok()?, input.try_get_u32().ok()?));
                Self::Ack {
                    runs: (0..len).map(|_| run()).collect::<Option<_>>()?,
                }
            }
            kind::CRYPTO => Self::Crypto {
                offset: input.try_get_u64().ok()?,
                bytes: with_length(input)?,
            },
            kind::STREAM => Self::Stream {
                id: StreamId(input.try_get_u64().ok()?),
                offset: input.try_get_u64().ok()?,
                fin: input.try_get_u8().ok()? != 0,
                bytes: with_length(input)?,
            },
            kind::DATAGRAM => Self::Datagram {
                bytes: with_length(input)?,
            },
            kind::PING => Self::Ping,
            kind::CLOSE => Self::Close,
            _ => return None,
        })
    }
}

/// Which header a packet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Long, padded to a full datagram.
    Initial,
    /// Long.
    Handshake,
    /// Short: the destination id is all there is.
    Short,
    /// A stateless reset (RFC 9000 §10.3): whoever sends it knows nothing of the connection. The
    /// model has no token; it takes the sender's word.
    Reset,
}

/// One packet, which fills its datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its header.
    pub form: Form,
    /// Of the receiver, or what a client guessed.
    pub dcid: Cid,
    /// Of the sender; zeros in a short header.
    pub scid: Cid,
    pub(super) number: u32,
    pub(super) frames: Vec<Frame>,
}

impl Packet {
    /// What a node answers to a packet of a connection that it does not know; `None` where QUIC
    /// answers otherwise, or not at all. `dcid` is random.
    #[must_use]
    pub fn reset(&self, dcid: Cid) -> Option<Bytes> {
        let reset = Self {
            form: Form::Reset,
            dcid,
            scid: Cid::default(),
            number: 0,
            frames: Vec::new(),
        };
        (self.form == Form::Short).then(|| reset.seal())
    }

    /// The streams it carries something of.
    pub fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.frames.iter().filter_map(|frame| match frame {
            Frame::Stream { id, .. } => Some(*id),
            _ => None,
        })
    }

    /// Its bytes.
    pub(super) fn seal(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(SIZE);
        match self.form {
            Form::Initial | Form::Handshake => {
                out.put_u8(if self.form == Form::Initial {
                    INITIAL
                } else {
                    HANDSHAKE
                });
                out.put_u32(VERSION);
                for cid in [self.dcid, self.scid] {
                    out.put_u8(8);
                    out.put_slice(&cid);
                }
            }
            Form::Short | Form::Reset => {
                out.put_u8(if self.form == Form::Short {
                    SHORT
                } else {
                    RESET
                });
                out.put_slice(&self.dcid);
            }
        }
        out.put_u32(self.number);
        for frame in &self.frames {
            frame.append_to(&mut out);
        }
        out.put_bytes(0, TAG);
        if self.form == Form::Initial && out.len() < SIZE {
            out.put_bytes(0, SIZE - out.len());
        }
        out.freeze()
    }

    /// Reads one; `None` for anything else.
    #[must_use]
    pub fn open(mut bytes: Bytes) -> Option<Self> {
        let form = match bytes.try_get_u8().ok()? {
            INITIAL => Form::Initial,
            HANDSHAKE => Form::Handshake,
            SHORT => Form::Short,
            RESET => Form::Reset,
            _ => return None,
        };
        let cid = |bytes: &mut Bytes| {
            let mut cid = Cid::default();
            bytes.try_copy_to_slice(&mut cid).ok()?;
            Some(cid)
        };
        let (mut dcid, mut scid) = (Cid::default(), Cid::default());
        if matches!(form, Form::Short | Form::Reset) {
            dcid = cid(&mut bytes)?;
        } else {
            if bytes.try_get_u32().ok()? != VERSION {
                return None;
            }
            for slot in [&mut dcid, &mut scid] {
                if bytes.try_get_u8().ok()? != 8 {
                    return None;
                }
                *slot = cid(&mut bytes)?;
            }
        }
        let number = bytes.try_get_u32().ok()?;
        let mut frames = Vec::new();
        while bytes.first().is_some_and(|kind| *kind != kind::PADDING) {
            frames.push(Frame::take_from(&mut bytes)?);
        }
        Some(Self {
            form,
            dcid,
            scid,
            number,
            frames,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(form: Form) -> Packet {
        Packet {
            form,
            dcid: [1; 8],
            scid: if form == Form::Short { [0; 8] } else { [2; 8] },
            number: 7,
            frames: vec![
                Frame::Ack {
                    runs: vec![(5, 6), (1, 3)],
                },
                Frame::Crypto {
                    offset: 9,
                    bytes: Bytes::from_static(b"hello"),
                },
                Frame::Stream {
                    id: StreamId(4),
                    offset: 2,
                    fin: true,
                    bytes: Bytes::new(),
                },
                Frame::Datagram {
                    bytes: Bytes::from_static(b"d"),
                },
                Frame::Ping,
                Frame::Close,
            ],
        }
    }

    #[test]
    fn what_is_sealed_opens_to_the_same() {
        for form in [Form::Initial, Form::Handshake, Form::Short] {
            let packet = packet(form);
            assert_eq!(Packet::open(packet.seal()), Some(packet));
        }
    }

    #[test]
    fn an_initial_fills_its_datagram_and_sizes_are_exact() {
        let packet = packet(Form::Short);
        let frames: usize = packet.frames.iter().map(Frame::size).sum();
        assert_eq!(packet.seal().len(), OVERHEAD + frames);
        assert_eq!(self::packet(Form::Initial).seal().len(), SIZE);
    }

    #[test]
    fn a_truncated_packet_is_none() {
        let sealed = packet(Form::Handshake).seal();
        for len in 0..sealed.len() - TAG {
            let opened = Packet::open(sealed.slice(..len));
            assert_ne!(opened, Some(packet(Form::Handshake)), "{len}");
        }
    }
}
