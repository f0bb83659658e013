//! The virtual clock and what happens in its order.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    flow::{Flow, FlowConfig, Packet},
    link::{Link, LinkId},
};

/// Links, flows and the packets between them.
pub struct World {
    origin: Instant,
    now: Instant,
    links: Vec<Link>,
    /// The flows, in the order they were added.
    pub flows: Vec<Flow>,
    /// By arrival, then by order of sending.
    in_transit: BTreeMap<(Instant, u64), Arrival>,
    sent: u64,
}

struct Arrival {
    flow: usize,
    at_server: bool,
    packet: Packet,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty world. Only differences to its origin ever matter.
    pub fn new() -> Self {
        let origin = Instant::now();
        Self {
            origin,
            now: origin,
            links: Vec::new(),
            flows: Vec::new(),
            in_transit: BTreeMap::new(),
            sent: 0,
        }
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now - self.origin
    }

    /// Adds one direction of a link.
    pub fn add_link(&mut self, link: Link) -> LinkId {
        self.links.push(link);
        LinkId(self.links.len() - 1)
    }

    /// A link, to change or read it.
    pub fn link(&mut self, id: LinkId) -> &mut Link {
        &mut self.links[id.0]
    }

    /// Adds a flow; its index is its place in `flows`.
    pub fn add_flow(&mut self, config: FlowConfig) -> usize {
        self.flows.push(Flow::new(config, self.origin));
        self.flows.len() - 1
    }

    /// Runs until `end` after the start.
    pub fn run_until(&mut self, end: Duration) {
        let end = self.origin + end;
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until every flow has finished or failed, at most until `end` after the start.
    pub fn run_to_completion(&mut self, end: Duration) {
        let end = self.origin + end;
        while !self
            .flows
            .iter()
            .all(|flow| flow.is_finished() || flow.failure().is_some())
            && self.step(end)
        {}
    }

    /// Lets flow `index` act on what the caller just changed, at the present time.
    pub fn drive(&mut self, index: usize) {
        self.flows[index].drive(self.now);
        self.collect(index);
    }

    /// Advances to the next event if it is not after `end`.
    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.in_transit.keys().next().map(|key| key.0);
        let timer = self.flows.iter_mut().filter_map(Flow::next_wakeup).min();
        let next = match [arrival, timer].into_iter().flatten().min() {
            Some(next) if next <= end => next.max(self.now),
            _ => return false,
        };
        self.now = next;
        let mut touched = Vec::new();
        while let Some(entry) = self.in_transit.first_entry() {
            if entry.key().0 > next {
                break;
            }
            let arrival = entry.remove();
            let flow = &mut self.flows[arrival.flow];
            let side = if arrival.at_server {
                &mut flow.server
            } else {
                &mut flow.client
            };
            side.receive(next, arrival.packet);
            if !touched.contains(&arrival.flow) {
                touched.push(arrival.flow);
            }
        }
        for index in 0..self.flows.len() {
            let due = self.flows[index].next_wakeup().is_some_and(|at| at <= next);
            if due || touched.contains(&index) {
                self.drive(index);
            }
        }
        true
    }

    /// Puts what a flow has sent onto its links.
    fn collect(&mut self, index: usize) {
        let flow = &mut self.flows[index];
        let sides = [
            (
                true,
                flow.forward,
                std::mem::take(&mut flow.client.outbound),
            ),
            (false, flow.back, std::mem::take(&mut flow.server.outbound)),
        ];
        for (at_server, link, packets) in sides {
            for packet in packets {
                let Some(at) = self.links[link.0].transmit(self.now, packet.bytes.len()) else {
                    continue;
                };
                self.sent += 1;
                let arrival = Arrival {
                    flow: index,
                    at_server,
                    packet,
                };
                self.in_transit.insert((at, self.sent), arrival);
            }
        }
    }
}
