//! Whose an inbound datagram is.

use std::time::Instant;

use dchat_wire::probe::Probe;

use super::{Switch, Verdict};
use crate::path::address::{VirtualAddress, is_reserved};
use crate::path::allowance::Allowance;
use crate::path::attached::Arrival;
use crate::path::bounds;
use crate::path::connection::{Class, Connection, Stage};
use crate::path::leg::PathKind;
use crate::path::packet::{Cid, Packet};

impl Switch {
    /// Whose an inbound datagram is.
    pub fn inbound(&mut self, arrival: Arrival, datagram: &[u8], now: Instant) -> Verdict {
        if is_reserved(arrival.from) && !self.is_channel(&arrival) {
            self.common.stats.foreign += 1;
            return Verdict::Consumed;
        }
        match Packet::of(datagram) {
            Packet::Short { dcid } => self.inbound_short(&arrival, dcid, datagram.len(), now),
            Packet::Long {
                dcid, scid, opens, ..
            } => {
                let known = Cid::new(dcid).and_then(|cid| self.cids.get(&cid).copied());
                match known {
                    Some(virt) => self.known(virt, &arrival, datagram.len(), now),
                    None => self.handshake(&arrival, scid, opens, datagram.len()),
                }
            }
            Packet::Probe => {
                let tag = Probe::tag(datagram);
                let Some(virt) = tag.and_then(|tag| self.tags.get(&tag).copied()) else {
                    self.common.stats.probe_unknown += 1;
                    return Verdict::Consumed;
                };
                self.attached(virt, now, |attached, cx| {
                    attached.probe_in(&arrival, datagram, cx);
                });
                Verdict::Consumed
            }
            Packet::Foreign => {
                self.common.stats.foreign += 1;
                Verdict::Consumed
            }
        }
    }

    fn inbound_short(&mut self, arrival: &Arrival, dcid: Cid, len: usize, now: Instant) -> Verdict {
        if let Some(virt) = self.cids.get(&dcid).copied() {
            return self.known(virt, arrival, len, now);
        }
        let (leg, from) = (arrival.leg, arrival.from);
        let home = (leg, from, VirtualAddress::FIRST)..=(leg, from, VirtualAddress::LAST);
        // Who has shown no round trip has not been told an id either.
        let mut at_home: Vec<VirtualAddress> = self
            .homes
            .range(home)
            .map(|(_, _, virt)| *virt)
            .filter(|virt| self.class_of(*virt) != Some(Class::Unproven))
            .take(bounds::SHARED)
            .collect();
        self.common.stats.unknown_ids += u64::from(!at_home.is_empty());
        match (at_home.pop(), at_home.is_empty()) {
            (None, _) => self.stranger(VirtualAddress::provisional(&self.key, from, &[]), arrival),
            (Some(virt), true) => {
                self.learn(virt, dcid);
                Verdict::Deliver(virt)
            }
            (Some(virt), false) => {
                at_home.push(virt);
                Verdict::Ambiguous(at_home)
            }
        }
    }

    /// Whether it came over a channel; from elsewhere the address of one is a forgery.
    fn is_channel(&self, arrival: &Arrival) -> bool {
        let leg = self.common.legs.get(arrival.leg);
        leg.is_some_and(|leg| leg.kind() == PathKind::Relayed && leg.reaches(arrival.from))
    }

    fn class_of(&self, virt: VirtualAddress) -> Option<Class> {
        self.connections.get(&virt)?.class()
    }

    /// A packet to one of our ids: it belongs to that connection, wherever it comes from.
    fn known(
        &mut self,
        virt: VirtualAddress,
        arrival: &Arrival,
        len: usize,
        now: Instant,
    ) -> Verdict {
        let Some(connection) = self.connections.get_mut(&virt) else {
            return Verdict::Deliver(virt);
        };
        match &mut connection.stage {
            Stage::Attached(_) => {
                self.attached(virt, now, |attached, cx| attached.data_in(arrival, len, cx));
            }
            // An id of ours came back from where our answer went: that address is real.
            Stage::Provisional { proven, .. }
                if !*proven && connection.only.remote == arrival.from =>
            {
                *proven = true;
                self.classify(virt);
            }
            Stage::Provisional { .. } | Stage::Dialed { .. } | Stage::Lingering { .. } => {}
        }
        Verdict::Deliver(virt)
    }

    /// A long header to an id that is not ours: somebody begins.
    fn handshake(&mut self, arrival: &Arrival, scid: &[u8], opens: bool, len: usize) -> Verdict {
        let virt = VirtualAddress::provisional(&self.key, arrival.from, scid);
        if let Some(connection) = self.connections.get_mut(&virt) {
            if let Stage::Provisional { allowance, .. } = &mut connection.stage {
                allowance.received(len);
            }
            return Verdict::Deliver(virt);
        }
        if !opens || !self.make_room(Class::Unproven) {
            return self.stranger(virt, arrival);
        }
        let mut allowance = Allowance::default();
        allowance.received(len);
        let stage = Stage::Provisional {
            proven: false,
            allowance,
        };
        self.insert(virt, Connection::new(stage, arrival.back()));
        Verdict::Deliver(virt)
    }

    fn stranger(&mut self, virt: VirtualAddress, arrival: &Arrival) -> Verdict {
        self.common.stats.strangers += 1;
        self.replies.note(virt, arrival.back());
        Verdict::Deliver(virt)
    }
}
