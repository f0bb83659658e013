//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use dchat_spec::runner::Profile;
use dchat_spec::runner::run::Plan;
use dchat_spec::runner::selection::Selection;

/// Checks whether an implementation of DChat does what its documents say.
#[derive(Debug, Parser)]
#[command(name = "dchat-conformance", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// List the cases that are chosen and run none
    #[arg(long, global = true)]
    pub(crate) list: bool,
    /// Only this section, or the one case of this id
    #[arg(long, global = true, value_name = "SECTION")]
    section: Vec<String>,
    /// Only cases of this requirement, such as DC-CONN-022, or of an area, such as DC-CONN
    #[arg(long, global = true, value_name = "ID")]
    req: Vec<String>,
    /// Only cases of this profile: core, chat, relay, dht, gossip, nat or group
    #[arg(long, global = true, value_parser = profile)]
    profile: Vec<Profile>,
    /// Seed of everything the partners draw
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// Cases at a time
    #[arg(long, global = true, default_value_t = 16)]
    jobs: usize,
    /// Rounds; each has new identities
    #[arg(long, global = true, default_value_t = 1, value_name = "N")]
    repeat: u64,
    /// Write a report in JUnit's XML
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write a report in JSON; with --list, the list
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a report in HTML
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// What to check.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Play partner against a running node
    Network(Network),
    /// Play several peers at once against a running node
    Scenario(Scenario),
    /// Ask a program every vector, a line of JSON each
    Vectors(Vectors),
}

/// See [`Command::Network`].
#[derive(Debug, clap::Args)]
pub(crate) struct Network {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// An invite of its, for the cases of chats; may be given several times
    #[arg(long, value_name = "LINK")]
    pub(crate) invite: Vec<String>,
    /// A command, for the cases of groups, that does what only its user can: `accept GROUP NAME`,
    /// `say GROUP NAME TEXT`, `leave GROUP NAME`, `remove GROUP NAME PEER` or `show GROUP NAME` stands
    /// behind it. Exit codes: 0 done, 77 it offers nothing of the kind
    #[arg(long, value_name = "COMMAND")]
    pub(crate) user: Option<String>,
    /// Instead of the cases, so many connections with a partner from the future, none of which may fail
    #[arg(long, value_name = "N")]
    pub(crate) grease: Option<u64>,
}

/// See [`Command::Scenario`].
#[derive(Debug, clap::Args)]
pub(crate) struct Scenario {
    #[command(flatten)]
    pub(crate) whom: Whom,
}

/// The node that is checked.
#[derive(Debug, clap::Args)]
pub(crate) struct Whom {
    /// Where it listens: /ip4/…/udp/…/quic-v1, with /p2p/… or without
    pub(crate) addr: Option<String>,
    /// The name of a room, without a secret, that it was told to join
    #[arg(long, value_name = "NAME")]
    pub(crate) room: Option<String>,
    /// Seconds that anything may take which has to happen at once
    #[arg(long, value_name = "SECONDS", default_value_t = 25)]
    pub(crate) patience: u64,
}

/// See [`Command::Vectors`].
#[derive(Debug, clap::Args)]
pub(crate) struct Vectors {
    /// The program and its arguments: {id, op, input} comes on its stdin, {id, result, …} goes to its
    /// stdout
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

impl Args {
    /// Which cases.
    pub(crate) fn selection(&self) -> Selection {
        Selection {
            sections: self.section.clone(),
            requirements: self.req.clone(),
            profiles: self.profile.clone(),
        }
    }

    /// How they run.
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            jobs: self.jobs,
            seed: self.seed,
            rounds: self.repeat,
        }
    }

    /// The seed.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }
}

fn profile(name: &str) -> Result<Profile, String> {
    Profile::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Profile::ALL.iter().map(|profile| profile.name()).collect();
        format!("no profile; there are {}", names.join(", "))
    })
}
