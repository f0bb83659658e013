//! Strangers who wrote and wait for an answer.
//!
//! At most [`MAX_REQUESTS`](super::limits::MAX_REQUESTS), one a peer. A full list refuses the
//! newcomer: keys cost nothing, so any rule that evicts would let one stranger push out all the
//! others. The person makes room by answering.

use rusqlite::{Row, params};

use super::{ContactName, PeerKey, StoreError, Tx, UnixMillis, View, limits::MAX_REQUESTS};

/// Somebody who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Their key.
    pub peer: PeerKey,
    /// What they call themselves, if that can be a name.
    pub name: Option<String>,
    /// When they first wrote.
    pub first_at: UnixMillis,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// Waits now.
    New,
    /// Waited already; their name was brought up to date.
    Again,
    /// They are a contact (which includes blocked ones): nothing to ask.
    Contact,
    /// Refused: too many wait.
    Full,
}

impl View<'_> {
    /// All who wait, oldest first.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn requests(&self) -> Result<Vec<Request>, StoreError> {
        self.all(
            "SELECT peer, name, first_at FROM requests ORDER BY first_at, peer",
            [],
            Request::from_row,
        )
    }

    /// The request of one peer.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn request(&self, peer: &PeerKey) -> Result<Option<Request>, StoreError> {
        self.one(
            "SELECT peer, name, first_at FROM requests WHERE peer = ?1",
            [peer],
            Request::from_row,
        )
    }
}

impl Request {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            peer: row.get(0)?,
            name: row.get(1)?,
            first_at: row.get(2)?,
        })
    }
}

impl Tx<'_> {
    /// Files the request of a stranger. Addresses follow by
    /// [`learn_address`](Tx::learn_address).
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn file_request(
        &self,
        peer: &PeerKey,
        name: Option<&ContactName>,
        now: UnixMillis,
    ) -> Result<Filed, StoreError> {
        if self.contact(peer)?.is_some() {
            return Ok(Filed::Contact);
        }
        let name = name.map(ContactName::as_str);
        if self.request(peer)?.is_some() {
            self.run(
                "UPDATE requests SET name = ifnull(?2, name) WHERE peer = ?1",
                params![peer, name],
            )?;
            return Ok(Filed::Again);
        }
        if self.count("SELECT count(*) FROM requests", [])? >= MAX_REQUESTS as u64 {
            return Ok(Filed::Full);
        }
        self.run(
            "INSERT INTO requests (peer, name, first_at) VALUES (?1, ?2, ?3)",
            params![peer, name, now],
        )?;
        Ok(Filed::New)
    }

    /// Turns a request down: it and the addresses go. Returns whether there was one. (Accepting
    /// is [`add_contact`](Tx::add_contact).)
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn remove_request(&self, peer: &PeerKey) -> Result<bool, StoreError> {
        if self.run("DELETE FROM requests WHERE peer = ?1", [peer])? == 0 {
            return Ok(false);
        }
        self.run("DELETE FROM addresses WHERE peer = ?1", [peer])?;
        Ok(true)
    }
}
