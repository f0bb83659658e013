//! What a newcomer is given of what we wrote before it came.

use std::collections::BTreeMap;

use dchat_wire::PeerId;
use dchat_wire::codec;
use dchat_wire::defect::{self, Defect};
use dchat_wire::group::{LateJoin, SealedBody};

use crate::e2ee::{Export, InboundSession, OutboundSession, SessionId, message_index};

use super::state::Group;
use super::{GroupLedger, StoredOutbound};

impl Group {
    /// Tells `peer`, who is new, our own sessions as far as the policy lets it read back. The one in
    /// use it is told at our next item in any case.
    pub(super) fn share_past<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        peer: &PeerId,
    ) -> Result<(), L::Error> {
        if !self.roster.is_member(&self.me) {
            return Ok(());
        }
        let exports = match self.roster.policy.late_join {
            _ if defect::is(Defect::HandsOverEverything) => ledger.sessions(&self.me)?,
            LateJoin::None => return Ok(()),
            LateJoin::All => ledger.sessions(&self.me)?,
            LateJoin::Last(count) => self.newest_own(ledger, count)?,
        };
        if exports.is_empty() {
            return Ok(());
        }
        self.tell_keys(*peer, &exports);
        if let Some(mut stored) = ledger.outbound()?
            && is_among(&stored, &exports)
            && let Err(at) = stored.told.binary_search(peer)
        {
            stored.told.insert(at, *peer);
            ledger.save_outbound(Some(&stored))?;
        }
        Ok(())
    }

    /// Our sessions from the first of our items on that is among the newest `count` of the group.
    fn newest_own<L: GroupLedger>(
        &self,
        ledger: &mut L,
        count: u32,
    ) -> Result<Vec<Export>, L::Error> {
        let writers = self.roster.writers.iter();
        let keys: Vec<[u8; 32]> = writers
            .filter(|(_, writer)| writer.member == self.me)
            .map(|(key, _)| *key)
            .collect();
        let mut first: BTreeMap<SessionId, u32> = BTreeMap::new();
        for body in ledger.bodies_among_newest(&keys, count)? {
            let Ok(sealed) = codec::decode::<SealedBody>(&body) else {
                continue;
            };
            if let Ok(index) = message_index(sealed.message.as_slice()) {
                let held = first.entry(SessionId(sealed.session)).or_insert(index);
                *held = index.min(*held);
            }
        }
        let mut exports = Vec::new();
        for (id, index) in first {
            let held = ledger.session(&self.me, &id)?;
            let held = held.and_then(|held| InboundSession::import(&held).ok());
            exports.extend(held.and_then(|mut held| held.export_at(index)));
        }
        Ok(exports)
    }
}

/// Whether the session in use is among `exports`.
fn is_among(stored: &StoredOutbound, exports: &[Export]) -> bool {
    let in_use = OutboundSession::from_state(&stored.state).map(|session| session.id());
    in_use.is_ok_and(|in_use| {
        let mut exports = exports.iter();
        exports.any(|export| export.ends_with(&in_use.0))
    })
}
