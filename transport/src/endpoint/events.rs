//! What the endpoint tells the application.

use std::sync::Arc;

use dchat_wire::{Address, Frame, FrameReader, PeerId};
use tokio::sync::mpsc;

use super::outbox::{Identified, Notice};
use super::shared::Shared;
use crate::connection::{Connection, PathInfo};
use crate::error::CloseReason;

/// How a peer was discovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Via {
    /// By mDNS on the local network.
    Mdns,
}

/// Something the application may want to know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection is up, and does not serve the DHT alone: it was made for the peer's own sake, or
    /// has become of interest since. For a peer that was connected it replaces the earlier connection, which
    /// is closed; no `Disconnected` comes for that one.
    Connected(Connection),
    /// There is no connection with the peer any more.
    Disconnected {
        /// Which peer.
        peer: PeerId,
        /// How the last connection ended.
        reason: CloseReason,
    },
    /// Another path carries the connection; its streams do not notice.
    PathChanged {
        /// Which peer.
        peer: PeerId,
        /// The path now.
        path: PathInfo,
    },
    /// A peer is on the local network. Nothing of this is proven. Comes again when its addresses
    /// change.
    Discovered {
        /// Who it claims to be.
        peer: PeerId,
        /// Where, without the peer.
        addrs: Vec<Address>,
        /// How we know.
        via: Via,
    },
    /// A discovered peer is not there any more.
    Expired {
        /// Which peer.
        peer: PeerId,
    },
    /// The peer opened a stream for the application: CHAT_OPEN is its first frame, or GOSSIP_OPEN.
    /// Read on with [`FrameStream::new(recv, reader)`](crate::FrameStream::new).
    Stream {
        /// On this connection.
        conn: Connection,
        /// The way back, which a room's stream has and a chat's has not.
        send: Option<quinn::SendStream>,
        /// The stream after its first frame.
        recv: quinn::RecvStream,
        /// The first frame.
        first: Box<Frame>,
        /// The reader after the first frame.
        reader: FrameReader,
    },
    /// The peer told where it is.
    Identified {
        /// Which peer.
        peer: PeerId,
        /// Where it can be reached, as it says; empty when it does not trust us.
        addresses: Vec<Address>,
        /// Where it sees our packets come from.
        observed: Option<Address>,
    },
    /// Our own addresses, circuits among them, at the start and whenever they change.
    ListenAddrs(Vec<Address>),
}

/// The events of one endpoint.
///
/// Nothing is lost when they are read slowly or not at all, and nothing grows: connections,
/// addresses and discovered peers are kept as states, so a slow reader sees the newest one and not
/// each in between (a peer that came and went is not mentioned); streams wait in their connections,
/// where flow control stops the peer. While nobody reads, connections live on. Once this is dropped
/// streams for the application are refused.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
    streams: mpsc::Receiver<Event>,
}

impl Events {
    pub(super) fn new(shared: Arc<Shared>, streams: mpsc::Receiver<Event>) -> Self {
        Self { shared, streams }
    }

    /// The next event; `None` once the endpoint has shut down and everything was told. May be
    /// cancelled without losing one.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let news = self.shared.news();
            tokio::pin!(news);
            news.as_mut().enable();
            // Before streams, so that a connection is told before what comes on it.
            if let Some(notice) = self.shared.poll_notice() {
                return Some(notice.into());
            }
            if let Ok(event) = self.streams.try_recv() {
                return Some(event);
            }
            if self.shared.is_finished() {
                return None;
            }
            tokio::select! {
                biased;
                () = news => {}
                Some(event) = self.streams.recv() => {
                    return Some(event);
                }
            }
        }
    }
}

impl From<Notice<Connection>> for Event {
    fn from(notice: Notice<Connection>) -> Self {
        match notice {
            Notice::Connected(connection) => Self::Connected(connection),
            Notice::Disconnected(peer, reason) => Self::Disconnected { peer, reason },
            Notice::PathChanged(peer, path) => Self::PathChanged { peer, path },
            Notice::Identified(
                peer,
                Identified {
                    addresses,
                    observed,
                },
            ) => Self::Identified {
                peer,
                addresses,
                observed,
            },
            Notice::Discovered(peer, addrs) => Self::Discovered {
                peer,
                addrs,
                via: Via::Mdns,
            },
            Notice::Expired(peer) => Self::Expired { peer },
            Notice::ListenAddrs(addrs) => Self::ListenAddrs(addrs),
        }
    }
}
