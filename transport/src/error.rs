//! What can go wrong, one enum per operation.

use dchat_wire::close::Code;
use dchat_wire::defect::{self, Defect};
use dchat_wire::frame::FrameError;
use dchat_wire::relay::Refusal;
use dchat_wire::{Address, PeerId};

use crate::tls::{IdentityError, TlsError};

/// Why no endpoint came up. Nothing is left bound.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The sockets could not be bound: the address is in use or not ours.
    #[error(transparent)]
    Bind(#[from] crate::socket::BindError),
    /// No settings for TLS: a fault of this program.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// The endpoint could not start: a fault of this program or of the operating system.
    #[error("the endpoint could not start: {0}")]
    Start(#[from] std::io::Error),
}

/// Why there is no connection. Nothing is left of the attempts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The caller gave no address that can be dialed.
    #[error("no address to dial: give one such as /ip4/192.168.1.23/udp/4001/quic-v1")]
    NoAddress,
    /// The caller dialed its own identity.
    #[error("this is our own identity: a node does not connect to itself")]
    Myself,
    /// Somebody else answered at the address.
    #[error("another peer answered at {addr}: expected {expected}, found {found}")]
    WrongPeer {
        /// Where.
        addr: Box<Address>,
        /// Who was dialed.
        expected: PeerId,
        /// Who answered.
        found: PeerId,
    },
    /// What answered is not a peer.
    #[error("what answered at {addr} is not a peer: {error}")]
    Identity {
        /// Where.
        addr: Box<Address>,
        /// What was wrong with its certificate.
        error: IdentityError,
    },
    /// No address answered. The peer may be offline, or a firewall in between.
    #[error("no answer from any of {addresses} addresses: is the peer running and reachable?")]
    Unreachable {
        /// How many were tried.
        addresses: usize,
    },
    /// An address answered, but not with a connection.
    #[error("{addr} did not take the connection: {reason}")]
    Refused {
        /// Where.
        addr: Box<Address>,
        /// How it ended.
        reason: CloseReason,
    },
    /// The relay, or the peer asked by it, said no.
    #[error("no way through the relay {relay}: {}{}", .refusal.text(), advice(*.refusal))]
    Relay {
        /// The circuit that was tried.
        relay: Address,
        /// Why not.
        refusal: Refusal,
    },
    /// The relay itself could not be used.
    #[error("the relay {relay} cannot be used: {reason}")]
    RelayUnusable {
        /// The circuit that was tried.
        relay: Address,
        /// What happened.
        reason: RelayFault,
    },
    /// In relay-only mode peers are not dialed at their own addresses, which would show ours.
    #[error(
        "relay-only mode: the peer's own addresses are not dialed; \
         give a circuit address (…/p2p/RELAY/p2p-circuit), or turn the mode off"
    )]
    RelayOnly,
    /// The peer was there, but the connection ended before its HELLO.
    #[error("the connection ended before it was up: {0}")]
    Closed(CloseReason),
    /// We have as many connections as [`Limits`](crate::Limits) allow.
    #[error("no more than {limit} connections are allowed")]
    Limit {
        /// The bound.
        limit: usize,
    },
    /// The endpoint is shutting down.
    #[error("the endpoint is shutting down")]
    Shutdown,
    /// The attempt could not be made: a fault of this program.
    #[error("the dial could not be made: {0}")]
    Internal(String),
}

/// What a person can do about a refusal.
fn advice(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NotARelay => "; the address names the wrong node, or its operator turned it off",
        Refusal::NotAllowed => "; ask its operator, or use another relay",
        Refusal::Full | Refusal::Limited | Refusal::ShuttingDown => {
            "; try again later, or use another relay"
        }
        Refusal::NoReservation | Refusal::NoAnswer | Refusal::Ended => "; is the peer running?",
        Refusal::Declined => "; the peer takes channels from its contacts first",
    }
}

/// Why a relay is of no use. What was asked of it was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayFault {
    /// It cannot be connected to.
    #[error("it cannot be reached ({0})")]
    Unreachable(Box<DialError>),
    /// Its answers are not those of a relay, or it did not answer in time.
    #[error("it gave no answer that makes sense")]
    Nonsense,
    /// It closed the channel before the peer had answered: the peer is gone, or hung up.
    #[error("the channel was closed before the peer answered")]
    ChannelClosed,
    /// The connection with it ended.
    #[error("the connection with it ended")]
    Gone,
    /// It is connected to over another relay itself, and packets are never relayed twice.
    #[error("it is only reached over another relay, and packets are not relayed twice")]
    Nested,
    /// As many channels are open as may be.
    #[error("there are too many channels over relays already")]
    TooManyChannels,
    /// No more relays can be used at once.
    #[error("no more than {limit} relays can be used at once")]
    TooMany {
        /// The bound.
        limit: usize,
    },
}

/// Why the DHT gave no result. Nothing was stored anywhere on this account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DhtError {
    /// Nobody is known who could be asked.
    #[error(
        "no node of the DHT is known: give a bootstrap address, \
         or wait until one that is known can be reached"
    )]
    NobodyKnown,
    /// As much is under way as may be.
    #[error("no more than {limit} operations of the DHT run at a time: try again later")]
    Busy {
        /// The bound.
        limit: usize,
    },
    /// The record does not belong under the key, or is none that is stored: the caller's fault.
    #[error("the record cannot be stored: {}", .0.text())]
    Record(dchat_wire::dht::Refusal),
    /// The endpoint is shutting down.
    #[error("the endpoint is shutting down")]
    Shutdown,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// We closed it.
    #[error("closed here: {}", .0.text())]
    Here(Code),
    /// The peer closed it.
    #[error("closed by the peer: {}", .0.text())]
    Peer(Code),
    /// The peer closed it with a code not known here.
    #[error("closed by the peer with unknown code {0:#x}")]
    PeerUnknown(u64),
    /// Nothing came from the peer for too long.
    #[error("nothing came from the peer for too long")]
    Idle,
    /// The peer's process has restarted and knows nothing of the connection.
    #[error("the peer restarted")]
    Reset,
    /// QUIC or TLS failed; the text is for a log.
    #[error("the protocol below failed: {0}")]
    Protocol(String),
}

impl CloseReason {
    pub(crate) fn of(error: &quinn::ConnectionError, closed_with: Option<Code>) -> Self {
        use quinn::ConnectionError as E;
        match error {
            E::ApplicationClosed(close) => match Code::from_value(close.error_code.into_inner()) {
                Some(code) => Self::Peer(code),
                None => Self::PeerUnknown(close.error_code.into_inner()),
            },
            E::LocallyClosed => Self::Here(closed_with.unwrap_or(Code::Done)),
            E::TimedOut => Self::Idle,
            E::Reset => Self::Reset,
            other => Self::Protocol(other.to_string()),
        }
    }
}

/// Why a ping has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PingError {
    /// The connection is over.
    #[error(transparent)]
    Closed(#[from] CloseReason),
    /// The peer refused the question, or answered with something else.
    #[error("the peer did not answer the ping")]
    NoAnswer,
}

/// Why no further frame comes from a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The peer sent bytes that are no frame: close the connection with [`code`](Self::code).
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The stream ended inside a frame: the peer's fault as well.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// The peer gave the stream up.
    #[error("the peer reset the stream with code {0:#x}")]
    Reset(u64),
    /// The connection is over, or we stopped the stream.
    #[error("the stream's connection is over")]
    Closed,
}

impl StreamError {
    /// The code to close the connection with, when the peer is at fault.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Truncated if defect::is(Defect::OverlooksTruncation) => None,
            _ if defect::is(Defect::MalformedAsUnexpected) => Some(Code::Unexpected),
            Self::Frame(FrameError::Unsupported { .. })
                if !defect::is(Defect::UnsupportedAsMalformed) =>
            {
                Some(Code::Unsupported)
            }
            Self::Frame(_) | Self::Truncated => Some(Code::Malformed),
            Self::Reset(_) | Self::Closed => None,
        }
    }
}
