//! What a typed line means.

use clap::Parser as _;

use super::super::args::{self, DhtLine, GroupLine};
use super::super::plan::{self, Dht, Group};

/// A line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing but blanks.
    Nothing,
    /// A text for the current conversation.
    Say(String),
    /// A command.
    Do(Command),
    /// A command that cannot be carried out, and what to type instead.
    Wrong(String),
}

/// A slash command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Quit,
    Info,
    Status,
    Doctor(Option<String>),
    Peers,
    Contacts,
    Requests,
    Invite,
    Name(Option<String>),
    To(Option<String>),
    History(u32),
    Search(String),
    Add {
        target: String,
        name: Option<String>,
    },
    Accept(Option<String>),
    Refuse(Option<String>),
    Rename {
        peer: String,
        name: String,
    },
    Remove(String),
    Join {
        name: String,
        secret_file: Option<String>,
    },
    Part(Option<String>),
    Rooms,
    /// Of a room or group, or of the current one.
    Members(Option<String>),
    Group(Group),
    Dht(Dht),
}

/// What `/help` prints.
pub(crate) const HELP: &str = "\
  text                 send to the current conversation (//text for one that starts with /)
  /to NAME             choose whom you write to: a contact, a #room or a @group
  /join ROOM [FILE]    join a room and write there; FILE holds the secret of a closed one
  /part [ROOM]         leave a room or group                  /rooms  /members [ROOM]
  /room join|leave|members|list …  the same, as `dchat room` does
  /group create|invite|accept|remove|promote|leave|members|rename|policy|list …
  /add WHAT [NAME]     add a contact by invite, PeerId or address
  /invite              make an invite for one person
  /contacts            list contacts       /rename NAME NEW   /remove NAME
  /requests            list who asks       /accept [WHO]      /refuse [WHO]
  /history [N]         the newest messages of this conversation
  /search WORDS        find messages
  /peers  /status      connections, and the state of the node
  /doctor [NAME]       what stands between you and others, and how NAME is reached
  /dht find|get|put|stat …  ask the distributed hash table, as `dchat dht` does
  /name [NEW]          show or change your name
  /info                your PeerId and addresses
  /quit  /exit         leave (messages stay queued)";

/// Messages `/history` shows unless told otherwise.
const HISTORY: u32 = 20;

/// Understands one line.
#[must_use]
pub(crate) fn parse(line: &str) -> Input {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.trim().is_empty() {
        return Input::Nothing;
    }
    match line.strip_prefix('/') {
        None => Input::Say(line.to_owned()),
        Some(text) if text.starts_with('/') => Input::Say(text.to_owned()),
        Some(command) => command_of(command).map_or_else(Input::Wrong, Input::Do),
    }
}

fn command_of(line: &str) -> Result<Command, String> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let some = || (!rest.is_empty()).then(|| unquoted(rest));
    let needed = |what: &str| some().ok_or_else(|| format!("/{word} needs {what}."));
    Ok(match word {
        "help" | "h" | "?" => Command::Help,
        "quit" | "exit" | "q" => Command::Quit,
        "info" | "id" => Command::Info,
        "status" => Command::Status,
        "doctor" => Command::Doctor(some()),
        "peers" => Command::Peers,
        "contacts" => Command::Contacts,
        "requests" => Command::Requests,
        "invite" => Command::Invite,
        "name" => Command::Name(some()),
        "to" => Command::To(some()),
        "history" if rest.is_empty() => Command::History(HISTORY),
        "history" => Command::History(
            rest.parse()
                .ok()
                .filter(|limit| args::LIMIT.contains(&i64::from(*limit)))
                .ok_or("/history needs a number from 1 to 100000, such as /history 50.")?,
        ),
        "search" => Command::Search(needed("words")?),
        "add" => {
            needed("an invite, a PeerId or an address")?;
            let (target, name) = first(rest);
            Command::Add { target, name }
        }
        "accept" => Command::Accept(some()),
        "refuse" => Command::Refuse(some()),
        "rename" => match first(rest) {
            (peer, Some(name)) if !peer.is_empty() => Command::Rename { peer, name },
            _ => return Err("/rename needs a contact and its new name.".to_owned()),
        },
        "remove" => Command::Remove(needed("a contact")?),
        "join" | "j" => {
            needed("the name of a room")?;
            let (name, secret_file) = first(rest);
            Command::Join { name, secret_file }
        }
        "part" | "leave" => Command::Part(some()),
        "rooms" => Command::Rooms,
        "members" | "who" => Command::Members(some()),
        "room" => room(rest)?,
        "group" | "g" => Command::Group(group(rest)?),
        "dht" => Command::Dht(dht(rest)?),
        _ => return Err(format!("there is no /{word}. Try /help.")),
    })
}

/// What follows `/dht`, as the command line has it.
fn dht(rest: &str) -> Result<Dht, String> {
    let usage = || "/dht needs one of: find KEY|PEERID, get PEERID, put, stat.".to_owned();
    let line = DhtLine::try_parse_from(words(rest)).map_err(|_| usage())?;
    plan::dht(line.verb).map_err(|failure| failure.message)
}

/// What follows `/room`, much as the command line has it.
fn room(rest: &str) -> Result<Command, String> {
    let usage =
        || "/room needs one of: join NAME [FILE], leave NAME, members NAME, list.".to_owned();
    let sign = |name: &str| match name.strip_prefix('#') {
        Some(_) => name.to_owned(),
        None => format!("#{name}"),
    };
    Ok(match words(rest).as_slice() {
        ["join", name] => Command::Join {
            name: (*name).to_owned(),
            secret_file: None,
        },
        ["join", name, file] | ["join", name, "--secret-file", file] => Command::Join {
            name: (*name).to_owned(),
            secret_file: Some((*file).to_owned()),
        },
        ["leave", name] => Command::Part(Some(sign(name))),
        ["members", name] => Command::Members(Some(sign(name))),
        ["list"] => Command::Rooms,
        _ => return Err(usage()),
    })
}

/// What follows `/group`, as the command line has it.
fn group(rest: &str) -> Result<Group, String> {
    let usage = || {
        "/group needs one of: create NAME, invite NAME TO, accept NAME, leave NAME, remove NAME TO, \
         promote NAME TO, members NAME, rename NAME NEW, policy NAME KEY=VALUE, list."
            .to_owned()
    };
    let line = GroupLine::try_parse_from(words(rest)).map_err(|_| usage())?;
    plan::group(line.verb).map_err(|failure| failure.message)
}

/// Words, of which some may be quoted.
fn words(rest: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = rest.trim_start();
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let (word, more) = quoted
            .or_else(|| rest.split_once(char::is_whitespace))
            .unwrap_or((rest, ""));
        words.push(word);
        rest = more.trim_start();
    }
    words
}

/// The first word, which may be quoted, and the rest.
fn first(rest: &str) -> (String, Option<String>) {
    let (first, rest) = match rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some(parts) => parts,
        None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
    };
    let rest = rest.trim();
    (first.to_owned(), (!rest.is_empty()).then(|| unquoted(rest)))
}

fn unquoted(text: &str) -> String {
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text)
        .to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a failed expectation is a failed test")]
    use super::*;
    use proptest::prelude::*;

    fn done(line: &str) -> Command {
        match parse(line) {
            Input::Do(command) => command,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn plain_text_is_said_as_it_is() {
        assert_eq!(parse("  hi there \n"), Input::Say("  hi there ".into()));
        assert_eq!(
            parse("//etc is a directory"),
            Input::Say("/etc is a directory".into())
        );
        assert_eq!(parse(" \t\r\n"), Input::Nothing);
    }

    #[test]
    fn every_command_of_the_contract_is_there() {
        for (line, command) in [
            ("/help", Command::Help),
            ("/peers", Command::Peers),
            ("/name", Command::Name(None)),
            ("/name  Alice B ", Command::Name(Some("Alice B".into()))),
            ("/history", Command::History(HISTORY)),
            ("/history 7", Command::History(7)),
            ("/info", Command::Info),
            ("/quit", Command::Quit),
            ("/exit", Command::Quit),
            ("/invite", Command::Invite),
            ("/contacts", Command::Contacts),
            ("/requests", Command::Requests),
            ("/accept", Command::Accept(None)),
            (
                "/accept Bob Smith",
                Command::Accept(Some("Bob Smith".into())),
            ),
            ("/refuse Bob", Command::Refuse(Some("Bob".into()))),
            ("/to Bob Smith", Command::To(Some("Bob Smith".into()))),
            ("/search a b", Command::Search("a b".into())),
            ("/status", Command::Status),
            ("/remove \"Bob\"", Command::Remove("Bob".into())),
            (
                "/join lobby",
                Command::Join {
                    name: "lobby".into(),
                    secret_file: None,
                },
            ),
            (
                "/join #den \"/my secrets/den\"",
                Command::Join {
                    name: "#den".into(),
                    secret_file: Some("/my secrets/den".into()),
                },
            ),
            ("/part", Command::Part(None)),
            ("/part #den", Command::Part(Some("#den".into()))),
            ("/rooms", Command::Rooms),
            ("/group list", Command::Group(Group::List)),
            (
                "/group invite \"old friends\" Bob",
                Command::Group(Group::Invite {
                    name: "old friends".into(),
                    to: "Bob".into(),
                }),
            ),
            ("/members", Command::Members(None)),
            ("/who @team", Command::Members(Some("@team".into()))),
            ("/room list", Command::Rooms),
            ("/room leave lobby", Command::Part(Some("#lobby".into()))),
            (
                "/room members #lobby",
                Command::Members(Some("#lobby".into())),
            ),
            (
                "/room join den --secret-file key",
                Command::Join {
                    name: "den".into(),
                    secret_file: Some("key".into()),
                },
            ),
            ("/dht stat", Command::Dht(Dht::Stat)),
        ] {
            assert_eq!(done(line), command, "{line}");
        }
    }

    #[test]
    fn the_table_is_asked_as_on_the_command_line() {
        for (line, command) in [
            (
                "/dht get 12D3 --kind device",
                Dht::Get {
                    target: "12D3".into(),
                    kind: crate::api::RecordKind::Device,
                },
            ),
            (
                "/dht put --kind service --name \"chess club\"",
                Dht::Put {
                    service: Some("chess club".into()),
                },
            ),
            (
                "/dht find 12D3",
                Dht::Find {
                    target: "12D3".into(),
                },
            ),
        ] {
            assert_eq!(done(line), Command::Dht(command), "{line}");
        }
    }

    #[test]
    fn a_name_may_follow_what_is_added_or_renamed() {
        assert_eq!(
            done("/add 12D3 Bob Smith"),
            Command::Add {
                target: "12D3".into(),
                name: Some("Bob Smith".into())
            }
        );
        assert_eq!(
            done("/add dchat:AAAA"),
            Command::Add {
                target: "dchat:AAAA".into(),
                name: None
            }
        );
        assert_eq!(
            done("/rename \"Bob Smith\" Robert"),
            Command::Rename {
                peer: "Bob Smith".into(),
                name: "Robert".into()
            }
        );
    }

    #[test]
    fn what_is_missing_or_unknown_is_told() {
        for (line, word) in [
            ("/dance", "/help"),
            ("/add", "invite"),
            ("/search", "words"),
            ("/join", "room"),
            ("/rename Bob", "new name"),
            ("/history many", "number"),
            ("/", "/help"),
            ("/dht", "find"),
            ("/dht get", "get PEERID"),
            ("/dht --home /x stat", "stat"),
            ("/dht put --name x", "--kind service"),
        ] {
            let Input::Wrong(told) = parse(line) else {
                panic!("{line}");
            };
            assert!(told.contains(word), "{told}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_understood_or_refused(line in any::<String>(), slash in any::<bool>()) {
            let line = if slash { format!("/{line}") } else { line };
            let _ = parse(&line);
        }
    }
}
