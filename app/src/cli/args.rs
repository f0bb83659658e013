//! What was typed, as clap reads it. What it means is said in [`plan`](super::plan).

use core::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Over the options that every verb takes.
const EVERYWHERE: &str = "Options of every command";

/// How many messages may be asked for at a time: they are in memory all at once.
pub(crate) const LIMIT: RangeInclusive<i64> = 1..=100_000;
/// Messages a search may print: one page, of the newest. Whoever wants more wants other words.
const FOUND: RangeInclusive<i64> = 1..=1000;

/// Direct chat with nobody in between.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "dchat",
    version,
    max_term_width = 100,
    after_help = "Without a command, dchat is an interactive chat.\n\n\
        Exit codes: 0 done, 1 the machine failed, 2 usage, 3 not reachable, 4 denied, 5 locked, \
        6 queued but not delivered."
)]
pub(crate) struct Typed {
    /// The profile directory [env: DCHAT_HOME] [default: ~/.local/share/dchat]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// Log more to standard error; repeat for more [env: DCHAT_LOG]
    #[arg(short, long, global = true, help_heading = EVERYWHERE, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Read the passphrase from a file [env: DCHAT_PASSPHRASE_FILE]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// How the node is run, for the interactive chat.
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// The verb.
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

/// How a node is run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct NodeArgs {
    /// Listen on an address, such as /ip4/0.0.0.0/udp/4001/quic-v1 [env: DCHAT_LISTEN]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// Connect to a node at an address, and stay connected [env: DCHAT_DIAL]
    #[arg(long, value_name = "ADDR")]
    pub(crate) dial: Vec<String>,
    /// Enter the network by a node at an address: then a PeerId is enough to find anybody
    /// [env: DCHAT_BOOTSTRAP]
    #[arg(long, value_name = "ADDR")]
    pub(crate) bootstrap: Vec<String>,
    /// Be reachable through a relay at an address, until there is a direct way [env: DCHAT_RELAY]
    #[arg(long, value_name = "ADDR")]
    pub(crate) relay: Vec<String>,
    /// Serve others: relay, bootstrap [env: DCHAT_ROLE]
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Vec<String>,
    /// Learn from a STUN server how others see this node [env: DCHAT_STUN]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) stun: Vec<String>,
    /// Never show this node's own address to a contact: all goes through relays
    /// [env: DCHAT_RELAY_ONLY]
    #[arg(long)]
    pub(crate) relay_only: bool,
    /// Neither announce this node on the local network nor look for others [env: DCHAT_MDNS]
    #[arg(long)]
    pub(crate) no_mdns: bool,
    /// Do not take part in the distributed hash table: find nobody by PeerId alone, and be found by
    /// nobody [env: DCHAT_DHT]
    #[arg(long)]
    pub(crate) no_dht: bool,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make the identity, or show the one there is
    Init {
        /// What to call yourself, at most 64 bytes
        #[arg(long)]
        name: Option<String>,
    },
    /// Show the identity and the addresses
    Id,
    /// Run the node in the foreground
    Daemon {
        /// How the node is run.
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Make an invite for one person
    Invite,
    /// Add a contact
    Add {
        /// An invite, a PeerId, an address that ends in /p2p/PEERID, or - to read it from standard
        /// input
        target: String,
        /// What to call the contact
        #[arg(long)]
        name: Option<String>,
    },
    /// List the contacts
    Contacts,
    /// Rename a contact
    Rename {
        /// Contact name or PeerId
        peer: String,
        /// The new name
        name: String,
    },
    /// Forget a contact; its messages stay
    Remove {
        /// Contact name or PeerId
        peer: String,
    },
    /// List strangers who want to be contacts
    Requests,
    /// Accept a stranger as a contact
    Accept {
        /// PeerId, or the name it gave
        peer: String,
        /// What to call the contact
        #[arg(long)]
        name: Option<String>,
    },
    /// Turn a stranger away and ignore it from now on
    Refuse {
        /// PeerId, or the name it gave
        peer: String,
    },
    /// Send a message
    Send {
        /// Contact name or PeerId, '#room' or '@group'
        to: String,
        /// The text, or - to read it from standard input; after -- it may begin with a dash
        #[arg(allow_negative_numbers = true)]
        text: String,
        /// What to wait for
        #[arg(long, value_enum, default_value_t = WaitFor::Delivered)]
        wait: WaitFor,
        /// Seconds to wait
        #[arg(
            long,
            value_name = "S",
            default_value = "10",
            allow_negative_numbers = true
        )]
        timeout: String,
        /// Forget the message on both sides after a time, such as 30s, 12h or 7d
        #[arg(long, value_name = "TIME")]
        ttl: Option<String>,
    },
    /// Print received messages that were not read yet
    Recv {
        /// Go on with what arrives
        #[arg(long)]
        follow: bool,
        /// Of this contact, '#room' or '@group' only
        #[arg(long, value_name = "TO")]
        from: Option<String>,
    },
    /// Print the newest messages of a conversation
    History {
        /// Contact name or PeerId, '#room' or '@group'
        to: String,
        /// How many at most
        #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 50,
            value_parser = clap::value_parser!(u32).range(LIMIT))]
        limit: u32,
    },
    /// Find messages that contain all words
    Search {
        /// The words
        #[arg(required = true)]
        words: Vec<String>,
        /// In the conversation with this contact, or in this '#room' or '@group', only
        #[arg(long = "in", value_name = "TO")]
        to: Option<String>,
        /// How many at most
        #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 50,
            value_parser = clap::value_parser!(u32).range(FOUND))]
        limit: u32,
    },
    /// Join and leave rooms, which are open to whoever knows their name
    Room {
        /// What to do.
        #[command(subcommand)]
        verb: RoomVerb,
    },
    /// Make private groups, and decide who is in them
    Group {
        /// What to do.
        #[command(subcommand)]
        verb: GroupVerb,
    },
    /// List the live connections
    Peers,
    /// Show the state of the node
    Status,
    /// Find out what stands between this node and others, and what to do about it
    Doctor {
        /// Also say how a contact is reached, and why not directly
        #[arg(long, value_name = "TO")]
        peer: Option<String>,
        /// How the node is run, where none runs yet.
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Ask the distributed hash table, in which everybody is found
    Dht {
        /// What to ask.
        #[command(subcommand)]
        verb: DhtVerb,
    },
    /// Protect the profile with a passphrase, or stop doing so
    Passphrase {
        /// Which of the two.
        #[command(subcommand)]
        change: PassphraseVerb,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write all of them to a directory
    Man {
        /// Where to write dchat.1, dchat-send.1 and so on
        dir: Option<PathBuf>,
    },
}

/// What to do with rooms.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum RoomVerb {
    /// Join a room, and chat there when this is a terminal and no daemon runs
    Join {
        /// Its name, with or without the #
        name: String,
        /// Read the secret of a closed room from a file; whoever has the same one is in the same room
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// How the node is run, for the chat.
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Leave a room
    Leave {
        /// Its name, with or without the #
        name: String,
    },
    /// List the rooms you are in
    List,
    /// List who is known in a room: who is connected, and who wrote lately
    Members {
        /// Its name, with or without the #
        name: String,
    },
}

/// What to do with groups.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum GroupVerb {
    /// Make a group, whose administrator you are
    Create {
        /// Its name, with or without the @, here and below
        name: String,
    },
    /// Offer somebody a place in a group
    Invite {
        /// The group
        name: String,
        /// Contact name or PeerId
        to: String,
    },
    /// Put somebody out of a group
    Remove {
        /// The group
        name: String,
        /// Contact name, PeerId, or what the member calls itself
        to: String,
    },
    /// Make a member an administrator
    Promote {
        /// The group
        name: String,
        /// Contact name, PeerId, or what the member calls itself
        to: String,
    },
    /// Accept an invitation to a group
    Accept {
        /// The group
        name: String,
    },
    /// Leave a group, or turn an invitation down
    Leave {
        /// The group
        name: String,
    },
    /// List who is in a group, and who has what of yours
    Members {
        /// The group
        name: String,
    },
    /// Rename a group for all its members
    Rename {
        /// The group
        name: String,
        /// Its new name
        new: String,
    },
    /// Set what newcomers may read (late=none, late=N, late=all) or how long messages are kept
    /// (keep=forever, keep=30d)
    Policy {
        /// The group
        name: String,
        /// KEY=VALUE
        #[arg(value_name = "KEY=VALUE")]
        setting: String,
    },
    /// List the groups you are in or invited to
    List,
}

/// What follows `/group` in the interactive chat.
#[derive(Clone, Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
pub(crate) struct GroupLine {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: GroupVerb,
}

/// What follows `/dht` in the interactive chat.
#[derive(Clone, Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
pub(crate) struct DhtLine {
    /// What to ask.
    #[command(subcommand)]
    pub(crate) verb: DhtVerb,
}

/// What to do with the distributed hash table.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum DhtVerb {
    /// List the nodes nearest to a key
    Find {
        /// A key of 64 hexadecimal digits, or a PeerId for the key of its address record
        target: String,
    },
    /// Print what somebody has stored
    Get {
        /// A PeerId; for a service its name, for relays a number from 0 to 3, or any key of 64
        /// hexadecimal digits
        target: String,
        /// What to look for
        #[arg(long, value_enum, default_value_t = Kind::Address)]
        kind: Kind,
    },
    /// Store where this node can be reached, or a service it offers; a daemon renews it
    Put {
        /// What to store
        #[arg(long, value_enum, default_value_t = PutKind::Address)]
        kind: PutKind,
        /// What the service is called
        #[arg(long)]
        name: Option<String>,
    },
    /// Show what is known of it here
    Stat,
}

/// Records that can be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Where somebody can be reached.
    Address,
    /// The keys with which a conversation begins.
    Device,
    /// Relays.
    Relay,
    /// Who offers a service.
    Service,
    /// Where messages can be left.
    Mailbox,
}

/// Records that can be stored by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PutKind {
    /// Where this node can be reached.
    Address,
    /// That it offers a service.
    Service,
}

/// What happens to the passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum PassphraseVerb {
    /// Set or change it
    Set,
    /// Remove it: a key file opens the profile from now on
    Remove,
}

/// States of a message that can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitFor {
    /// Safe on this machine.
    Queued,
    /// Safe at a mailbox.
    Stored,
    /// Safe at the recipient.
    Delivered,
}
