//! Requests that come to the relay.

use std::sync::Arc;

use crate::connection::{Connection, FrameStream};
use crate::endpoint::Shared;
use crate::path::PathKind;
use crate::relay::proto::{ConnId, StreamId};
use crate::relay::stream::{Machine, follow, refuse};
use dchat_wire::relay::Refusal;
use dchat_wire::{Frame, FrameReader};
use quinn::{RecvStream, SendStream, VarInt};

/// Carries out the request that `first` is: the answer to RESERVE ends the stream, that to CONNECT
/// does not.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    connection: &Connection,
    first: Frame,
    send: SendStream,
    recv: RecvStream,
    reader: FrameReader,
) {
    let Some(server) = &shared.relay_server else {
        return refuse(send, Refusal::NotARelay).await;
    };
    if connection.path().kind != PathKind::Direct {
        // Packets are not relayed twice, and nobody's address is known here.
        return refuse(send, Refusal::NotAllowed).await;
    }
    let conn = ConnId(connection.number());
    let quinn = &connection.inner().quinn;
    let ip = shared.real_ip(connection.virt());
    server.up(conn, connection.peer_id(), ip, quinn);
    let stream = StreamId::theirs(VarInt::from(send.id()).into_inner());
    let orders = server.register(conn, stream);
    let _following = server.following();
    Machine::frame(server, conn, stream, first);
    let frames = FrameStream::new(recv, reader);
    follow(server, conn, stream, send, frames, orders).await;
}
