//! Fresh sockets by name, and questions to nodes: what surveys send from beside our own socket.
//!
//! Bounds: [`FRESH`] sockets with a task each, and a task for each question; all are gone with the
//! [`Field`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use dchat_nat::classify::{FRESH, Socket};
use dchat_nat::stun::MAX_DATAGRAM;
use dchat_wire::nat::{ReachFrom, ReachResult};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::side::Side;
use super::{ask, fresh};
use crate::connection::Connection;

/// Room for every answer to 40 datagrams; more are lost as on any network.
const WAITING: usize = 64;

/// What the tasks of a field tell.
pub(super) enum Told {
    /// A datagram came in on a fresh socket.
    Datagram {
        socket: Socket,
        from: SocketAddr,
        bytes: Bytes,
    },
    /// A node answered, or cannot be asked.
    Reached {
        helper: SocketAddr,
        token: [u8; 16],
        result: ReachResult,
    },
}

/// See the [module](self).
pub(super) struct Field {
    sockets: BTreeMap<Socket, (Arc<UdpSocket>, AbortHandle)>,
    tasks: JoinSet<()>,
    tell: mpsc::Sender<Told>,
}

impl Field {
    /// An empty field, and what it will tell; that ends only with the field.
    pub(super) fn new() -> (Self, mpsc::Receiver<Told>) {
        let (tell, told) = mpsc::channel(WAITING);
        let field = Self {
            sockets: BTreeMap::new(),
            tasks: JoinSet::new(),
            tell,
        };
        (field, told)
    }

    /// Sends from a fresh socket; its port if it was opened for that.
    pub(super) async fn send(
        &mut self,
        side: &Side,
        socket: Socket,
        to: SocketAddr,
        datagram: &[u8],
    ) -> Option<u16> {
        if let Some((open, _)) = self.sockets.get(&socket) {
            fresh::send(open, to, datagram).await;
            return None;
        }
        if self.sockets.len() >= FRESH {
            return None;
        }
        let opened = match fresh::open(side.beside(to)) {
            Ok(opened) => Arc::new(opened),
            Err(error) => {
                tracing::debug!(%error, "no fresh socket");
                return None;
            }
        };
        let port = opened.local_addr().ok().map(|addr| addr.port());
        let receive = receive(socket, Arc::clone(&opened), self.tell.clone());
        let task = self.tasks.spawn(receive);
        fresh::send(&opened, to, datagram).await;
        self.sockets.insert(socket, (opened, task));
        port
    }

    /// Closes a socket.
    pub(super) fn close(&mut self, socket: Socket) {
        if let Some((_, task)) = self.sockets.remove(&socket) {
            task.abort();
        }
    }

    /// Asks a node; [`ReachResult::Unable`] without a connection.
    pub(super) fn ask(
        &mut self,
        connection: Option<Connection>,
        helper: SocketAddr,
        token: [u8; 16],
        from: ReachFrom,
        target: SocketAddr,
    ) {
        // What is over is not kept until the end.
        while self.tasks.try_join_next().is_some() {}
        let tell = self.tell.clone();
        self.tasks.spawn(async move {
            let result = match connection {
                Some(connection) => ask::reach(&connection, token, from, target).await,
                None => ReachResult::Unable,
            };
            let told = Told::Reached {
                helper,
                token,
                result,
            };
            // Fails only when nobody waits for it any more.
            let _ = tell.send(told).await;
        });
    }
}

async fn receive(socket: Socket, open: Arc<UdpSocket>, tell: mpsc::Sender<Told>) {
    let mut bytes = [0; MAX_DATAGRAM];
    loop {
        // An error is an ICMP message's, about one datagram of ours.
        let Ok((length, from)) = open.recv_from(&mut bytes).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let told = Told::Datagram {
            socket,
            from,
            bytes: Bytes::copy_from_slice(bytes.get(..length).unwrap_or_default()),
        };
        if tell.send(told).await.is_err() {
            return;
        }
    }
}
