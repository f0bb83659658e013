//! `config.toml` in the home.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use serde::Deserialize;
use toml::Spanned;

use super::SettingsError;
use super::dht::DhtTable;
use super::relaying::RelayingTable;

/// Longest file read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// The file's content. Keys that are not listed here are refused.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// Where to listen.
    pub(super) listen: Option<Vec<Spanned<String>>>,
    /// Whom to reach.
    pub(super) dial: Option<Vec<Spanned<String>>>,
    /// Nodes to enter the network by.
    pub(super) bootstrap: Option<Vec<Spanned<String>>>,
    /// Relays to be reachable through.
    pub(super) relay: Option<Vec<Spanned<String>>>,
    /// Whether contacts never learn our own address.
    pub(super) relay_only: Option<bool>,
    /// What to serve others with.
    pub(super) role: Option<Vec<Spanned<String>>>,
    /// STUN servers.
    pub(super) stun: Option<Vec<Spanned<String>>>,
    /// What a relay gives, and to whom.
    #[serde(default)]
    pub(super) relaying: RelayingTable,
    /// How to take part in the distributed hash table.
    #[serde(default)]
    pub(super) dht: DhtTable,
    /// Whether to use multicast DNS.
    pub(super) mdns: Option<bool>,
    /// Holds the passphrase.
    pub(super) passphrase_file: Option<String>,
    /// What to log.
    pub(super) log: Option<String>,
    #[serde(skip)]
    text: String,
}

impl ConfigFile {
    /// Reads the file; one that is not there is an empty one.
    ///
    /// # Errors
    /// [`SettingsError::Unreadable`] and [`SettingsError::File`].
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let unreadable = |source| SettingsError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut text = String::new();
        file.take(MAX_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(unreadable(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is longer than {MAX_BYTES} bytes"),
            )));
        }
        Self::parse(path, text)
    }

    fn parse(path: &Path, text: String) -> Result<Self, SettingsError> {
        match toml::from_str::<Self>(&text) {
            Ok(file) => Ok(Self { text, ..file }),
            Err(error) => Err(SettingsError::File {
                path: path.to_owned(),
                line: line(&text, error.span().map_or(0, |span| span.start)),
                problem: error.message().replace('\n', " "),
            }),
        }
    }

    /// The error for a value of this file.
    pub(super) fn refuse(
        &self,
        path: &Path,
        key: &str,
        value: &Spanned<String>,
        problem: &str,
    ) -> SettingsError {
        self.refuse_at(path, key, value.span().start, problem)
    }

    /// The error for the value that begins at byte `at` of this file.
    pub(super) fn refuse_at(
        &self,
        path: &Path,
        key: &str,
        at: usize,
        problem: &str,
    ) -> SettingsError {
        SettingsError::File {
            path: path.to_owned(),
            line: line(&self.text, at),
            problem: format!("{key}: {problem}"),
        }
    }
}

/// The number of the line a byte is in, from 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
    use super::*;

    fn refusal(text: &str) -> String {
        ConfigFile::parse(Path::new("config.toml"), text.to_owned())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_and_line() {
        let error = refusal("mdns = true\n\nlisen = []\n");
        assert!(
            error.starts_with("config.toml, line 3: unknown field `lisen`"),
            "{error}"
        );
        assert!(!error.contains('\n'));
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused_with_its_line() {
        let error = refusal("# mine\nmdns = \"maybe\"\n");
        assert!(error.starts_with("config.toml, line 2: "), "{error}");
    }

    #[test]
    fn what_is_not_toml_is_refused() {
        assert!(refusal("mdns = = 1\n").contains("line 1"));
    }

    #[test]
    fn a_file_that_is_not_there_sets_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = ConfigFile::read(&dir.path().join("config.toml")).unwrap();
        assert!(file.listen.is_none() && file.mdns.is_none() && file.log.is_none());
    }

    #[test]
    fn an_endless_file_is_not_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, "#".repeat(100_000)).unwrap();
        let error = ConfigFile::read(&path).unwrap_err().to_string();
        assert!(error.contains("longer than 65536 bytes"), "{error}");
    }
}
