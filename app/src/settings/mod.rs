//! What a person has set, and where: flag before `DCHAT_*` variable before `config.toml` before
//! default.
//!
//! | flag | variable | `config.toml` | default |
//! |---|---|---|---|
//! | `--home DIR` | `DCHAT_HOME` | | `$XDG_DATA_HOME/dchat`, `~/.local/share/dchat` |
//! | `--listen ADDR`… | `DCHAT_LISTEN` | `listen = ["…"]` | the node's choice |
//! | `--dial ADDR`… | `DCHAT_DIAL` | `dial = ["…"]` | none |
//! | `--bootstrap ADDR`… | `DCHAT_BOOTSTRAP` | `bootstrap = ["…"]` | none |
//! | `--relay ADDR`… | `DCHAT_RELAY` | `relay = ["…"]` | none |
//! | `--relay-only` | `DCHAT_RELAY_ONLY` | `relay_only = true` | `false` |
//! | `--role ROLE`… | `DCHAT_ROLE` | `role = ["relay", "bootstrap"]` | none |
//! | `--stun HOST:PORT`… | `DCHAT_STUN` | `stun = ["…"]` | none |
//! | | | `[relaying]`: what a relay gives, and to whom ([`Relaying`]) | everything, to anyone |
//! | `--no-mdns` | `DCHAT_MDNS` | `mdns = true` | `true` |
//! | `--no-dht` | `DCHAT_DHT` | `[dht] enabled = true` | `true` |
//! | | | `[dht]`: `serve = "auto"`, `difficulty = 12` ([`Dht`]) | by reachability, the public network's |
//! | `--passphrase-file FILE` | `DCHAT_PASSPHRASE_FILE` | `passphrase_file = "…"` | ask on the terminal |
//! | `-v`… | `DCHAT_LOG` | `log = "info"` | `warn` |
//!
//! With `--relay-only` there is no part in the distributed hash table: whoever asks it shows its
//! address.
//!
//! Lists in variables are separated by spaces or commas; an empty variable counts as unset. Whatever
//! is set and wrong is an error that names the place, never ignored.

mod dht;
mod environment;
mod error;
mod file;
mod relaying;
mod resolve;

pub use dht::{Dht, Serve};
pub use environment::Environment;
pub use error::SettingsError;
pub use file::ConfigFile;
pub use relaying::{Admission, Relaying};
pub use resolve::{Flags, Settings};
