//! One classification of our NATs: the sockets and streams under [`Classifier`].
//!
//! * Inputs: what arrives on our own socket and on fresh ones, and what nodes answer to REACH. Output:
//!   a [`Report`].
//! * Bounds: those of [`Config`]: 40 datagrams and 1.9 s.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_nat::classify::{Classifier, Config, Input, Output, Report, Setup, Socket};

use super::field::{Field, Told};
use super::side::Side;
use crate::connection::Connection;

/// Runs one classification. `helpers` are the connections with the nodes among `setup`'s servers.
/// `None` while too many others run.
pub(crate) async fn survey(
    side: &Side,
    setup: Setup,
    helpers: &[(SocketAddr, Connection)],
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
    let (mut field, mut told) = Field::new();
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
                    let connection = helpers.iter().find(|(addr, _)| *addr == helper);
                    let connection = connection.map(|(_, connection)| connection.clone());
                    field.ask(connection, helper, token, from, target);
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
