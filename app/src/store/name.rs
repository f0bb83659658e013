//! Names of contacts: what a person types after `send`.

use std::fmt;

use super::{limits::MAX_NAME, terms::fold};

/// A name that can stand on a command line and cannot be taken for something else.
///
/// Without control characters, without invisible ones that reorder or join text, without white
/// space at its ends; not beginning like a room, a group, an option, an address or a PeerId. Two
/// names that differ in case or in compatible forms of characters only are the same name.
#[derive(Debug, Clone)]
pub struct ContactName {
    shown: String,
    key: String,
}

impl ContactName {
    /// Checks a name, which may come from a stranger.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        if name.chars().any(is_unprintable) {
            return Err(NameError::Unprintable);
        }
        let name = name.trim();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.starts_with(['#', '@', '-', '/']) || name.starts_with("12D3KooW") {
            return Err(NameError::Ambiguous);
        }
        let key = fold(name);
        if key.trim().is_empty() {
            return Err(NameError::Empty);
        }
        Ok(Self {
            shown: name.to_owned(),
            key,
        })
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// As it is compared.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for ContactName {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for ContactName {}

impl fmt::Display for ContactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Control characters, and format characters (Unicode category Cf and its like) with which one
/// name could be made to look like another.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F
            | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// Why a name cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or white space.
    #[error("the name is empty; choose one with --name")]
    Empty,
    /// More than [`MAX_NAME`] bytes.
    #[error("the name is longer than {MAX_NAME} bytes; choose a shorter one")]
    TooLong,
    /// Characters that cannot be seen.
    #[error("the name has characters that cannot be seen; choose one without")]
    Unprintable,
    /// It would be taken for a room, a group, an option, an address or a PeerId.
    #[error("a name cannot begin with # @ - / or like a PeerId; choose another")]
    Ambiguous,
}
