//! Making a new mapping and asking what it is, for an agent that predicts the next one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dchat_nat::stun::{Change, Config, Input, Output, Retry, Transactions};
use dchat_transport::path::{Input as PathInput, VirtualAddress};

use super::endpoint::Endpoint;
use crate::sim::net::Net;

/// First port of sockets that sample, and how many are used in turn.
const FIRST: u16 = 35_000;
const PORTS: u16 = 4_096;
/// Three tries within the second that the agent waits.
const RETRY: Retry = Retry {
    first: Duration::from_millis(150),
    sends: 3,
    patience: 2,
};

/// Samples under way.
#[derive(Debug)]
pub(super) struct Sampling {
    reflector: Option<SocketAddr>,
    transactions: Transactions<u16>,
    wanted: Vec<(u16, VirtualAddress)>,
    next: u16,
}

impl Sampling {
    pub(super) fn new(reflector: Option<SocketAddr>, seed: [u8; 32]) -> Self {
        Self {
            reflector,
            transactions: Transactions::new(Config::default(), seed),
            wanted: Vec::new(),
            next: 0,
        }
    }

    /// Whether a port is one of those that sample.
    pub(super) fn is_at(&self, port: u16) -> bool {
        self.wanted.iter().any(|(at, _)| *at == port)
    }

    pub(super) fn begin(&mut self, endpoint: &mut Endpoint, virt: VirtualAddress) {
        let now = endpoint.instant();
        let port = FIRST + self.next % PORTS;
        self.next = self.next.wrapping_add(1);
        let asked = self.reflector.map(|reflector| {
            self.transactions
                .ask(port, reflector, Change::Nothing, RETRY, now)
        });
        match asked {
            Some(Ok(_)) => self.wanted.push((port, virt)),
            Some(Err(_)) | None => sampled(endpoint, virt, None),
        }
    }

    pub(super) fn datagram(&mut self, port: u16, from: SocketAddr, bytes: &Bytes, now: Instant) {
        let input = Input::Datagram {
            socket: port,
            from,
            bytes,
        };
        self.transactions.handle_input(input, now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.transactions.poll_timeout()
    }

    /// Does what is wanted. `false` when there was nothing.
    pub(super) fn act(&mut self, endpoint: &mut Endpoint, net: &mut Net) -> bool {
        let mut busy = false;
        while let Some(output) = self.transactions.poll_output() {
            busy = true;
            match output {
                Output::Send {
                    socket,
                    to,
                    datagram,
                    ..
                } => {
                    let source = (None, socket);
                    // An unreachable network is silence to who asks.
                    let _unroutable = endpoint.send_datagram(net, source, to, datagram.into());
                }
                Output::Answered { answer, .. } => self.end(endpoint, Some(answer.mapped)),
                Output::Failed { .. } => self.end(endpoint, None),
            }
        }
        busy
    }

    /// One has ended: agents wait for one at a time, and of two that do the older one is served.
    fn end(&mut self, endpoint: &mut Endpoint, address: Option<SocketAddr>) {
        if !self.wanted.is_empty() {
            let (_, virt) = self.wanted.remove(0);
            sampled(endpoint, virt, address);
        }
    }
}

fn sampled(endpoint: &mut Endpoint, virt: VirtualAddress, address: Option<SocketAddr>) {
    let now = endpoint.instant();
    endpoint
        .switch
        .handle_input(PathInput::Sampled { virt, address }, now);
}
