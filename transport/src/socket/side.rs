//! Datagrams on our sockets that are neither QUIC nor probes: STUN, what a REACH asks for, and pulses.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use dchat_wire::nat::reach_datagram;
use dchat_wire::pulse::Pulse;
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

/// What a datagram beside QUIC and probes is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// STUN, or of the form a REACH asks for.
    Nat,
    /// A pulse of the DHT.
    Pulse,
}

/// What a datagram is about; `None` when it may be QUIC or a probe.
pub(super) fn kind(datagram: &[u8]) -> Option<Kind> {
    match datagram.first() {
        Some(0x00..=0x03) => (datagram.get(4..8) == Some(&COOKIE)).then_some(Kind::Nat),
        Some(&reach_datagram::KIND) => Some(Kind::Nat),
        Some(_) => Pulse::is_pulse(datagram).then_some(Kind::Pulse),
        None => None,
    }
}

/// Hands side datagrams over, if somebody listens.
#[derive(Debug, Default)]
pub(super) struct Sides {
    nat: Option<mpsc::Sender<SideDatagram>>,
    pulses: Option<mpsc::Sender<SideDatagram>>,
    pub(super) dropped: u64,
}

impl Sides {
    pub(super) fn listen(&mut self, kind: Kind) -> SideChannel {
        let (sender, channel) = channel();
        *self.listener(kind) = Some(sender);
        channel
    }

    fn listener(&mut self, kind: Kind) -> &mut Option<mpsc::Sender<SideDatagram>> {
        match kind {
            Kind::Nat => &mut self.nat,
            Kind::Pulse => &mut self.pulses,
        }
    }

    /// Takes the datagram if it is one of these and somebody listens.
    pub(super) fn take(&mut self, arrival: &crate::path::Arrival, datagram: &[u8]) -> bool {
        let Some(kind) = kind(datagram) else {
            return false;
        };
        let Some(listener) = self.listener(kind) else {
            return false;
        };
        let datagram = SideDatagram {
            leg: arrival.leg,
            local: arrival.local,
            from: arrival.from,
            bytes: Bytes::copy_from_slice(datagram),
        };
        match listener.try_send(datagram) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => self.dropped += 1,
            Err(mpsc::error::TrySendError::Closed(_)) => *self.listener(kind) = None,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use dchat_wire::pulse;

    use super::*;

    #[test]
    fn only_stun_with_its_cookie_reach_and_pulses_are_aside() {
        let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        assert_eq!(kind(&stun), Some(Kind::Nat));
        stun[7] = 0;
        assert_eq!(kind(&stun), None);
        assert_eq!(kind(&reach_datagram::seal(&[7; 16])), Some(Kind::Nat));
        for first in [0x24, 0x25] {
            assert_eq!(kind(&[first; pulse::LEN]), Some(Kind::Pulse));
        }
        for first in [0x04, 0x20, 0x21, 0x22, 0x24, 0x25, 0x26, 0x40, 0xc0] {
            assert_eq!(kind(&[first; 64]), None, "{first:#x}");
        }
        assert_eq!(kind(&[]), None);
    }
}
