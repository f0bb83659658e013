//! Ratchet state, opaque here.

use std::fmt;

use rusqlite::{Row, params};
use zeroize::Zeroizing;

use super::{
    PeerKey, StoreError, Tx, UnixMillis, View,
    limits::{MAX_RATCHET_STATE, MAX_SESSION_ID, MAX_SESSIONS},
    transaction::{seq_to_sql, within},
};

/// One ratchet session with one peer.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name, at most [`MAX_SESSION_ID`] bytes.
    pub id: Vec<u8>,
    /// Its state, at most [`MAX_RATCHET_STATE`] bytes.
    pub state: Zeroizing<Vec<u8>>,
    /// When it began.
    pub created_at: UnixMillis,
    /// When a message last went through it.
    pub last_used_at: UnixMillis,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("created_at", &self.created_at)
            .field("last_used_at", &self.last_used_at)
            .finish_non_exhaustive()
    }
}

impl Session {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            state: Zeroizing::new(row.get(1)?),
            created_at: row.get(2)?,
            last_used_at: row.get(3)?,
        })
    }
}

impl View<'_> {
    /// State of the account the sessions hang on.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn account(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.one("SELECT state FROM account WHERE singleton = 1", [], |row| {
            row.get(0).map(Zeroizing::new)
        })
    }

    /// The sessions with a peer, latest used first.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn sessions(&self, peer: &PeerKey) -> Result<Vec<Session>, StoreError> {
        self.all(
            "SELECT session_id, state, created_at, last_used_at FROM sessions \
             WHERE peer = ?1 ORDER BY last_used_at DESC, session_id",
            [peer],
            Session::from_row,
        )
    }

    /// One session with a peer.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn session(&self, peer: &PeerKey, id: &[u8]) -> Result<Option<Session>, StoreError> {
        self.one(
            "SELECT session_id, state, created_at, last_used_at FROM sessions \
             WHERE peer = ?1 AND session_id = ?2",
            params![peer, id],
            Session::from_row,
        )
    }
}

impl Tx<'_> {
    /// Keeps the state of the account.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] and those of the environment.
    pub fn save_account(&self, state: &[u8]) -> Result<(), StoreError> {
        within("the account's state", state.len(), MAX_RATCHET_STATE)?;
        self.run(
            "INSERT INTO account (singleton, state) VALUES (1, ?1) \
             ON CONFLICT (singleton) DO UPDATE SET state = excluded.state",
            [state],
        )?;
        Ok(())
    }

    /// Keeps the state of a session, used `now`. Of more than [`MAX_SESSIONS`] with one peer the
    /// least recently used goes, never this one.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] and those of the environment.
    pub fn save_session(
        &self,
        peer: &PeerKey,
        id: &[u8],
        state: &[u8],
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        within("the session's name", id.len(), MAX_SESSION_ID)?;
        within("the session's state", state.len(), MAX_RATCHET_STATE)?;
        self.run(
            "INSERT INTO sessions (peer, session_id, state, created_at, last_used_at) \
             VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (peer, session_id) DO UPDATE \
             SET state = excluded.state, last_used_at = max(last_used_at, excluded.last_used_at)",
            params![peer, id, state, now],
        )?;
        self.run(
            "DELETE FROM sessions WHERE peer = ?1 AND session_id IN \
             (SELECT session_id FROM sessions WHERE peer = ?1 AND session_id <> ?2 \
              ORDER BY last_used_at DESC, session_id LIMIT -1 OFFSET ?3)",
            params![peer, id, seq_to_sql(MAX_SESSIONS as u64 - 1)],
        )?;
        Ok(())
    }

    /// Forgets one session. Returns whether there was one.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn remove_session(&self, peer: &PeerKey, id: &[u8]) -> Result<bool, StoreError> {
        let removed = self.run(
            "DELETE FROM sessions WHERE peer = ?1 AND session_id = ?2",
            params![peer, id],
        )?;
        Ok(removed > 0)
    }

    /// Forgets all sessions with a peer.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn remove_sessions(&self, peer: &PeerKey) -> Result<(), StoreError> {
        self.run("DELETE FROM sessions WHERE peer = ?1", [peer])?;
        Ok(())
    }
}
