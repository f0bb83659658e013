//! Looking for direct paths: what the agents of connections are told, and the sockets of scatters.

use std::net::SocketAddr;
use std::time::Instant;

use dchat_nat::agent::{self, Outcome, Socket};
use dchat_wire::probe::Probe;

use super::Switch;
use crate::path::address::{Route, VirtualAddress};
use crate::path::connection::{Connection, Stage};
use crate::path::context::{Common, Output};
use crate::path::leg::Leg;

/// A datagram that came to a socket of a scatter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtraArrival {
    /// Whose scatter it is.
    pub virt: VirtualAddress,
    /// Which of its sockets, from 0.
    pub socket: u16,
    /// Where that is bound.
    pub bound: SocketAddr,
    /// The source, in [`canonical`](super::canonical) form.
    pub from: SocketAddr,
}

impl Switch {
    /// Takes a datagram that came to a socket of a scatter; it can only be a probe. One that answers
    /// a question of ours makes the socket a leg: there is an [`Adopt`](Output::Adopt).
    pub fn inbound_extra(&mut self, arrival: ExtraArrival, datagram: &[u8], now: Instant) {
        let ExtraArrival {
            virt,
            socket,
            bound,
            from,
        } = arrival;
        if !Probe::is_probe(datagram) {
            self.common.stats.foreign += 1;
            return;
        }
        let tag = Probe::tag(datagram);
        if tag.and_then(|tag| self.tags.get(&tag)) != Some(&virt) {
            self.common.stats.probe_unknown += 1;
            return;
        }
        let mut answered = None;
        self.attached(virt, now, |attached, cx| {
            answered = attached.extra_in(socket, from, datagram, cx);
        });
        let Some((observed, rtt)) = answered else {
            return;
        };
        // One is enough: the others of the scatter are closed. It takes the place of an earlier one.
        let adopted = self.connections.get(&virt).map(|of| of.adopted.clone());
        for leg in adopted.unwrap_or_default() {
            self.attached(virt, now, |attached, cx| {
                if attached.is_spent(leg, now) {
                    attached.lose(|path| path.leg == leg, cx);
                }
            });
        }
        let connection = self.connections.get_mut(&virt);
        let Some(connection) = connection.filter(|of| of.adopted.is_empty()) else {
            return;
        };
        let Some(leg) = self.common.legs.add(Leg::Adopted { bound }) else {
            return;
        };
        connection.adopted.push(leg);
        self.common.output(Output::Adopt { virt, socket, leg });
        let route = Route {
            leg,
            local: None,
            remote: from,
        };
        self.attached(virt, now, |attached, cx| {
            attached.found(route, observed, rtt, cx);
            let answered = agent::Input::Answered {
                from: Socket::Extra(socket),
                remote: from,
                rtt,
            };
            attached.tell_agent(answered, cx);
        });
    }

    /// How the search for a direct path stands, where there is one.
    #[must_use]
    pub fn outcome(&self, virt: VirtualAddress) -> Option<Outcome> {
        match &self.connections.get(&virt)?.stage {
            Stage::Attached(attached) => attached.outcome(),
            Stage::Provisional { .. } | Stage::Dialed { .. } | Stage::Lingering { .. } => None,
        }
    }

    /// Closes the legs a connection alone used and uses no more.
    pub(super) fn close_unused(common: &mut Common, connection: &mut Connection) {
        let Stage::Attached(attached) = &connection.stage else {
            return;
        };
        connection.adopted.retain(|leg| {
            let used = attached.uses(*leg);
            if !used {
                close(common, *leg);
            }
            used
        });
    }

    /// Closes all of them.
    pub(super) fn close_adopted(common: &mut Common, connection: &Connection) {
        for leg in &connection.adopted {
            close(common, *leg);
        }
    }
}

fn close(common: &mut Common, leg: crate::path::leg::LegId) {
    if common.legs.remove(leg).is_some() {
        common.output(Output::CloseLeg { leg });
    }
}
