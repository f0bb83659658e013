//! One process a profile.

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    ops::Deref,
    path::Path,
};

use super::{
    FileName, Home, HomeError,
    durable::{open_private, read_bounded, remove, replace},
};

/// A process id has at most ten digits; anything longer in the lock file is not ours.
const PROCESS_ID_DIGITS: u64 = 10;

/// A profile directory that this process, and no other, may change.
///
/// Dropping it releases the lock, and so does the end of the process, however it ends.
#[derive(Debug)]
pub struct LockedHome {
    home: Home,
    // Held for its lock only.
    _lock: File,
}

impl Home {
    /// Takes the exclusive lock, or says at once who has it.
    ///
    /// # Errors
    /// [`HomeError::InUse`] when another process (or another `LockedHome` of this one) holds it,
    /// [`HomeError::Io`] when the lock file cannot be opened or locked.
    pub fn lock(&self) -> Result<LockedHome, HomeError> {
        self.lock_with(|file| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    /// Takes the exclusive lock, waiting as long as another process holds it.
    ///
    /// # Errors
    /// [`HomeError::Io`] when the lock file cannot be opened or locked.
    pub fn lock_waiting(&self) -> Result<LockedHome, HomeError> {
        self.lock_with(|file| file.lock().map(|()| true))
    }

    fn lock_with(
        &self,
        take: impl FnOnce(&File) -> io::Result<bool>,
    ) -> Result<LockedHome, HomeError> {
        let path = self.path(FileName::Lock);
        let failed = |action| {
            let path = path.clone();
            move |source| HomeError::Io {
                action,
                path,
                source,
            }
        };
        let mut file = open_private(&path).map_err(failed("open"))?;
        if !take(&file).map_err(failed("lock"))? {
            return Err(HomeError::InUse {
                dir: self.dir().to_owned(),
                process: holder(&mut file),
            });
        }
        // Only for the message of the next one who is refused: not worth failing for.
        let _ = sign(&mut file);
        Ok(LockedHome {
            home: self.clone(),
            _lock: file,
        })
    }
}

impl LockedHome {
    /// Replaces a file as a whole, mode 0600. When this returns, the content survives a power
    /// cut; when it fails or the process dies, the old content stands.
    ///
    /// # Errors
    /// What the file system said.
    pub fn replace(&self, file: FileName, content: &[u8]) -> io::Result<()> {
        replace(self.dir(), file.as_str(), content)
    }

    /// Removes a file durably. A file that is not there is fine.
    ///
    /// # Errors
    /// What the file system said.
    pub fn remove(&self, file: FileName) -> io::Result<()> {
        remove(self.dir(), file.as_str())
    }

    /// Reads a file of at most `limit` bytes; `None` when there is none.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] beyond `limit`, otherwise what the file system said.
    pub fn read(&self, file: FileName, limit: u64) -> io::Result<Option<Vec<u8>>> {
        read_bounded(&self.path(file), limit)
    }

    /// Opens a file of the profile for writing, mode 0600 when it is made.
    pub(crate) fn create_private(&self, path: &Path) -> io::Result<()> {
        open_private(path).map(drop)
    }
}

impl Deref for LockedHome {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PROCESS_ID_DIGITS)
        .read_to_string(&mut text)
        .ok()?;
    text.parse().ok()
}
