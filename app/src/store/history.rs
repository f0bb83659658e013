//! Pages of messages, and what of them has been read.

use rusqlite::{Params, params};

use super::{
    ConversationId, Cursor, Entry, LogName, StoreError, Tx, View,
    entry::{entry_columns, entry_joins, is_welcome},
    limits::{MAX_PAGE, MAX_PAGE_BYTES, MAX_UNREAD_COUNT},
    transaction::seq_to_sql,
};

/// A bounded stretch of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The messages; the operation says in which order.
    pub entries: Vec<Entry>,
    /// Whether the page ended at its bound and not at the end of what there is.
    pub more: bool,
}

impl View<'_> {
    /// The newest `entries` messages of a conversation that arrived before `before` (or the
    /// newest of all), oldest first. At most [`MAX_PAGE`] and [`MAX_PAGE_BYTES`] of text. For the
    /// page before, pass the `ord` of the first. Stubs are left out.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn history(
        &self,
        conversation: &ConversationId,
        before: Option<Cursor>,
        entries: usize,
    ) -> Result<Page, StoreError> {
        let sql = concat!(
            "SELECT ",
            entry_columns!(),
            " FROM entries e ",
            entry_joins!(),
            " WHERE e.conversation = (SELECT conversation FROM conversations WHERE id = ?1) \
             AND e.kind <= 1 AND e.text IS NOT NULL AND e.ord < ?2 ORDER BY e.ord DESC LIMIT ?3"
        );
        let mut page = page(self, sql, entries, MAX_PAGE_BYTES, |limit| {
            (conversation, before.unwrap_or(Cursor::MAX), limit)
        })?;
        page.entries.reverse();
        Ok(page)
    }

    /// Messages of others that arrived after `after`, in any conversation or in one, oldest
    /// first. At most `entries`, [`MAX_PAGE`] and [`MAX_PAGE_BYTES`] of text. Stubs are left out.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn received_after(
        &self,
        conversation: Option<&ConversationId>,
        after: Cursor,
        entries: usize,
    ) -> Result<Page, StoreError> {
        let everywhere = concat!(
            "SELECT ",
            entry_columns!(),
            " FROM entries e ",
            entry_joins!(),
            " WHERE e.ord > ?1 AND l.own = 0 AND e.text IS NOT NULL ORDER BY e.ord LIMIT ?2"
        );
        let here = concat!(
            "SELECT ",
            entry_columns!(),
            " FROM entries e ",
            entry_joins!(),
            " WHERE e.conversation = (SELECT conversation FROM conversations WHERE id = ?3) \
             AND e.ord > ?1 AND l.own = 0 AND e.text IS NOT NULL ORDER BY e.ord LIMIT ?2"
        );
        match conversation {
            None => page(self, everywhere, entries, MAX_PAGE_BYTES, |limit| {
                (after, limit)
            }),
            Some(conversation) => page(self, here, entries, MAX_PAGE_BYTES, |limit| {
                (after, limit, conversation)
            }),
        }
    }

    /// Messages of others that have not been read, in one conversation, or in all rooms, all groups and
    /// with all contacts, oldest first. Bounds as [`received_after`](Self::received_after).
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn unread(
        &self,
        conversation: Option<&ConversationId>,
        entries: usize,
    ) -> Result<Page, StoreError> {
        let sql = concat!(
            "SELECT ",
            entry_columns!(),
            " FROM logs l CROSS JOIN entries e ON e.log = l.log AND e.seq > l.read \
             CROSS JOIN conversations c ON c.conversation = e.conversation \
             WHERE l.own = 0 AND l.read < l.next_seq - 1 AND e.text IS NOT NULL \
             AND CASE WHEN ?1 IS NULL THEN ",
            is_welcome!(),
            " ELSE c.id = ?1 END ORDER BY e.ord LIMIT ?2"
        );
        page(self, sql, entries, MAX_PAGE_BYTES, |limit| {
            (conversation, limit)
        })
    }

    /// How many messages of others in a conversation have not been read; counts up to
    /// [`MAX_UNREAD_COUNT`].
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn unread_count(&self, conversation: &ConversationId) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(*) FROM (SELECT 1 FROM logs l \
             CROSS JOIN entries e ON e.log = l.log AND e.seq > l.read \
             WHERE l.conversation = (SELECT conversation FROM conversations WHERE id = ?1) \
             AND l.own = 0 AND e.text IS NOT NULL LIMIT ?2)",
            params![conversation, seq_to_sql(MAX_UNREAD_COUNT)],
        )
    }

    /// How many of these name this profile; counts as far.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn unread_mentions(&self, conversation: &ConversationId) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(*) FROM (SELECT 1 FROM entries e CROSS JOIN logs l ON l.log = e.log \
             WHERE e.conversation = (SELECT conversation FROM conversations WHERE id = ?1) \
             AND e.mention = 1 AND e.text IS NOT NULL AND l.own = 0 AND e.seq > l.read LIMIT ?2)",
            params![conversation, seq_to_sql(MAX_UNREAD_COUNT)],
        )
    }
}

impl Tx<'_> {
    /// Marks a log of another author read through a number (or its end). Returns whether that
    /// is news, and so worth a receipt.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn mark_read(&self, log: &LogName, through: u64) -> Result<bool, StoreError> {
        let Some(log) = self.log(log)?.filter(|log| !log.frontier.own) else {
            return Ok(false);
        };
        let through = through.min(log.frontier.last_seq());
        if through <= log.frontier.read {
            return Ok(false);
        }
        self.run(
            "UPDATE logs SET read = ?2 WHERE log = ?1",
            params![log.key, seq_to_sql(through)],
        )?;
        Ok(true)
    }
}

/// Runs a query for [`Entry`] rows until it has `entries` of them or `bytes` of text. The
/// parameters get the limit for the statement, one more than wanted to know whether there is
/// more.
pub(super) fn page<P: Params>(
    view: &View<'_>,
    sql: &str,
    entries: usize,
    bytes: usize,
    params: impl FnOnce(i64) -> P,
) -> Result<Page, StoreError> {
    let entries = entries.min(MAX_PAGE);
    let limit = i64::try_from(entries).unwrap_or(i64::MAX).saturating_add(1);
    let mut statement = view.conn.prepare_cached(sql)?;
    let mut rows = statement.query(params(limit))?;
    let mut page = Page {
        entries: Vec::new(),
        more: false,
    };
    let mut text = 0;
    while let Some(row) = rows.next()? {
        if page.entries.len() >= entries || text >= bytes {
            page.more = true;
            break;
        }
        let entry = Entry::from_row(row)?;
        text += entry.text.as_ref().map_or(0, String::len);
        page.entries.push(entry);
    }
    Ok(page)
}
