//! Datagrams beside QUIC: a socket of the partner's that asks the peer's usual one.

use core::time::Duration;
use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

use super::case::{Fault, Outcome};
use super::partner::{Partner, own};

/// Longest datagram that is read.
const LONGEST: usize = 2048;
/// After which a question is sent again: a datagram may get lost.
const AGAIN: Duration = Duration::from_secs(1);

/// The socket.
#[derive(Debug)]
pub struct Udp {
    socket: UdpSocket,
    to: SocketAddr,
    patience: Duration,
}

impl Udp {
    /// A new socket, in the peer's family.
    ///
    /// # Errors
    /// A fault of the runner's own means.
    pub fn new(partner: &Partner) -> Result<Self, Fault> {
        let socket = partner.socket()?;
        Ok(Self {
            socket: UdpSocket::from_std(socket).map_err(broken)?,
            to: partner.subject.address,
            patience: partner.subject.patience,
        })
    }

    /// Where it is.
    ///
    /// # Errors
    /// A fault of the runner's own means.
    pub fn address(&self) -> Result<SocketAddr, Fault> {
        self.socket.local_addr().map_err(broken)
    }

    /// Sends a datagram to the peer.
    ///
    /// # Errors
    /// A fault of the runner's own means.
    pub async fn send(&self, datagram: &[u8]) -> Outcome {
        let sent = self.socket.send_to(datagram, self.to).await;
        sent.map(|_| ()).map_err(broken)
    }

    /// Sends a question, again after a second, until something comes: the datagram and who sent it.
    ///
    /// # Errors
    /// A fault that says `what` was expected, when nothing comes.
    pub async fn ask(&self, what: &str, question: &[u8]) -> Result<(Vec<u8>, SocketAddr), Fault> {
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            self.send(question).await?;
            if let Some(came) = self.within(AGAIN).await? {
                return Ok(came);
            }
        }
        Err(Fault::new(what, "nothing"))
    }

    /// Waits for the next datagram.
    ///
    /// # Errors
    /// A fault that says `what` was expected, when nothing comes.
    pub async fn next(&self, what: &str) -> Result<(Vec<u8>, SocketAddr), Fault> {
        let came = self.within(self.patience).await?;
        came.ok_or_else(|| Fault::new(what, "nothing"))
    }

    /// What has come by now, if anything.
    ///
    /// # Errors
    /// A fault of the runner's own means.
    pub async fn came(&self) -> Result<Option<(Vec<u8>, SocketAddr)>, Fault> {
        self.within(Duration::ZERO).await
    }

    async fn within(&self, time: Duration) -> Result<Option<(Vec<u8>, SocketAddr)>, Fault> {
        let mut buffer = vec![0; LONGEST];
        match timeout(time, self.socket.recv_from(&mut buffer)).await {
            Ok(Ok((len, from))) => {
                buffer.truncate(len);
                Ok(Some((buffer, from)))
            }
            Ok(Err(error)) => Err(broken(error)),
            Err(_) => Ok(None),
        }
    }
}

fn broken(error: std::io::Error) -> Fault {
    own(error.to_string())
}
