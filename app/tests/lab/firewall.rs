//! A stateful firewall that translates nothing, for either family, as a pure state machine.
//!
//! A packet from outside passes if something was sent to its sender lately from where it goes,
//! judged by address and port. At most [`MAX_FLOWS`] flows are remembered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::packet::{self, Flow, Transport};
use super::translator::Verdict;

/// Flows remembered; a further one is not let in until another has expired.
const MAX_FLOWS: usize = 65_536;

type Opened = (Transport, SocketAddr, SocketAddr);

/// The firewall.
#[derive(Debug)]
pub struct Firewall {
    lifetime: Duration,
    flows: BTreeMap<Opened, Instant>,
}

impl Firewall {
    /// One that lets an answer in for this long after the last packet out.
    pub fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            flows: BTreeMap::new(),
        }
    }

    /// Forgets every flow.
    pub fn reboot(&mut self) {
        self.flows.clear();
    }

    /// A packet from inside; it passes if it is understood.
    pub fn outbound(&mut self, packet: &[u8], now: Instant) -> Verdict {
        let Some(Flow {
            transport,
            source,
            destination,
        }) = packet::flow(packet)
        else {
            return match packet::quoted(packet) {
                Some(_) => Verdict::Out,
                None => Verdict::Drop,
            };
        };
        if self.flows.len() >= MAX_FLOWS {
            self.flows.retain(|_, expires| *expires > now);
        }
        let opened = (transport, source, destination);
        if self.flows.len() < MAX_FLOWS || self.flows.contains_key(&opened) {
            self.flows.insert(opened, now + self.lifetime);
        }
        Verdict::Out
    }

    /// A packet from outside; it passes if it was asked for.
    pub fn inbound(&self, packet: &[u8], now: Instant) -> Verdict {
        let opened = match (packet::quoted(packet), packet::flow(packet)) {
            (Some(quoted), _) => (quoted.transport, quoted.source, quoted.destination),
            (None, Some(flow)) => (flow.transport, flow.destination, flow.source),
            (None, None) => return Verdict::Drop,
        };
        match self.flows.get(&opened) {
            Some(expires) if *expires > now => Verdict::In,
            _ => Verdict::Drop,
        }
    }
}
