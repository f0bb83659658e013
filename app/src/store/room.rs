//! Rooms and groups this profile is in, and who is known there.

use rusqlite::{
    Row, params,
    types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef},
};
use zeroize::Zeroizing;

use super::{
    ConversationId, Incarnation, PeerKey, StoreError, Tx, UnixMillis, View,
    limits::{MAX_META, MAX_NAME, MAX_ROOM_PEOPLE, MAX_ROOMS},
    transaction::{seq_to_sql, within},
};

/// Who may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoomKind {
    /// Whoever knows its name, and its secret where it has one.
    Room,
    /// Whom its administrators choose.
    Group,
}

impl RoomKind {
    const fn code(self) -> i64 {
        match self {
            Self::Room => 1,
            Self::Group => 2,
        }
    }
}

impl ToSql for RoomKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.code().into())
    }
}

impl FromSql for RoomKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_i64()?;
        [Self::Room, Self::Group]
            .into_iter()
            .find(|kind| kind.code() == code)
            .ok_or(FromSqlError::OutOfRange(code))
    }
}

/// A room or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// The conversation in it.
    pub id: ConversationId,
    /// Which of both.
    pub kind: RoomKind,
    /// Its name, without the sign before it.
    pub name: String,
    /// What its keys are derived from; a group has none.
    pub secret: Option<Zeroizing<Vec<u8>>>,
    /// Of the log we write now.
    pub incarnation: Incarnation,
    /// When this profile joined it, for the last time.
    pub joined_at: UnixMillis,
    /// When this profile left it.
    pub left_at: Option<UnixMillis>,
}

/// Why a room was not added. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// Another one has the name.
    #[error(
        "there is another one called {name} here; choose another name, or leave that one first"
    )]
    NameTaken {
        /// The name asked for.
        name: String,
    },
    /// [`MAX_ROOMS`] are there.
    #[error("{MAX_ROOMS} rooms and groups are the most there can be; leave one first")]
    Full,
    /// As for any transaction.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody who is known in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPerson {
    /// Who.
    pub peer: PeerKey,
    /// What they call themselves.
    pub name: String,
    /// When something of theirs was last received.
    pub seen_at: UnixMillis,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, r.kind, r.name, r.secret, r.incarnation, r.joined_at, r.left_at \
             FROM rooms r CROSS JOIN conversations c ON c.conversation = r.conversation ",
            $rest
        )
    };
}

impl Room {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            kind: row.get(1)?,
            name: row.get(2)?,
            secret: row.get::<_, Option<Vec<u8>>>(3)?.map(Zeroizing::new),
            incarnation: row.get(4)?,
            joined_at: row.get(5)?,
            left_at: row.get(6)?,
        })
    }
}

impl View<'_> {
    /// Rooms and groups this profile is in, by kind and name.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn rooms(&self) -> Result<Vec<Room>, StoreError> {
        self.all(
            select!("WHERE r.left_at IS NULL ORDER BY r.kind, r.name_key"),
            [],
            Room::from_row,
        )
    }

    /// The room or group whose conversation this is, also one that was left.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn room(&self, id: &ConversationId) -> Result<Option<Room>, StoreError> {
        self.one(select!("WHERE c.id = ?1"), [id], Room::from_row)
    }

    /// The one called `name_key` when folded: the one this profile is in, or else the one it left
    /// last.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn room_named(&self, kind: RoomKind, name_key: &str) -> Result<Option<Room>, StoreError> {
        self.one(
            select!(
                "WHERE r.kind = ?1 AND r.name_key = ?2 \
                 ORDER BY r.left_at IS NULL DESC, r.left_at DESC LIMIT 1"
            ),
            params![kind, name_key],
            Room::from_row,
        )
    }

    /// Who is known in a room, by name.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn room_people(&self, id: &ConversationId) -> Result<Vec<RoomPerson>, StoreError> {
        self.all(
            "SELECT p.peer, p.name, p.seen_at FROM room_people p \
             WHERE p.conversation = (SELECT conversation FROM conversations WHERE id = ?1) \
             ORDER BY p.name, p.peer LIMIT ?2",
            params![id, seq_to_sql(MAX_ROOM_PEOPLE as u64)],
            |row| {
                Ok(RoomPerson {
                    peer: row.get(0)?,
                    name: row.get(1)?,
                    seen_at: row.get(2)?,
                })
            },
        )
    }

    /// What somebody calls themselves in a room.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn room_person(
        &self,
        id: &ConversationId,
        peer: &PeerKey,
    ) -> Result<Option<String>, StoreError> {
        self.one(
            "SELECT name FROM room_people WHERE peer = ?2 AND \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1)",
            params![id, peer],
            |row| row.get(0),
        )
    }
}

impl Tx<'_> {
    /// Puts `room` among those this profile is in, `name_key` being its name folded. One that was
    /// left is entered again, with the incarnation and time of `room`.
    ///
    /// # Errors
    /// [`RoomError`].
    pub fn join_room(&self, room: &Room, name_key: &str) -> Result<(), RoomError> {
        within("the name", room.name.len(), MAX_NAME).map_err(RoomError::Store)?;
        within(
            "the secret",
            room.secret.as_ref().map_or(0, |secret| secret.len()),
            MAX_META,
        )
        .map_err(RoomError::Store)?;
        let taken = self.room_named(room.kind, name_key)?;
        if taken.is_some_and(|taken| taken.left_at.is_none() && taken.id != room.id) {
            let name = room.name.clone();
            return Err(RoomError::NameTaken { name });
        }
        let joined = self.count("SELECT count(*) FROM rooms WHERE left_at IS NULL", [])?;
        if joined >= MAX_ROOMS as u64 {
            return Err(RoomError::Full);
        }
        self.run(
            "INSERT OR IGNORE INTO conversations (id) VALUES (?1)",
            [room.id],
        )?;
        self.run(
            "INSERT INTO rooms (conversation, kind, name, name_key, secret, incarnation, \
             joined_at, left_at) \
             SELECT conversation, ?2, ?3, ?4, ?5, ?6, ?7, NULL FROM conversations WHERE id = ?1 \
             ON CONFLICT (conversation) DO UPDATE SET name = excluded.name, \
             name_key = excluded.name_key, secret = excluded.secret, \
             incarnation = excluded.incarnation, joined_at = excluded.joined_at, left_at = NULL",
            params![
                room.id,
                room.kind,
                room.name,
                name_key,
                room.secret.as_deref(),
                room.incarnation,
                room.joined_at
            ],
        )?;
        Ok(())
    }

    /// Leaves a room: what was said stays, and what of ours waits has failed. Returns the ids of
    /// those messages.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn leave_room(
        &self,
        id: &ConversationId,
        now: UnixMillis,
    ) -> Result<Vec<super::EntryId>, StoreError> {
        self.run(
            "UPDATE rooms SET left_at = ?2 WHERE left_at IS NULL AND \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1)",
            params![id, now],
        )?;
        let failed = self.all(
            "UPDATE entries SET state = ?2 WHERE state IN (?3, ?4) AND \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1) RETURNING id",
            params![
                id,
                super::EntryState::Failed,
                super::EntryState::Queued,
                super::EntryState::Stored
            ],
            |row| row.get(0),
        )?;
        self.run(
            "UPDATE logs SET acked = next_seq - 1 WHERE own = 1 AND \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1)",
            [id],
        )?;
        Ok(failed)
    }

    /// From now on our log in a room is another one.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn begin_room_log(
        &self,
        id: &ConversationId,
        incarnation: &Incarnation,
    ) -> Result<(), StoreError> {
        self.run(
            "UPDATE rooms SET incarnation = ?2 WHERE \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1)",
            params![id, incarnation],
        )?;
        Ok(())
    }

    /// Calls a room otherwise.
    ///
    /// # Errors
    /// [`RoomError`].
    pub fn rename_room(
        &self,
        id: &ConversationId,
        kind: RoomKind,
        name: &str,
        name_key: &str,
    ) -> Result<(), RoomError> {
        within("the name", name.len(), MAX_NAME).map_err(RoomError::Store)?;
        let taken = self.room_named(kind, name_key)?;
        if taken.is_some_and(|taken| taken.left_at.is_none() && taken.id != *id) {
            let name = name.to_owned();
            return Err(RoomError::NameTaken { name });
        }
        self.run(
            "UPDATE rooms SET name = ?2, name_key = ?3 WHERE \
             conversation = (SELECT conversation FROM conversations WHERE id = ?1)",
            params![id, name, name_key],
        )?;
        Ok(())
    }

    /// Notes that somebody was heard of in a room, and what they call themselves.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] and those of the environment.
    pub fn meet(
        &self,
        id: &ConversationId,
        peer: &PeerKey,
        name: &str,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        within("the name", name.len(), MAX_NAME)?;
        // Few rows: whoever is known here has a log, and is forgotten with it.
        self.run(
            "INSERT INTO room_people (conversation, peer, name, seen_at) \
             SELECT conversation, ?2, ?3, ?4 FROM conversations WHERE id = ?1 \
             ON CONFLICT (conversation, peer) DO UPDATE SET name = excluded.name, \
             seen_at = excluded.seen_at \
             WHERE excluded.name != name OR excluded.seen_at > seen_at + 60000",
            params![id, peer, name, now],
        )?;
        Ok(())
    }
}
