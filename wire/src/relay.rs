//! Relaying: reservations and channels, and the datagrams that carry the packets of a connection
//! between two peers that cannot reach each other yet (spec `60-relay`).
//!
//! A peer reserves on a stream of its own: RESERVE, answered by RESERVED or REFUSED. A channel lives
//! as long as two streams: the one on which a peer asked the relay with CONNECT, and the one on which
//! the relay asked the other with INCOMING. Either side's end of its stream ends the channel.

use crate::codec::{body, refusals};
use crate::extension::Extensions;
use crate::id::PeerId;
use crate::record::{Payload, SignedRecord, kind};

body! {
    /// RELAY_RESERVE: asks the relay to pass on connections. Asked again before it expires.
    pub struct RelayReserve {
        /// For how long, in seconds.
        pub lifetime_s: u32,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// RELAY_RESERVED: granted.
    pub struct RelayReserved {
        /// For how long, in seconds; possibly less than asked for.
        pub lifetime_s: u32,
        /// Channels the peer may have at once.
        pub channels: u16,
        /// Bytes per second of each channel and direction; 0 for no limit of its own.
        pub bytes_per_s: u32,
        /// The relay's [`Voucher`].
        pub voucher: SignedRecord,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// A relay's signed word that it passes on connections to a peer, as long as the record is valid.
    pub struct Voucher {
        /// Who holds the reservation.
        pub peer: PeerId,
        /// Extensions.
        pub extensions: Extensions,
    }
}

impl Payload for Voucher {
    const KIND: u16 = kind::VOUCHER;
    /// Two hours: a peer that goes on renews it at half its time.
    const MAX_LIFETIME: u64 = 2 * 60 * 60 * 1000;
}

body! {
    /// RELAY_CONNECT: asks for a channel to a peer with a reservation here.
    pub struct RelayConnect {
        /// To whom.
        pub peer: PeerId,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// RELAY_INCOMING: the relay asks whether the receiver wants a channel.
    pub struct RelayIncoming {
        /// With whom; the relay has seen the proof of its key.
        pub peer: PeerId,
        /// What the channel's datagrams are named with on this connection.
        pub channel: u32,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// RELAY_ACCEPT: it does.
    pub struct RelayAccept {
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// RELAY_OPENED: the other side has accepted.
    pub struct RelayOpened {
        /// What the channel's datagrams are named with on this connection.
        pub channel: u32,
        /// Bytes per second of each direction; 0 for no limit of its own.
        pub bytes_per_s: u32,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// RELAY_REFUSED: answers any of the questions above, or ends a channel.
    pub struct RelayRefused {
        /// Why.
        pub reason: Refusal,
        /// Seconds after which asking again makes sense; 0 when it never does.
        pub retry_after_s: u32,
        /// Extensions.
        pub extensions: Extensions,
    }
}

refusals! {
    /// Why a relay, or a peer asked by it, says no (spec `registry` §13).
    pub enum Refusal {
        /// The node is no relay.
        NotARelay = 1, "the node does not relay";
        /// Its policy excludes the asker, or the peer asked for.
        NotAllowed = 2, "the relay's policy does not allow it";
        /// All places are taken.
        Full = 3, "the relay is full";
        /// The asker has as much as one peer or subnet may have, or asks too often.
        Limited = 4, "more than the relay gives one peer or subnet";
        /// The peer holds no reservation here.
        NoReservation = 5, "the peer holds no reservation at this relay";
        /// The peer does not want the channel.
        Declined = 6, "the peer declined";
        /// The peer did not answer.
        NoAnswer = 7, "the peer did not answer the relay";
        /// The other side's connection to the relay ended, or it closed the channel.
        Ended = 8, "the other side left the relay";
        /// The relay shuts down.
        ShuttingDown = 9, "the relay shuts down";
    }
}

/// The QUIC DATAGRAMs between a peer and its relay.
///
/// ```text
///  0      1           5         7
/// +------+-----------+---------+------------
/// | 0x01 | channel   | packet …               a whole packet
/// | 0x02 | channel   | number  | first part … the front of one that does not fit
/// | 0x03 | channel   | number  | second part
/// | 0x00 | ignored                            wakes the receiver's connection
/// +------+-----------+---------+------------     little-endian
/// ```
pub mod datagram {
    use crate::defect::{self, Defect};

    /// Kind of a datagram without meaning.
    pub const WAKE: u8 = 0x00;
    /// Bytes before a whole packet.
    pub const WHOLE_HEADER: usize = 5;
    /// Bytes before a part.
    pub const PART_HEADER: usize = 7;

    const WHOLE: u8 = 0x01;
    const FIRST: u8 = 0x02;
    const SECOND: u8 = 0x03;

    /// Which part of a packet.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Part {
        /// The front.
        First,
        /// The rest.
        Second,
    }

    /// A datagram, its packet borrowed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Datagram<'a> {
        /// One packet.
        Whole {
            /// Which channel.
            channel: u32,
            /// At least one byte.
            packet: &'a [u8],
        },
        /// Part of one packet.
        Part {
            /// Which channel.
            channel: u32,
            /// The same in both parts, and in no other packet of the channel that is on its way.
            number: u16,
            /// Which part.
            part: Part,
            /// At least one byte.
            bytes: &'a [u8],
        },
    }

    /// Writes another channel into a datagram that [`Datagram::open`] can read, as a relay does;
    /// one too short to have a channel stays as it is.
    pub fn rename(datagram: &mut [u8], channel: u32) {
        if let Some(place) = datagram.get_mut(1..WHOLE_HEADER) {
            place.copy_from_slice(&channel.to_le_bytes());
        }
    }

    impl<'a> Datagram<'a> {
        /// Reads a datagram; `None` for one without meaning, which is dropped.
        #[must_use]
        pub fn open(datagram: &'a [u8]) -> Option<Self> {
            let (&kind, rest) = datagram.split_first()?;
            let (channel, rest) = rest.split_first_chunk()?;
            let channel = u32::from_le_bytes(*channel);
            let part = match kind {
                WHOLE => {
                    let is_packet = !rest.is_empty() || defect::is(Defect::AcceptsEmptyDatagram);
                    return is_packet.then_some(Self::Whole {
                        channel,
                        packet: rest,
                    });
                }
                FIRST => Part::First,
                SECOND => Part::Second,
                _ => return None,
            };
            let (number, bytes) = rest.split_first_chunk()?;
            (!bytes.is_empty()).then_some(Self::Part {
                channel,
                number: u16::from_le_bytes(*number),
                part,
                bytes,
            })
        }

        /// Appends the datagram's bytes.
        pub fn append_to(&self, bytes: &mut Vec<u8>) {
            match *self {
                Self::Whole { channel, packet } => {
                    bytes.push(WHOLE);
                    bytes.extend_from_slice(&channel.to_le_bytes());
                    bytes.extend_from_slice(packet);
                }
                Self::Part {
                    channel,
                    number,
                    part,
                    bytes: packet,
                } => {
                    bytes.push(match part {
                        Part::First => FIRST,
                        Part::Second => SECOND,
                    });
                    bytes.extend_from_slice(&channel.to_le_bytes());
                    bytes.extend_from_slice(&number.to_le_bytes());
                    bytes.extend_from_slice(packet);
                }
            }
        }

        /// Its channel.
        #[must_use]
        pub fn channel(&self) -> u32 {
            match self {
                Self::Whole { channel, .. } | Self::Part { channel, .. } => *channel,
            }
        }
    }
}
