//! Messages whose time has come.

use rusqlite::params;

use super::{
    EntryId, EntryState, StoreError, Tx, UnixMillis, View, limits::MAX_PAGE, terms,
    transaction::seq_to_sql,
};

/// What one round of expiry did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expired {
    /// Entries whose text was removed.
    pub stubs: usize,
    /// Those of them that were ours and not acknowledged: now failed, in order of expiry.
    pub failed: Vec<EntryId>,
}

impl View<'_> {
    /// When the next text is to go.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn next_expiry(&self) -> Result<Option<UnixMillis>, StoreError> {
        self.one(
            "SELECT expires_at FROM entries WHERE expires_at IS NOT NULL AND text IS NOT NULL \
             ORDER BY expires_at LIMIT 1",
            [],
            |row| row.get(0),
        )
    }
}

impl Tx<'_> {
    /// Removes the text, and its terms from the search index, of entries due at `now`; their
    /// numbers and hashes stay. At most [`MAX_PAGE`] in one round: ask
    /// [`next_expiry`](View::next_expiry) whether there is another.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn expire(&self, now: UnixMillis) -> Result<Expired, StoreError> {
        let due: Vec<(i64, i64, EntryId, EntryState, String)> = self.all(
            "SELECT ord, conversation, id, state, text FROM entries \
             WHERE expires_at IS NOT NULL AND text IS NOT NULL AND expires_at <= ?1 \
             ORDER BY expires_at, ord LIMIT ?2",
            params![now, seq_to_sql(MAX_PAGE as u64)],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            },
        )?;
        let mut expired = Expired::default();
        for (ord, conversation, id, state, text) in due {
            self.unindex_entry(ord, conversation, &terms::index(&text))?;
            let waiting = matches!(state, EntryState::Queued | EntryState::Stored);
            let after = if waiting { EntryState::Failed } else { state };
            self.run(
                "UPDATE entries SET text = NULL, state = ?2 WHERE ord = ?1",
                params![ord, after],
            )?;
            expired.stubs += 1;
            if waiting {
                expired.failed.push(id);
            }
        }
        Ok(expired)
    }
}
