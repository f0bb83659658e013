//! Datagrams on our sockets that are neither QUIC nor probes: STUN, and what a REACH asks for.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use dchat_wire::nat::reach_datagram;
use tokio::sync::mpsc;

use crate::path::LegId;

/// Datagrams that wait for their reader; what comes beyond is dropped and counted. A whole
/// classification takes 40, and questions of others are worth no more memory.
pub const SIDE_DATAGRAMS: usize = 256;

/// STUN's magic cookie (RFC 8489 §5), in bytes 4 to 7.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// A datagram that is not for quinn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideDatagram {
    /// The UDP leg it came to: answer over the same.
    pub leg: LegId,
    /// The address of ours it was sent to, where the operating system says so.
    pub local: Option<IpAddr>,
    /// Its source.
    pub from: SocketAddr,
    /// The whole datagram; its kind is told by the first byte (RFC 7983).
    pub bytes: Bytes,
}

/// Receives [`SideDatagram`]s.
#[derive(Debug)]
pub struct SideChannel(mpsc::Receiver<SideDatagram>);

impl SideChannel {
    /// The next; `None` after the socket is gone, or when another channel was asked for. Cancel safe.
    pub async fn recv(&mut self) -> Option<SideDatagram> {
        self.0.recv().await
    }
}

pub(super) fn channel() -> (mpsc::Sender<SideDatagram>, SideChannel) {
    let (sender, receiver) = mpsc::channel(SIDE_DATAGRAMS);
    (sender, SideChannel(receiver))
}

/// Whether a datagram is STUN, or of the form a REACH asks for. Neither is ever QUIC.
pub(super) fn is_side(datagram: &[u8]) -> bool {
    match datagram.first() {
        Some(0x00..=0x03) => datagram.get(4..8) == Some(&COOKIE),
        Some(&reach_datagram::KIND) => true,
        Some(_) | None => false,
    }
}

/// Hands side datagrams over, if somebody listens.
#[derive(Debug, Default)]
pub(super) struct Sides {
    listener: Option<mpsc::Sender<SideDatagram>>,
    pub(super) dropped: u64,
}

impl Sides {
    pub(super) fn listen(&mut self) -> SideChannel {
        let (sender, channel) = channel();
        self.listener = Some(sender);
        channel
    }

    /// Takes the datagram if it is one of these and somebody listens.
    pub(super) fn take(&mut self, arrival: &crate::path::Arrival, datagram: &[u8]) -> bool {
        let Some(listener) = &self.listener else {
            return false;
        };
        if !is_side(datagram) {
            return false;
        }
        let datagram = SideDatagram {
            leg: arrival.leg,
            local: arrival.local,
            from: arrival.from,
            bytes: Bytes::copy_from_slice(datagram),
        };
        match listener.try_send(datagram) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => self.dropped += 1,
            Err(mpsc::error::TrySendError::Closed(_)) => self.listener = None,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stun_with_its_cookie_and_reach_are_aside() {
        let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        assert!(is_side(&stun));
        stun[7] = 0;
        assert!(!is_side(&stun));
        assert!(is_side(&reach_datagram::seal(&[7; 16])));
        for first in [0x04, 0x20, 0x21, 0x22, 0x24, 0x40, 0xc0] {
            assert!(!is_side(&[first; 64]), "{first:#x}");
        }
        assert!(!is_side(&[]));
    }
}
