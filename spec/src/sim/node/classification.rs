//! A peer's own NAT, classified over sockets of the world.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use dchat_nat::classify::{Classifier, Config, Input, Output, Report, Setup, Socket};

use super::endpoint::PORT;
use crate::sim::net::{HostId, Net};

/// First port of the fresh sockets.
const FRESH: u16 = 30_000;

/// One classification.
#[derive(Debug)]
pub(super) struct Classification {
    host: HostId,
    classifier: Classifier,
    /// Local ports of fresh sockets that are open.
    fresh: BTreeMap<u16, Socket>,
    next_port: u16,
    report: Option<Box<Report>>,
}

impl Classification {
    /// Begins. `serial` keeps the ports of one after another apart.
    pub(super) fn new(
        host: HostId,
        setup: &Setup,
        seed: [u8; 32],
        serial: u16,
        now: Instant,
    ) -> Self {
        Self {
            host,
            classifier: Classifier::new(Config::default(), setup, seed, now),
            fresh: BTreeMap::new(),
            next_port: FRESH + serial % 64 * 64,
            report: None,
        }
    }

    /// The result.
    pub(super) fn report(&self) -> Option<&Report> {
        self.report.as_deref()
    }

    /// The socket of a port, if it is one of ours.
    pub(super) fn socket(&self, port: u16) -> Option<Socket> {
        match port {
            PORT => Some(Socket::Main),
            _ => self.fresh.get(&port).copied(),
        }
    }

    pub(super) fn datagram(
        &mut self,
        socket: Socket,
        from: SocketAddr,
        bytes: &Bytes,
        now: Instant,
    ) {
        let input = Input::Datagram {
            socket,
            from,
            bytes,
        };
        self.classifier.handle_input(input, now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.classifier.handle_timeout(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.classifier.poll_timeout()
    }

    /// Does what is wanted. `false` when there was nothing.
    pub(super) fn act(&mut self, net: &mut Net, now: Instant) -> bool {
        let mut busy = false;
        while let Some(output) = self.classifier.poll_output() {
            busy = true;
            match output {
                Output::Send {
                    socket,
                    to,
                    datagram,
                } => {
                    let port = self.port(socket, now);
                    // An unreachable network is silence to who asks.
                    let _unroutable = net.send(self.host, (None, port), to, datagram.into());
                }
                Output::Reach { helper, token, .. } => {
                    // The servers of a world are STUN servers; a node among them cannot be asked.
                    let result = dchat_wire::nat::ReachResult::Unable;
                    let input = Input::Reached {
                        helper,
                        token,
                        result,
                    };
                    self.classifier.handle_input(input, now);
                }
                Output::Finished(report) => self.report = Some(report),
            }
        }
        busy
    }

    fn port(&mut self, socket: Socket, now: Instant) -> u16 {
        if socket == Socket::Main {
            return PORT;
        }
        if let Some((port, _)) = self.fresh.iter().find(|(_, open)| **open == socket) {
            return *port;
        }
        let port = self.next_port;
        self.next_port += 1;
        self.fresh.insert(port, socket);
        self.classifier
            .handle_input(Input::Opened { socket, port }, now);
        port
    }
}
