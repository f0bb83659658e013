//! The entries of the relay's tables.

use std::net::IpAddr;
use std::time::Instant;

use dchat_wire::PeerId;

use super::queue::FairQueue;
use crate::relay::proto::bucket::Bucket;
use crate::relay::proto::parts::Numbers;
use crate::relay::proto::subnet::Subnet;
use crate::relay::proto::{ConnId, StreamId};

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: PeerId,
    /// `None` when its address is exempt from limits.
    pub(super) subnet: Option<Subnet>,
    /// Largest datagram it takes.
    pub(super) largest: usize,
    /// Bytes it takes now.
    pub(super) room: usize,
    /// The number the next channel gets; not given twice before 2^32 others.
    pub(super) next_number: u32,
    /// Ends of channels, by ascending number unless the numbers have wrapped around.
    pub(super) places: Vec<Place>,
    /// Absent while nothing waits, as nearly always.
    pub(super) queue: Option<Box<FairQueue>>,
}

/// An end of a channel, as its connection sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) number: u32,
    pub(super) side: Side,
    pub(super) channel: u32,
    pub(super) stream: StreamId,
}

impl Link {
    pub(super) fn by_number(&self, number: u32) -> Option<Place> {
        let first = self.places.partition_point(|place| place.number < number);
        match self.places.get(first) {
            Some(place) if place.number == number => Some(*place),
            Some(_) | None => None,
        }
    }

    pub(super) fn by_stream(&self, stream: StreamId) -> Option<Place> {
        let mut places = self.places.iter();
        places.find(|place| place.stream == stream).copied()
    }

    /// Takes a number for an end of `channel`.
    pub(super) fn place(&mut self, channel: u32, side: Side, stream: StreamId) -> u32 {
        // After 2^32 channels a number may still be in use; there are at most a few in a row.
        while self.by_number(self.next_number).is_some() {
            self.next_number = self.next_number.wrapping_add(1);
        }
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        let at = self.places.partition_point(|place| place.number < number);
        self.places.insert(
            at,
            Place {
                number,
                side,
                channel,
                stream,
            },
        );
        number
    }

    pub(super) fn vacate(&mut self, number: u32) {
        self.places.retain(|place| place.number != number);
        if self.places.is_empty() {
            self.places = Vec::new();
        }
    }
}

/// Which end of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Who asked with CONNECT.
    Caller,
    /// Who was asked with INCOMING.
    Callee,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

/// An end of a channel, as the channel sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) conn: ConnId,
    pub(super) peer: PeerId,
    pub(super) stream: StreamId,
    pub(super) number: u32,
    /// What this end sends.
    pub(super) rate: Option<Bucket>,
    /// Numbers of what is cut in two on its way to this end.
    pub(super) numbers: Numbers,
}

/// A channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) caller: End,
    pub(super) callee: End,
    pub(super) stage: Stage,
    /// When its timer is to go off.
    pub(super) timer: Instant,
    /// When it last carried something.
    pub(super) used: Instant,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The callee has not answered.
    Asked,
    /// Both have consented.
    Open,
}

impl Channel {
    pub(super) fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Caller => &mut self.caller,
            Side::Callee => &mut self.callee,
        }
    }
}

/// A peer with a connection or a reservation, or one that lately had a connection.
#[derive(Debug)]
pub(super) struct Peer {
    /// Its connections, the newest last.
    pub(super) links: Vec<ConnId>,
    pub(super) reservation: Option<Reservation>,
    /// Ends of channels it has.
    pub(super) channels: u16,
    /// Of these, INCOMINGs it has not answered.
    pub(super) unanswered: u16,
    pub(super) requests: Bucket,
    pub(super) bytes: Option<Bucket>,
    /// The subnet it was last seen in, whose entry it keeps alive.
    pub(super) subnet: Option<Subnet>,
    /// When it is forgotten; only while it has no connection.
    pub(super) forgotten: Option<Instant>,
    /// When its timer is to go off.
    pub(super) timer: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Reservation {
    pub(super) until: Instant,
    pub(super) subnet: Option<Subnet>,
}

/// A subnet with peers.
#[derive(Debug)]
pub(super) struct Holder {
    /// Peers that were last seen there, and connections from there.
    pub(super) users: usize,
    pub(super) reservations: usize,
    pub(super) requests: Bucket,
}

/// What may go off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Peer(PeerId),
    Channel(u32),
}

/// The subnet `ip` counts for.
pub(super) fn counted(ip: IpAddr, private_exempt: bool) -> Option<Subnet> {
    let exempt = private_exempt && crate::relay::proto::subnet::is_private(ip);
    (!exempt).then(|| Subnet::of(ip))
}
