//! The directory and the names in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A file of the profile directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileName {
    /// The encrypted database, `dchat.db` (SQLite adds `-wal` and `-shm` beside it).
    Database,
    /// The wrapped database key, `vault.json`.
    Vault,
    /// The key that opens the vault without a passphrase, `key`.
    Key,
    /// Settings, `config.toml`.
    Config,
    /// What the process lock is held on, `lock`. Holds the process id of its last holder.
    Lock,
    /// The control socket of the running daemon, `control.sock`.
    ControlSocket,
}

impl FileName {
    /// The name on disk.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Database => "dchat.db",
            Self::Vault => "vault.json",
            Self::Key => "key",
            Self::Config => "config.toml",
            Self::Lock => "lock",
            Self::ControlSocket => "control.sock",
        }
    }
}

/// An existing profile directory, not (yet) owned by this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    dir: PathBuf,
}

impl Home {
    /// Opens the profile directory, making it (mode 0700) and its parents when missing.
    ///
    /// # Errors
    /// [`HomeError::NotADirectory`] when something else has that name, [`HomeError::Io`] when it
    /// cannot be made or read. Nothing is left behind but parents that could be made.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, HomeError> {
        let dir = dir.into();
        match fs::metadata(&dir) {
            Ok(found) if found.is_dir() => Ok(Self { dir }),
            Ok(_) => Err(HomeError::NotADirectory { dir }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_private(&dir).map_err(|source| HomeError::Io {
                    action: "make the directory",
                    path: dir.clone(),
                    source,
                })?;
                Ok(Self { dir })
            }
            Err(source) => Err(HomeError::Io {
                action: "look at",
                path: dir,
                source,
            }),
        }
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a file of this profile is, whether it exists or not.
    pub fn path(&self, file: FileName) -> PathBuf {
        self.dir.join(file.as_str())
    }
}

#[cfg(unix)]
fn create_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        // Another process of this user was faster: the directory is there, which is the aim.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        other => other,
    }
}

#[cfg(not(unix))]
fn create_private(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

/// Why the profile directory cannot be used. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The path names something that is not a directory.
    #[error(
        "{} is not a directory; choose another with --home DIR or DCHAT_HOME", dir.display()
    )]
    NotADirectory {
        /// The path as given.
        dir: PathBuf,
    },
    /// Another process holds the lock.
    #[error(
        "{} is in use by another dchat{}; stop it, or choose another directory with --home",
        dir.display(),
        process.map(|id| format!(" (process {id})")).unwrap_or_default()
    )]
    InUse {
        /// The profile directory.
        dir: PathBuf,
        /// Its process id, when the lock file says so.
        process: Option<u32>,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}; check that you own it and may write there", path.display())]
    Io {
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
