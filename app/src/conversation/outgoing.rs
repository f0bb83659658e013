//! What is due to the peer: frontiers, then entries in full parcels as far as the window allows.

use dchat_wire::Frame;
use dchat_wire::chat::Envelope;
use dchat_wire::codec::{Bytes, List};
use dchat_wire::extension::Extensions;
use dchat_wire::limits;
use dchat_wire::parcel::{Entry, Parcel};
use zeroize::Zeroizing;

use super::exchange::Conversation;
use super::window::Window;
use super::{Error, Ledger, Log, Misbehaviour, Output, entry};

/// Bytes of an encoded frontier: author 32, incarnation 16, three numbers, hash 32.
const FRONTIER: usize = 104;
/// Bytes left for entries when a parcel carries all frontiers: without the counts of two lists,
/// extensions and padding.
const ENTRY_BYTES: usize = limits::PARCEL - limits::PARCEL_FRONTIERS * FRONTIER - 4 * 8;

impl Conversation {
    /// Encrypts everything due into the session in use, if there is one. `false` when that
    /// session turned out to be unreadable.
    pub(super) fn send_due<L: Ledger>(
        &mut self,
        ledger: &mut L,
        now: u64,
    ) -> Result<bool, Error<L::Error>> {
        if self.sending.is_none() {
            return Ok(true);
        }
        let own = ledger.own_log().map_err(Error::Ledger)?;
        let mut logs: Option<Vec<Log>> = None;
        loop {
            // The first parcel has frontiers only, also where the peer's came before it (DC-CHAT-039).
            let entries = if self.synced {
                self.next_entries(ledger, own.as_ref(), now)?
            } else {
                Vec::new()
            };
            let frontiers_due = !self.synced || !self.reports.is_empty();
            if entries.is_empty() && !frontiers_due {
                return Ok(true);
            }
            let frontiers = if frontiers_due {
                let logs = match &mut logs {
                    Some(logs) => logs,
                    None => logs.insert(ledger.logs().map_err(Error::Ledger)?),
                };
                self.reports.take(&self.pair, logs, !self.synced)
            } else {
                List::default()
            };
            let parcel = Parcel::new(frontiers, List::first_of(entries));
            if !self.encrypt(ledger, parcel, now)? {
                return Ok(false);
            }
            self.synced = true;
            self.sync_sent = true;
        }
    }

    /// Entries for one parcel, counted as on the way.
    fn next_entries<L: Ledger>(
        &mut self,
        ledger: &mut L,
        own: Option<&Log>,
        now: u64,
    ) -> Result<Vec<Entry>, Error<L::Error>> {
        let Some(own) = own.filter(|_| self.peer_synced && !self.divergence.is_known()) else {
            return Ok(Vec::new());
        };
        let is_new = self
            .outgoing
            .as_ref()
            .is_none_or(|(log, _)| *log != own.incarnation);
        if is_new {
            // It began after the peer told what it holds.
            self.outgoing = Some((own.incarnation, Window::starting_at(0)));
        }
        let Some((_, window)) = &mut self.outgoing else {
            return Ok(Vec::new());
        };
        let count = window.room().min(limits::PARCEL_ENTRIES);
        if count == 0 || window.sent() >= own.last_seq {
            return Ok(Vec::new());
        }
        let stored = ledger
            .own_entries_after(&own.incarnation, window.sent(), count, ENTRY_BYTES)
            .map_err(Error::Ledger)?;
        let mut entries = Vec::with_capacity(stored.len());
        let mut bytes = 0;
        for stored in stored {
            let size = entry::OVERHEAD + stored.text.as_ref().map_or(0, String::len);
            if bytes + size > ENTRY_BYTES || !window.send(stored.seq, size) {
                break;
            }
            bytes += size;
            entries.push(entry::to_wire(&stored, &own.incarnation, now));
        }
        Ok(entries)
    }

    /// Seals a parcel and stages it. `false` when the session turned out to be unreadable and was
    /// dropped.
    fn encrypt<L: Ledger>(
        &mut self,
        ledger: &mut L,
        parcel: Parcel,
        now: u64,
    ) -> Result<bool, Error<L::Error>> {
        let Some(id) = self.sending else {
            return Ok(false);
        };
        let plaintext = parcel
            .seal()
            .map(Zeroizing::new)
            .map_err(|_| Error::Misuse("a parcel was filled beyond its limit"))?;
        let sealed = match self.sessions.live(id, now) {
            Ok(Some(session)) => session.encrypt(&plaintext),
            Ok(None) | Err(_) => {
                self.lose_session(ledger, id)?;
                self.renew_session();
                return Ok(false);
            }
        };
        let sealed = sealed.map_err(Misbehaviour::RatchetKey)?;
        self.used.insert(id);
        self.staged.push(Output::Send(Frame::Envelope(Envelope {
            session: id.0,
            stage: sealed.stage,
            message: Bytes::new(sealed.message)
                .map_err(|_| Error::Misuse("a parcel was filled beyond its limit"))?,
            extensions: Extensions::default(),
        })));
        Ok(true)
    }
}
