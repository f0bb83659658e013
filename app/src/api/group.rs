//! Private groups, as requests are answered and events tell of them.

use serde::{Deserialize, Serialize};

/// What somebody is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupStanding {
    /// Offered a place.
    Invited,
    /// A member.
    Member,
    /// A member that may invite, remove, promote, rename and set the policy.
    Admin,
}

/// What the members of a group keep, and what newcomers may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPolicy {
    /// What newcomers may read of what was written before: `none`, `all`, or how many messages.
    pub late: String,
    /// For how long messages are kept: `forever`, or as in `30d`, `12h`, `5m`.
    pub keep: String,
}

/// A group this profile is in or invited to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupInfo {
    /// Its name here, without the `@`: with a number behind it where two have one name.
    pub name: String,
    /// What messages call it and commands take: `@name`.
    pub conversation: String,
    /// What we are in it.
    pub state: GroupStanding,
    /// Members, without who is only invited.
    pub members: u64,
    /// Members connected with this node for the group.
    pub connected: u64,
    /// Received messages not yet read.
    pub unread: u64,
    /// How many of these name this profile.
    #[serde(default)]
    pub mentions: u64,
    /// Its policy.
    pub policy: GroupPolicy,
    /// Who invited us, while we have not answered.
    pub invited_by: Option<String>,
    /// When it became known here, RFC 3339.
    pub joined_at: String,
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    /// `12D3KooW…`
    pub peer_id: String,
    /// What it calls itself; empty while it is only invited.
    pub name: String,
    /// What it is.
    pub standing: GroupStanding,
    /// Whether it is connected with this node for the group; this profile is.
    pub connected: bool,
    /// Whether it is this profile. Said only when it is.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub own: bool,
    /// How many messages of our present log it holds, as last heard since this node started: from itself,
    /// where it is connected for the group, or by what its own messages say it had seen, whoever brought
    /// them. It may hold more by now. Null while nothing was heard.
    pub delivered: Option<u64>,
    /// How many it lacks, as far as is known.
    pub lag: Option<u64>,
}

/// What changed in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupChange {
    /// Somebody was offered a place; perhaps we.
    Invited,
    /// Somebody is a member now.
    Joined,
    /// Somebody is an administrator now.
    Promoted,
    /// Somebody left, or turned the offer down.
    Left,
    /// Somebody was put out; perhaps we.
    Removed,
    /// It has another name.
    Renamed,
    /// It has another policy.
    Policy,
}

/// Something that changed in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNews {
    /// `@name`.
    pub conversation: String,
    /// What changed.
    pub change: GroupChange,
    /// Whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<String>,
    /// What that one calls itself, or what the group is called now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who did it, where it was done to somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The policy, in an invitation and when it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<GroupPolicy>,
}
