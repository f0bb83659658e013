//! The people we know, and where they were seen.

use rusqlite::{
    Row, params,
    types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef},
};

use super::{
    ContactName, NameError, PeerKey, StoreError, Tx, UnixMillis, View,
    limits::{MAX_ADDRESS, MAX_ADDRESSES, MAX_CONTACTS, MAX_NAME},
    transaction::{seq_to_sql, within},
};

/// What we and they have agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactState {
    /// Both sides want to talk.
    Accepted,
    /// We added them; they have not accepted yet.
    Outgoing,
    /// We do not want to hear from them.
    Blocked,
}

impl ContactState {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Accepted, "accepted"),
        (Self::Outgoing, "outgoing"),
        (Self::Blocked, "blocked"),
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Outgoing => "outgoing",
            Self::Blocked => "blocked",
        }
    }
}

impl ToSql for ContactState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for ContactState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        Self::ALL
            .into_iter()
            .find_map(|(state, name)| (name == word).then_some(state))
            .ok_or(FromSqlError::InvalidType)
    }
}

/// Somebody we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Their key.
    pub peer: PeerKey,
    /// Our name for them, unique.
    pub name: String,
    /// Whether the key is known to be theirs: from an invite, or compared by the people.
    pub verified: bool,
    /// What was agreed to.
    pub state: ContactState,
    /// When they were added.
    pub added_at: UnixMillis,
    /// When they were last connected.
    pub last_seen: Option<UnixMillis>,
}

/// Why a contact was not changed. Nothing was.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Another contact has the name.
    #[error("another contact is called {name} already; choose another name with --name")]
    NameTaken {
        /// The name asked for.
        name: String,
    },
    /// They are a contact already.
    #[error("this peer is a contact already, called {name}")]
    Known {
        /// Under which name.
        name: String,
    },
    /// They are not a contact.
    #[error("this peer is not a contact; `dchat contacts` lists them")]
    Unknown,
    /// [`MAX_CONTACTS`] are there.
    #[error("{MAX_CONTACTS} contacts are the most there can be; remove one first")]
    Full,
    /// As for any transaction.
    #[error(transparent)]
    Store(#[from] StoreError),
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT peer, name, verified, state, added_at, last_seen FROM contacts ",
            $rest
        )
    };
}

impl Contact {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            peer: row.get(0)?,
            name: row.get(1)?,
            verified: row.get(2)?,
            state: row.get(3)?,
            added_at: row.get(4)?,
            last_seen: row.get(5)?,
        })
    }
}

impl View<'_> {
    /// All contacts, by name.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn contacts(&self) -> Result<Vec<Contact>, StoreError> {
        self.all(select!("ORDER BY name_key"), [], Contact::from_row)
    }

    /// The contact with this key.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn contact(&self, peer: &PeerKey) -> Result<Option<Contact>, StoreError> {
        self.one(select!("WHERE peer = ?1"), [peer], Contact::from_row)
    }

    /// The contact called so, in any case. Something that cannot be a name is nobody's.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn contact_named(&self, name: &str) -> Result<Option<Contact>, StoreError> {
        match ContactName::new(name) {
            Err(_) => Ok(None),
            Ok(name) => self.one(
                select!("WHERE name_key = ?1"),
                [name.key()],
                Contact::from_row,
            ),
        }
    }

    /// `wanted`, or when another has that name, `wanted-2` and so on.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn free_name(&self, wanted: &ContactName) -> Result<ContactName, StoreError> {
        let mut name = wanted.clone();
        // One more than there can be contacts: one of them is free.
        for number in 2..=MAX_CONTACTS + 2 {
            if self.contact_named(name.as_str())?.is_none() {
                break;
            }
            let suffix = format!("-{number}");
            let mut stem = wanted.as_str();
            while stem.len() + suffix.len() > MAX_NAME {
                stem = stem
                    .char_indices()
                    .next_back()
                    .and_then(|(last, _)| stem.get(..last))
                    .unwrap_or_default();
            }
            if let Ok(next) = ContactName::new(&format!("{stem}{suffix}")) {
                name = next;
            }
        }
        Ok(name)
    }

    /// Where a peer was seen, latest first.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn addresses(&self, peer: &PeerKey) -> Result<Vec<String>, StoreError> {
        self.all(
            "SELECT address FROM addresses WHERE peer = ?1 ORDER BY seen_at DESC, address",
            [peer],
            |row| row.get(0),
        )
    }
}

impl Tx<'_> {
    /// Adds a contact; their request, if they made one, is answered by it.
    ///
    /// # Errors
    /// [`ContactError`].
    pub fn add_contact(
        &self,
        peer: &PeerKey,
        name: &ContactName,
        verified: bool,
        state: ContactState,
        now: UnixMillis,
    ) -> Result<(), ContactError> {
        if let Some(known) = self.contact(peer)? {
            return Err(ContactError::Known { name: known.name });
        }
        self.refuse_taken(peer, name)?;
        if self.count("SELECT count(*) FROM contacts", [])? >= MAX_CONTACTS as u64 {
            return Err(ContactError::Full);
        }
        self.run(
            "INSERT INTO contacts (peer, name, name_key, verified, state, added_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![peer, name.as_str(), name.key(), verified, state, now],
        )
        .map_err(ContactError::from)?;
        self.run("DELETE FROM requests WHERE peer = ?1", [peer])?;
        Ok(())
    }

    /// Calls a contact something else.
    ///
    /// # Errors
    /// [`ContactError::NameTaken`], [`ContactError::Unknown`], and those of the environment.
    pub fn rename_contact(&self, peer: &PeerKey, name: &ContactName) -> Result<(), ContactError> {
        self.refuse_taken(peer, name)?;
        self.change(
            "UPDATE contacts SET name = ?2, name_key = ?3 WHERE peer = ?1",
            params![peer, name.as_str(), name.key()],
        )
    }

    /// Changes what was agreed to.
    ///
    /// # Errors
    /// [`ContactError::Unknown`], and those of the environment.
    pub fn set_contact_state(
        &self,
        peer: &PeerKey,
        state: ContactState,
    ) -> Result<(), ContactError> {
        self.change(
            "UPDATE contacts SET state = ?2 WHERE peer = ?1",
            params![peer, state],
        )
    }

    /// Says whether the key is known to be theirs.
    ///
    /// # Errors
    /// [`ContactError::Unknown`], and those of the environment.
    pub fn set_contact_verified(&self, peer: &PeerKey, verified: bool) -> Result<(), ContactError> {
        self.change(
            "UPDATE contacts SET verified = ?2 WHERE peer = ?1",
            params![peer, verified],
        )
    }

    /// Notes that a contact was connected. Time does not go back.
    ///
    /// # Errors
    /// [`ContactError::Unknown`], and those of the environment.
    pub fn contact_seen(&self, peer: &PeerKey, now: UnixMillis) -> Result<(), ContactError> {
        self.change(
            "UPDATE contacts SET last_seen = max(ifnull(last_seen, ?2), ?2) WHERE peer = ?1",
            params![peer, now],
        )
    }

    /// Forgets a contact, their addresses and the sessions with them. The conversation stays: a
    /// log that began again under the same incarnation would contradict what they hold.
    ///
    /// # Errors
    /// [`ContactError::Unknown`], and those of the environment.
    pub fn remove_contact(&self, peer: &PeerKey) -> Result<(), ContactError> {
        self.change("DELETE FROM contacts WHERE peer = ?1", [peer])?;
        self.run("DELETE FROM addresses WHERE peer = ?1", [peer])?;
        self.remove_sessions(peer)?;
        Ok(())
    }

    /// Notes an address (in its text form) of a contact or of somebody who waits; of others, none
    /// are kept, and it returns `false`. Keeps the latest [`MAX_ADDRESSES`].
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] over [`MAX_ADDRESS`] bytes, and those of the environment.
    pub fn learn_address(
        &self,
        peer: &PeerKey,
        address: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        within("the address", address.len(), MAX_ADDRESS)?;
        let inserted = self.run(
            "INSERT INTO addresses (peer, address, seen_at) SELECT ?1, ?2, ?3 \
             WHERE EXISTS (SELECT 1 FROM contacts WHERE peer = ?1) \
             OR EXISTS (SELECT 1 FROM requests WHERE peer = ?1) \
             ON CONFLICT (peer, address) DO UPDATE SET seen_at = max(seen_at, excluded.seen_at)",
            params![peer, address, now],
        )?;
        self.run(
            "DELETE FROM addresses WHERE peer = ?1 AND address IN \
             (SELECT address FROM addresses WHERE peer = ?1 ORDER BY seen_at DESC, address \
              LIMIT -1 OFFSET ?2)",
            params![peer, seq_to_sql(MAX_ADDRESSES as u64)],
        )?;
        Ok(inserted > 0)
    }

    fn refuse_taken(&self, peer: &PeerKey, name: &ContactName) -> Result<(), ContactError> {
        match self.contact_named(name.as_str())? {
            Some(other) if other.peer != *peer => Err(ContactError::NameTaken {
                name: name.to_string(),
            }),
            _ => Ok(()),
        }
    }

    fn change(&self, sql: &str, params: impl rusqlite::Params) -> Result<(), ContactError> {
        match self.run(sql, params)? {
            0 => Err(ContactError::Unknown),
            _ => Ok(()),
        }
    }
}
