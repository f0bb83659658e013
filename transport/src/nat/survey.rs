//! One classification of our NATs: the sockets and streams under [`Classifier`].
//!
//! * Inputs: what arrives on our own socket and on fresh ones, and what nodes answer to REACH. Output:
//!   a [`Report`].
//! * Bounds: those of [`dchat_nat::classify::Config`]: 40 datagrams and 1.9 s; [`FRESH`] sockets and as many tasks
//!   as questions, all gone with the report or when the future is dropped.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dchat_nat::classify::{Classifier, Config, FRESH, Input, Output, Report, Setup, Socket};
use dchat_nat::stun::MAX_DATAGRAM;
use dchat_wire::nat::ReachResult;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::ask;
use super::fresh;
use super::side::Side;
use crate::connection::Connection;

/// What the tasks of a survey tell it.
enum Told {
    Datagram {
        socket: Socket,
        from: SocketAddr,
        bytes: Bytes,
    },
    Reached {
        helper: SocketAddr,
        token: [u8; 16],
        result: ReachResult,
    },
}

/// Runs one classification. `helpers` are the connections with the nodes among `setup`'s servers.
/// `None` while too many others run.
pub(crate) async fn survey(
    side: &Side,
    setup: Setup,
    helpers: &BTreeMap<SocketAddr, Connection>,
    deadline: Duration,
    seed: [u8; 32],
) -> Option<Report> {
    let mut arriving = side.listen()?;
    let standard = Config::default();
    let config = Config {
        deadline: deadline.min(standard.deadline),
        ..standard
    };
    let mut classifier = Classifier::new(config, &setup, seed, Instant::now());
    // Room for every answer to 40 datagrams; more are lost as on any network.
    let (tell, mut told) = mpsc::channel(64);
    let mut field = Field {
        sockets: BTreeMap::new(),
        tasks: JoinSet::new(),
        tell,
    };
    loop {
        while let Some(output) = classifier.poll_output() {
            match output {
                Output::Send {
                    socket: Socket::Main,
                    to,
                    datagram,
                } => {
                    side.send(to, &datagram);
                }
                Output::Send {
                    socket,
                    to,
                    datagram,
                } => {
                    if let Some(port) = field.send(side, socket, to, &datagram).await {
                        let opened = Input::Opened { socket, port };
                        classifier.handle_input(opened, Instant::now());
                    }
                }
                Output::Reach {
                    helper,
                    from,
                    token,
                    target,
                } => {
                    let connection = helpers.get(&helper).cloned();
                    let tell = field.tell.clone();
                    field.tasks.spawn(async move {
                        let result = match connection {
                            Some(connection) => ask::reach(&connection, token, from, target).await,
                            None => ReachResult::Unable,
                        };
                        let told = Told::Reached {
                            helper,
                            token,
                            result,
                        };
                        // Nobody waits for it any more.
                        let _ = tell.send(told).await;
                    });
                }
                Output::Finished(report) => return Some(*report),
            }
        }
        let due = classifier.poll_timeout()?;
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => classifier.handle_timeout(Instant::now()),
            datagram = arriving.recv() => {
                let datagram = datagram?;
                let input = Input::Datagram {
                    socket: Socket::Main,
                    from: crate::path::canonical(datagram.from),
                    bytes: &datagram.bytes,
                };
                classifier.handle_input(input, Instant::now());
            }
            // `field` holds a sender: it never ends.
            Some(told) = told.recv() => {
                let input = match &told {
                    Told::Datagram { socket, from, bytes } => Input::Datagram {
                        socket: *socket,
                        from: *from,
                        bytes,
                    },
                    Told::Reached { helper, token, result } => Input::Reached {
                        helper: *helper,
                        token: *token,
                        result: *result,
                    },
                };
                classifier.handle_input(input, Instant::now());
            }
        }
    }
}

/// The fresh sockets and the tasks.
struct Field {
    sockets: BTreeMap<Socket, Arc<UdpSocket>>,
    tasks: JoinSet<()>,
    tell: mpsc::Sender<Told>,
}

impl Field {
    /// Sends from a fresh socket; its port if it was opened for that.
    async fn send(
        &mut self,
        side: &Side,
        socket: Socket,
        to: SocketAddr,
        datagram: &[u8],
    ) -> Option<u16> {
        if let Some(open) = self.sockets.get(&socket) {
            fresh::send(open, to, datagram).await;
            return None;
        }
        if self.sockets.len() >= FRESH {
            return None;
        }
        let opened = match fresh::open(side.beside(to)) {
            Ok(opened) => Arc::new(opened),
            Err(error) => {
                tracing::debug!(%error, "no fresh socket for the survey");
                return None;
            }
        };
        let port = opened.local_addr().ok().map(|addr| addr.port());
        self.sockets.insert(socket, Arc::clone(&opened));
        let receive = receive(socket, Arc::clone(&opened), self.tell.clone());
        self.tasks.spawn(receive);
        fresh::send(&opened, to, datagram).await;
        port
    }
}

async fn receive(socket: Socket, open: Arc<UdpSocket>, tell: mpsc::Sender<Told>) {
    let mut bytes = [0; MAX_DATAGRAM];
    loop {
        // An error is an ICMP message's, about one datagram of ours.
        let Ok((length, from)) = open.recv_from(&mut bytes).await else {
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
