//! Tokens under which messages were queued, so that a caller can ask again after a crash.

use rusqlite::params;

use super::limits::{MAX_TOKENS, TOKEN_LIFETIME_MS};
use super::transaction::seq_to_sql;
use super::{EntryId, StoreError, Tx, UnixMillis, View};

/// Random name a caller gives to one request to send.
pub type Token = [u8; 16];

impl View<'_> {
    /// The message that was queued under `token`.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn sent_under(&self, token: &Token) -> Result<Option<EntryId>, StoreError> {
        self.one(
            "SELECT id FROM sent_tokens WHERE token = ?1",
            [token],
            |row| row.get(0),
        )
    }
}

impl Tx<'_> {
    /// Remembers that `id` was queued under `token`, for a day and for the latest [`MAX_TOKENS`].
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn remember_sent(
        &self,
        token: &Token,
        id: &EntryId,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT OR REPLACE INTO sent_tokens (token, id, sent_at) VALUES (?1, ?2, ?3)",
            params![token, id, now],
        )?;
        self.run(
            "DELETE FROM sent_tokens WHERE sent_at < ?1",
            [now.saturating_sub(TOKEN_LIFETIME_MS)],
        )?;
        self.run(
            "DELETE FROM sent_tokens WHERE ord <= (SELECT max(ord) FROM sent_tokens) - ?1",
            [seq_to_sql(MAX_TOKENS as u64)],
        )?;
        Ok(())
    }
}
