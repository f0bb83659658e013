//! From what was set in four places to what holds.

use std::path::{Path, PathBuf};

use dchat_wire::Address;
use toml::Spanned;

use super::{ConfigFile, Environment, SettingsError};

/// The configuration file's name in the home.
const CONFIG: &str = "config.toml";

/// What the command line says, as typed.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--home`.
    pub home: Option<PathBuf>,
    /// `--listen`.
    pub listen: Vec<String>,
    /// `--dial`.
    pub dial: Vec<String>,
    /// `--bootstrap`.
    pub bootstrap: Vec<String>,
    /// `--no-mdns`.
    pub no_mdns: bool,
    /// `--passphrase-file`.
    pub passphrase_file: Option<PathBuf>,
    /// How often `-v`.
    pub verbose: u8,
}

/// What holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The profile directory. Not necessarily there yet.
    pub home: PathBuf,
    /// Where to listen; empty for the node's choice.
    pub listen: Vec<Address>,
    /// Whom to reach: `--dial` and `--bootstrap`.
    pub dial: Vec<Address>,
    /// Whether to use multicast DNS.
    pub mdns: bool,
    /// Holds the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// What to log, as `tracing` directives.
    pub log: String,
}

impl Settings {
    /// Puts together flags, variables and the home's configuration file.
    ///
    /// # Errors
    /// The first thing that is set and cannot be used.
    pub fn resolve(flags: Flags, environment: &Environment) -> Result<Self, SettingsError> {
        let home = match flags.home {
            Some(home) => home,
            None => home_of(environment)?,
        };
        let path = home.join(CONFIG);
        let file = ConfigFile::read(&path)?;
        let places = Places {
            environment,
            file: &file,
            path: &path,
        };
        let listen = places.addresses(
            Key::LISTEN,
            &flags.listen,
            file.listen.as_deref(),
            listenable,
        )?;
        let mut dial = places.addresses(Key::DIAL, &flags.dial, file.dial.as_deref(), dialable)?;
        dial.extend(places.addresses(
            Key::BOOTSTRAP,
            &flags.bootstrap,
            file.bootstrap.as_deref(),
            dialable,
        )?);
        let mdns = match environment.switch("DCHAT_MDNS")? {
            _ if flags.no_mdns => false,
            Some(mdns) => mdns,
            None => file.mdns.unwrap_or(true),
        };
        let passphrase_file = flags
            .passphrase_file
            .or_else(|| environment.os("DCHAT_PASSPHRASE_FILE").map(PathBuf::from))
            .or_else(|| file.passphrase_file.as_ref().map(|name| home.join(name)));
        let log = match (level(flags.verbose), environment.text("DCHAT_LOG")?) {
            (Some(level), _) => level.to_owned(),
            (None, Some(set)) => set.to_owned(),
            (None, None) => file.log.clone().unwrap_or_else(|| "warn".to_owned()),
        };
        Ok(Self {
            home,
            listen,
            dial,
            mdns,
            passphrase_file,
            log,
        })
    }
}

/// One setting's names.
#[derive(Clone, Copy)]
struct Key {
    flag: &'static str,
    variable: &'static str,
    file: &'static str,
}

impl Key {
    const LISTEN: Self = Self {
        flag: "--listen",
        variable: "DCHAT_LISTEN",
        file: "listen",
    };
    const DIAL: Self = Self {
        flag: "--dial",
        variable: "DCHAT_DIAL",
        file: "dial",
    };
    const BOOTSTRAP: Self = Self {
        flag: "--bootstrap",
        variable: "DCHAT_BOOTSTRAP",
        file: "bootstrap",
    };
}

type Check = fn(&Address) -> Result<(), &'static str>;

struct Places<'a> {
    environment: &'a Environment,
    file: &'a ConfigFile,
    path: &'a Path,
}

impl Places<'_> {
    /// A list of addresses from the first place that has one.
    fn addresses(
        &self,
        key: Key,
        flags: &[String],
        file: Option<&[Spanned<String>]>,
        check: Check,
    ) -> Result<Vec<Address>, SettingsError> {
        if !flags.is_empty() {
            return flags
                .iter()
                .map(|text| {
                    address(text, check).map_err(|problem| SettingsError::Flag {
                        name: key.flag,
                        problem,
                    })
                })
                .collect();
        }
        if let Some(list) = self.environment.text(key.variable)? {
            return list
                .split([',', ' ', '\t', '\n'])
                .filter(|text| !text.is_empty())
                .map(|text| {
                    address(text, check).map_err(|problem| SettingsError::Variable {
                        name: key.variable,
                        problem,
                    })
                })
                .collect();
        }
        file.unwrap_or_default()
            .iter()
            .map(|text| {
                address(text.get_ref(), check)
                    .map_err(|problem| self.file.refuse(self.path, key.file, text, &problem))
            })
            .collect()
    }
}

fn address(text: &str, check: Check) -> Result<Address, String> {
    let address: Address = text
        .parse()
        .map_err(|error| format!("'{text}' is {error}"))?;
    check(&address).map_err(|problem| format!("'{text}' {problem}"))?;
    Ok(address)
}

fn listenable(address: &Address) -> Result<(), &'static str> {
    match address {
        Address::Direct { peer: None, .. } => Ok(()),
        Address::Direct { .. } => Err("names a peer; leave /p2p/… away to listen"),
        Address::Circuit { .. } => Err(NO_RELAYS),
    }
}

fn dialable(address: &Address) -> Result<(), &'static str> {
    let socket = address.socket();
    match address {
        Address::Circuit { .. } => Err(NO_RELAYS),
        _ if socket.port() == 0 || socket.ip().is_unspecified() || socket.ip().is_multicast() => {
            Err("names no single node; give its own address and port")
        }
        Address::Direct { .. } => Ok(()),
    }
}

const NO_RELAYS: &str = "leads through a relay, which this version cannot do yet";

fn level(verbose: u8) -> Option<&'static str> {
    match verbose {
        0 => None,
        1 => Some("info"),
        2 => Some("debug"),
        _ => Some("trace"),
    }
}

fn home_of(environment: &Environment) -> Result<PathBuf, SettingsError> {
    if let Some(home) = environment.os("DCHAT_HOME") {
        return Ok(home.into());
    }
    // The XDG base directory specification: a relative path counts as unset.
    let data = environment.os("XDG_DATA_HOME").map(PathBuf::from);
    if let Some(data) = data.filter(|data| data.is_absolute()) {
        return Ok(data.join("dchat"));
    }
    let person = environment.os("HOME").map(PathBuf::from);
    let person = person.ok_or(SettingsError::NoHome)?;
    Ok(person.join(if cfg!(target_os = "macos") {
        "Library/Application Support/dchat"
    } else {
        ".local/share/dchat"
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]
    use super::*;

    const A: &str = "/ip4/192.0.2.1/udp/4001/quic-v1";
    const B: &str = "/ip4/192.0.2.2/udp/4001/quic-v1";
    const C: &str = "/ip6/2001:db8::3/udp/4001/quic-v1";

    fn in_home(config: &str) -> (tempfile::TempDir, Flags) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CONFIG), config).unwrap();
        let flags = Flags {
            home: Some(dir.path().to_owned()),
            ..Flags::default()
        };
        (dir, flags)
    }

    fn set(variables: &[(&str, &str)]) -> Environment {
        variables.iter().copied().collect()
    }

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_flag_goes_before_a_variable_before_the_file_before_the_default() {
        let (_dir, flags) = in_home(&format!("dial = [\"{A}\"]\nmdns = false\nlog = \"info\"\n"));
        let none = Settings::resolve(flags.clone(), &set(&[])).unwrap();
        assert_eq!((none.dial, none.mdns), (addresses(&[A]), false));
        assert_eq!(none.log, "info");

        let variables = set(&[
            ("DCHAT_DIAL", &format!("{B}, {C}")),
            ("DCHAT_MDNS", "on"),
            ("DCHAT_LOG", "debug"),
        ]);
        let by_variable = Settings::resolve(flags.clone(), &variables).unwrap();
        assert_eq!(by_variable.dial, addresses(&[B, C]));
        assert!(by_variable.mdns);
        assert_eq!(by_variable.log, "debug");

        let flags = Flags {
            dial: vec![C.into()],
            no_mdns: true,
            verbose: 3,
            ..flags
        };
        let by_flag = Settings::resolve(flags, &variables).unwrap();
        assert_eq!((by_flag.dial, by_flag.mdns), (addresses(&[C]), false));
        assert_eq!(by_flag.log, "trace");
    }

    #[test]
    fn nothing_set_is_the_defaults() {
        let (_dir, flags) = in_home("");
        let settings = Settings::resolve(flags, &set(&[("DCHAT_DIAL", "")])).unwrap();
        assert!(settings.listen.is_empty() && settings.dial.is_empty() && settings.mdns);
        assert_eq!(settings.log, "warn");
    }

    #[test]
    fn bootstrap_nodes_are_dialed_too() {
        let (_dir, flags) = in_home(&format!("bootstrap = [\"{B}\"]\n"));
        let flags = Flags {
            dial: vec![A.into()],
            ..flags
        };
        let settings = Settings::resolve(flags, &set(&[])).unwrap();
        assert_eq!(settings.dial, addresses(&[A, B]));
    }

    #[test]
    fn the_home_is_looked_for_in_order() {
        let home = |variables: &[(&str, &str)]| home_of(&set(variables));
        let all = [
            ("DCHAT_HOME", "/a"),
            ("XDG_DATA_HOME", "/b"),
            ("HOME", "/c"),
        ];
        assert_eq!(home(&all).unwrap(), Path::new("/a"));
        assert_eq!(home(&all[1..]).unwrap(), Path::new("/b/dchat"));
        assert!(home(&all[2..]).unwrap().starts_with("/c"));
        assert!(
            home(&[("XDG_DATA_HOME", "b"), ("HOME", "/c")])
                .unwrap()
                .starts_with("/c")
        );
        assert!(matches!(home(&[]), Err(SettingsError::NoHome)));
    }

    #[test]
    fn a_wrong_address_is_refused_where_it_was_set() {
        let (_dir, flags) = in_home("mdns = true\ndial = [\n  \"nowhere\",\n]\n");
        let in_file = Settings::resolve(flags.clone(), &set(&[]))
            .unwrap_err()
            .to_string();
        assert!(
            in_file.contains("config.toml, line 3: dial: 'nowhere'"),
            "{in_file}"
        );
        let variable = Settings::resolve(flags.clone(), &set(&[("DCHAT_DIAL", "x")]));
        assert!(
            variable
                .unwrap_err()
                .to_string()
                .starts_with("DCHAT_DIAL: 'x'")
        );
        let flag = Flags {
            listen: vec![format!(
                "{A}/p2p/12D3KooWQHwmbBhVDVE4FMNF7CQrWSGSBXsZHLgnC2jpbB8MQqgD"
            )],
            ..flags
        };
        assert!(
            Settings::resolve(flag, &set(&[]))
                .unwrap_err()
                .to_string()
                .starts_with("--listen")
        );
    }

    #[test]
    fn an_address_that_names_no_node_cannot_be_dialed() {
        let (_dir, flags) = in_home("");
        for text in [
            "/ip4/0.0.0.0/udp/4001/quic-v1",
            "/ip4/192.0.2.1/udp/0/quic-v1",
        ] {
            let flags = Flags {
                dial: vec![text.into()],
                ..flags.clone()
            };
            assert!(Settings::resolve(flags, &set(&[])).is_err(), "{text}");
        }
    }
}
