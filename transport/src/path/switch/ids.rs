//! Which connection a connection id names.

use super::Switch;
use crate::path::address::VirtualAddress;
use crate::path::bounds;
use crate::path::connection::Stage;
use crate::path::packet::Cid;

impl Switch {
    /// Binds an id we chose. It takes precedence over whatever was learned from outside.
    pub(super) fn issue(&mut self, virt: VirtualAddress, cid: Cid) {
        let Some(connection) = self.connections.get_mut(&virt) else {
            return;
        };
        if connection.cids.issued.contains(&cid) {
            return;
        }
        let dropped = push_bounded(&mut connection.cids.issued, cid);
        let before = self.cids.insert(cid, virt);
        if let Some(other) = before.and_then(|before| self.connections.get_mut(&before)) {
            other.cids.learned.retain(|known| *known != cid);
        }
        self.forget_cid(virt, dropped);
    }

    /// Notes an id the peer begins to use, which was given to it under encryption. Anybody can send
    /// such a packet, so it never displaces what is known.
    pub(super) fn learn(&mut self, virt: VirtualAddress, cid: Cid) {
        let Some(connection) = self.connections.get_mut(&virt) else {
            return;
        };
        let Stage::Attached(_) = connection.stage else {
            return;
        };
        let dropped = push_bounded(&mut connection.cids.learned, cid);
        self.cids.insert(cid, virt);
        self.forget_cid(virt, dropped);
    }

    pub(super) fn forget_cid(&mut self, virt: VirtualAddress, cid: Option<Cid>) {
        if let Some(cid) = cid
            && self.cids.get(&cid) == Some(&virt)
        {
            self.cids.remove(&cid);
        }
    }
}

fn push_bounded(cids: &mut Vec<Cid>, cid: Cid) -> Option<Cid> {
    let dropped = (cids.len() >= bounds::CIDS).then(|| cids.remove(0));
    cids.push(cid);
    dropped
}
