//! Items of rooms and groups whose time is over, and logs of which nothing is left.

use rusqlite::params;

use super::{
    ConversationId, Incarnation, StoreError, Tx, UnixMillis, View, limits::MAX_PAGE,
    transaction::seq_to_sql,
};

impl View<'_> {
    /// How many items of a room have a body.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn full_items(&self, conversation: &ConversationId) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(*) FROM items WHERE body IS NOT NULL AND \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1)",
            [conversation],
        )
    }

    /// When the next item's time is over.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn next_item_expiry(&self) -> Result<Option<UnixMillis>, StoreError> {
        self.one(
            "SELECT expires_at FROM items WHERE expires_at IS NOT NULL AND body IS NOT NULL \
             ORDER BY expires_at LIMIT 1",
            [],
            |row| row.get(0),
        )
    }
}

impl Tx<'_> {
    /// Removes the bodies of items due at `now`, at most [`MAX_PAGE`] in one round; the entries have
    /// an expiry of their own.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn expire_items(&self, now: UnixMillis) -> Result<usize, StoreError> {
        self.run(
            "UPDATE items SET body = NULL WHERE item IN \
             (SELECT item FROM items WHERE expires_at IS NOT NULL AND body IS NOT NULL \
              AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
            params![now, seq_to_sql(MAX_PAGE as u64)],
        )
    }

    /// Has the `count` oldest items of a room that have a body, by their place, end now. At most
    /// [`MAX_PAGE`] in one round.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn end_oldest_items(
        &self,
        conversation: &ConversationId,
        count: u64,
        now: UnixMillis,
    ) -> Result<usize, StoreError> {
        let oldest: Vec<(i64, i64, i64)> = self.all(
            "SELECT item, log, seq FROM items WHERE body IS NOT NULL AND \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1) \
             ORDER BY lamport, log_name, seq LIMIT ?2",
            params![conversation, seq_to_sql(count.min(MAX_PAGE as u64))],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        for (item, log, seq) in &oldest {
            self.run("UPDATE items SET body = NULL WHERE item = ?1", [item])?;
            self.run(
                "UPDATE entries SET expires_at = ?3 WHERE log = ?1 AND seq = ?2",
                params![log, seq, now],
            )?;
        }
        Ok(oldest.len())
    }

    /// Forgets the logs of a room whose newest item was sent before hour `before`, with all that is
    /// left of them, but not our present one; and who was last heard of before that.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn forget_room_logs(
        &self,
        conversation: &ConversationId,
        before: u32,
        own: &Incarnation,
    ) -> Result<usize, StoreError> {
        let gone: Vec<i64> = self.all(
            "SELECT l.log FROM conversations c CROSS JOIN logs l ON l.conversation = c.conversation \
             CROSS JOIN room_logs m ON m.log = l.log \
             WHERE c.id = ?1 AND m.hour < ?2 AND l.incarnation != ?3 AND NOT EXISTS \
             (SELECT 1 FROM entries e WHERE e.log = l.log AND e.text IS NOT NULL)",
            params![conversation, before, own],
            |row| row.get(0),
        )?;
        for log in &gone {
            self.run("DELETE FROM items WHERE log = ?1", [log])?;
            self.run("DELETE FROM room_logs WHERE log = ?1", [log])?;
            // The last of all entries stays, so that no later one takes its place in the order of
            // arrival; and its log with it.
            self.run(
                "DELETE FROM entries WHERE log = ?1 AND ord < (SELECT max(ord) FROM entries)",
                [log],
            )?;
            self.run(
                "DELETE FROM logs WHERE log = ?1 AND NOT EXISTS \
                 (SELECT 1 FROM entries WHERE entries.log = logs.log)",
                [log],
            )?;
        }
        self.run(
            "DELETE FROM room_people WHERE seen_at < ?2 AND \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1)",
            params![conversation, i64::from(before).saturating_mul(3_600_000)],
        )?;
        Ok(gone.len())
    }
}
