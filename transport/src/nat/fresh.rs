//! Fresh sockets: each makes a mapping of its own in every NAT on the way.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

/// How long a datagram may wait for room in the socket's buffer.
const SEND: Duration = Duration::from_millis(50);

/// A socket on a port nobody used, at the address `ip` of ours, which may be a wildcard.
pub(crate) fn open(ip: IpAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind((ip, 0))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// Sends, or loses the datagram as the network may; whether it went out.
pub(crate) async fn send(socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> bool {
    match tokio::time::timeout(SEND, socket.send_to(datagram, to)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            tracing::debug!(%to, %error, "a datagram could not be sent");
            false
        }
        Err(_) => false,
    }
}
