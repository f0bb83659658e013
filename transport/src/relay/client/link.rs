//! One connection to a relay, as a leg of the socket.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use dchat_wire::close::Code;
use dchat_wire::relay::datagram::{Datagram, WHOLE_HEADER};
use tokio::sync::Notify;

use super::carry::Carry;
use crate::connection::Connection;
use crate::endpoint::Shared;
use crate::limits::RELAY_IDLE;
use crate::path::{LegId, PathKind};
use crate::relay::proto::ConnId;
use crate::relay::proto::parts::Reassembly;
use crate::relay::server::fill;
use crate::sync::lock;

/// Datagrams read at a time.
const BATCH: usize = 64;

/// A connection that carries channels.
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) leg: LegId,
    /// Where the relay is.
    pub(super) socket: SocketAddr,
    pub(super) carry: Arc<Carry>,
    /// Set when the link is to end although the connection does not.
    stop: Notify,
    stopped: AtomicBool,
}

impl Link {
    pub(super) fn conn(&self) -> ConnId {
        ConnId(self.connection.number())
    }

    pub(super) fn quinn(&self) -> &quinn::Connection {
        &self.connection.inner().quinn
    }

    pub(super) fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Acquire) || self.quinn().close_reason().is_some()
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.stop.notify_one();
    }
}

/// Makes `connection` carry channels, if it is one to a relay we want and not itself relayed. Says
/// whether it does.
pub(crate) fn link(shared: &Arc<Shared>, connection: &Connection) -> bool {
    let peer = connection.peer_id();
    if !shared.relays.is_wanted(&peer) || connection.close_reason().is_some() {
        return false;
    }
    let path = connection.path();
    if path.kind != PathKind::Direct {
        return false;
    }
    // Held until the link is in the tables, so that whoever is told of it finds it there.
    let mut linked = lock(&connection.inner().linked);
    if *linked {
        return true;
    }
    let quinn = connection.inner().quinn.clone();
    let carry = Arc::new(Carry::new(quinn.max_datagram_size().unwrap_or(0)));
    let carrier = Arc::clone(&carry);
    let socket = path.addr.socket();
    let Ok(leg) = shared.paths.add_relay(peer, socket, carrier) else {
        tracing::warn!("as many relays are in use as may be");
        return false;
    };
    *linked = true;
    let link = Arc::new(Link {
        connection: connection.clone(),
        leg,
        socket,
        carry,
        stop: Notify::new(),
        stopped: AtomicBool::new(false),
    });
    shared.relays.linked(shared, Arc::clone(&link));
    // Ends with the connection.
    tokio::spawn(run(Arc::clone(shared), link));
    true
}

/// The connection is no longer direct: it carries nothing more.
pub(crate) fn unlink(shared: &Shared, connection: &Connection) {
    let conn = ConnId(connection.number());
    if let Some(link) = shared.relays.link(conn) {
        link.stop();
    }
}

async fn run(shared: Arc<Shared>, link: Arc<Link>) {
    let quinn = link.quinn().clone();
    tokio::select! {
        () = receive(&shared, &link) => {}
        () = link.carry.drain(&quinn) => {}
        () = until_idle(&shared, &link) => link.connection.close(Code::Done),
        () = link.stop.notified() => {}
        _ = quinn.closed() => {}
    }
    link.stop();
    link.carry.end();
    shared.paths.remove_leg(link.leg);
    shared.relays.unlinked(&shared, &link);
    *lock(&link.connection.inner().linked) = false;
}

/// Waits until a relay we need for nothing has had no channel for long.
async fn until_idle(shared: &Shared, link: &Link) {
    let relay = link.connection.peer_id();
    let mut idle = false;
    loop {
        tokio::time::sleep(RELAY_IDLE / 2).await;
        let was_idle = core::mem::replace(&mut idle, link.carry.channels() == 0);
        let needed = shared.relays.is_reserving(&relay)
            || shared.matters(&relay)
            || !link.connection.opened_by_us();
        if idle && was_idle && !needed {
            return;
        }
    }
}

/// Hands packets to the socket until the connection is over.
async fn receive(shared: &Shared, link: &Link) {
    let quinn = link.quinn();
    let mut batch = Vec::with_capacity(BATCH);
    // Bounded by the channels that are open; each by itself.
    let mut torn: BTreeMap<u32, Reassembly> = BTreeMap::new();
    loop {
        match quinn.read_datagram().await {
            Ok(datagram) => batch.push(datagram),
            Err(_) => return,
        }
        fill(quinn, &mut batch, BATCH);
        for datagram in batch.drain(..) {
            accept(shared, link, &datagram, &mut torn);
        }
    }
}

fn accept(shared: &Shared, link: &Link, bytes: &Bytes, torn: &mut BTreeMap<u32, Reassembly>) {
    let Some(datagram) = Datagram::open(bytes) else {
        return;
    };
    let channel = datagram.channel();
    if !link.carry.is_open(channel) {
        torn.remove(&channel);
        return;
    }
    let packet = match datagram {
        Datagram::Whole { .. } => Some(bytes.slice(WHOLE_HEADER..)),
        Datagram::Part {
            number,
            part,
            bytes,
            ..
        } => {
            torn.retain(|channel, _| link.carry.is_open(*channel));
            let parts = torn.entry(channel).or_default();
            parts.handle_part(number, part, bytes, Instant::now())
        }
    };
    if let Some(packet) = packet {
        shared.paths.relayed(link.leg, channel, packet);
    }
}

impl core::fmt::Debug for Link {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Link")
            .field("relay", &self.connection.peer_id())
            .field("leg", &self.leg)
            .finish_non_exhaustive()
    }
}
