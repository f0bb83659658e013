//! What can be asked of a node, and what it tells: the one seam between the node and everything
//! that drives it.
//!
//! The library's [`Peer`](crate::Peer), the command line and the control socket all speak these
//! types, so a verb behaves the same whether the node runs in this process or in the home's daemon.
//! A [`Request`] is answered by one [`Reply`] or one [`ApiError`]; [`Event`]s come unasked to whoever
//! subscribed. The JSON forms are the contract of the command line.

mod dht;
mod doctor;
mod error;
mod event;
mod group;

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use dht::{
    DhtEffort, DhtFound, DhtMode, DhtNode, DhtPublished, DhtRecord, DhtRecords, DhtRefused,
    DhtStat, DhtStatus, DhtStored, RecordKind,
};
pub use doctor::{
    Allocation, Behaviour, Doctor, Nat, PeerPath, PortMapping, Reachability, Relay as DoctorRelay,
};
pub use error::{ApiError, ErrorKind};
pub use event::Event;
pub use group::{GroupChange, GroupInfo, GroupMember, GroupNews, GroupPolicy, GroupStanding};

/// One question to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Identity and addresses. Answer: [`Reply::Id`].
    Id,
    /// Sets the own display name. Answer: [`Reply::Done`].
    SetName {
        /// At most 64 bytes of UTF-8.
        name: String,
    },
    /// Makes an invite for one person. Answer: [`Reply::Invite`].
    Invite,
    /// Adds a contact. Answer: [`Reply::Contact`].
    Add {
        /// An invite link, a PeerId or an address that ends in `/p2p/PEER`.
        target: String,
        /// What to call the contact; otherwise what it calls itself, or its PeerId.
        name: Option<String>,
    },
    /// All contacts. Answer: [`Reply::Contacts`].
    Contacts,
    /// Renames a contact. Answer: [`Reply::Done`].
    RenameContact {
        /// Contact name or PeerId.
        peer: String,
        /// The new name.
        name: String,
    },
    /// Forgets a contact; its history stays. Answer: [`Reply::Done`].
    RemoveContact {
        /// Contact name or PeerId.
        peer: String,
    },
    /// Strangers who wait to be accepted. Answer: [`Reply::Requests`].
    Requests,
    /// Accepts a waiting stranger as a contact. Answer: [`Reply::Contact`].
    Accept {
        /// PeerId, or the name it gave where only one request has it.
        peer: String,
        /// What to call the contact; otherwise what it calls itself.
        name: Option<String>,
    },
    /// Turns a waiting stranger away and ignores it from now on. Answer: [`Reply::Done`].
    Refuse {
        /// PeerId, or the name it gave where only one request has it.
        peer: String,
    },
    /// Queues a text. Answer: [`Reply::Sent`], once it is durable here.
    Send {
        /// Contact name or PeerId, or `#room`.
        to: String,
        /// At most 64 KiB of UTF-8.
        text: String,
        /// Seconds after which it is forgotten on both sides, delivered or not.
        ttl_s: Option<u64>,
        /// 32 hexadecimal digits drawn at random. Asking again under the same token, in this
        /// process or a later one, queues nothing and tells of the message queued before.
        #[serde(default)]
        token: Option<String>,
    },
    /// Waits until a message of ours reaches `state`. Answer: [`Reply::Sent`] with the state reached,
    /// which is an earlier one when the time runs out.
    Wait {
        /// The message.
        id: String,
        /// What to wait for.
        state: MessageState,
        /// Milliseconds.
        timeout_ms: u64,
    },
    /// The newest messages of a conversation, oldest first. Answer: [`Reply::Messages`], at most
    /// 1,000 at once.
    History {
        /// Contact name or PeerId, or `#room`.
        to: String,
        /// At most this many.
        limit: u32,
        /// The id of a message of this conversation: only what came before it.
        #[serde(default)]
        before: Option<String>,
    },
    /// Messages that contain all words, newest last. Answer: [`Reply::Messages`].
    Search {
        /// The words.
        words: String,
        /// In this conversation only.
        to: Option<String>,
        /// At most this many.
        limit: u32,
    },
    /// Received messages not yet marked as read, oldest first. They stay unread until
    /// [`MarkRead`](Self::MarkRead): whoever shows them says so once it has, so that none is lost
    /// when a process dies in between. Answer: [`Reply::Messages`].
    Unread {
        /// Of this contact, or this `#room`, only.
        from: Option<String>,
        /// At most this many.
        limit: u32,
    },
    /// Marks received messages as read. Answer: [`Reply::Done`].
    MarkRead {
        /// The messages.
        ids: Vec<String>,
    },
    /// Joins the room of this name; it is joined already when it was. Answer: [`Reply::Room`].
    JoinRoom {
        /// With or without the `#`.
        name: String,
        /// What a closed room is closed with; 16 bytes or more.
        #[serde(default)]
        secret: Option<Secret>,
    },
    /// Leaves a room; its messages stay for as long as the room keeps them. Answer: [`Reply::Done`].
    LeaveRoom {
        /// With or without the `#`.
        name: String,
    },
    /// The rooms this profile is in. Answer: [`Reply::Rooms`].
    Rooms,
    /// Who is known in a room or group. Answer: [`Reply::Members`].
    Members {
        /// `#room`.
        of: String,
    },
    /// Makes a private group. Answer: [`Reply::Group`].
    CreateGroup {
        /// With or without the `@`.
        name: String,
    },
    /// Offers somebody a place in a group; an administrator's. Answer: [`Reply::Done`].
    InviteMember {
        /// With or without the `@`, here and below.
        group: String,
        /// Contact name or PeerId.
        peer: String,
    },
    /// Puts somebody out of a group; an administrator's. Answer: [`Reply::Done`].
    RemoveMember {
        /// Which.
        group: String,
        /// Contact name, PeerId, or what the member calls itself.
        peer: String,
    },
    /// Makes a member an administrator; an administrator's. Answer: [`Reply::Done`].
    PromoteMember {
        /// Which.
        group: String,
        /// Contact name, PeerId, or what the member calls itself.
        peer: String,
    },
    /// Accepts an invitation to a group. Answer: [`Reply::Group`].
    AcceptGroup {
        /// Which.
        group: String,
    },
    /// Leaves a group, or turns an invitation down; its messages stay. Answer: [`Reply::Done`].
    LeaveGroup {
        /// Which.
        group: String,
    },
    /// Names a group, for all its members; an administrator's. Answer: [`Reply::Group`].
    RenameGroup {
        /// Which.
        group: String,
        /// The new name.
        name: String,
    },
    /// Sets one thing of a group's policy; an administrator's. Answer: [`Reply::Group`].
    SetGroupPolicy {
        /// Which.
        group: String,
        /// `late=none`, `late=N`, `late=all`; `keep=forever`, or `keep=` and a number of `d`, `h` or
        /// `m`.
        setting: String,
    },
    /// The groups this profile is in or invited to. Answer: [`Reply::Groups`].
    Groups,
    /// Who is in a group, and who has what of ours. Answer: [`Reply::GroupMembers`].
    GroupMembers {
        /// Which.
        group: String,
    },
    /// Exchanges what opens this home. [`ErrorKind::Locked`] when `current` is needed and missing or
    /// wrong. Answer: [`Reply::Done`].
    SetPassphrase {
        /// The passphrase that opens it now, where it has one.
        current: Option<Secret>,
        /// The one that shall open it from now on; none for a key file.
        new: Option<Secret>,
    },
    /// Live connections, without those that serve the distributed hash table alone: these come and go
    /// by the dozen, with nobody anybody knows ([`DhtStat`](Self::DhtStat) counts them). Answer:
    /// [`Reply::Peers`].
    Peers,
    /// Nodes found nearby and not expired, for whoever subscribes only now. Answer:
    /// [`Reply::Nearby`].
    Nearby,
    /// State of the node. Answer: [`Reply::Status`].
    Status,
    /// What stands between this node and others; takes up to two seconds. Answer:
    /// [`Reply::Doctor`].
    Doctor {
        /// Also how this peer is reached: contact name or PeerId.
        #[serde(default)]
        peer: Option<String>,
        /// STUN servers to ask beside those of the settings, as `host:port`; at most
        /// [`STUN_SERVERS`].
        #[serde(default)]
        stun: Vec<String>,
    },
    /// The nodes of the distributed hash table nearest to a key. Answer: [`Reply::DhtFound`].
    DhtFind {
        /// A key of 64 hexadecimal digits, or a PeerId for the key of its address record.
        target: String,
    },
    /// What is stored in the distributed hash table. Answer: [`Reply::DhtRecords`].
    DhtGet {
        /// A PeerId for what it says of itself, the name of a service, the number of a shard of the
        /// relays, or a key of 64 hexadecimal digits.
        target: String,
        /// What to look for.
        #[serde(default)]
        kind: RecordKind,
    },
    /// Puts an own record into the distributed hash table now, and again before it ends while the
    /// node runs. Answer: [`Reply::DhtStored`].
    DhtPut {
        /// The service to offer, at most 64 bytes of UTF-8; without one, where this node can be
        /// reached, which is put by itself too.
        #[serde(default)]
        service: Option<String>,
    },
    /// All that is known of the distributed hash table here. Answer: [`Reply::DhtStat`].
    DhtStat,
    /// From now on, [`Event`]s follow on this connection. Answer: [`Reply::Done`], then events.
    Subscribe,
    /// Ends the daemon. Answer: [`Reply::Done`].
    Shutdown,
}

/// What a person typed and nobody else may see: wiped when dropped, hidden in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes what was typed.
    #[must_use]
    pub fn new(typed: String) -> Self {
        Self(Zeroizing::new(typed))
    }

    /// What was typed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", content = "value", rename_all = "snake_case")]
pub enum Reply {
    /// Done, with nothing to say.
    Done,
    /// Who this node is.
    Id(Id),
    /// An invite.
    Invite(InviteLink),
    /// A contact.
    Contact(Contact),
    /// Contacts.
    Contacts(Vec<Contact>),
    /// Waiting strangers.
    Requests(Vec<ContactRequest>),
    /// A message of ours and its state.
    Sent(Sent),
    /// Messages.
    Messages(Vec<Message>),
    /// A room.
    Room(RoomInfo),
    /// Rooms.
    Rooms(Vec<RoomInfo>),
    /// Who is known in a room or group.
    Members(Vec<Member>),
    /// A group.
    Group(GroupInfo),
    /// Groups.
    Groups(Vec<GroupInfo>),
    /// Who is in a group.
    GroupMembers(Vec<GroupMember>),
    /// Live connections.
    Peers(Vec<PeerInfo>),
    /// Nodes found nearby.
    Nearby(Vec<Nearby>),
    /// State of the node.
    Status(Status),
    /// What stands between this node and others.
    Doctor(Box<Doctor>),
    /// Nodes of the distributed hash table.
    DhtFound(Box<DhtFound>),
    /// Records of the distributed hash table.
    DhtRecords(Box<DhtRecords>),
    /// Where an own record was put.
    DhtStored(Box<DhtStored>),
    /// What is known of the distributed hash table.
    DhtStat(Box<DhtStat>),
}

/// STUN servers asked at most.
pub const STUN_SERVERS: usize = 8;

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Id {
    /// `12D3KooW…`
    pub peer_id: String,
    /// Own display name.
    pub name: String,
    /// Multiaddrs that end in the PeerId; empty while no node is running.
    pub addresses: Vec<String>,
}

/// An invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteLink {
    /// The `dchat:` link.
    pub invite: String,
}

/// A contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// `12D3KooW…`
    pub peer_id: String,
    /// Unique among the contacts of this home.
    pub name: String,
    /// Whether the key was exchanged by invite.
    pub verified: bool,
}

/// A stranger who wrote to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRequest {
    /// `12D3KooW…`
    pub peer_id: String,
    /// What it calls itself.
    pub name: String,
    /// RFC 3339.
    pub at: String,
}

/// How far a message of ours has come. Ordered: a later state implies the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// Durable here.
    Queued,
    /// Durable at a mailbox.
    Stored,
    /// Durable at the recipient; in a room, at another member.
    Delivered,
    /// Shown to the recipient.
    Read,
    /// Expired before it was delivered.
    Failed,
}

/// A message of ours and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// 32 hexadecimal digits, the same on both sides.
    pub id: String,
    /// Its state.
    pub state: MessageState,
}

/// A room this profile is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomInfo {
    /// Its name, folded, without the `#`.
    pub name: String,
    /// What messages call it and commands take: `#name`.
    pub conversation: String,
    /// People known in it now, this profile among them: who is connected, and who wrote lately.
    pub members: u64,
    /// Members connected with this node for the room.
    pub connected: u64,
    /// Received messages not yet read.
    pub unread: u64,
    /// How many of these name this profile.
    #[serde(default)]
    pub mentions: u64,
    /// Whether it is closed to those without its secret.
    pub closed: bool,
    /// When this profile joined it, RFC 3339.
    pub joined_at: String,
}

/// Somebody in a room or group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// `12D3KooW…`
    pub peer_id: String,
    /// What it calls itself; empty while that is not known.
    pub name: String,
    /// Whether it is connected with this node for the room; this profile is.
    pub connected: bool,
    /// Whether it is this profile. Said only when it is.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub own: bool,
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The other side's PeerId; `#room` for one of a room.
    pub conversation: String,
    /// The author's PeerId.
    pub from: String,
    /// What the author calls itself, in a room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 32 hexadecimal digits, the same on both sides.
    pub id: String,
    /// Place in the author's log, from 1.
    pub seq: u64,
    /// The text.
    pub text: String,
    /// When the author says it was written, RFC 3339.
    pub sent_at: String,
    /// State of a message of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MessageState>,
    /// Whether somebody else's message of a room or group names this profile, by `@` and the name it had
    /// when the message came, or by its PeerId. Said only when it does.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub mention: bool,
}

/// How packets reach a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathKind {
    /// With nobody in between.
    Direct,
    /// Through a relay.
    Relay,
}

/// A live connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerInfo {
    /// `12D3KooW…`
    pub peer_id: String,
    /// Contact name; empty for a stranger.
    pub name: String,
    /// How packets reach it.
    pub path: PathKind,
    /// Multiaddr of the path in use.
    pub addr: String,
    /// Smoothed round trip in milliseconds; null until measured.
    pub rtt_ms: Option<f64>,
}

/// A node found nearby.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearby {
    /// `12D3KooW…`
    pub peer_id: String,
    /// One of its addresses.
    pub addr: String,
    /// How it was found: `mdns`.
    pub via: String,
}

/// State of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// `12D3KooW…`
    pub peer_id: String,
    /// Own display name.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Whether a daemon or an interactive session answers.
    pub running: bool,
    /// Multiaddrs listened on.
    pub addresses: Vec<String>,
    /// Seconds since the node started.
    pub uptime_s: u64,
    /// Live connections.
    pub connected: u64,
    /// Contacts.
    pub contacts: u64,
    /// Strangers waiting.
    pub requests: u64,
    /// Messages of ours not yet delivered.
    pub queued: u64,
    /// Received messages not yet read.
    pub unread: u64,
    /// How many of these name this profile, in rooms and groups.
    #[serde(default)]
    pub mentions: u64,
    /// The distributed hash table.
    #[serde(default)]
    pub dht: DhtStatus,
}
