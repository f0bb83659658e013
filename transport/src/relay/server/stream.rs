//! Requests that come to the relay.

use std::sync::Arc;

use dchat_wire::close::Code;
use dchat_wire::relay::Refusal;
use dchat_wire::{Frame, FrameReader};
use quinn::{RecvStream, SendStream, VarInt};

use super::RelayServer;
use crate::connection::{Connection, FrameStream};
use crate::endpoint::Shared;
use crate::path::PathKind;
use crate::relay::proto::{ConnId, StreamId};
use crate::relay::stream::{Machine, follow, refuse};

/// Carries out the request that `first` is: the answer to RESERVE ends the stream, that to CONNECT
/// does not. Returns the code to close the connection with when the peer broke the encoding.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    connection: &Connection,
    first: Frame,
    send: SendStream,
    recv: RecvStream,
    reader: FrameReader,
) -> Option<Code> {
    let Some(server) = &shared.relay_server else {
        refuse(send, Refusal::NotARelay).await;
        return None;
    };
    if connection.path().kind != PathKind::Direct {
        // Packets are not relayed twice, and nobody's address is known here.
        refuse(send, Refusal::NotAllowed).await;
        return None;
    }
    let conn = up(shared, server, connection);
    let stream = StreamId::theirs(VarInt::from(send.id()).into_inner());
    let orders = server.register(conn, stream);
    let _following = server.following();
    Machine::frame(server, conn, stream, first);
    let frames = FrameStream::new(recv, reader);
    follow(server, conn, stream, send, frames, orders).await
}

/// A connection is there: the reservation of its peer, if it holds one, moves to it.
pub(crate) fn returned(shared: &Shared, connection: &Connection) {
    let Some(server) = &shared.relay_server else {
        return;
    };
    let is_direct = connection.path().kind == PathKind::Direct;
    if is_direct && server.holds(&connection.peer_id()) {
        up(shared, server, connection);
    }
}

/// Makes a connection known to the relay.
fn up(shared: &Shared, server: &Arc<RelayServer>, connection: &Connection) -> ConnId {
    let conn = ConnId(connection.number());
    let ip = shared.real_ip(connection.virt());
    server.up(conn, connection.peer_id(), ip, &connection.inner().quinn);
    conn
}
