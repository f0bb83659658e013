//! What a relay's connection has to be for its leg.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;

use dchat_wire::PeerId;

/// Carries packets over the channels of one relay; implemented by the relay's client. Calls come from
/// the sending side of connections and must not block, nor use [`Paths`](super::Paths).
pub trait Carrier: Send + Sync + Debug {
    /// Sends one packet, of at most 1,472 bytes, over a channel. What does not fit one datagram of the
    /// relay's connection is split, not refused.
    fn carry(&self, channel: u32, packet: &[u8]) -> Carried;
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// It is on its way.
    Done,
    /// The queue is full. The packet is lost, as in the queue of any router.
    Full,
    /// The channel, or the connection to the relay, is no more.
    Gone,
}

/// No further relay leg, or no further socket for a scatter: there are as many as
/// [`bounds`](crate::path::bounds) allow. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many connections to relays carry channels as may be")]
pub struct TooManyLegs;

/// A relay as one of our ends.
#[derive(Clone, Debug)]
pub(super) struct RelayLeg {
    pub(super) relay: PeerId,
    pub(super) socket: SocketAddr,
    pub(super) carrier: Arc<dyn Carrier>,
}

impl RelayLeg {
    /// Sends each datagram of a batch; the worst of what became of them.
    pub(super) fn send(&self, channel: u32, contents: &[u8], segment: Option<usize>) -> Carried {
        let size = segment.unwrap_or(contents.len()).max(1);
        let mut worst = Carried::Done;
        for packet in contents.chunks(size) {
            match self.carrier.carry(channel, packet) {
                Carried::Done => {}
                Carried::Full => worst = Carried::Full,
                Carried::Gone => return Carried::Gone,
            }
        }
        worst
    }
}
