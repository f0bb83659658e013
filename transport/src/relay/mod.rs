//! Relaying: connections between peers that cannot reach each other directly, carried by a third
//! that can be reached by both (spec `60-relay`).
//!
//! [`proto`] is the whole protocol without I/O. Beside it the I/O of both sides: `server` passes on
//! what others send, `client` holds reservations, opens channels and carries packets over them.

pub mod proto;

pub(crate) mod client;
pub(crate) mod server;
mod stream;

use std::sync::Arc;

use bytes::Bytes;
use dchat_wire::relay::datagram;

use crate::connection::Connection;
use crate::endpoint::Shared;
use proto::ConnId;

pub use client::RelayInfo;

pub(crate) use client::{Channel, Channels, Relays, keep_warm, open, unlink, was_announced};

/// What reads the datagrams of a connection from now on, when `first` is one for the relay that we
/// are.
pub(crate) fn forwards(
    shared: &Shared,
    connection: &Connection,
    first: Bytes,
) -> Option<impl Future<Output = ()> + Send + use<>> {
    if first.first().is_none_or(|kind| *kind == datagram::WAKE) {
        return None;
    }
    let server = shared.relay_server.as_ref()?;
    let conn = ConnId(connection.number());
    if !server.serves(conn) {
        return None;
    }
    let quinn = connection.inner().quinn.clone();
    Some(server::forward(Arc::clone(server), conn, quinn, first))
}

/// A connection is over: if we relay, nothing more comes or goes over it.
pub(crate) fn gone(shared: &Shared, connection: &Connection) {
    if let Some(server) = &shared.relay_server {
        server.gone(ConnId(connection.number()));
    }
}
