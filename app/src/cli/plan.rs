//! What the command line means: checked, with every default filled in.

use core::time::Duration;
use std::path::PathBuf;

use clap_complete::Shell;
use dchat_wire::{group::Setting, limits, room::RoomName};

use super::{
    Failure,
    args::{
        DhtVerb, GroupVerb, Kind, NodeArgs, PassphraseVerb, PutKind, RoomVerb, Typed, Verb, WaitFor,
    },
};
use crate::store::ContactName;
use crate::{
    api::{MessageState, RecordKind},
    settings::Flags,
};

/// Longest `--timeout`, in seconds: a day.
const LONGEST_WAIT: f64 = 86_400.0;
/// Longest `--ttl`: a year. Longer is as good as for ever, which is leaving it away.
const LONGEST_TTL: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A command that can be carried out.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What was set by flags.
    pub(crate) flags: Flags,
    /// Whether to print JSON.
    pub(crate) json: bool,
    /// What to do.
    pub(crate) task: Task,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Chat.
    Interactive,
    /// Run the node.
    Daemon,
    /// Ask the node something.
    Ask(Ask),
    /// Join a room.
    Join(Join),
    /// Send a message.
    Send(Send),
    /// Print unread messages.
    Recv {
        /// Go on with what arrives.
        follow: bool,
        /// From this contact only.
        from: Option<String>,
    },
    /// Add a contact.
    Add {
        /// What leads to it; `None` for standard input.
        target: Option<String>,
        /// What to call it.
        name: Option<String>,
    },
    /// Set or remove the passphrase.
    Passphrase(PassphraseVerb),
    /// Print a completion script.
    Completions(Shell),
    /// Print or write manual pages.
    Man(Option<PathBuf>),
}

/// Tasks of one question and one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Init {
        name: Option<String>,
    },
    Id,
    Invite,
    Contacts,
    Rename {
        peer: String,
        name: String,
    },
    Remove {
        peer: String,
    },
    Requests,
    Accept {
        peer: String,
        name: Option<String>,
    },
    Refuse {
        peer: String,
    },
    History {
        to: String,
        limit: u32,
    },
    Search {
        words: String,
        to: Option<String>,
        limit: u32,
    },
    LeaveRoom {
        name: String,
    },
    Rooms,
    Members {
        of: String,
    },
    Group(Group),
    Peers,
    Status,
    Doctor {
        peer: Option<String>,
        stun: Vec<String>,
    },
    Dht(Dht),
}

/// What to do with a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Create { name: String },
    Invite { name: String, to: String },
    Remove { name: String, to: String },
    Promote { name: String, to: String },
    Accept { name: String },
    Leave { name: String },
    Members { name: String },
    Rename { name: String, new: String },
    Policy { name: String, setting: String },
    List,
}

/// A room to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Join {
    /// Its name, folded.
    pub(crate) name: String,
    /// Where its secret is.
    pub(crate) secret_file: Option<PathBuf>,
}

/// A question to the distributed hash table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dht {
    Find { target: String },
    Get { target: String, kind: RecordKind },
    Put { service: Option<String> },
    Stat,
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Send {
    /// Contact name or PeerId.
    pub(crate) to: String,
    /// The text; `None` for standard input.
    pub(crate) text: Option<String>,
    /// What to wait for.
    pub(crate) wait: MessageState,
    /// How long.
    pub(crate) timeout: Duration,
    /// Seconds after which it is forgotten.
    pub(crate) ttl_s: Option<u64>,
}

impl Plan {
    /// Checks what was typed.
    ///
    /// # Errors
    /// A usage error for what makes no sense.
    pub(crate) fn new(typed: Typed) -> Result<Self, Failure> {
        let mut node = typed.node;
        let json = typed.json;
        let task = match typed.verb {
            None if json => {
                return Err(Failure::usage(
                    "--json needs a command. Use 'dchat daemon --json' for a stream of events.",
                ));
            }
            None => Task::Interactive,
            Some(Verb::Daemon { node: more }) => {
                node = joined(node, more);
                Task::Daemon
            }
            Some(Verb::Doctor { peer, node: more }) => {
                node = joined(node, more);
                Task::Ask(Ask::Doctor {
                    peer: peer.map(person).transpose()?,
                    stun: node.stun.clone(),
                })
            }
            Some(Verb::Room {
                verb:
                    RoomVerb::Join {
                        name,
                        secret_file,
                        node: more,
                    },
            }) => {
                node = joined(node, more);
                let name = room(&name)?;
                Task::Join(Join { name, secret_file })
            }
            Some(verb) => {
                if node != NodeArgs::default() {
                    return Err(Failure::usage(
                        "only 'dchat', 'dchat daemon', 'dchat doctor' and 'dchat room join' take options \
                         of the node. Leave them away, or set them in config.toml.",
                    ));
                }
                task(verb)?
            }
        };
        Ok(Self {
            flags: Flags {
                home: typed.home,
                listen: node.listen,
                dial: node.dial,
                bootstrap: node.bootstrap,
                relay: node.relay,
                role: node.role,
                stun: node.stun,
                relay_only: node.relay_only,
                no_mdns: node.no_mdns,
                no_dht: node.no_dht,
                passphrase_file: typed.passphrase_file,
                verbose: typed.verbose,
            },
            json,
            task,
        })
    }

    /// Whether it needs the network: otherwise a home that nobody has is only opened and read.
    #[must_use]
    pub(crate) fn online(&self) -> bool {
        match &self.task {
            Task::Ask(Ask::Dht(dht)) => *dht != Dht::Stat,
            Task::Interactive | Task::Daemon | Task::Add { .. } | Task::Ask(Ask::Doctor { .. }) => {
                true
            }
            Task::Send(send) => send.wait != MessageState::Queued,
            Task::Recv { follow, .. } => *follow,
            // Where it goes on with a chat, that is another matter.
            Task::Join(_) => false,
            Task::Ask(_) | Task::Passphrase(_) | Task::Completions(_) | Task::Man(_) => false,
        }
    }
}

fn task(verb: Verb) -> Result<Task, Failure> {
    Ok(match verb {
        // Taken apart by the caller, which has both sets of options.
        Verb::Daemon { .. } => Task::Daemon,
        Verb::Doctor { peer, node } => Task::Ask(Ask::Doctor {
            peer,
            stun: node.stun,
        }),
        Verb::Init { name } => Task::Ask(Ask::Init {
            name: name.map(own_name).transpose()?,
        }),
        Verb::Id => Task::Ask(Ask::Id),
        Verb::Invite => Task::Ask(Ask::Invite),
        Verb::Add { target, name } => Task::Add {
            target: unless_dash(target),
            name: name.map(own_name).transpose()?,
        },
        Verb::Contacts => Task::Ask(Ask::Contacts),
        Verb::Rename { peer, name } => Task::Ask(Ask::Rename {
            peer,
            name: own_name(name)?,
        }),
        Verb::Remove { peer } => Task::Ask(Ask::Remove { peer }),
        Verb::Requests => Task::Ask(Ask::Requests),
        Verb::Accept { peer, name } => Task::Ask(Ask::Accept {
            peer,
            name: name.map(own_name).transpose()?,
        }),
        Verb::Refuse { peer } => Task::Ask(Ask::Refuse { peer }),
        Verb::Send {
            to,
            text,
            wait,
            timeout,
            ttl,
        } => Task::Send(Send {
            to: whom(to)?,
            text: unless_dash(text).map(message).transpose()?,
            wait: match wait {
                WaitFor::Queued => MessageState::Queued,
                WaitFor::Stored => MessageState::Stored,
                WaitFor::Delivered => MessageState::Delivered,
            },
            timeout: seconds(&timeout)?,
            ttl_s: ttl.map(|ttl| lifetime(&ttl)).transpose()?,
        }),
        Verb::Recv { follow, from } => Task::Recv {
            follow,
            from: from.map(whom).transpose()?,
        },
        Verb::History { to, limit } => Task::Ask(Ask::History {
            to: whom(to)?,
            limit,
        }),
        Verb::Search { words, to, limit } => Task::Ask(Ask::Search {
            words: words.join(" "),
            to: to.map(whom).transpose()?,
            limit,
        }),
        Verb::Room { verb } => match verb {
            // Taken apart by the caller, which has both sets of options.
            RoomVerb::Join {
                name, secret_file, ..
            } => Task::Join(Join { name, secret_file }),
            RoomVerb::Leave { name } => Task::Ask(Ask::LeaveRoom { name: room(&name)? }),
            RoomVerb::List => Task::Ask(Ask::Rooms),
            RoomVerb::Members { name } => Task::Ask(Ask::Members {
                of: format!("#{}", room(&name)?),
            }),
        },
        Verb::Group { verb } => Task::Ask(Ask::Group(group(verb)?)),
        Verb::Peers => Task::Ask(Ask::Peers),
        Verb::Status => Task::Ask(Ask::Status),
        Verb::Dht { verb } => Task::Ask(Ask::Dht(dht(verb)?)),
        Verb::Passphrase { change } => Task::Passphrase(change),
        Verb::Completions { shell } => Task::Completions(shell),
        Verb::Man { dir } => Task::Man(dir),
    })
}

/// The question that `dht VERB` stands for.
///
/// # Errors
/// A usage error for options that do not go together.
pub(crate) fn dht(verb: DhtVerb) -> Result<Dht, Failure> {
    Ok(match verb {
        DhtVerb::Find { target } => Dht::Find { target },
        DhtVerb::Get { target, kind } => Dht::Get {
            target,
            kind: match kind {
                Kind::Address => RecordKind::Address,
                Kind::Device => RecordKind::Device,
                Kind::Relay => RecordKind::Relay,
                Kind::Service => RecordKind::Service,
                Kind::Mailbox => RecordKind::Mailbox,
            },
        },
        DhtVerb::Put { kind, name } => Dht::Put {
            service: match (kind, name) {
                (PutKind::Address, None) => None,
                (PutKind::Address, Some(_)) => {
                    return Err(Failure::usage(
                        "an address has no name. Give --kind service, or leave --name away.",
                    ));
                }
                (PutKind::Service, Some(name)) => Some(own_name(name)?),
                (PutKind::Service, None) => {
                    return Err(Failure::usage(
                        "the service has no name. Give it one with --name NAME.",
                    ));
                }
            },
        },
        DhtVerb::Stat => Dht::Stat,
    })
}

/// A text that can be sent.
///
/// # Errors
/// A usage error when it is empty or too long.
pub(crate) fn message(text: String) -> Result<String, Failure> {
    if text.is_empty() {
        return Err(Failure::usage("the message is empty. Give it a text."));
    }
    if text.len() > limits::TEXT {
        return Err(Failure::usage(format!(
            "the message is {} bytes long, and {} are the most. Send it in parts.",
            text.len(),
            limits::TEXT
        )));
    }
    Ok(text)
}

fn own_name(name: String) -> Result<String, Failure> {
    if name.trim().is_empty() {
        return Err(Failure::usage("the name is empty. Choose another."));
    }
    if name.len() > limits::NAME {
        return Err(Failure::usage(format!(
            "the name is {} bytes long, and {} are the most. Choose a shorter one.",
            name.len(),
            limits::NAME
        )));
    }
    Ok(name)
}

/// What a verb asks about a group.
///
/// # Errors
/// A usage error when a name or a setting is none.
pub(crate) fn group(verb: GroupVerb) -> Result<Group, Failure> {
    let named = |name: String| group_name(&name);
    Ok(match verb {
        GroupVerb::Create { name } => Group::Create { name: named(name)? },
        GroupVerb::Invite { name, to } => Group::Invite {
            name: named(name)?,
            to: person(to)?,
        },
        GroupVerb::Remove { name, to } => Group::Remove {
            name: named(name)?,
            to: person(to)?,
        },
        GroupVerb::Promote { name, to } => Group::Promote {
            name: named(name)?,
            to: person(to)?,
        },
        GroupVerb::Accept { name } => Group::Accept { name: named(name)? },
        GroupVerb::Leave { name } => Group::Leave { name: named(name)? },
        GroupVerb::Members { name } => Group::Members { name: named(name)? },
        GroupVerb::Rename { name, new } => Group::Rename {
            name: named(name)?,
            new: named(new)?,
        },
        GroupVerb::Policy { name, setting } => {
            let setting: Setting = setting
                .parse()
                .map_err(|error| Failure::usage(format!("'{setting}' is {error}.")))?;
            Group::Policy {
                name: named(name)?,
                setting: setting.to_string(),
            }
        }
        GroupVerb::List => Group::List,
    })
}

/// The name of a group, without its sign.
fn group_name(name: &str) -> Result<String, Failure> {
    let name = name.strip_prefix('@').unwrap_or(name);
    let name = ContactName::new(name).map_err(|error| Failure::usage(format!("{error}.")))?;
    Ok(name.as_str().to_owned())
}

/// Somebody, a room or a group.
fn whom(to: String) -> Result<String, Failure> {
    match to.chars().next() {
        Some('#') => Ok(format!("#{}", room(&to)?)),
        Some('@') => Ok(format!("@{}", group_name(&to)?)),
        _ => person(to),
    }
}

/// The folded name of a room.
///
/// # Errors
/// A usage error when it names none.
pub(crate) fn room(name: &str) -> Result<String, Failure> {
    let name = RoomName::new(name).map_err(|error| Failure::usage(format!("{error}.")))?;
    Ok(name.as_str().to_owned())
}

fn person(to: String) -> Result<String, Failure> {
    match to.chars().next() {
        Some('#') => Err(Failure::usage(
            "a room is nobody in particular. Give a contact's name or PeerId.",
        )),
        Some('@') => Err(Failure::usage(
            "a group is nobody in particular. Give a contact's name or PeerId.",
        )),
        Some(_) => Ok(to),
        None => Err(Failure::usage("the contact's name is empty. Give one.")),
    }
}

fn seconds(text: &str) -> Result<Duration, Failure> {
    let wrong = || {
        Failure::usage(format!(
            "--timeout: '{text}' is no number of seconds from 0 to {LONGEST_WAIT}. Try 10."
        ))
    };
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if !(0.0..=LONGEST_WAIT).contains(&seconds) {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

fn lifetime(text: &str) -> Result<u64, Failure> {
    let time = match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text),
    };
    match time {
        Ok(time) if time.as_secs() > 0 && time <= LONGEST_TTL => Ok(time.as_secs()),
        _ => Err(Failure::usage(format!(
            "--ttl: '{text}' is no time from a second to a year. Try 30s, 12h or 7d."
        ))),
    }
}

fn unless_dash(text: String) -> Option<String> {
    (text != "-").then_some(text)
}

fn joined(mut one: NodeArgs, more: NodeArgs) -> NodeArgs {
    one.listen.extend(more.listen);
    one.dial.extend(more.dial);
    one.bootstrap.extend(more.bootstrap);
    one.relay.extend(more.relay);
    one.role.extend(more.role);
    one.stun.extend(more.stun);
    one.relay_only |= more.relay_only;
    one.no_mdns |= more.no_mdns;
    one.no_dht |= more.no_dht;
    one
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a failed expectation is a failed test"
    )]
    use super::*;
    use clap::Parser as _;

    fn plan(words: &str) -> Result<Plan, Failure> {
        let words = std::iter::once("dchat").chain(words.split_whitespace());
        Plan::new(Typed::try_parse_from(words).unwrap())
    }

    fn refused(words: &str) -> String {
        let failure = plan(words).unwrap_err();
        assert_eq!(failure.exit, super::super::Exit::Usage, "{words}");
        failure.message
    }

    #[test]
    fn send_waits_ten_seconds_for_delivery_unless_told_otherwise() {
        let Task::Send(send) = plan("send bob hi").unwrap().task else {
            panic!("not a send");
        };
        assert_eq!(send.wait, MessageState::Delivered);
        assert_eq!(send.timeout, Duration::from_secs(10));
        assert_eq!((send.text.as_deref(), send.ttl_s), (Some("hi"), None));
    }

    #[test]
    fn options_may_come_before_and_after_the_text() {
        for words in [
            "send --wait queued --timeout 0.5 bob - --ttl 2h",
            "send bob - --wait queued --ttl 7200 --timeout .5",
        ] {
            let Task::Send(send) = plan(words).unwrap().task else {
                panic!("not a send");
            };
            assert_eq!(send.wait, MessageState::Queued);
            assert_eq!(send.timeout, Duration::from_millis(500));
            assert_eq!((send.text, send.ttl_s), (None, Some(7200)));
        }
    }

    #[test]
    fn the_home_may_come_before_or_after_the_verb() {
        for words in ["--home /h id --json", "id --home /h --json"] {
            let plan = plan(words).unwrap();
            assert_eq!(plan.flags.home, Some("/h".into()));
            assert!(plan.json);
        }
    }

    #[test]
    fn times_that_are_none_are_refused() {
        for time in ["-1", "NaN", "inf", "ten", "1e9", ""] {
            assert!(seconds(time).is_err(), "{time}");
        }
        for time in ["0", "soon", "-5", "10000d"] {
            assert!(lifetime(time).is_err(), "{time}");
        }
    }

    #[test]
    fn texts_and_names_are_bounded_in_bytes() {
        assert!(message("é".repeat(32 * 1024)).is_ok());
        assert!(message("é".repeat(32 * 1024) + "x").is_err());
        assert!(message(String::new()).is_err());
        assert!(own_name("é".repeat(32)).is_ok());
        assert!(own_name("é".repeat(33)).is_err());
        assert!(own_name(" ".into()).is_err());
    }

    #[test]
    fn a_group_is_called_with_or_without_its_sign_and_a_setting_is_checked() {
        for words in ["group leave @Friends", "group leave Friends"] {
            let Task::Ask(Ask::Group(group)) = plan(words).unwrap().task else {
                panic!("not about a group");
            };
            let name = "Friends".to_owned();
            assert_eq!(group, Group::Leave { name });
        }
        let Task::Ask(Ask::History { to, .. }) = plan("history @Friends").unwrap().task else {
            panic!("not a history");
        };
        assert_eq!(to, "@Friends");
        assert!(refused("group policy x late=maybe").contains("late=none"));
        assert!(refused("group create #x").contains("cannot begin"));
        assert!(refused("group invite x @y").contains("contact"));
        assert!(refused("doctor --peer @x").contains("contact"));
    }

    #[test]
    fn what_is_turned_off_is_off() {
        let flags = plan("daemon --no-dht --no-mdns").unwrap().flags;
        assert!(flags.no_mdns && flags.no_dht);
    }

    #[test]
    fn a_room_is_called_by_its_one_name_wherever_it_stands() {
        let Task::Send(send) = plan("send #Lobby hi").unwrap().task else {
            panic!("not a send");
        };
        assert_eq!(send.to, "#lobby");
        for words in ["room join LOBBY", "room join #lobby"] {
            let Task::Join(join) = plan(words).unwrap().task else {
                panic!("not a join");
            };
            assert_eq!(join.name, "lobby");
        }
        assert!(refused("room join a#b").contains('#'));
        assert!(refused("send # hi").contains("empty"));
        assert!(refused("doctor --peer #lobby").contains("contact"));
    }

    #[test]
    fn options_of_the_node_are_taken_by_chat_and_daemon_alone() {
        let address = "/ip4/192.0.2.1/udp/1/quic-v1";
        let chat = plan(&format!("--dial {address} --no-mdns")).unwrap();
        assert_eq!(chat.task, Task::Interactive);
        assert_eq!(chat.flags.dial, [address]);
        let daemon = plan(&format!("--dial {address} daemon --dial {address}")).unwrap();
        assert_eq!(daemon.flags.dial.len(), 2);
        assert!(refused(&format!("--dial {address} contacts")).contains("config.toml"));
    }

    #[test]
    fn a_service_is_put_by_its_name_and_an_address_without() {
        let put = |words: &str| match plan(words).unwrap().task {
            Task::Ask(Ask::Dht(Dht::Put { service })) => service,
            other => panic!("{other:?}"),
        };
        assert_eq!(put("dht put"), None);
        assert_eq!(put("dht put --kind service --name x"), Some("x".into()));
        assert!(refused("dht put --kind service").contains("--name"));
        assert!(refused("dht put --name x").contains("--kind service"));
    }

    #[test]
    fn only_what_needs_the_network_uses_it() {
        for (words, online) in [
            ("", true),
            ("daemon", true),
            ("send bob hi", true),
            ("send bob hi --wait queued", false),
            ("recv", false),
            ("recv --follow", true),
            ("history bob", false),
            ("invite", false),
            ("dht find x", true),
            ("dht stat", false),
        ] {
            assert_eq!(plan(words).unwrap().online(), online, "{words}");
        }
    }
}
