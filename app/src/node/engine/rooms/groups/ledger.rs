//! A group's durable side, over one transaction of the store.

use dchat_wire::group::{LogCut, SessionExport, SignedOperation};
use dchat_wire::{PeerId, codec};
use zeroize::Zeroizing;

use crate::e2ee::{Export, Secret, SessionId};
use crate::group::{GroupLedger, MAX_SESSIONS, StoredOutbound};
use crate::store::{ConversationId, GroupOutbound, StoreError, Tx, UnixMillis};

/// One group inside one transaction.
pub(in crate::node::engine::rooms) struct GroupTx<'t, 'c> {
    tx: &'t Tx<'c>,
    id: ConversationId,
}

impl<'t, 'c> GroupTx<'t, 'c> {
    pub(super) fn new(tx: &'t Tx<'c>, id: ConversationId) -> Self {
        Self { tx, id }
    }
}

impl GroupLedger for GroupTx<'_, '_> {
    type Error = StoreError;

    fn operations(&mut self) -> Result<Vec<SignedOperation>, StoreError> {
        let stored = self.tx.group_operations(&self.id)?;
        // What was stored was an operation.
        let operations = stored.iter().filter_map(|bytes| codec::decode(bytes).ok());
        Ok(operations.collect())
    }

    fn add_operation(&mut self, operation: &SignedOperation) -> Result<(), StoreError> {
        self.tx
            .add_group_operation(&self.id, &codec::encode(operation))
    }

    fn seat(&mut self) -> Result<Option<Zeroizing<[u8; 32]>>, StoreError> {
        self.tx.group_seat(&self.id)
    }

    fn save_seat(&mut self, seed: &[u8; 32]) -> Result<(), StoreError> {
        self.tx.save_group_seat(&self.id, seed)
    }

    fn outbound(&mut self) -> Result<Option<StoredOutbound>, StoreError> {
        let Some(stored) = self.tx.group_outbound(&self.id)? else {
            return Ok(None);
        };
        let told = stored.told.into_iter();
        Ok(Some(StoredOutbound {
            state: Secret::from(stored.state),
            started_at: u64::try_from(stored.started_at).unwrap_or(0),
            told: told
                .filter_map(|key| PeerId::from_public_key(key).ok())
                .collect(),
        }))
    }

    fn save_outbound(&mut self, outbound: Option<&StoredOutbound>) -> Result<(), StoreError> {
        let row = outbound.map(|outbound| GroupOutbound {
            state: Zeroizing::new(outbound.state.to_vec()),
            started_at: UnixMillis::try_from(outbound.started_at).unwrap_or(UnixMillis::MAX),
            told: outbound
                .told
                .iter()
                .map(|peer| *peer.public_key())
                .collect(),
        });
        self.tx.save_group_outbound(&self.id, row.as_ref())
    }

    fn session(&mut self, of: &PeerId, id: &SessionId) -> Result<Option<Export>, StoreError> {
        self.tx.group_session(&self.id, of.public_key(), &id.0)
    }

    fn session_count(&mut self, of: &PeerId) -> Result<usize, StoreError> {
        let count = self.tx.group_session_count(&self.id, of.public_key())?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn save_session(
        &mut self,
        of: &PeerId,
        id: &SessionId,
        export: &SessionExport,
    ) -> Result<(), StoreError> {
        self.tx
            .save_group_session(&self.id, of.public_key(), &id.0, export, MAX_SESSIONS)
    }

    fn sessions(&mut self, of: &PeerId) -> Result<Vec<Export>, StoreError> {
        self.tx.group_sessions(&self.id, of.public_key())
    }

    fn bodies_among_newest(
        &mut self,
        keys: &[[u8; 32]],
        count: u32,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        self.tx.bodies_among_newest(&self.id, keys, count)
    }

    fn logs_of(&mut self, key: &[u8; 32]) -> Result<Vec<LogCut>, StoreError> {
        let logs = self.tx.logs_signed_by(&self.id, key)?.into_iter();
        let cut = logs.map(|(log, seq)| LogCut {
            log,
            seq: u32::try_from(seq).unwrap_or(u32::MAX),
        });
        Ok(cut.collect())
    }
}
