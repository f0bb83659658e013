//! From what was set in four places to what holds.

use std::path::{Path, PathBuf};

use dchat_wire::Address;
use dchat_wire::hello::role;
use toml::Spanned;

use super::{ConfigFile, Dht, Environment, Relaying, Serve, SettingsError};

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
    /// `--relay`.
    pub relay: Vec<String>,
    /// `--relay-only`.
    pub relay_only: bool,
    /// `--role`.
    pub role: Vec<String>,
    /// `--stun`.
    pub stun: Vec<String>,
    /// `--no-mdns`.
    pub no_mdns: bool,
    /// `--no-dht`.
    pub no_dht: bool,
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
    /// Whom to reach.
    pub dial: Vec<Address>,
    /// Nodes to enter the network by.
    pub bootstrap: Vec<Address>,
    /// Relays to be reachable through.
    pub relays: Vec<Address>,
    /// Whether contacts never learn our own address.
    pub relay_only: bool,
    /// Bits of [`role`](dchat_wire::hello::role).
    pub roles: u64,
    /// What a relay gives, and to whom.
    pub relaying: Relaying,
    /// STUN servers, as `host:port`.
    pub stun: Vec<String>,
    /// Whether to use multicast DNS.
    pub mdns: bool,
    /// How to take part in the distributed hash table.
    pub dht: Dht,
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
        let dial = places.addresses(Key::DIAL, &flags.dial, file.dial.as_deref(), dialable)?;
        let bootstrap = places.list(
            Key::BOOTSTRAP,
            &flags.bootstrap,
            file.bootstrap.as_deref(),
            direct,
        )?;
        let relays = places.list(Key::RELAY, &flags.relay, file.relay.as_deref(), direct)?;
        let roles = places.list(Key::ROLE, &flags.role, file.role.as_deref(), roles)?;
        let roles = roles.into_iter().fold(0, |all, one| all | one);
        let stun = places.list(Key::STUN, &flags.stun, file.stun.as_deref(), stun_server)?;
        let relay_only = match environment.switch("DCHAT_RELAY_ONLY")? {
            _ if flags.relay_only => true,
            Some(relay_only) => relay_only,
            None => file.relay_only.unwrap_or(false),
        };
        let relaying = file
            .relaying
            .read()
            .map_err(|(key, text, problem)| file.refuse(&path, key, text, &problem))?;
        let mdns = match environment.switch("DCHAT_MDNS")? {
            _ if flags.no_mdns => false,
            Some(mdns) => mdns,
            None => file.mdns.unwrap_or(true),
        };
        let dht = match environment.switch("DCHAT_DHT")? {
            _ if flags.no_dht => false,
            Some(dht) => dht,
            None => file.dht.enabled.unwrap_or(true),
        };
        let dht = file
            .dht
            .read(dht)
            .map_err(|(key, at, problem)| file.refuse_at(&path, key, at, &problem))?;
        let serves = dht.enabled && dht.serve != Serve::Never && !relay_only;
        if roles & role::BOOTSTRAP != 0 && !serves {
            return Err(SettingsError::Bootstrap);
        }
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
            bootstrap,
            relays,
            relay_only,
            roles,
            relaying,
            stun,
            mdns,
            dht,
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
    const RELAY: Self = Self {
        flag: "--relay",
        variable: "DCHAT_RELAY",
        file: "relay",
    };
    const ROLE: Self = Self {
        flag: "--role",
        variable: "DCHAT_ROLE",
        file: "role",
    };
    const STUN: Self = Self {
        flag: "--stun",
        variable: "DCHAT_STUN",
        file: "stun",
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
        self.list(key, flags, file, |text| address(text, check))
    }

    /// A list from the first place that has one, each item read by `read`.
    fn list<T>(
        &self,
        key: Key,
        flags: &[String],
        file: Option<&[Spanned<String>]>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, SettingsError> {
        if !flags.is_empty() {
            return flags
                .iter()
                .map(|text| {
                    read(text).map_err(|problem| SettingsError::Flag {
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
                    read(text).map_err(|problem| SettingsError::Variable {
                        name: key.variable,
                        problem,
                    })
                })
                .collect();
        }
        file.unwrap_or_default()
            .iter()
            .map(|text| {
                read(text.get_ref())
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
        Address::Circuit { .. } => Err("leads through a relay; name the relay with --relay"),
    }
}

fn dialable(address: &Address) -> Result<(), &'static str> {
    if !address.names_one_socket() {
        return Err("names no single node; give its own address and port");
    }
    match address {
        Address::Circuit { peer: None, .. } => Err("names no peer; end it with /p2p/PEER"),
        Address::Circuit { .. } | Address::Direct { .. } => Ok(()),
    }
}

/// The own address of a node that many use: a relay, a bootstrap node.
fn direct(text: &str) -> Result<Address, String> {
    address(text, |address| match address {
        Address::Circuit { .. } => Err("leads through a relay; give the node's own address"),
        Address::Direct { .. } => dialable(address),
    })
}

/// One role or several with commas between them.
fn roles(text: &str) -> Result<u64, String> {
    let mut roles = text.split(',').map(|name| match name.trim() {
        "relay" => Ok(role::RELAY),
        "bootstrap" => Ok(role::BOOTSTRAP),
        "mailbox" => Err(format!(
            "this version cannot be a {name} yet. It can be a relay and a bootstrap node."
        )),
        _ => Err(format!("'{name}' is no role. Try relay or bootstrap.")),
    });
    roles.try_fold(0, |all, one| one.map(|one| all | one))
}

/// `host:port`, where an IPv6 address stands in brackets.
fn stun_server(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let whole = !host.is_empty() && (!host.contains(':') || host.starts_with('['));
    match port.parse::<u16>() {
        Ok(port) if port != 0 && whole => Ok(text.to_owned()),
        _ => Err(format!(
            "'{text}' is no STUN server: write it as host:port, such as stun.example.org:3478"
        )),
    }
}

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
    use super::super::Admission;
    use super::*;

    const A: &str = "/ip4/192.0.2.1/udp/4001/quic-v1";
    const B: &str = "/ip4/192.0.2.2/udp/4001/quic-v1";
    const PEER: &str = "12D3KooWQHwmbBhVDVE4FMNF7CQrWSGSBXsZHLgnC2jpbB8MQqgD";
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
    fn bootstrap_nodes_are_read_from_each_place() {
        let (_dir, flags) = in_home(&format!("bootstrap = [\"{B}\"]\n"));
        let file = Settings::resolve(flags.clone(), &set(&[])).unwrap();
        assert_eq!((file.bootstrap, file.dial), (addresses(&[B]), Vec::new()));
        let variables = set(&[("DCHAT_BOOTSTRAP", &format!("{A} {C}"))]);
        let by_variable = Settings::resolve(flags.clone(), &variables).unwrap();
        assert_eq!(by_variable.bootstrap, addresses(&[A, C]));
        let flags = Flags {
            bootstrap: vec![C.into()],
            ..flags
        };
        let by_flag = Settings::resolve(flags.clone(), &variables).unwrap();
        assert_eq!(by_flag.bootstrap, addresses(&[C]));

        let circuit = format!("{A}/p2p/{PEER}/p2p-circuit/p2p/{PEER}");
        for wrong in ["", "nowhere", "/ip4/0.0.0.0/udp/4001/quic-v1", &circuit] {
            let flags = Flags {
                bootstrap: vec![wrong.into()],
                ..flags.clone()
            };
            let error = Settings::resolve(flags, &set(&[])).unwrap_err().to_string();
            assert!(error.starts_with("--bootstrap: "), "{error}");
        }
    }

    #[test]
    fn the_dht_is_on_unless_a_nearer_place_says_otherwise() {
        let (_dir, flags) = in_home("[dht]\nenabled = false\nserve = \"never\"\ndifficulty = 3\n");
        let file = Settings::resolve(flags.clone(), &set(&[])).unwrap();
        let wanted = Dht {
            enabled: false,
            serve: Serve::Never,
            difficulty: Some(3),
        };
        assert_eq!(file.dht, wanted);
        let by_variable = Settings::resolve(flags.clone(), &set(&[("DCHAT_DHT", "on")])).unwrap();
        assert!(by_variable.dht.enabled);
        let flags = Flags {
            no_dht: true,
            ..flags
        };
        let by_flag = Settings::resolve(flags, &set(&[("DCHAT_DHT", "on")])).unwrap();
        assert!(!by_flag.dht.enabled);
        let (_dir, flags) = in_home("");
        assert_eq!(
            Settings::resolve(flags, &set(&[])).unwrap().dht,
            Dht::default()
        );
    }

    #[test]
    fn what_is_no_setting_of_the_dht_is_refused_with_its_line() {
        for (wrong, word) in [
            ("serve = \"sometimes\"", "sometimes"),
            ("difficulty = 25", "at most 24"),
            ("difficulty = -1", "-1"),
            ("k = 20", "unknown field `k`"),
        ] {
            let (_dir, flags) = in_home(&format!("[dht]\n{wrong}\n"));
            let error = Settings::resolve(flags, &set(&[])).unwrap_err().to_string();
            assert!(error.contains("line 2") && error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_bootstrap_node_must_serve() {
        for (file, no_dht) in [
            ("", true),
            ("[dht]\nserve = \"never\"\n", false),
            ("relay_only = true\n", false),
        ] {
            let (_dir, flags) = in_home(file);
            let flags = Flags {
                role: vec!["bootstrap".into()],
                no_dht,
                ..flags
            };
            let error = Settings::resolve(flags, &set(&[])).unwrap_err();
            assert!(matches!(error, SettingsError::Bootstrap), "{error}");
        }
    }

    #[test]
    fn what_relays_and_servers_are_set_is_read_from_each_place() {
        let peer = PEER;
        let (_dir, flags) = in_home(&format!(
            "relay = [\"{A}\"]\nrole = [\"relay\"]\nstun = [\"stun.example.org:3478\"]\n\
             [relaying]\nreservations = \"listed\"\nallow = [\"{peer}\"]\nmax_channels = 9\n"
        ));
        let file = Settings::resolve(flags.clone(), &set(&[])).unwrap();
        assert_eq!((file.relays, file.roles), (addresses(&[A]), role::RELAY));
        assert_eq!(file.stun, ["stun.example.org:3478"]);
        assert_eq!(file.relaying.reservations, Admission::Listed);
        assert_eq!(file.relaying.channels, Admission::Anyone);
        assert_eq!(file.relaying.allow, [peer.parse().unwrap()]);
        assert_eq!(file.relaying.max_channels, Some(9));
        assert!(!file.relay_only);

        let flags = Flags {
            relay: vec![format!("{C}/p2p/{peer}")],
            relay_only: true,
            stun: vec!["[2001:db8::1]:3478".into()],
            ..flags
        };
        let by_flag = Settings::resolve(flags, &set(&[("DCHAT_RELAY", B)])).unwrap();
        assert_eq!(by_flag.relays, addresses(&[&format!("{C}/p2p/{peer}")]));
        assert_eq!(by_flag.stun, ["[2001:db8::1]:3478"]);
        assert!(by_flag.relay_only);
    }

    #[test]
    fn roles_and_servers_that_are_none_are_refused() {
        assert_eq!(roles("relay"), Ok(role::RELAY));
        assert_eq!(roles("relay, relay"), Ok(role::RELAY));
        assert_eq!(roles("bootstrap,relay"), Ok(role::RELAY | role::BOOTSTRAP));
        for wrong in ["", "relai", "relay,", "mailbox", "relay,mailbox"] {
            assert!(roles(wrong).is_err(), "{wrong}");
        }
        for wrong in [
            "",
            "host",
            "host:",
            "host:0",
            ":1",
            "2001:db8::1:3478",
            "host:65536",
        ] {
            assert!(stun_server(wrong).is_err(), "{wrong}");
        }
        assert!(direct(&format!("{A}/p2p/{PEER}/p2p-circuit/p2p/{PEER}")).is_err());
        let circuit = |end: &str| format!("{A}/p2p/{PEER}/p2p-circuit{end}").parse().unwrap();
        assert!(dialable(&circuit("")).is_err());
        assert!(dialable(&circuit(&format!("/p2p/{PEER}"))).is_ok());
    }

    #[test]
    fn a_listed_peer_that_is_none_is_refused_with_its_line() {
        let (_dir, flags) = in_home("[relaying]\ndeny = [\"nobody\"]\n");
        let error = Settings::resolve(flags, &set(&[])).unwrap_err().to_string();
        assert!(error.contains("line 2: relaying.deny: 'nobody'"), "{error}");
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
