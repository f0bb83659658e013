//! The table of connections: timers, and who is evicted when it is full.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Switch;
use crate::path::address::VirtualAddress;
use crate::path::connection::{Class, Connection, Stage};

impl Switch {
    pub(super) fn rearm(&mut self, virt: VirtualAddress) {
        if let Some(connection) = self.connections.get_mut(&virt) {
            let wake_at = connection.wake_at();
            Self::arm(&mut self.timers, connection, virt, wake_at);
        }
    }

    /// Sets the timer if none is set early enough. One that is too early is left: it finds nothing
    /// due and sets the next, which costs less than moving it with every packet.
    pub(super) fn arm(
        timers: &mut BTreeSet<(Instant, VirtualAddress)>,
        connection: &mut Connection,
        virt: VirtualAddress,
        wake_at: Option<Instant>,
    ) {
        let Some(at) = wake_at.filter(|at| connection.armed.is_none_or(|armed| *at < armed)) else {
            return;
        };
        if let Some(armed) = connection.armed.replace(at) {
            timers.remove(&(armed, virt));
        }
        timers.insert((at, virt));
    }

    pub(super) fn insert(&mut self, virt: VirtualAddress, connection: Connection) {
        let (leg, addr) = connection.home;
        self.homes.insert((leg, addr, virt));
        self.connections.insert(virt, connection);
        self.classify(virt);
    }

    pub(super) fn remove(&mut self, virt: VirtualAddress) {
        let Some(connection) = self.connections.remove(&virt) else {
            return;
        };
        Self::close_adopted(&mut self.common, &connection);
        let (leg, addr) = connection.home;
        self.homes.remove(&(leg, addr, virt));
        if let Some(at) = connection.armed {
            self.timers.remove(&(at, virt));
        }
        if let Some(key) = connection.evictable {
            self.evictable.remove(&key);
            self.unproven -= usize::from(key.0 == Class::Unproven);
        }
        for cid in connection
            .cids
            .issued
            .iter()
            .chain(&connection.cids.learned)
        {
            self.forget_cid(virt, Some(*cid));
        }
        self.forget_tag(virt, &connection.stage);
    }

    pub(super) fn forget_tag(&mut self, virt: VirtualAddress, stage: &Stage) {
        if let Stage::Attached(attached) = stage
            && self.tags.get(&attached.their_tag()) == Some(&virt)
        {
            self.tags.remove(&attached.their_tag());
        }
    }

    /// Puts a connection where its stage says it may be evicted.
    pub(super) fn classify(&mut self, virt: VirtualAddress) {
        let Some(connection) = self.connections.get_mut(&virt) else {
            return;
        };
        self.serial += 1;
        let key = connection.class().map(|class| (class, self.serial));
        let before = std::mem::replace(&mut connection.evictable, key);
        if let Some(before) = before {
            self.evictable.remove(&before);
            self.unproven -= usize::from(before.0 == Class::Unproven);
        }
        if let Some(key) = key {
            self.evictable.insert(key, virt);
            self.unproven += usize::from(key.0 == Class::Unproven);
        }
    }

    /// Makes room for one more by evicting what is worth no more than `worth`, oldest first.
    /// `false` when there is no such.
    pub(super) fn make_room(&mut self, worth: Class) -> bool {
        if worth == Class::Unproven && self.unproven >= self.config.provisional {
            let oldest = self.evictable.range((Class::Unproven, 0)..).next();
            if let Some((_, virt)) = oldest.map(|(key, virt)| (*key, *virt)) {
                self.common.stats.evicted += 1;
                self.remove(virt);
            }
        }
        if self.connections.len() < self.config.virtual_addresses {
            return true;
        }
        let Some((key, virt)) = self
            .evictable
            .first_key_value()
            .map(|(key, virt)| (*key, *virt))
        else {
            return false;
        };
        if key.0 > worth {
            return false;
        }
        self.common.stats.evicted += u64::from(key.0 != Class::Lingering);
        self.remove(virt);
        true
    }
}
