//! What is wrong with the settings. Nothing was started.

use std::{io, path::PathBuf};

/// A setting that cannot be used, and where it was made.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// An option of the command line.
    #[error("{name}: {problem}")]
    Flag {
        /// The option.
        name: &'static str,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// An environment variable.
    #[error("{name}: {problem}. Correct it, or unset it.")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A line of the configuration file.
    #[error("{}, line {line}: {problem}. Correct it, or remove it.", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong there; names the key.
        problem: String,
    },
    /// The configuration file is there and cannot be read.
    #[error("cannot read {}: {source}. Make it readable, or remove it.", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A bootstrap node that is not to serve.
    #[error(
        "a bootstrap node serves the distributed hash table, which --no-dht, DCHAT_DHT, [dht] of \
         config.toml or --relay-only turns off: correct that, or leave the role away."
    )]
    Bootstrap,
    /// There is no place for a profile.
    #[error("there is no home directory to keep the profile in. Choose one with --home DIR.")]
    NoHome,
}
