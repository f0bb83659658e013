//! Finding messages by what they say.

use rusqlite::params;

use super::{
    ConversationId, MetaKey, Page, Store, StoreError, Tx, View,
    entry::{entry_columns, entry_joins, is_welcome},
    history::page,
    limits::MAX_PAGE_BYTES,
    terms,
};

/// Entries read at a time while the index is rebuilt: bounds memory to their texts.
const REINDEX_BATCH: i64 = 256;

impl View<'_> {
    /// Messages that hold all of `words`, in any conversation or in one, newest first. At most
    /// `entries`, [`MAX_PAGE`](super::limits::MAX_PAGE) and [`MAX_PAGE_BYTES`] of text. What
    /// counts as a word, and as holding it, is in [`terms`]; any input is safe.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn search(
        &self,
        conversation: Option<&ConversationId>,
        words: &str,
        entries: usize,
    ) -> Result<Page, StoreError> {
        let nothing = Page {
            entries: Vec::new(),
            more: false,
        };
        let Some(query) = terms::query(words) else {
            return Ok(nothing);
        };
        let query = match conversation {
            None => format!("terms : ({query})"),
            Some(id) => match self.conversation_key(id)? {
                None => return Ok(nothing),
                Some(key) => format!("conversation : \"{key}\" AND terms : ({query})"),
            },
        };
        let sql = concat!(
            "SELECT ",
            entry_columns!(),
            " FROM search s CROSS JOIN entries e ON e.ord = s.rowid ",
            entry_joins!(),
            " WHERE s.search MATCH ?1 AND (?3 OR l.own = 1 OR ",
            is_welcome!(),
            ") ORDER BY s.rowid DESC LIMIT ?2"
        );
        let in_one = conversation.is_some();
        page(self, sql, entries, MAX_PAGE_BYTES, |limit| {
            (query, limit, in_one)
        })
    }

    fn conversation_key(&self, id: &ConversationId) -> Result<Option<i64>, StoreError> {
        self.one(
            "SELECT conversation FROM conversations WHERE id = ?1",
            [id],
            |row| row.get(0),
        )
    }
}

impl Tx<'_> {
    pub(super) fn index_entry(
        &self,
        ord: i64,
        conversation: i64,
        terms: &str,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO search (rowid, conversation, terms) VALUES (?1, ?2, ?3)",
            params![ord, conversation.to_string(), terms],
        )?;
        Ok(())
    }

    /// Needs exactly the terms that were indexed: a contentless index does not know them.
    pub(super) fn unindex_entry(
        &self,
        ord: i64,
        conversation: i64,
        terms: &str,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO search (search, rowid, conversation, terms) \
             VALUES ('delete', ?1, ?2, ?3)",
            params![ord, conversation.to_string(), terms],
        )?;
        Ok(())
    }
}

/// Builds the index anew when it was cut by other rules than those of this program.
pub(super) fn reindex_if_stale(store: &mut Store) -> Result<(), StoreError> {
    let version = terms::version().into_bytes();
    let found = store.read(|view| view.meta(MetaKey::SEARCH_TERMS))?;
    if found.is_some_and(|found| *found == version) {
        return Ok(());
    }
    store.transaction("reindex", |tx| {
        tx.run("INSERT INTO search (search) VALUES ('delete-all')", [])?;
        let mut after = 0;
        loop {
            let batch: Vec<(i64, i64, String)> = tx.all(
                "SELECT ord, conversation, text FROM entries \
                 WHERE ord > ?1 AND text IS NOT NULL ORDER BY ord LIMIT ?2",
                params![after, REINDEX_BATCH],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?;
            let Some((last, ..)) = batch.last() else {
                break;
            };
            after = *last;
            for (ord, conversation, text) in &batch {
                tx.index_entry(*ord, *conversation, &terms::index(text))?;
            }
        }
        tx.set_meta(MetaKey::SEARCH_TERMS, &version)
    })
}
