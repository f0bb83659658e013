//! Channels over relays, ours and those of others to us.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use dchat_wire::close::Code;
use dchat_wire::relay::Refusal;
use dchat_wire::{Address, Frame, FrameReader, PeerId};
use quinn::{RecvStream, SendStream, VarInt};
use tokio::sync::mpsc;

use super::act::Client;
use super::link::{Link, link};
use super::relays::Relays;
use crate::connection::{Connection, FrameStream};
use crate::dial::dial_boxed;
use crate::endpoint::Shared;
use crate::error::{DialError, RelayFault};
use crate::path::{LegId, PathKind};
use crate::relay::proto::client::channels::{Failure, Input};
use crate::relay::proto::{ConnId, StreamId};
use crate::relay::stream::{Machine as _, ORDERS, follow, refuse};
use crate::socket::Paths;

/// A channel we asked for; it is given back when the last handle is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Channel(Arc<Open>);

#[derive(Debug)]
struct Open {
    /// Weak: connections hold channels, and the endpoint holds connections.
    shared: Weak<Shared>,
    link: Arc<Link>,
    number: u32,
}

impl Channel {
    pub(super) fn new(shared: &Arc<Shared>, link: Arc<Link>, number: u32) -> Self {
        Self(Arc::new(Open {
            shared: Arc::downgrade(shared),
            link,
            number,
        }))
    }

    /// A virtual address for an attempt to reach the peer over it.
    pub(crate) fn dial(&self, paths: &Paths) -> SocketAddr {
        paths.dial_relayed(self.0.link.leg, self.0.number)
    }

    pub(super) fn leg(&self) -> LegId {
        self.0.link.leg
    }

    pub(super) fn number(&self) -> u32 {
        self.0.number
    }

    pub(super) fn relay(&self) -> PeerId {
        self.0.link.connection.peer_id()
    }

    /// Returns once packets can no longer go over it, and says why.
    pub(crate) async fn ended(&self) -> RelayFault {
        self.0.link.carry.until_closed(self.0.number).await;
        match self.0.link.is_over() {
            true => RelayFault::Gone,
            false => RelayFault::ChannelClosed,
        }
    }

    /// Whether packets can go over it.
    pub(super) fn is_open(&self) -> bool {
        !self.0.link.is_over() && self.0.link.carry.is_open(self.0.number)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let shut = Input::Shut {
                conn: self.link.conn(),
                channel: self.number,
            };
            shared.relays.channel_input(&shared, shut);
        }
    }
}

/// Opens a channel to `peer` over the relay at `socket`, which is connected to where it is not.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    relay: PeerId,
    socket: SocketAddr,
    peer: PeerId,
) -> Result<Channel, DialError> {
    let circuit = Address::Circuit {
        socket,
        relay,
        peer: Some(peer),
    };
    let unusable = |reason| DialError::RelayUnusable {
        relay: circuit,
        reason,
    };
    let refused = |refusal| DialError::Relay {
        relay: circuit,
        refusal,
    };
    if relay == shared.us || relay == peer {
        return Err(unusable(RelayFault::Nested));
    }
    let limit = shared.limits.relays_on_demand;
    // Until the link is there, which then has its place by the channel on it.
    let wanted = Relays::want(shared, relay).ok_or(unusable(RelayFault::TooMany { limit }))?;
    let link = reach(shared, relay, socket).await.map_err(unusable)?;
    let answer = shared.relays.ask(shared, link.conn(), peer).await;
    drop(wanted);
    match answer {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(failure)) => Err(match failure {
            Failure::Refused { reason, .. } => refused(reason),
            Failure::NoAnswer | Failure::Nonsense => unusable(RelayFault::Nonsense),
            Failure::NotConnected => unusable(RelayFault::Gone),
            Failure::TooMany => unusable(RelayFault::TooManyChannels),
        }),
        Err(_) => Err(unusable(RelayFault::Gone)),
    }
}

/// The link to a relay.
async fn reach(
    shared: &Arc<Shared>,
    relay: PeerId,
    socket: SocketAddr,
) -> Result<Arc<Link>, RelayFault> {
    if let Some(link) = shared.relays.link_to(&relay) {
        return Ok(link);
    }
    let dialed = dial_boxed(shared, relay, &[Address::direct(socket)]).await;
    let connection = dialed.map_err(|error| RelayFault::Unreachable(Box::new(error)))?;
    if !link(shared, &connection) {
        return Err(RelayFault::Nested);
    }
    let link = shared.relays.link(ConnId(connection.number()));
    link.ok_or(RelayFault::Gone)
}

/// A relay asks whether we want a channel. Returns the code to close the connection with when it broke
/// the encoding.
pub(crate) async fn called(
    shared: &Arc<Shared>,
    connection: &Connection,
    first: Frame,
    send: SendStream,
    recv: RecvStream,
    reader: FrameReader,
) -> Option<Code> {
    let conn = ConnId(connection.number());
    if shared.relays.link(conn).is_none() {
        refuse(send, Refusal::Declined).await;
        return None;
    }
    let stream = StreamId::theirs(VarInt::from(send.id()).into_inner());
    let (orders, receiver) = mpsc::channel(ORDERS);
    let known = shared.relays.lock().streams.insert((conn, stream), orders);
    drop(known);
    let client = Client(Arc::clone(shared));
    client.frame(conn, stream, first);
    let frames = FrameStream::new(recv, reader);
    follow(&client, conn, stream, send, frames, receiver).await
}

/// Whether the relay that brought a peer named it when it asked for consent. Always so of a peer that
/// came without a relay.
pub(crate) fn was_announced(shared: &Shared, virt: SocketAddr, peer: &PeerId) -> bool {
    let Some(path) = shared.paths.current(virt) else {
        return true;
    };
    if path.kind == PathKind::Direct {
        return true;
    }
    let state = shared.relays.lock();
    let link = state.links.values().find(|link| link.leg == path.leg);
    link.is_some_and(|link| {
        let first = (link.conn(), 0);
        let last = (link.conn(), u32::MAX);
        let mut of_link = state.open.range(first..=last);
        of_link.any(|(_, announced)| announced == peer)
    })
}
