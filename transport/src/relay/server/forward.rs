//! Datagrams of a connection, into the relay and out of it.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::RelayServer;
use crate::relay::proto::ConnId;

/// Datagrams read before they are forwarded: what a few coalesced reads of the socket bring. A
/// longer batch would hold up the first of them.
const BATCH: usize = 64;

/// Reads datagrams of one connection, beginning after `first`, and forwards them until it ends.
pub(crate) async fn forward(
    server: Arc<RelayServer>,
    conn: ConnId,
    quinn: quinn::Connection,
    first: Bytes,
) {
    let mut batch = Vec::with_capacity(BATCH);
    batch.push(first);
    loop {
        fill(&quinn, &mut batch, BATCH);
        server.datagrams(conn, &mut batch);
        match quinn.read_datagram().await {
            Ok(datagram) => batch.push(datagram),
            Err(_) => return,
        }
    }
}

/// Adds the datagrams that are there already.
pub(crate) fn fill(quinn: &quinn::Connection, batch: &mut Vec<Bytes>, most: usize) {
    while batch.len() < most {
        let mut next = core::pin::pin!(quinn.read_datagram());
        match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(datagram)) => batch.push(datagram),
            Poll::Ready(Err(_)) | Poll::Pending => return,
        }
    }
}

/// Hands a full connection what comes next, and says when it has taken it.
pub(super) async fn wait_for_room(
    server: Arc<RelayServer>,
    conn: ConnId,
    quinn: quinn::Connection,
) {
    for datagram in server.next_for(conn) {
        // A datagram that became too large meanwhile is lost, as one on the way would be.
        if let Err(quinn::SendDatagramError::ConnectionLost(_)) =
            quinn.send_datagram_wait(datagram).await
        {
            return;
        }
    }
    server.has_room(conn);
}
