//! What happens to a connection, from its attachment to its release.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use super::Switch;
use crate::path::address::{Route, VirtualAddress, canonical, may_be_offered};
use crate::path::attached::{Attached, ProbePair};
use crate::path::bounds;
use crate::path::connection::Stage;
use crate::path::context::{Context, Output};
use crate::path::leg::LegId;
use crate::path::path::Path;

impl Switch {
    pub(super) fn attach(&mut self, virt: VirtualAddress, keys: ProbePair, now: Instant) {
        let only = self
            .connections
            .get(&virt)
            .and_then(|connection| match connection.stage {
                Stage::Provisional { .. } | Stage::Dialed { .. } => Some(connection.only),
                Stage::Attached(_) | Stage::Lingering { .. } => None,
            });
        let Some(path) = only.and_then(|only| Path::only(only, &self.common.legs, now)) else {
            if !self.connections.contains_key(&virt) {
                self.common.output(Output::Lost { virt });
            }
            return;
        };
        let mut cx = Context {
            now,
            virt,
            common: &mut self.common,
        };
        let attached = Attached::new(keys, path, &mut cx);
        self.tags.insert(attached.their_tag(), virt);
        if let Some(connection) = self.connections.get_mut(&virt) {
            connection.stage = Stage::Attached(Box::new(attached));
        }
        self.classify(virt);
        self.rearm(virt);
    }

    pub(super) fn offer(&mut self, virt: VirtualAddress, remotes: &[SocketAddr], now: Instant) {
        let Some(connection) = self.connections.get(&virt) else {
            return;
        };
        let info = connection.info(&self.common.legs, now);
        let loopback = info.is_some_and(|path| path.remote.ip().is_loopback());
        let mut routes: Vec<(LegId, SocketAddr)> = Vec::new();
        for remote in remotes.iter().take(bounds::OFFERED).copied().map(canonical) {
            if !may_be_offered(remote, loopback) {
                continue;
            }
            routes.extend(self.legs_to(remote).map(|leg| (leg, remote)));
        }
        // The preferred family first; otherwise in the peer's order.
        routes.sort_by_key(|(_, remote)| remote.is_ipv4());
        let mut seen = BTreeSet::new();
        routes.retain(|route| seen.insert(*route));
        self.attached(virt, now, |attached, cx| attached.offer(routes, cx));
    }

    pub(super) fn release(&mut self, virt: VirtualAddress, now: Instant) {
        let Some(connection) = self.connections.get_mut(&virt) else {
            return;
        };
        connection.only = connection.route();
        let before = std::mem::replace(
            &mut connection.stage,
            Stage::Lingering {
                until: now + bounds::LINGER,
            },
        );
        // Its remaining packets come to ids that are known; others are a newer connection's.
        let (leg, addr) = connection.home;
        self.homes.remove(&(leg, addr, virt));
        self.forget_tag(virt, &before);
        self.classify(virt);
        self.rearm(virt);
    }

    pub(super) fn send_failed(&mut self, virt: VirtualAddress, route: Route, now: Instant) {
        self.common.stats.send_failed += 1;
        let Some(connection) = self.connections.get_mut(&virt) else {
            return;
        };
        match &mut connection.stage {
            Stage::Dialed { lost } => {
                if !std::mem::replace(lost, true) {
                    self.common.output(Output::Lost { virt });
                }
            }
            Stage::Attached(_) => {
                self.attached(virt, now, |attached, cx| {
                    attached.send_failed(route.leg, route.remote, cx);
                });
            }
            Stage::Provisional { .. } | Stage::Lingering { .. } => connection.only.local = None,
        }
    }

    /// Lets an attached connection act, then keeps the tables about it right.
    pub(super) fn attached(
        &mut self,
        virt: VirtualAddress,
        now: Instant,
        act: impl FnOnce(&mut Attached, &mut Context<'_>),
    ) {
        let Some(connection) = self.connections.get_mut(&virt) else {
            return;
        };
        let Stage::Attached(attached) = &mut connection.stage else {
            return;
        };
        let mut cx = Context {
            now,
            virt,
            common: &mut self.common,
        };
        act(attached, &mut cx);
        let home = (attached.active().leg, attached.active().remote);
        let wake_at = attached.wake_at();
        if !connection.adopted.is_empty() {
            Self::close_unused(&mut self.common, connection);
        }
        if home != connection.home {
            let (leg, addr) = std::mem::replace(&mut connection.home, home);
            self.homes.remove(&(leg, addr, virt));
            self.homes.insert((home.0, home.1, virt));
        }
        Self::arm(&mut self.timers, connection, virt, wake_at);
    }
}
