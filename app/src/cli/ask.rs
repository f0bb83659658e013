//! The commands of one question and one answer.

use super::{
    Console, Exit, Failure,
    console::Stamped,
    plan::{Ask, Dht, Group},
    qr,
    session::Session,
    words::{self, Names},
};
use crate::{
    api::{Event, Id, InviteLink, Message, Reply, Request},
    control::ControlError,
    seam::OpenNode,
    store::limits::{MAX_PAGE, MAX_PAGE_BYTES},
    text,
};

/// Asks and prints the answer.
///
/// # Errors
/// What the node says, and what standard output says.
pub(crate) async fn run<O: OpenNode>(
    ask: Ask,
    session: &mut Session<O>,
    console: &mut Console,
) -> Result<(), Failure> {
    if let Ask::Init { name: Some(name) } = &ask {
        let name = name.clone();
        session.call(Request::SetName { name }).await?;
    }
    let done = done_word(&ask);
    let reply = match &ask {
        Ask::History { to, limit } => Reply::Messages(history(session, to, *limit).await?),
        _ => session.call(request(&ask)).await?,
    };
    match reply {
        Reply::Done => {
            if let Some(done) = done {
                console.note(&done);
            }
        }
        Reply::Id(id) => print_id(&id, console)?,
        Reply::Invite(invite) => print_invite(&invite, console)?,
        Reply::Contact(contact) => print_one(&contact, words::contact, console)?,
        Reply::Contacts(contacts) => {
            print_list(
                &contacts,
                words::contact,
                "no contacts yet. Make an invite with 'dchat invite', or use one with 'dchat add'.",
                console,
            )?;
        }
        Reply::Requests(requests) => {
            print_list(&requests, words::request, "nobody is waiting.", console)?;
        }
        Reply::Room(room) => print_one(&room, words::room, console)?,
        Reply::Rooms(rooms) => {
            let none = "no rooms yet. Join one with 'dchat room join NAME'.";
            print_list(&rooms, words::room, none, console)?;
        }
        Reply::Group(group) => print_one(&group, words::group, console)?,
        Reply::Groups(groups) => {
            let none = "no groups yet. Make one with 'dchat group create NAME'.";
            print_list(&groups, words::group, none, console)?;
        }
        Reply::GroupMembers(members) => {
            print_list(&members, words::group_member, "nobody is there.", console)?;
        }
        Reply::Members(members) => {
            print_list(&members, words::member, "nobody is known there.", console)?;
        }
        Reply::Peers(peers) => {
            let none = if session.is_host() {
                "no node runs on this home. Start it with 'dchat' or 'dchat daemon'."
            } else {
                "nobody is connected."
            };
            print_list(&peers, words::peer, none, console)?;
        }
        Reply::Messages(messages) => print_messages(&messages, session, console).await?,
        Reply::Status(status) => print_one(&status, words::status, console)?,
        Reply::Doctor(doctor) => print_report(&*doctor, words::doctor, console)?,
        Reply::DhtFound(found) => print_report(&*found, words::dht_found, console)?,
        Reply::DhtRecords(found) => {
            print_report(&*found, words::dht_records, console)?;
            if found.records.is_empty() {
                return Err(nothing_stored());
            }
        }
        Reply::DhtStored(stored) => print_report(&*stored, words::dht_stored, console)?,
        Reply::DhtStat(stat) => print_report(&*stat, words::dht_stat, console)?,
        Reply::Sent(_) | Reply::Nearby(_) => return Err(ControlError::Foreign.into()),
    }
    Ok(())
}

/// The own and the contacts' names.
///
/// # Errors
/// What the node says.
pub(crate) async fn names<O: OpenNode>(session: &mut Session<O>) -> Result<Names, Failure> {
    let me = id(session).await?;
    match session.call(Request::Contacts).await? {
        Reply::Contacts(contacts) => Ok(Names::new(&contacts, Some((&me.peer_id, &me.name)))),
        _ => Err(ControlError::Foreign.into()),
    }
}

/// The newest `limit` messages of a conversation, oldest first, in as many pages as that takes.
///
/// # Errors
/// What the node says.
pub(crate) async fn history<O: OpenNode>(
    session: &mut Session<O>,
    to: &str,
    limit: u32,
) -> Result<Vec<Message>, Failure> {
    let (mut pages, mut before): (Vec<Vec<Message>>, _) = (Vec::new(), None);
    let mut left = limit as usize;
    loop {
        let request = Request::History {
            to: to.to_owned(),
            limit: u32::try_from(left).unwrap_or(u32::MAX),
            before,
        };
        let Reply::Messages(page) = session.call(request).await? else {
            return Err(ControlError::Foreign.into());
        };
        left = left.saturating_sub(page.len());
        let bytes: usize = page.iter().map(|message| message.text.len()).sum();
        let is_full = page.len() >= MAX_PAGE || bytes >= MAX_PAGE_BYTES;
        before = page.first().map(|first| first.id.clone());
        pages.push(page);
        if left == 0 || before.is_none() || !is_full {
            return Ok(pages.into_iter().rev().flatten().collect());
        }
    }
}

/// Who the node is.
///
/// # Errors
/// What the node says.
pub(crate) async fn id<O: OpenNode>(session: &mut Session<O>) -> Result<Id, Failure> {
    match session.call(Request::Id).await? {
        Reply::Id(id) => Ok(id),
        _ => Err(ControlError::Foreign.into()),
    }
}

fn request(ask: &Ask) -> Request {
    match ask.clone() {
        Ask::Init { .. } | Ask::Id => Request::Id,
        Ask::Invite => Request::Invite,
        Ask::Contacts => Request::Contacts,
        Ask::Rename { peer, name } => Request::RenameContact { peer, name },
        Ask::Remove { peer } => Request::RemoveContact { peer },
        Ask::Requests => Request::Requests,
        Ask::Accept { peer, name } => Request::Accept { peer, name },
        Ask::Refuse { peer } => Request::Refuse { peer },
        Ask::History { to, limit } => Request::History {
            to,
            limit,
            before: None,
        },
        Ask::Search { words, to, limit } => Request::Search { words, to, limit },
        Ask::LeaveRoom { name } => Request::LeaveRoom { name },
        Ask::Rooms => Request::Rooms,
        Ask::Members { of } => Request::Members { of },
        Ask::Group(group) => group_request(group),
        Ask::Peers => Request::Peers,
        Ask::Status => Request::Status,
        Ask::Doctor { peer, stun } => Request::Doctor { peer, stun },
        Ask::Dht(dht) => dht_request(dht),
    }
}

/// The request for what is done with a group.
pub(crate) fn group_request(group: Group) -> Request {
    match group {
        Group::Create { name } => Request::CreateGroup { name },
        Group::Invite { name, to } => Request::InviteMember {
            group: name,
            peer: to,
        },
        Group::Remove { name, to } => Request::RemoveMember {
            group: name,
            peer: to,
        },
        Group::Promote { name, to } => Request::PromoteMember {
            group: name,
            peer: to,
        },
        Group::Accept { name } => Request::AcceptGroup { group: name },
        Group::Leave { name } => Request::LeaveGroup { group: name },
        Group::Members { name } => Request::GroupMembers { group: name },
        Group::Rename { name, new } => Request::RenameGroup {
            group: name,
            name: new,
        },
        Group::Policy { name, setting } => Request::SetGroupPolicy {
            group: name,
            setting,
        },
        Group::List => Request::Groups,
    }
}

/// The request for a question to the distributed hash table.
pub(crate) fn dht_request(dht: Dht) -> Request {
    match dht {
        Dht::Find { target } => Request::DhtFind { target },
        Dht::Get { target, kind } => Request::DhtGet { target, kind },
        Dht::Put { service } => Request::DhtPut { service },
        Dht::Stat => Request::DhtStat,
    }
}

/// Nothing is stored where it was looked for.
fn nothing_stored() -> Failure {
    Failure::new(
        Exit::Unreachable,
        "nothing is stored under this key: it was never published, or its time is over.",
    )
}

fn done_word(ask: &Ask) -> Option<String> {
    match ask {
        Ask::Rename { peer, name } => Some(format!("{peer} is now called {name}.")),
        Ask::Remove { peer } => Some(format!(
            "{peer} is no longer a contact. The messages are still there."
        )),
        Ask::Refuse { peer } => Some(format!("{peer} was refused and is ignored from now on.")),
        Ask::LeaveRoom { name } => Some(format!(
            "you have left #{name}. What was said there stays for as long as the room keeps it."
        )),
        Ask::Group(Group::Invite { name, to }) => Some(format!(
            "{to} is invited to @{name}, and told as soon as they can be reached."
        )),
        Ask::Group(Group::Remove { name, to }) => Some(format!(
            "{to} is not in @{name} any more, and reads nothing of what is written from now on by \
             whoever has heard of it."
        )),
        Ask::Group(Group::Promote { name, to }) => {
            Some(format!("{to} is an administrator of @{name} now."))
        }
        Ask::Group(Group::Leave { name }) => Some(format!(
            "you have left @{name}. What was said there is still here."
        )),
        _ => None,
    }
}

fn print_id(id: &Id, console: &mut Console) -> Result<(), Failure> {
    if console.json() {
        return Ok(console.object(id)?);
    }
    console.line(&format!(
        "{}  {}",
        text::name(&id.name),
        text::line(&id.peer_id)
    ))?;
    for address in &id.addresses {
        console.line(&text::line(address))?;
    }
    Ok(())
}

fn print_invite(invite: &InviteLink, console: &mut Console) -> Result<(), Failure> {
    if console.json() {
        return Ok(console.object(invite)?);
    }
    console.line(&text::line(&invite.invite))?;
    qr::remark(&invite.invite, console);
    console.remark(
        "For one person, within 7 days. There: dchat add INVITE. Keep dchat running here until it \
         was used.",
    );
    Ok(())
}

/// What is one line for a person.
///
/// # Errors
/// What standard output says.
pub(crate) fn print_one<T: serde::Serialize>(
    one: &T,
    words: impl Fn(&T) -> String,
    console: &mut Console,
) -> Result<(), Failure> {
    if console.json() {
        return Ok(console.object(one)?);
    }
    Ok(console.line(&words(one))?)
}

fn print_report<T: serde::Serialize>(
    report: &T,
    words: impl Fn(&T) -> Vec<String>,
    console: &mut Console,
) -> Result<(), Failure> {
    if console.json() {
        return Ok(console.object(report)?);
    }
    for line in words(report) {
        console.line(&line)?;
    }
    Ok(())
}

fn print_list<T: serde::Serialize>(
    list: &[T],
    words: impl Fn(&T) -> String,
    none: &str,
    console: &mut Console,
) -> Result<(), Failure> {
    for item in list {
        if console.json() {
            console.object(item)?;
        } else {
            console.line(&words(item))?;
        }
    }
    if list.is_empty() && !console.json() {
        console.remark(none);
    }
    Ok(())
}

async fn print_messages<O: OpenNode>(
    messages: &[Message],
    session: &mut Session<O>,
    console: &mut Console,
) -> Result<(), Failure> {
    if console.json() {
        for message in messages {
            // The object of the event, as it was when the message was written.
            let event = Event::Message(message.clone());
            console.object(&Stamped::new(&event, &message.sent_at))?;
        }
        return Ok(());
    }
    let names = names(session).await?;
    for message in messages {
        console.line(&words::message(message, &names))?;
    }
    if messages.is_empty() {
        console.remark("no messages.");
    }
    Ok(())
}
