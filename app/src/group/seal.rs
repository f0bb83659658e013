//! Bodies of our own items.

use dchat_wire::PeerId;
use dchat_wire::codec::{self, Bytes, List};
use dchat_wire::defect::{self, Defect};
use dchat_wire::extension::Extensions;
use dchat_wire::group::{GroupKeys, SealedBody, SessionExport};
use dchat_wire::limits;
use dchat_wire::parcel::entry_kind;

use crate::e2ee::OutboundSession;

use super::state::Group;
use super::{GroupLedger, Output, SealError, StoredOutbound};

/// Items sealed with one session (DESIGN §8).
pub const MAX_MESSAGES: u32 = 100;
/// How long a session is used, in milliseconds: 7 days (DESIGN §8).
pub const MAX_AGE: u64 = 7 * 24 * 60 * 60 * 1000;

impl Group {
    /// Seals `text`, the body of our next item. Members that lack the session are told it first.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        text: &str,
        now: u64,
    ) -> Result<Vec<u8>, SealError<L::Error>> {
        let len = text.len();
        if !self.roster.is_member(&self.me) {
            return Err(SealError::NotMember);
        }
        if len > limits::TEXT {
            return Err(SealError::TooLong { len });
        }
        let (mut session, mut stored) = self.session(ledger, now)?;
        let export = session.reader().export()?;
        for peer in self.untold(&stored) {
            self.tell_keys(peer, core::slice::from_ref(&export));
            stored.told.push(peer);
        }
        stored.told.sort_unstable();
        let message = session.encrypt(text.as_bytes());
        stored.state = session.to_state()?;
        ledger
            .save_outbound(Some(&stored))
            .map_err(SealError::Ledger)?;
        Ok(codec::encode(&SealedBody {
            session: session.id().0,
            message: Bytes::new(message).map_err(|_| SealError::TooLong { len })?,
        }))
    }

    /// The session in use, or a new one when that has served its time.
    fn session<L: GroupLedger>(
        &self,
        ledger: &mut L,
        now: u64,
    ) -> Result<(OutboundSession, StoredOutbound), SealError<L::Error>> {
        let stored = ledger.outbound().map_err(SealError::Ledger)?;
        let usable = stored.and_then(|stored| {
            let age = now.checked_sub(stored.started_at)?;
            let session = OutboundSession::from_state(&stored.state).ok()?;
            let is_used_up = session.index() >= MAX_MESSAGES && !defect::is(Defect::NeverRotates);
            (age < MAX_AGE && !is_used_up).then_some((session, stored))
        });
        if let Some(usable) = usable {
            return Ok(usable);
        }
        let session = OutboundSession::generate()?;
        let export = session.reader().export()?;
        // Kept for newcomers that may read what was written before.
        ledger
            .save_session(&self.me, &session.id(), &export)
            .map_err(SealError::Ledger)?;
        let stored = StoredOutbound {
            state: session.to_state()?,
            started_at: now,
            told: Vec::new(),
        };
        Ok((session, stored))
    }

    fn untold(&self, stored: &StoredOutbound) -> Vec<PeerId> {
        let readers = self.roster.readers();
        readers
            .filter(|peer| **peer != self.me && stored.told.binary_search(peer).is_err())
            .copied()
            .collect()
    }

    /// Writes sessions of ours to somebody, in as many entries as they need.
    pub(super) fn tell_keys<K: core::ops::Deref<Target = SessionExport>>(
        &mut self,
        to: PeerId,
        sessions: &[K],
    ) {
        for some in sessions.chunks(limits::GROUP_KEYS) {
            let body = GroupKeys {
                group: *self.id(),
                sessions: List::first_of(some.iter().map(|export| **export)),
                extensions: Extensions::default(),
            };
            self.outputs.push_back(Output::Tell {
                to,
                kind: entry_kind::GROUP_KEYS,
                body: codec::encode(&body),
            });
        }
    }
}
