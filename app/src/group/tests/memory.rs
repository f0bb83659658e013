//! A ledger in memory, and the items beside it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use dchat_gossip::Item;
use dchat_wire::PeerId;
use dchat_wire::group::{LogCut, SessionExport, SignedOperation};
use zeroize::Zeroizing;

use crate::e2ee::{Export, SessionId};
use crate::group::{GroupLedger, MAX_SESSIONS, StoredOutbound};

/// Where an item is in a group's order.
pub(super) type At = (u64, [u8; 16], u32);

#[derive(Clone, Default)]
pub(super) struct Memory {
    pub(super) operations: Vec<SignedOperation>,
    pub(super) seat: Option<[u8; 32]>,
    pub(super) outbound: Option<StoredOutbound>,
    pub(super) sessions: Vec<(PeerId, SessionId, SessionExport)>,
    pub(super) items: BTreeMap<At, Arc<Item>>,
}

impl GroupLedger for Memory {
    type Error = Infallible;

    fn operations(&mut self) -> Result<Vec<SignedOperation>, Infallible> {
        Ok(self.operations.clone())
    }

    fn add_operation(&mut self, operation: &SignedOperation) -> Result<(), Infallible> {
        assert!(!self.operations.contains(operation), "added twice");
        self.operations.push(operation.clone());
        Ok(())
    }

    fn seat(&mut self) -> Result<Option<Zeroizing<[u8; 32]>>, Infallible> {
        Ok(self.seat.map(Zeroizing::new))
    }

    fn save_seat(&mut self, seed: &[u8; 32]) -> Result<(), Infallible> {
        self.seat = Some(*seed);
        Ok(())
    }

    fn outbound(&mut self) -> Result<Option<StoredOutbound>, Infallible> {
        Ok(self.outbound.clone())
    }

    fn save_outbound(&mut self, outbound: Option<&StoredOutbound>) -> Result<(), Infallible> {
        self.outbound = outbound.cloned();
        Ok(())
    }

    fn session(&mut self, of: &PeerId, id: &SessionId) -> Result<Option<Export>, Infallible> {
        let mut sessions = self.sessions.iter();
        let found = sessions.find(|(peer, session, _)| (peer, session) == (of, id));
        Ok(found.map(|(_, _, export)| Zeroizing::new(*export)))
    }

    fn session_count(&mut self, of: &PeerId) -> Result<usize, Infallible> {
        Ok(self.sessions.iter().filter(|(peer, ..)| peer == of).count())
    }

    fn save_session(
        &mut self,
        of: &PeerId,
        id: &SessionId,
        export: &SessionExport,
    ) -> Result<(), Infallible> {
        self.sessions
            .retain(|(peer, session, _)| (peer, session) != (of, id));
        self.sessions.push((*of, *id, *export));
        assert!(self.session_count(of)? <= MAX_SESSIONS);
        Ok(())
    }

    fn sessions(&mut self, of: &PeerId) -> Result<Vec<Export>, Infallible> {
        let own = self.sessions.iter().filter(|(peer, ..)| peer == of);
        Ok(own.map(|(_, _, export)| Zeroizing::new(*export)).collect())
    }

    fn bodies_among_newest(
        &mut self,
        keys: &[[u8; 32]],
        count: u32,
    ) -> Result<Vec<Vec<u8>>, Infallible> {
        let newest = self.items.values().rev().take(count as usize);
        let own = newest.filter(|item| keys.contains(item.author()));
        Ok(own
            .filter_map(|item| item.signed().body.clone())
            .map(dchat_wire::codec::Bytes::into_vec)
            .collect())
    }

    fn logs_of(&mut self, key: &[u8; 32]) -> Result<Vec<LogCut>, Infallible> {
        let mut logs: BTreeMap<[u8; 16], u32> = BTreeMap::new();
        for item in self.items.values().filter(|item| item.author() == key) {
            let seq = logs.entry(item.log().0).or_default();
            *seq = item.seq().max(*seq);
        }
        let logs = logs.into_iter().map(|(log, seq)| LogCut { log, seq });
        Ok(logs.collect())
    }
}
