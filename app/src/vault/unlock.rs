//! Making, opening and changing the vault.

use std::{io, path::PathBuf};

use zeroize::Zeroizing;

use super::{
    Cost, Culprit, DatabaseKey, Entropy, Passphrase, VaultError,
    file::{self, Refused, VaultFile},
    key::random,
    slot::{Kek, Slot, Source, derive},
};
use crate::home::{FileName, LockedHome};

/// Bytes of the key file.
const KEY_FILE_BYTES: u64 = 32;

/// The slots of one profile, as read from disk: nothing in it is secret.
#[derive(Debug)]
pub struct Vault<'h> {
    home: &'h LockedHome,
    file: VaultFile,
}

impl<'h> Vault<'h> {
    /// Makes a key and a vault that opens with the key file.
    ///
    /// # Errors
    /// [`VaultError::Exists`] and [`VaultError::Orphan`] when the profile is not new; otherwise
    /// as the file system says, and then the profile still counts as new.
    pub fn create(
        home: &'h LockedHome,
        entropy: Entropy<'_>,
    ) -> Result<(Self, DatabaseKey), VaultError> {
        match Self::open(home) {
            Err(VaultError::Missing) => {}
            Err(other) => return Err(other),
            Ok(_) => {
                return Err(VaultError::Exists {
                    vault: home.path(FileName::Vault),
                });
            }
        }
        let key = DatabaseKey::generate(&mut *entropy)?;
        let slot = key_file_slot(home, &key, entropy)?;
        let vault = Self {
            home,
            file: VaultFile::new(key.id(), vec![slot]),
        };
        vault.write()?;
        Ok((vault, key))
    }

    /// Reads the vault of a profile.
    ///
    /// # Errors
    /// [`VaultError::Missing`] in a new profile, [`VaultError::Orphan`] when only the database is
    /// there, [`VaultError::Foreign`] and [`VaultError::Newer`] when it is not one of ours.
    pub fn open(home: &'h LockedHome) -> Result<Self, VaultError> {
        let path = home.path(FileName::Vault);
        let bytes = match home.read(FileName::Vault, file::MAX_BYTES) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(missing(home)),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(VaultError::Foreign {
                    path,
                    culprit: Culprit::TooLong,
                });
            }
            Err(error) => return Err(disk(path)(error)),
        };
        match VaultFile::decode(&bytes) {
            Ok(file) => Ok(Self { home, file }),
            Err(Refused::Newer(version)) => Err(VaultError::Newer { path, version }),
            Err(Refused::Foreign(culprit)) => Err(VaultError::Foreign { path, culprit }),
        }
    }

    /// Whether it opens with a passphrase only.
    pub fn needs_passphrase(&self) -> bool {
        !self
            .file
            .slots
            .iter()
            .any(|slot| matches!(slot.source, Source::KeyFile {}))
    }

    /// Opens the vault: with `passphrase` when one is given, else with the key file.
    ///
    /// # Errors
    /// [`VaultError::Locked`] when a passphrase is needed, [`VaultError::WrongPassphrase`] when
    /// this is not it; the errors of the key file where that is used. Nothing was changed.
    pub fn unlock(&self, passphrase: Option<&Passphrase>) -> Result<DatabaseKey, VaultError> {
        let key = match passphrase {
            _ if !self.needs_passphrase() => self.unlock_by_key_file()?,
            Some(passphrase) => self.unlock_by_passphrase(passphrase)?,
            None => return Err(VaultError::Locked),
        };
        if key.id() != self.file.key_id {
            return Err(self.foreign(FileName::Vault, Culprit::WrongKey));
        }
        if self.needs_passphrase() {
            // What a crash between the two steps of `set_passphrase` left. Only now is it proven
            // useless; that it stays is no reason to keep the user out.
            let _ = self.home.remove(FileName::Key);
        }
        Ok(key)
    }

    /// From now on only `passphrase` opens the vault; the key file is removed. `key` is what
    /// [`unlock`](Self::unlock) gave.
    ///
    /// # Errors
    /// [`VaultError::ForeignKey`] for a key that is not this vault's; otherwise as the file
    /// system says. The vault opens the old way or the new way.
    pub fn set_passphrase(
        &mut self,
        key: &DatabaseKey,
        passphrase: &Passphrase,
        entropy: Entropy<'_>,
    ) -> Result<(), VaultError> {
        self.set_passphrase_at(Cost::DEFAULT, key, passphrase, entropy)
    }

    pub(super) fn set_passphrase_at(
        &mut self,
        cost: Cost,
        key: &DatabaseKey,
        passphrase: &Passphrase,
        entropy: Entropy<'_>,
    ) -> Result<(), VaultError> {
        self.own(key)?;
        let salt = *random(&mut *entropy)?;
        let kek = derive(passphrase, &salt, cost)?;
        let source = Source::Passphrase {
            salt: file::Base64(salt),
            cost,
        };
        self.exchange(Slot::seal(key, &kek, source, entropy)?)?;
        self.home
            .remove(FileName::Key)
            .map_err(disk(self.home.path(FileName::Key)))
    }

    /// From now on a new key file opens the vault, and no passphrase does.
    ///
    /// # Errors
    /// As [`set_passphrase`](Self::set_passphrase).
    pub fn remove_passphrase(
        &mut self,
        key: &DatabaseKey,
        entropy: Entropy<'_>,
    ) -> Result<(), VaultError> {
        self.own(key)?;
        if !self.needs_passphrase() {
            return Ok(());
        }
        let slot = key_file_slot(self.home, key, entropy)?;
        self.exchange(slot)
    }

    /// Replaces all slots by one, in one rename.
    fn exchange(&mut self, slot: Slot) -> Result<(), VaultError> {
        let old = std::mem::replace(&mut self.file.slots, vec![slot]);
        self.write().inspect_err(|_| self.file.slots = old)
    }

    fn write(&self) -> Result<(), VaultError> {
        let path = self.home.path(FileName::Vault);
        let bytes = self
            .file
            .encode()
            .map_err(|error| disk(path.clone())(error.into()))?;
        self.home
            .replace(FileName::Vault, &bytes)
            .map_err(disk(path))
    }

    fn own(&self, key: &DatabaseKey) -> Result<(), VaultError> {
        if key.id() == self.file.key_id {
            Ok(())
        } else {
            Err(VaultError::ForeignKey)
        }
    }

    fn unlock_by_key_file(&self) -> Result<DatabaseKey, VaultError> {
        let kek = read_key_file(self.home)?;
        self.file
            .slots
            .iter()
            .filter(|slot| matches!(slot.source, Source::KeyFile {}))
            .find_map(|slot| slot.open(&kek, &self.file.key_id))
            .ok_or_else(|| self.foreign(FileName::Key, Culprit::DoesNotOpen))
    }

    fn unlock_by_passphrase(&self, passphrase: &Passphrase) -> Result<DatabaseKey, VaultError> {
        for slot in &self.file.slots {
            if let Source::Passphrase { salt, cost } = &slot.source {
                let kek = derive(passphrase, &salt.0, *cost)?;
                if let Some(key) = slot.open(&kek, &self.file.key_id) {
                    return Ok(key);
                }
            }
        }
        Err(VaultError::WrongPassphrase)
    }

    fn foreign(&self, file: FileName, culprit: Culprit) -> VaultError {
        VaultError::Foreign {
            path: self.home.path(file),
            culprit,
        }
    }
}

/// Writes a new key file and seals `key` under it. Until the slot is in the vault, the file is
/// only a file.
fn key_file_slot(
    home: &LockedHome,
    key: &DatabaseKey,
    entropy: Entropy<'_>,
) -> Result<Slot, VaultError> {
    let kek: Kek = random(&mut *entropy)?;
    home.replace(FileName::Key, kek.as_slice())
        .map_err(disk(home.path(FileName::Key)))?;
    Slot::seal(key, &kek, Source::KeyFile {}, entropy)
}

fn read_key_file(home: &LockedHome) -> Result<Kek, VaultError> {
    let path = home.path(FileName::Key);
    let bytes = match home.read(FileName::Key, KEY_FILE_BYTES) {
        Ok(Some(bytes)) => Zeroizing::new(bytes),
        Ok(None) => return Err(VaultError::KeyFileMissing { key: path }),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            return Err(VaultError::Foreign {
                path,
                culprit: Culprit::KeyLength,
            });
        }
        Err(error) => return Err(disk(path)(error)),
    };
    refuse_exposed(&path)?;
    let mut kek = Kek::default();
    if bytes.len() != kek.len() {
        return Err(VaultError::Foreign {
            path,
            culprit: Culprit::KeyLength,
        });
    }
    kek.copy_from_slice(&bytes);
    Ok(kek)
}

#[cfg(unix)]
fn refuse_exposed(path: &std::path::Path) -> Result<(), VaultError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path)
        .map_err(disk(path.to_owned()))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(VaultError::Exposed {
            path: path.to_owned(),
            mode,
        })
    }
}

#[cfg(not(unix))]
fn refuse_exposed(_path: &std::path::Path) -> Result<(), VaultError> {
    Ok(())
}

fn missing(home: &LockedHome) -> VaultError {
    let database = home.path(FileName::Database);
    if database.exists() {
        VaultError::Orphan {
            database,
            vault: home.path(FileName::Vault),
        }
    } else {
        VaultError::Missing
    }
}

fn disk(path: PathBuf) -> impl FnOnce(io::Error) -> VaultError {
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            VaultError::Permission { path, source }
        }
        _ => VaultError::Io { path, source },
    }
}
