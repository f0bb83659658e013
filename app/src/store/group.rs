//! What a group needs beside its items: operations on its membership, and sessions.

use rusqlite::params;
use zeroize::Zeroizing;

use super::{
    ConversationId, Incarnation, PeerKey, StoreError, Tx, UnixMillis, View,
    limits::{MAX_LATE, MAX_META, MAX_OPERATION},
    transaction::{seq_from_sql, seq_to_sql, within},
};

/// The session a profile seals with in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOutbound {
    /// Its state, opaque.
    pub state: Zeroizing<Vec<u8>>,
    /// When it began.
    pub started_at: UnixMillis,
    /// Who was given it.
    pub told: Vec<PeerKey>,
}

/// An exported session.
pub type SessionBytes = [u8; 165];

impl View<'_> {
    /// All operations on a group's membership, in the order in which they were added.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn group_operations(&self, id: &ConversationId) -> Result<Vec<Vec<u8>>, StoreError> {
        self.all(
            "SELECT operation FROM group_operations WHERE conversation = \
             (SELECT conversation FROM conversations WHERE id = ?1) ORDER BY number",
            [id],
            |row| row.get(0),
        )
    }

    /// Seed of the key this profile writes with in a group.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn group_seat(
        &self,
        id: &ConversationId,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, StoreError> {
        let seat: Option<Option<[u8; 32]>> = self.one(
            "SELECT seat FROM groups WHERE conversation = \
             (SELECT conversation FROM conversations WHERE id = ?1)",
            [id],
            |row| row.get(0),
        )?;
        Ok(seat.flatten().map(Zeroizing::new))
    }

    /// The session this profile seals with in a group.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn group_outbound(&self, id: &ConversationId) -> Result<Option<GroupOutbound>, StoreError> {
        self.one(
            "SELECT outbound, started_at, told FROM groups WHERE outbound IS NOT NULL AND \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1)",
            [id],
            |row| {
                let told: Vec<u8> = row.get(2)?;
                let (told, _) = told.as_chunks::<32>();
                Ok(GroupOutbound {
                    state: Zeroizing::new(row.get(0)?),
                    started_at: row.get(1)?,
                    told: told.to_vec(),
                })
            },
        )
    }

    /// A session of somebody's in a group.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn group_session(
        &self,
        id: &ConversationId,
        peer: &PeerKey,
        session: &[u8; 32],
    ) -> Result<Option<Zeroizing<SessionBytes>>, StoreError> {
        let found = self.one(
            "SELECT export FROM group_sessions WHERE peer = ?2 AND session = ?3 AND \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1)",
            params![id, peer, session],
            |row| row.get(0),
        )?;
        Ok(found.map(Zeroizing::new))
    }

    /// All sessions of somebody's in a group, the oldest first.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn group_sessions(
        &self,
        id: &ConversationId,
        peer: &PeerKey,
    ) -> Result<Vec<Zeroizing<SessionBytes>>, StoreError> {
        self.all(
            "SELECT export FROM group_sessions WHERE peer = ?2 AND \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1) ORDER BY number",
            params![id, peer],
            |row| row.get(0).map(Zeroizing::new),
        )
    }

    /// How many there are.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn group_session_count(
        &self,
        id: &ConversationId,
        peer: &PeerKey,
    ) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(*) FROM group_sessions WHERE peer = ?2 AND \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1)",
            params![id, peer],
        )
    }

    /// Bodies of items that one of `keys` signed among the newest `count` of a group, at most
    /// [`MAX_LATE`]. A header begins with the key.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn bodies_among_newest(
        &self,
        id: &ConversationId,
        keys: &[[u8; 32]],
        count: u32,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut bodies = Vec::new();
        for key in keys {
            bodies.extend(self.all(
                "SELECT body FROM (SELECT header, body FROM items WHERE conversation = \
                 (SELECT conversation FROM conversations WHERE id = ?1) \
                 ORDER BY lamport DESC, log_name DESC, seq DESC LIMIT ?3) \
                 WHERE body IS NOT NULL AND substr(header, 1, 32) = ?2",
                params![id, key, count.min(MAX_LATE)],
                |row| row.get::<_, Vec<u8>>(0),
            )?);
        }
        Ok(bodies)
    }

    /// The logs that `key` signs in a group, each with its newest item.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn logs_signed_by(
        &self,
        id: &ConversationId,
        key: &[u8; 32],
    ) -> Result<Vec<(Incarnation, u64)>, StoreError> {
        self.all(
            "SELECT log_name, max(seq) FROM items WHERE conversation = \
             (SELECT conversation FROM conversations WHERE id = ?1) \
             AND substr(header, 1, 32) = ?2 GROUP BY log_name",
            params![id, key],
            |row| Ok((row.get(0)?, seq_from_sql(row, 1)?)),
        )
    }

    /// Sequences, in a log of `author`'s, of items whose body begins with `session` and of which
    /// nothing is shown.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn unread_with_session(
        &self,
        id: &ConversationId,
        author: &PeerKey,
        session: &[u8; 32],
    ) -> Result<Vec<(Incarnation, u64)>, StoreError> {
        self.all(
            "SELECT i.log_name, i.seq FROM conversations c \
             CROSS JOIN logs l ON l.conversation = c.conversation AND l.author = ?2 \
             CROSS JOIN items i ON i.log = l.log \
             CROSS JOIN entries e ON e.log = i.log AND e.seq = i.seq \
             WHERE c.id = ?1 AND e.text IS NULL AND i.body IS NOT NULL \
             AND substr(i.body, 1, 32) = ?3 ORDER BY i.lamport, i.log_name, i.seq",
            params![id, author, session],
            |row| Ok((row.get(0)?, seq_from_sql(row, 1)?)),
        )
    }

    /// The key that signs a log of a group.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn log_signer(
        &self,
        id: &ConversationId,
        log: &Incarnation,
    ) -> Result<Option<[u8; 32]>, StoreError> {
        self.one(
            "SELECT substr(i.header, 1, 32) FROM conversations c \
             CROSS JOIN logs l ON l.conversation = c.conversation AND l.incarnation = ?2 \
             CROSS JOIN items i ON i.log = l.log WHERE c.id = ?1 LIMIT 1",
            params![id, log],
            |row| row.get(0),
        )
    }

    /// Sequences of a log's items up to `upto` that are sealed and of which nothing is shown.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn unread_upto(
        &self,
        id: &ConversationId,
        log: &Incarnation,
        upto: u64,
    ) -> Result<Vec<u64>, StoreError> {
        self.all(
            "SELECT i.seq FROM conversations c \
             CROSS JOIN logs l ON l.conversation = c.conversation AND l.incarnation = ?2 \
             CROSS JOIN items i ON i.log = l.log AND i.seq <= ?3 \
             CROSS JOIN entries e ON e.log = i.log AND e.seq = i.seq \
             WHERE c.id = ?1 AND e.text IS NULL AND i.body IS NOT NULL ORDER BY i.seq",
            params![id, log, seq_to_sql(upto)],
            |row| seq_from_sql(row, 0),
        )
    }
}

impl Tx<'_> {
    /// Adds an operation to a group, whose conversation exists.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] and those of the environment.
    pub fn add_group_operation(
        &self,
        id: &ConversationId,
        operation: &[u8],
    ) -> Result<(), StoreError> {
        within("the operation", operation.len(), MAX_OPERATION)?;
        self.run(
            "INSERT INTO group_operations (conversation, operation) \
             SELECT conversation, ?2 FROM conversations WHERE id = ?1",
            params![id, operation],
        )?;
        Ok(())
    }

    /// Keeps the seed of the key this profile writes with in a group from now on.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn save_group_seat(&self, id: &ConversationId, seat: &[u8; 32]) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO groups (conversation, seat) \
             SELECT conversation, ?2 FROM conversations WHERE id = ?1 \
             ON CONFLICT (conversation) DO UPDATE SET seat = excluded.seat",
            params![id, seat],
        )?;
        Ok(())
    }

    /// Keeps the session this profile seals with in a group, or forgets it.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] and those of the environment.
    pub fn save_group_outbound(
        &self,
        id: &ConversationId,
        outbound: Option<&GroupOutbound>,
    ) -> Result<(), StoreError> {
        let Some(outbound) = outbound else {
            self.run(
                "UPDATE groups SET outbound = NULL, started_at = NULL, told = NULL WHERE \
                 conversation = (SELECT conversation FROM conversations WHERE id = ?1)",
                [id],
            )?;
            return Ok(());
        };
        within("the session", outbound.state.len(), MAX_META)?;
        self.run(
            "INSERT INTO groups (conversation, outbound, started_at, told) \
             SELECT conversation, ?2, ?3, ?4 FROM conversations WHERE id = ?1 \
             ON CONFLICT (conversation) DO UPDATE SET outbound = excluded.outbound, \
             started_at = excluded.started_at, told = excluded.told",
            params![
                id,
                outbound.state.as_slice(),
                outbound.started_at,
                outbound.told.concat()
            ],
        )?;
        Ok(())
    }

    /// Keeps a session of somebody's, in place of the one with this name, and the newest `most` of
    /// that one's.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn save_group_session(
        &self,
        id: &ConversationId,
        peer: &PeerKey,
        session: &[u8; 32],
        export: &SessionBytes,
        most: usize,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO group_sessions (conversation, peer, session, export) \
             SELECT conversation, ?2, ?3, ?4 FROM conversations WHERE id = ?1 \
             ON CONFLICT (conversation, peer, session) DO UPDATE SET export = excluded.export",
            params![id, peer, session, export],
        )?;
        self.run(
            "DELETE FROM group_sessions WHERE number IN (SELECT number FROM group_sessions \
             WHERE peer = ?2 AND conversation = \
             (SELECT conversation FROM conversations WHERE id = ?1) \
             ORDER BY number DESC LIMIT -1 OFFSET ?3)",
            params![id, peer, seq_to_sql(most as u64)],
        )?;
        Ok(())
    }

    /// Has a log say nothing after sequence `after`; its items stay, to be read again should they
    /// count after all.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn hide_after(
        &self,
        id: &ConversationId,
        log: &Incarnation,
        after: u64,
    ) -> Result<(), StoreError> {
        let said: Vec<(i64, i64, String)> = self.all(
            "SELECT e.ord, e.conversation, e.text FROM conversations c \
             CROSS JOIN logs l ON l.conversation = c.conversation AND l.incarnation = ?2 \
             CROSS JOIN entries e ON e.log = l.log AND e.seq > ?3 \
             WHERE c.id = ?1 AND e.text IS NOT NULL",
            params![id, log, seq_to_sql(after)],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        for (ord, conversation, text) in said {
            self.unindex_entry(ord, conversation, &super::terms::index(&text))?;
            self.run("UPDATE entries SET text = NULL WHERE ord = ?1", [ord])?;
        }
        Ok(())
    }
}
