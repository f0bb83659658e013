//! Fresh sockets: each makes a mapping of its own in every NAT on the way.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

/// How long a datagram may wait for room in the socket's buffer.
const SEND: Duration = Duration::from_millis(50);

/// A socket on a port nobody used, of the family of `to`.
pub(crate) fn open(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = if to.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// Sends, or loses the datagram as the network may.
pub(crate) async fn send(socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) {
    let sent = tokio::time::timeout(SEND, socket.send_to(datagram, to)).await;
    if let Ok(Err(error)) = sent {
        tracing::debug!(%to, %error, "a datagram could not be sent");
    }
}
