//! Files that are there as a whole after a crash, or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

/// Writes `content` under a temporary name, makes it durable, and renames it over `name`.
pub(super) fn replace(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let target = dir.join(name);
    let temporary = dir.join(format!("{name}.new"));
    fuse::burn()?;
    // One that a crash left behind may have any mode and content: start from nothing.
    remove_if_there(&temporary)?;
    let mut file = open_private(&temporary)?;
    fuse::burn()?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    fuse::burn()?;
    fs::rename(&temporary, &target)?;
    fuse::burn()?;
    sync_dir(dir)
}

/// Removes `name` and makes the removal durable.
pub(super) fn remove(dir: &Path, name: &str) -> io::Result<()> {
    fuse::burn()?;
    remove_if_there(&dir.join(name))?;
    fuse::burn()?;
    sync_dir(dir)
}

/// Reads at most `limit` bytes; a longer file is an error, none is `None`.
pub(super) fn read_bounded(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {limit} bytes"),
        ));
    }
    Ok(Some(content))
}

/// Opens for reading and writing; a new file is the owner's alone from its first moment.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A rename or removal is durable only once the directory is.
#[cfg(unix)]
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Directories cannot be opened for syncing here; the file system journals the rename.
#[cfg(not(unix))]
pub(super) fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// Stops a sequence of file effects after the n-th, as a crash would.
#[cfg(test)]
pub(crate) mod fuse {
    use std::{cell::Cell, io};

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// Lets `effects` more effects of this thread happen; `None` lets all happen.
    pub(crate) fn set(effects: Option<u32>) {
        LEFT.set(effects);
    }

    pub(in super::super) fn burn() -> io::Result<()> {
        match LEFT.get() {
            Some(0) => Err(io::Error::other("the fuse of this test is burnt")),
            left => {
                LEFT.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }
}

#[cfg(not(test))]
mod fuse {
    pub(super) fn burn() -> std::io::Result<()> {
        Ok(())
    }
}
