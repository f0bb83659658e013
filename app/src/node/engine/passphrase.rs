//! Exchanging what opens the home.

use zeroize::Zeroizing;

use crate::api::{ApiError, ErrorKind, Reply, Secret};
use crate::home::LockedHome;
use crate::vault::{DatabaseKey, Passphrase, Vault, VaultError};

/// The vault and the key it guards.
pub(super) struct Keyring<'e> {
    pub(super) home: &'e LockedHome,
    pub(super) key: &'e DatabaseKey,
}

impl Keyring<'_> {
    /// From now on `new` opens the home, or the key file when there is none. A running node proves
    /// nothing about who asks, so `current` must open it first.
    pub(super) fn exchange(
        &self,
        current: Option<&Secret>,
        new: Option<&Secret>,
    ) -> Result<Reply, ApiError> {
        let mut vault = Vault::open(self.home).map_err(refused)?;
        let current = current.map(passphrase).transpose()?;
        vault.unlock(current.as_ref()).map_err(refused)?;
        let entropy = &mut |bytes: &mut [u8]| getrandom::fill(bytes);
        match new {
            Some(new) => vault.set_passphrase(self.key, &passphrase(new)?, entropy),
            None => vault.remove_passphrase(self.key, entropy),
        }
        .map_err(refused)?;
        Ok(Reply::Done)
    }
}

fn passphrase(secret: &Secret) -> Result<Passphrase, ApiError> {
    Passphrase::new(Zeroizing::new(secret.expose().to_owned()))
        .map_err(|error| ApiError::new(ErrorKind::Usage, format!("{error}.")))
}

fn refused(error: VaultError) -> ApiError {
    let kind = match error {
        VaultError::Locked | VaultError::WrongPassphrase => ErrorKind::Locked,
        _ => ErrorKind::Failed,
    };
    ApiError::new(kind, format!("{error}. The home opens as before."))
}
