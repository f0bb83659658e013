//! How things read to a person. Everything here is safe for a terminal, whoever wrote it.

mod dht;
mod doctor;

use std::collections::BTreeMap;

pub(crate) use dht::{dht_found, dht_records, dht_stat, dht_status, dht_stored};
pub(crate) use doctor::doctor;

use crate::{
    api::{
        Contact, ContactRequest, Event, GroupChange, GroupInfo, GroupMember, GroupNews,
        GroupPolicy, GroupStanding, Member, Message, MessageState, PathKind, PeerInfo, RoomInfo,
        Status,
    },
    text, time,
};

/// Before the further lines of a message, so that none passes for one of ours.
const INDENT: &str = "    ";

/// Names of peers, as this home knows them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// The names of contacts, and the own one.
    #[must_use]
    pub(crate) fn new(contacts: &[Contact], me: Option<(&str, &str)>) -> Self {
        let mut names = Self::default();
        contacts.iter().for_each(|contact| names.learn(contact));
        if let Some((peer, name)) = me {
            names.0.insert(peer.to_owned(), text::name(name));
        }
        names
    }

    /// A contact is new, or is called otherwise now.
    pub(crate) fn learn(&mut self, contact: &Contact) {
        self.0
            .insert(contact.peer_id.clone(), text::name(&contact.name));
    }

    /// Whether a peer has a name here.
    #[must_use]
    pub(crate) fn knows(&self, peer: &str) -> bool {
        self.0.contains_key(peer)
    }

    /// The name of a peer; for a stranger, its PeerId in short.
    #[must_use]
    pub(crate) fn of(&self, peer: &str) -> String {
        self.0.get(peer).cloned().unwrap_or_else(|| short(peer))
    }

    /// `Bob (12D3Ko…x7Qq)`; for a stranger, its PeerId in short.
    #[must_use]
    pub(crate) fn full(&self, peer: &str) -> String {
        match self.0.get(peer) {
            Some(name) => format!("{name} ({})", short(peer)),
            None => short(peer),
        }
    }
}

/// `12D3Ko…x7Qq`.
#[must_use]
pub(crate) fn short(peer: &str) -> String {
    let peer = text::line(peer);
    let chars = peer.chars().count();
    if chars <= 12 {
        return peer;
    }
    let head: String = peer.chars().take(6).collect();
    let tail: String = peer.chars().skip(chars - 4).collect();
    format!("{head}…{tail}")
}

/// `[14:23:15] Bob (12D3Ko…x7Qq): text`; of a room, `[14:23:15] #lobby Bob (12D3Ko…x7Qq): text`, and
/// `[14:23:15] #lobby Bob (12D3Ko…x7Qq) → you: text` for one that names us.
#[must_use]
pub(crate) fn message(message: &Message, names: &Names) -> String {
    let room = if message.conversation.starts_with(['#', '@']) {
        format!("{} ", text::line(&message.conversation))
    } else {
        String::new()
    };
    let who = match &message.name {
        Some(name) if !names.knows(&message.from) => {
            format!("{} ({})", text::name(name), short(&message.from))
        }
        _ => names.full(&message.from),
    };
    let at = time::local(&message.sent_at).unwrap_or_else(|| text::line(&message.sent_at));
    let text = text::block(&message.text, INDENT);
    let state = message
        .state
        .map_or_else(String::new, |state| format!("  [{}]", state_word(state)));
    let mark = if message.mention { " → you" } else { "" };
    format!("[{at}] {room}{who}{mark}: {text}{state}")
}

/// `delivered`.
#[must_use]
pub(crate) fn state_word(state: MessageState) -> &'static str {
    match state {
        MessageState::Queued => "queued",
        MessageState::Stored => "stored",
        MessageState::Delivered => "delivered",
        MessageState::Read => "read",
        MessageState::Failed => "failed",
    }
}

/// `direct`.
#[must_use]
pub(crate) fn path_word(path: PathKind) -> &'static str {
    match path {
        PathKind::Direct => "direct",
        PathKind::Relay => "relay",
    }
}

/// `Bob  12D3KooW…  verified`.
#[must_use]
pub(crate) fn contact(contact: &Contact) -> String {
    let verified = if contact.verified {
        "verified"
    } else {
        "not verified"
    };
    format!(
        "{}  {}  {verified}",
        text::name(&contact.name),
        text::line(&contact.peer_id)
    )
}

/// `#lobby  3 members, 2 connected, 1 unread`.
#[must_use]
pub(crate) fn room(room: &RoomInfo) -> String {
    let closed = if room.closed { ", with a secret" } else { "" };
    let members = if room.members == 1 {
        "member"
    } else {
        "members"
    };
    format!(
        "{}  {} {members}, {} connected, {}{closed}",
        text::line(&room.conversation),
        room.members,
        room.connected,
        unread(room.unread, room.mentions)
    )
}

/// `3 unread, 1 for you`.
fn unread(unread: u64, mentions: u64) -> String {
    match mentions {
        0 => format!("{unread} unread"),
        _ => format!("{unread} unread, {mentions} for you"),
    }
}

/// `Bob  12D3KooW…  connected`.
#[must_use]
pub(crate) fn member(member: &Member) -> String {
    let connected = match (member.own, member.connected) {
        (true, _) => "you",
        (false, true) => "connected",
        (false, false) => "not connected",
    };
    format!(
        "{}  {}  {connected}",
        text::name(&member.name),
        text::line(&member.peer_id)
    )
}

/// `@friends  admin, 3 members, 2 connected, 1 unread; newcomers read: none; kept: forever`.
#[must_use]
pub(crate) fn group(group: &GroupInfo) -> String {
    let members = if group.members == 1 {
        "member"
    } else {
        "members"
    };
    let invited = group.invited_by.as_ref().map_or_else(String::new, |by| {
        format!(
            " by {}; to accept: dchat group accept {}",
            short(by),
            text::line(&group.name)
        )
    });
    format!(
        "{}  {}{invited}, {} {members}, {} connected, {}; {}",
        text::line(&group.conversation),
        standing(group.state),
        group.members,
        group.connected,
        unread(group.unread, group.mentions),
        policy(&group.policy)
    )
}

/// `Bob  12D3KooW…  member, connected, has 12 of yours and lacks 1`; of one who is elsewhere `…, had 12 of
/// yours when last heard of`.
#[must_use]
pub(crate) fn group_member(member: &GroupMember) -> String {
    if member.own {
        return format!(
            "{}  {}  {}, you",
            text::name(&member.name),
            text::line(&member.peer_id),
            standing(member.standing)
        );
    }
    let connected = if member.connected {
        "connected"
    } else {
        "not connected"
    };
    let has = match (member.delivered, member.lag) {
        (Some(delivered), Some(0)) => format!(", has all {delivered} of yours"),
        (Some(delivered), Some(lag)) if member.connected => {
            format!(", has {delivered} of yours and lacks {lag}")
        }
        (Some(delivered), Some(lag)) => {
            format!(", had {delivered} of yours when last heard of, {lag} less than there are")
        }
        _ => String::new(),
    };
    format!(
        "{}  {}  {}, {connected}{has}",
        text::name(&member.name),
        text::line(&member.peer_id),
        standing(member.standing)
    )
}

fn standing(standing: GroupStanding) -> &'static str {
    match standing {
        GroupStanding::Invited => "invited",
        GroupStanding::Member => "member",
        GroupStanding::Admin => "administrator",
    }
}

fn policy(policy: &GroupPolicy) -> String {
    let late = match policy.late.as_str() {
        "none" => "nothing from before".to_owned(),
        "all" => "everything".to_owned(),
        count => format!("the last {} messages", text::line(count)),
    };
    format!(
        "newcomers read {late}, messages are kept {}",
        text::line(&policy.keep)
    )
}

/// What changed in a group, in one line.
#[must_use]
pub(crate) fn group_news(news: &GroupNews, names: &Names) -> String {
    let who = |peer: &Option<String>| {
        let peer = peer.as_deref().unwrap_or_default();
        match &news.name {
            Some(name) if news.peer_id.as_deref() == Some(peer) => {
                format!("{} ({})", text::name(name), short(peer))
            }
            _ => names.full(peer),
        }
    };
    let by = news
        .by
        .as_ref()
        .map_or_else(String::new, |by| format!(" by {}", names.full(by)));
    let about = who(&news.peer_id);
    let what = match news.change {
        GroupChange::Invited => {
            let policy = news.policy.as_ref().map(policy).unwrap_or_default();
            format!("{about} is invited{by}: {policy}")
        }
        GroupChange::Joined => format!("{about} has joined"),
        GroupChange::Promoted => format!("{about} is an administrator now"),
        GroupChange::Left => format!("{about} has left"),
        GroupChange::Removed => format!("{about} was removed{by}"),
        GroupChange::Renamed => "this is the group's name now".to_owned(),
        GroupChange::Policy => news.policy.as_ref().map(policy).unwrap_or_default(),
    };
    format!("{}: {what}", text::line(&news.conversation))
}

/// `14:23:15  calls itself Bob  12D3KooW…`.
#[must_use]
pub(crate) fn request(request: &ContactRequest) -> String {
    let at = time::local(&request.at).unwrap_or_else(|| text::line(&request.at));
    format!(
        "{at}  calls itself {}  {}",
        text::name(&request.name),
        text::line(&request.peer_id)
    )
}

/// `Bob (12D3Ko…x7Qq)  direct  /ip4/…  0.4 ms`.
#[must_use]
pub(crate) fn peer(peer: &PeerInfo) -> String {
    let name = if peer.name.is_empty() {
        text::line(&peer.peer_id)
    } else {
        format!("{} ({})", text::name(&peer.name), short(&peer.peer_id))
    };
    let rtt = peer.rtt_ms.map_or_else(
        || "not measured yet".to_owned(),
        |rtt| format!("{rtt:.1} ms"),
    );
    format!(
        "{name}  {}  {}  {rtt}",
        path_word(peer.path),
        text::line(&peer.addr)
    )
}

/// Several lines.
#[must_use]
pub(crate) fn status(status: &Status) -> String {
    let running = if status.running {
        format!("running for {}", age(status.uptime_s))
    } else {
        "not running; start it with 'dchat' or 'dchat daemon'".to_owned()
    };
    let addresses = if status.addresses.is_empty() {
        "none".to_owned()
    } else {
        status
            .addresses
            .iter()
            .map(|address| text::line(address))
            .collect::<Vec<_>>()
            .join("\n           ")
    };
    format!(
        "node       {running}\n\
         name       {}\n\
         peer id    {}\n\
         listening  {addresses}\n\
         connected  {}\n\
         contacts   {}, and {} asking to be\n\
         messages   {} to deliver, {}\n\
         table      {}\n\
         version    {}",
        text::name(&status.name),
        text::line(&status.peer_id),
        status.connected,
        status.contacts,
        status.requests,
        status.queued,
        unread(status.unread, status.mentions),
        dht_status(&status.dht),
        text::line(&status.version),
    )
}

/// An event in one line, for a person who watches a daemon.
#[must_use]
pub(crate) fn event(event: &Event, names: &Names) -> String {
    match event {
        Event::Listening { addr } => format!("listening on {}", text::line(addr)),
        Event::Discovered { peer_id, via, .. } => {
            format!("found {} nearby ({})", names.full(peer_id), text::line(via))
        }
        Event::Expired { peer_id } => format!("{} is no longer nearby", names.full(peer_id)),
        Event::PeerConnected { peer_id, path, .. } => {
            format!(
                "{} is connected ({})",
                names.full(peer_id),
                path_word(*path)
            )
        }
        Event::PathChanged { peer_id, path, .. } => {
            format!(
                "{} is now reached {}",
                names.full(peer_id),
                match path {
                    PathKind::Direct => "directly",
                    PathKind::Relay => "through a relay",
                }
            )
        }
        Event::PeerDisconnected { peer_id, reason } => {
            format!("{} is gone: {}", names.full(peer_id), text::line(reason))
        }
        Event::Message(received) => message(received, names),
        Event::Group(news) => group_news(news, names),
        Event::MessageState { id, state } => {
            format!("message {} is {}", short(id), state_word(*state))
        }
        Event::MessageRenamed { from, to } => {
            format!("message {} is queued anew as {}", short(from), short(to))
        }
        Event::Request(asking) => format!(
            "{}, who calls itself {}, asks to be a contact",
            short(&asking.peer_id),
            text::name(&asking.name)
        ),
        Event::Contact(contact) => format!(
            "{} ({}) is a contact",
            text::name(&contact.name),
            short(&contact.peer_id)
        ),
        Event::Error { message, .. } => format!("error: {}", text::line(message)),
        Event::Missed { count } => {
            format!("{count} events were missed; stored messages are all there")
        }
    }
}

fn age(seconds: u64) -> String {
    humantime::format_duration(core::time::Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

    use super::*;

    const BOB: &str = "12D3KooWQHwmbBhVDVE4FMNF7CQrWSGSBXsZHLgnC2jpbB8MQqgD";

    fn names() -> Names {
        Names::new(
            &[Contact {
                peer_id: BOB.into(),
                name: "Bob\u{1b}[2J".into(),
                verified: true,
            }],
            None,
        )
    }

    #[test]
    fn a_message_reads_time_name_and_text() {
        let received = Message {
            conversation: BOB.into(),
            from: BOB.into(),
            name: None,
            id: "1".into(),
            seq: 1,
            text: "hi\n[00:00:00] Eve: send money".into(),
            sent_at: time::now(),
            state: None,
            mention: false,
        };
        let line = message(&received, &names());
        let (at, rest) = line.split_at(10);
        assert!(at.starts_with('[') && at.ends_with(']'), "{line}");
        assert_eq!(
            rest,
            " Bob␛[2J (12D3Ko…QqgD): hi\n    [00:00:00] Eve: send money"
        );
    }

    #[test]
    fn a_message_that_names_us_says_so() {
        let named = Message {
            conversation: "#lobby".into(),
            from: BOB.into(),
            name: Some("Bobby".into()),
            id: "1".into(),
            seq: 1,
            text: "@alice hello".into(),
            sent_at: time::now(),
            state: None,
            mention: true,
        };
        let line = message(&named, &names());
        assert!(
            line.ends_with(" #lobby Bob␛[2J (12D3Ko…QqgD) → you: @alice hello"),
            "{line}"
        );
        let value = serde_json::to_value(&named);
        assert!(value.is_ok_and(|value| value["mention"] == true));
        assert_eq!(
            (unread(2, 0), unread(2, 1)),
            ("2 unread".into(), "2 unread, 1 for you".into())
        );
    }

    /// Checks DC-CHAT-004 (negative).
    #[test]
    fn a_stranger_is_called_by_its_peer_id() {
        assert_eq!(Names::default().full(BOB), "12D3Ko…QqgD");
        assert_eq!(names().of(BOB), "Bob␛[2J");
    }

    /// Checks DC-CHAT-004 (positive).
    #[test]
    fn what_a_stranger_calls_itself_is_told_as_its_own_word_beside_its_peer_id() {
        let eve = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X";
        let asking = ContactRequest {
            peer_id: eve.into(),
            // As a contact is called.
            name: "Bob".into(),
            at: time::now(),
        };
        let listed = request(&asking);
        assert!(
            listed.ends_with(&format!("calls itself Bob  {eve}")),
            "{listed}"
        );
        let told = event(&Event::Request(asking), &names());
        assert!(told.starts_with(&short(eve)), "{told}");
        assert!(told.contains(", who calls itself Bob, asks"), "{told}");
    }

    #[test]
    fn no_event_carries_control_characters_to_the_terminal() {
        let bad = "\u{1b}]0;x\u{7}\n\u{9b}".to_owned();
        let events = [
            Event::Listening { addr: bad.clone() },
            Event::Discovered {
                peer_id: bad.clone(),
                addr: bad.clone(),
                via: bad.clone(),
            },
            Event::Expired {
                peer_id: bad.clone(),
            },
            Event::PeerConnected {
                peer_id: bad.clone(),
                path: PathKind::Direct,
                addr: bad.clone(),
            },
            Event::PathChanged {
                peer_id: bad.clone(),
                path: PathKind::Relay,
                addr: bad.clone(),
            },
            Event::PeerDisconnected {
                peer_id: bad.clone(),
                reason: bad.clone(),
            },
            Event::Message(Message {
                conversation: bad.clone(),
                from: bad.clone(),
                name: Some(bad.clone()),
                id: bad.clone(),
                seq: 1,
                text: bad.clone(),
                sent_at: bad.clone(),
                state: Some(MessageState::Read),
                mention: false,
            }),
            Event::MessageState {
                id: bad.clone(),
                state: MessageState::Failed,
            },
            Event::Request(ContactRequest {
                peer_id: bad.clone(),
                name: bad.clone(),
                at: bad.clone(),
            }),
            Event::Contact(Contact {
                peer_id: bad.clone(),
                name: bad.clone(),
                verified: false,
            }),
            Event::Error {
                code: bad.clone(),
                message: bad,
            },
        ];
        for bad in events {
            let line = event(&bad, &names()).replace("\n    ", "");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}
