//! Singletons of the profile: its identity, its name, its incarnation.

use rusqlite::params;
use zeroize::Zeroizing;

use super::{StoreError, Tx, View, limits::MAX_META, transaction::within};

/// Name of one value. The values of the other layers have theirs here, so that no two of them
/// choose the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetaKey(&'static str);

impl MetaKey {
    /// Secret half of the identity, 32 bytes.
    pub const IDENTITY_SECRET: Self = Self("identity_secret");
    /// What the person calls themselves, UTF-8.
    pub const OWN_NAME: Self = Self("own_name");
    /// UDP port listened on the last time, two bytes in little-endian order.
    pub const LISTEN_PORT: Self = Self("listen_port");
    /// Nonce of the own puzzle of the distributed hash table, eight bytes in little-endian order. It
    /// belongs to the identity, and is worth the time it took to find.
    pub const DHT_NONCE: Self = Self("dht_nonce");
    /// Rules the search index was cut by; owned by the store.
    pub(super) const SEARCH_TERMS: Self = Self("search_terms");

    /// One byte that changes with every [`Store::settle`](super::Store::settle); owned by the store.
    pub(super) const SETTLED: Self = Self("settled");

    /// A value of another layer, named by that layer.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

impl View<'_> {
    /// The value called `key`.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn meta(&self, key: MetaKey) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.one("SELECT value FROM meta WHERE key = ?1", [key.0], |row| {
            row.get(0).map(Zeroizing::new)
        })
    }
}

impl Tx<'_> {
    /// Sets the value called `key`, at most [`MAX_META`] bytes.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] and those of the environment.
    pub fn set_meta(&self, key: MetaKey, value: &[u8]) -> Result<(), StoreError> {
        within("the value", value.len(), MAX_META)?;
        self.run(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            params![key.0, value],
        )?;
        Ok(())
    }

    /// Removes the value called `key`, if there is one.
    ///
    /// # Errors
    /// Only those of the environment.
    pub fn remove_meta(&self, key: MetaKey) -> Result<(), StoreError> {
        self.run("DELETE FROM meta WHERE key = ?1", [key.0])?;
        Ok(())
    }
}
