//! The socket's place, however long the way to it.
//!
//! A socket address holds a path of about 100 bytes. On Linux a longer one is reached through the
//! open directory: `/proc/self/fd/N/control.sock`.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

/// The socket's name in the home.
pub const SOCKET: &str = "control.sock";
/// Under this name it is made, before it replaces a stale one.
const FRESH: &str = "control.sock.new";
/// Bytes of a path that every Unix takes (macOS and the BSDs: 104 with the final zero).
const SHORT: usize = 103;

/// Makes the socket, mode 0600, in place of any that is there. The caller holds the home's lock, so
/// what is there is stale. Returns the listener and the owner's user id.
pub(super) fn bind(home: &Path) -> io::Result<(UnixListener, u32)> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    let fresh = home.join(FRESH);
    remove(&fresh)?;
    let (short_path, _dir) = short(home, FRESH)?;
    let listener = UnixListener::bind(short_path)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
    let owner = fs::metadata(&fresh)?.uid();
    // A rename leaves no moment at which a client finds nothing or a socket of another mode.
    fs::rename(&fresh, home.join(SOCKET))?;
    Ok((listener, owner))
}

/// Connects; `None` when nobody is behind the socket.
pub(super) async fn connect(home: &Path) -> io::Result<Option<UnixStream>> {
    let (path, _dir) = match short(home, SOCKET) {
        // No home, nobody in it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match UnixStream::connect(&path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
            _ => Err(error),
        },
    }
}

/// Removes the socket; the caller made it and still holds the lock.
pub(super) fn unlink(home: &Path) {
    // What stays behind is stale, and the next process replaces it.
    let _ = remove(&home.join(SOCKET));
}

/// A path that fits a socket address, and what has to stay open while it is used.
fn short(home: &Path, name: &str) -> io::Result<(PathBuf, Option<File>)> {
    let path = home.join(name);
    if path.as_os_str().len() <= SHORT {
        return Ok((path, None));
    }
    through_open_directory(home, name)
}

#[cfg(target_os = "linux")]
fn through_open_directory(home: &Path, name: &str) -> io::Result<(PathBuf, Option<File>)> {
    use std::os::fd::AsRawFd as _;

    let dir = File::open(home)?;
    let path = format!("/proc/self/fd/{}/{name}", dir.as_raw_fd());
    Ok((path.into(), Some(dir)))
}

#[cfg(not(target_os = "linux"))]
fn through_open_directory(_home: &Path, _name: &str) -> io::Result<(PathBuf, Option<File>)> {
    Err(io::Error::new(
        io::ErrorKind::InvalidFilename,
        "the home's path is longer than a socket's may be; choose a shorter one with --home",
    ))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
