//! Opening a home: directory, lock, vault, database, identity, in that order.

use std::path::Path;

use dchat_wire::sign::Identity;
use zeroize::Zeroizing;

use crate::api::{ApiError, ErrorKind, Secret};
use crate::home::{Home, HomeError, LockedHome};
use crate::seam::OpenError;
#[cfg(feature = "crash-points")]
use crate::store::CrashAt;
use crate::store::{
    DhtNode, MetaKey, OpenError as StoreOpenError, OwnRecord, Store, StoreError, UnixMillis,
};
use crate::vault::{DatabaseKey, Passphrase, Vault, VaultError};

/// An open home.
pub(super) struct Profile {
    pub(super) home: LockedHome,
    pub(super) key: DatabaseKey,
    pub(super) store: Store,
    pub(super) identity: Identity,
    pub(super) name: String,
    /// The UDP port listened on the last time, so that addresses given to others stay true; 0 when
    /// there was none.
    pub(super) last_port: u16,
    /// Nodes of the distributed hash table that were there not long ago.
    pub(super) dht_nodes: Vec<DhtNode>,
    /// The nonce of the own puzzle there, once it was found.
    pub(super) dht_nonce: Option<u64>,
    /// What is remembered of own records there.
    pub(super) own_records: Vec<OwnRecord>,
}

impl Profile {
    /// Opens the home in `dir`, making whatever is missing, and takes its lock.
    ///
    /// # Errors
    /// [`OpenError`]; nothing that was there is changed.
    pub(super) fn open(
        dir: &Path,
        passphrase: Option<&Secret>,
        new_name: Option<&str>,
        now: UnixMillis,
    ) -> Result<Self, OpenError> {
        let home = Home::open(dir)
            .and_then(|home| home.lock())
            .map_err(from_home)?;
        let key = unlock(&home, passphrase)?;
        let mut store = Store::open(&home, &key).map_err(from_store_open)?;
        #[cfg(feature = "crash-points")]
        if let Some(at) = std::env::var(CrashAt::VARIABLE)
            .ok()
            .and_then(|at| CrashAt::parse(&at))
        {
            store.observe_commits(move |event| at.check(event));
        }
        let (identity, name, last_port, dht_nonce) = store
            .transaction("open-profile", |tx| {
                let identity = match tx.meta(MetaKey::IDENTITY_SECRET)? {
                    Some(seed) => identity_from(&seed)?,
                    None => {
                        let seed = random_seed()?;
                        tx.set_meta(MetaKey::IDENTITY_SECRET, seed.as_slice())?;
                        Identity::from_seed(&seed)
                    }
                };
                if let Some(name) = new_name {
                    tx.set_meta(MetaKey::OWN_NAME, name.as_bytes())?;
                }
                let name = tx
                    .meta(MetaKey::OWN_NAME)?
                    .map_or_else(String::new, |name| {
                        String::from_utf8_lossy(&name).into_owned()
                    });
                let port = tx.meta(MetaKey::LISTEN_PORT)?;
                let port = port.and_then(|bytes| <[u8; 2]>::try_from(bytes.as_slice()).ok());
                let nonce = tx.meta(MetaKey::DHT_NONCE)?;
                let nonce = nonce.and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok());
                Ok((
                    identity,
                    name,
                    u16::from_le_bytes(port.unwrap_or_default()),
                    nonce.map(u64::from_le_bytes),
                ))
            })
            .map_err(OpenError::Other)?;
        let (dht_nodes, own_records) = store
            .read(|view| Ok((view.dht_nodes(now)?, view.own_records()?)))
            .map_err(|error: StoreError| failed(&error))?;
        Ok(Self {
            home,
            key,
            store,
            identity,
            name,
            last_port,
            dht_nodes,
            dht_nonce,
            own_records,
        })
    }
}

impl Profile {
    /// Notes the port listened on.
    pub(super) fn remember_port(&mut self, port: u16) -> Result<(), OpenError> {
        let written = self.store.transaction("remember-port", |tx| {
            tx.set_meta(MetaKey::LISTEN_PORT, &port.to_le_bytes())
        });
        written.map_err(|error: StoreError| failed(&error))
    }
}

/// Fills bytes from the operating system.
///
/// # Errors
/// [`ErrorKind::Failed`] when it gives none.
pub(super) fn random<const N: usize>() -> Result<[u8; N], ApiError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        let message =
            format!("the operating system gives no random bytes: {error}. Nothing was changed.");
        ApiError::new(ErrorKind::Failed, message)
    })?;
    Ok(bytes)
}

fn random_seed() -> Result<Zeroizing<[u8; 32]>, ApiError> {
    random().map(Zeroizing::new)
}

fn identity_from(seed: &[u8]) -> Result<Identity, ApiError> {
    let seed = <&[u8; 32]>::try_from(seed).map_err(|_| {
        let message = "the database holds no usable identity. Restore this home from a backup.";
        ApiError::new(ErrorKind::Failed, message)
    })?;
    Ok(Identity::from_seed(seed))
}

fn unlock(home: &LockedHome, passphrase: Option<&Secret>) -> Result<DatabaseKey, OpenError> {
    match Vault::open(home) {
        Err(VaultError::Missing) => Vault::create(home, &mut |bytes| getrandom::fill(bytes))
            .map(|(_, key)| key)
            .map_err(from_vault),
        Err(error) => Err(from_vault(error)),
        Ok(vault) => {
            let typed = passphrase
                .map(|secret| Passphrase::new(Zeroizing::new(secret.expose().to_owned())))
                .transpose()
                .map_err(|_| OpenError::WrongPassphrase)?;
            vault.unlock(typed.as_ref()).map_err(from_vault)
        }
    }
}

fn from_home(error: HomeError) -> OpenError {
    match error {
        HomeError::InUse { process, .. } => OpenError::InUse { process },
        other => failed(&other),
    }
}

fn from_vault(error: VaultError) -> OpenError {
    match error {
        VaultError::Locked => OpenError::PassphraseNeeded,
        VaultError::WrongPassphrase => OpenError::WrongPassphrase,
        other => failed(&other),
    }
}

fn from_store_open(error: StoreOpenError) -> OpenError {
    failed(&error)
}

fn failed(error: &dyn std::error::Error) -> OpenError {
    OpenError::Other(ApiError::new(ErrorKind::Failed, error.to_string()))
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::new(ErrorKind::Failed, error.to_string())
    }
}
