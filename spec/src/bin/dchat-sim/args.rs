//! The command line.

use std::fmt::Display;
use std::str::FromStr;

use dchat_spec::sim::scenario::Weather;
use dchat_spec::sim::site::Profile;

/// Shown with every error.
pub(crate) const USAGE: &str = "\
dchat-sim nat      --seeds N [--seed S] [--loss F] [--reorder F] [--pairs A,B|all]... [--json]
dchat-sim path     --switches N --rate N [--seed S] [--loss F] [--reorder F] [--json]
dchat-sim classify --seeds N [--seed S] [--loss F] [--reorder F] [--json]
dchat-sim kademlia --nodes N [--seed S] [--churn-median-min M] [--hostile F] [--lookups L]
                   [--hours H] [--scenario NAME] [--conduct NAME] [--json]
dchat-sim gossip   --members N [--seed S] [--loss F] [--loss-of datagrams|streams]
                   [--churn-per-min F] [--partition-min M] [--hostile F] [--messages K]
                   [--authors A] [--idle-min M] [--seeds N] [--json]
dchat-sim reconcile --log N --missing D [--seed S] [--seeds N] [--json]
dchat-sim catch-up --log N [--held H] [--members M] [--authors A] [--mbit R] [--seed S]
                   [--seeds N] [--json]
dchat-sim burden   --authors A [--frames N] [--seed S] [--json]

  --seeds N      runs of each pair or profile, from seed S on
  --seed S       the first seed, 0 unless given
  --loss F       part of the packets lost between two sites, 0 to 1
  --reorder F    part of the packets that a link delays so that later ones overtake, 0 to 1
  --pairs A,B    this ordered pair of profiles only; may be repeated
  --switches N   path switches, both sides together
  --rate N       messages a second, both sides together
  --nodes N      servers
  --churn-median-min M
                 nodes come and go, with sessions of this median in minutes
  --hostile F    part of the servers or members that are attackers
  --lookups L    lookups, or trials of the scenario
  --hours H      virtual hours to run
  --scenario NAME
                 steady (unless given), grind, eclipse, durability, mass-exit, partition, join, flash,
                 crowd or bad-input
  --conduct NAME what attackers do: colluding (unless given), silent, slow, stale or forging
  --members N    members of a room
  --loss-of KIND what loss does: frames are gone as in datagrams (unless given), or late with all
                 behind them as on streams
  --churn-per-min F
                 part of the members that goes every minute; others come
  --partition-min M
                 minutes the room is split in two halves, in which the messages are written
  --messages K   messages that are measured, 100 unless given; of a split room, both halves' together
  --authors A    who writes them, in turn, 10 unless given
  --idle-min M   minutes of silence measured in the end, 10 unless given
  --log N        messages of 10,000 authors that one of two members holds
  --missing D    of these, how many the other lacks
  --held H       messages, the oldest, that who catches up holds already, none unless given
  --frames N     hostile frames that a core is given
  --mbit R       megabits a second of everybody's access, either way, 100 unless given
  --json         one JSON object a line";

/// Which scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Nat,
    Path,
    Classify,
}

/// Everything that was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) command: Command,
    pub(crate) seeds: u64,
    pub(crate) seed: u64,
    pub(crate) switches: u64,
    pub(crate) rate: u32,
    pub(crate) weather: Weather,
    /// Ordered pairs, in order.
    pub(crate) pairs: Vec<(Profile, Profile)>,
    pub(crate) json: bool,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error("name one of nat, path, classify, kademlia, gossip, reconcile, catch-up and burden")]
    NoCommand,
    #[error("{0} is no option of this command")]
    Unknown(String),
    #[error("{0} needs a value")]
    NoValue(String),
    #[error("{option}: {value} {why}")]
    BadValue {
        option: String,
        value: String,
        why: String,
    },
    #[error("{0} is missing")]
    Missing(&'static str),
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, ArgsError> {
        let command = match words.next().as_deref() {
            Some("nat") => Command::Nat,
            Some("path") => Command::Path,
            Some("classify") => Command::Classify,
            _ => return Err(ArgsError::NoCommand),
        };
        let mut args = Self {
            command,
            seeds: 0,
            seed: 0,
            switches: 0,
            rate: 0,
            weather: Weather::default(),
            pairs: Vec::new(),
            json: false,
        };
        while let Some(option) = words.next() {
            let mut value = || following(&option, &mut words);
            match (option.as_str(), command) {
                ("--json", _) => args.json = true,
                ("--seed", _) => args.seed = parsed(&option, &value()?)?,
                ("--loss", _) => args.weather.loss = part(&option, &value()?)?,
                ("--reorder", _) => args.weather.reorder = part(&option, &value()?)?,
                ("--seeds", Command::Nat | Command::Classify) => {
                    args.seeds = parsed(&option, &value()?)?;
                }
                ("--pairs", Command::Nat) => args.pairs.extend(pairs(&option, &value()?)?),
                ("--switches", Command::Path) => args.switches = parsed(&option, &value()?)?,
                ("--rate", Command::Path) => args.rate = parsed(&option, &value()?)?,
                _ => return Err(ArgsError::Unknown(option)),
            }
        }
        match command {
            Command::Nat | Command::Classify if args.seeds == 0 => {
                return Err(ArgsError::Missing("--seeds"));
            }
            Command::Path if args.switches == 0 => return Err(ArgsError::Missing("--switches")),
            Command::Path if args.rate == 0 => return Err(ArgsError::Missing("--rate")),
            Command::Nat if args.pairs.is_empty() => args.pairs = all_pairs(),
            Command::Nat | Command::Classify | Command::Path => {}
        }
        Ok(args)
    }
}

/// The word after `option`: its value.
pub(crate) fn following(
    option: &str,
    words: &mut impl Iterator<Item = String>,
) -> Result<String, ArgsError> {
    let value = words.next();
    value.ok_or_else(|| ArgsError::NoValue(option.into()))
}

pub(crate) fn bad(option: &str, value: &str, why: impl Display) -> ArgsError {
    ArgsError::BadValue {
        option: option.into(),
        value: value.into(),
        why: why.to_string(),
    }
}

pub(crate) fn parsed<T: FromStr>(option: &str, value: &str) -> Result<T, ArgsError> {
    let number = value.parse();
    number.map_err(|_| bad(option, value, "is not a number that fits"))
}

pub(crate) fn part(option: &str, value: &str) -> Result<f64, ArgsError> {
    let number: f64 = parsed(option, value)?;
    match (0.0..=1.0).contains(&number) {
        true => Ok(number),
        false => Err(bad(option, value, "is not between 0 and 1")),
    }
}

/// The part of `all` that is attackers: 0.9 at most, so that there is something to measure.
pub(crate) fn minority(option: &str, value: &str, all: &str) -> Result<f64, ArgsError> {
    let number = part(option, value)?;
    match number <= 0.9 {
        true => Ok(number),
        false => Err(bad(
            option,
            value,
            format!("leaves no honest {all} to measure"),
        )),
    }
}

/// One of those that have names.
pub(crate) fn named<T: Copy>(option: &str, value: &str, of: &[(&str, T)]) -> Result<T, ArgsError> {
    let found = of.iter().find(|(name, _)| *name == value);
    found.map(|(_, meant)| *meant).ok_or_else(|| {
        let names: Vec<&str> = of.iter().map(|(name, _)| *name).collect();
        bad(option, value, format!("is none of {}", names.join(", ")))
    })
}

fn pairs(option: &str, value: &str) -> Result<Vec<(Profile, Profile)>, ArgsError> {
    if value == "all" {
        return Ok(all_pairs());
    }
    let named = |name| {
        let names: Vec<String> = Profile::all()
            .iter()
            .map(|profile| profile.name())
            .collect();
        let why = || bad(option, name, format!("is none of {}", names.join(", ")));
        Profile::named(name).ok_or_else(why)
    };
    let (a, b) = value.split_once(',').ok_or_else(|| {
        bad(
            option,
            value,
            "is neither all nor two profiles with a comma",
        )
    })?;
    Ok(vec![(named(a)?, named(b)?)])
}

fn all_pairs() -> Vec<(Profile, Profile)> {
    let all = Profile::all();
    let with = |a: &Profile| all.iter().map(|b| (*a, *b)).collect::<Vec<_>>();
    all.iter().flat_map(with).collect()
}
