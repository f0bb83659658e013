//! The handle of a connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use dchat_nat::agent::{self, Outcome};
use dchat_wire::close::Code;
use dchat_wire::defect::{self, Defect};
use dchat_wire::hello::Hello;
use dchat_wire::ping::Ping;
use dchat_wire::{Address, Frame, FrameReader, PeerId};
use quinn::VarInt;

use super::aim::Aim;
use super::control::Signals;
use super::frames::first_frame;
use crate::dht::Usage;
use crate::error::{CloseReason, PingError};
use crate::limits::LIVENESS_TIMEOUT;
use crate::path::PathKind;
use crate::relay::Channels;
use crate::socket::Paths;

/// The path a connection uses at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathInfo {
    /// Direct or not.
    pub kind: PathKind,
    /// The peer's end of it, with the peer named.
    pub addr: Address,
    /// Smoothed round-trip time, of the path's own probes once there were any.
    pub rtt: Duration,
}

/// A connection that is up, or was. Clones are handles of the same one; dropping them does not close
/// it. Two handles are equal when they are of one connection.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) quinn: quinn::Connection,
    pub(crate) peer: PeerId,
    pub(crate) opened_by_us: bool,
    /// What its dialer made it for.
    pub(crate) aim: Aim,
    /// What the DHT does on it.
    pub(crate) usage: Usage,
    pub(crate) number: u64,
    pub(crate) virt: std::net::SocketAddr,
    pub(crate) hello: Hello,
    pub(crate) paths: Paths,
    pub(crate) closed_with: OnceLock<Code>,
    /// What the peer was told of our candidates together with HELLO.
    pub(crate) told: Option<agent::Local>,
    /// What the path switch has to tell the peer.
    pub(crate) signals: Signals,
    /// Channels over relays that lead to the peer.
    pub(crate) channels: Channels,
    /// Whether it carries channels of a relay.
    pub(crate) linked: Mutex<bool>,
    /// The next ping's nonce; begins at random.
    pub(crate) nonce: AtomicU64,
}

impl Connection {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Who is at the other end, proven by TLS.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.0.peer
    }

    /// Whether our dial made it.
    #[must_use]
    pub fn opened_by_us(&self) -> bool {
        self.0.opened_by_us
    }

    /// The peer's HELLO.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.0.hello
    }

    /// A number no other connection of this endpoint has or had.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// The path in use now.
    #[must_use]
    pub fn path(&self) -> PathInfo {
        let current = self.0.paths.current(self.0.virt);
        let (kind, address) = current.map_or_else(
            || (PathKind::Direct, Address::direct(self.0.virt)),
            |path| (path.kind, path.address()),
        );
        let measured = current.and_then(|path| path.rtt);
        PathInfo {
            kind,
            addr: address.of(self.0.peer),
            rtt: measured.unwrap_or_else(|| self.0.quinn.rtt()),
        }
    }

    /// How the search for a direct path stands, with the reason where there is none; `None` where
    /// none is looked for: the peer is not trusted, or knows nothing of it.
    #[must_use]
    pub fn search(&self) -> Option<Outcome> {
        self.0.paths.outcome(self.0.virt)
    }

    /// Opens a stream to the peer; waits while the peer allows no more.
    ///
    /// # Errors
    /// The connection is over.
    pub async fn open_uni(&self) -> Result<quinn::SendStream, CloseReason> {
        let stream = self.0.quinn.open_uni().await;
        stream.map_err(|error| self.reason(&error))
    }

    /// Opens a stream in both directions; waits while the peer allows no more. The peer learns of it
    /// with the first bytes.
    ///
    /// # Errors
    /// The connection is over.
    pub async fn open_bi(&self) -> Result<(quinn::SendStream, quinn::RecvStream), CloseReason> {
        let stream = self.0.quinn.open_bi().await;
        stream.map_err(|error| self.reason(&error))
    }

    /// Asks the peer for a sign of life and tells how long it took.
    ///
    /// # Errors
    /// [`PingError`]. The connection stays as it is, unless the answer shows that it is over.
    pub async fn ping(&self) -> Result<Duration, PingError> {
        let asked = Instant::now();
        let nonce = self.0.nonce.fetch_add(1, Ordering::Relaxed);
        let (mut send, mut recv) = self.open_bi().await?;
        let question = Frame::Ping(Ping {
            nonce,
            extensions: Default::default(),
        });
        let sent = send.write_all(&question.to_bytes()).await;
        sent.map_err(|_| self.unanswered())?;
        // Fails only for a stream that is finished or reset already, and then there is no answer.
        send.finish().map_err(|_| self.unanswered())?;
        let answer = first_frame(&mut recv, &mut FrameReader::new()).await;
        match answer {
            Ok(Some(Frame::Pong(pong))) if pong.nonce == nonce => Ok(asked.elapsed()),
            Err(error) => {
                if let Some(code) = error.code() {
                    self.close(code);
                }
                Err(self.unanswered())
            }
            _ => Err(self.unanswered()),
        }
    }

    /// Closes the connection. What was sent and not yet acknowledged may be lost.
    pub fn close(&self, code: Code) {
        // The first reason is the true one.
        let _ = self.0.closed_with.set(code);
        close(&self.0.quinn, code);
    }

    /// Waits until the connection is over.
    pub async fn closed(&self) -> CloseReason {
        let error = self.0.quinn.closed().await;
        self.reason(&error)
    }

    /// Whether the connection is over, and how it ended.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        let error = self.0.quinn.close_reason()?;
        Some(self.reason(&error))
    }

    /// The QUIC connection, for counters.
    #[must_use]
    pub fn stats(&self) -> quinn::ConnectionStats {
        self.0.quinn.stats()
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(crate) fn reason(&self, error: &quinn::ConnectionError) -> CloseReason {
        CloseReason::of(error, self.0.closed_with.get().copied())
    }

    /// What its dialer made it for.
    pub(crate) fn aim(&self) -> Aim {
        self.0.aim
    }

    pub(crate) fn virt(&self) -> std::net::SocketAddr {
        self.0.virt
    }

    /// Whether the connection is up and the peer's process still has it.
    pub(crate) async fn answers(&self) -> bool {
        let asked = tokio::time::timeout(LIVENESS_TIMEOUT, self.ping()).await;
        self.close_reason().is_none() && matches!(asked, Ok(Ok(_)))
    }

    /// Makes quinn send something, so that it looks at its new path now and not at its next timer.
    pub(crate) fn kick(&self) {
        // A datagram that does not fit now is not needed either: something is being sent.
        let _ = self.0.quinn.send_datagram(bytes::Bytes::from_static(&[0]));
    }

    fn unanswered(&self) -> PingError {
        self.close_reason()
            .map_or(PingError::NoAnswer, PingError::Closed)
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Connection {}

impl core::fmt::Debug for Connection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.0.peer)
            .field("number", &self.0.number)
            .field("opened_by_us", &self.0.opened_by_us)
            .finish_non_exhaustive()
    }
}

/// Closes with a code and its text.
pub(crate) fn close(connection: &quinn::Connection, code: Code) {
    let code = match code {
        Code::Duplicate if defect::is(Defect::DuplicateAsDone) => Code::Done,
        code => code,
    };
    connection.close(VarInt::from_u32(code as u32), code.text().as_bytes());
}
