//! Groups as the interface shows them.

use dchat_gossip::membership::Standing;
use dchat_wire::group::Policy;

use super::circle::name_of;
use crate::api::{self, GroupStanding, Reply};
use crate::group::Group;
use crate::node::convert;
use crate::node::engine::Session;
use crate::node::engine::fault::Fault;
use crate::node::engine::rooms::title;
use crate::store::{Room, RoomKind, Tx};

impl Session {
    /// All groups this profile is in, or is invited to.
    pub(in crate::node::engine) fn list_groups(&self, tx: &Tx<'_>) -> Result<Reply, Fault> {
        let rooms = tx.rooms()?;
        let mut groups = Vec::new();
        for row in rooms.iter().filter(|row| row.kind == RoomKind::Group) {
            groups.extend(self.group_info(tx, row)?);
        }
        Ok(Reply::Groups(groups))
    }

    /// `None` for one of which not enough is known yet.
    pub(super) fn group_info(
        &self,
        tx: &Tx<'_>,
        row: &Room,
    ) -> Result<Option<api::GroupInfo>, Fault> {
        let room = self.rooms.rooms.get(&row.id);
        let group = room.and_then(|room| room.kind.group());
        let Some((group, mine)) =
            group.and_then(|group| Some((group, group.roster().members.get(&self.rooms.me)?)))
        else {
            return Ok(None);
        };
        let invited = mine.standing == Standing::Invited;
        Ok(Some(api::GroupInfo {
            name: row.name.clone(),
            conversation: title(row),
            state: standing(mine.standing),
            members: group.roster().readers().count() as u64,
            connected: self.neighbours(&row.id).len() as u64,
            unread: tx.unread_count(&row.id)?,
            mentions: tx.unread_mentions(&row.id)?,
            policy: policy(&group.roster().policy),
            invited_by: mine.by.filter(|_| invited).map(|by| by.to_string()),
            joined_at: convert::at(row.joined_at),
        }))
    }

    /// Who is in a group, and who has what of ours.
    pub(in crate::node::engine) fn group_members(
        &self,
        tx: &Tx<'_>,
        name: &str,
    ) -> Result<Reply, Fault> {
        let row = self.group_named(tx, name)?;
        let room = self.rooms.rooms.get(&row.id);
        let Some((room, group)) = room.and_then(|room| Some((room, room.kind.group()?))) else {
            return Err(super::verbs::not_in(&row));
        };
        let neighbours = self.neighbours(&row.id);
        let frontier = room.node.frontier();
        let last = frontier.find(&room.log).and_then(|log| frontier.tip(log));
        let last = last.map_or(0, |tip| tip.seq);
        let members = group.roster().members.iter().map(|(peer, member)| {
            let own = *peer == self.rooms.me;
            let held = if own {
                Some(last)
            } else {
                room.held_by.get(peer).map(|held| last.min(*held))
            };
            api::GroupMember {
                peer_id: peer.to_string(),
                name: if own {
                    self.name.clone()
                } else {
                    name_of(group, peer).unwrap_or_default()
                },
                standing: standing(member.standing),
                connected: own || neighbours.contains(peer),
                own,
                delivered: held.map(u64::from),
                lag: held.map(|held| u64::from(last - held)),
            }
        });
        Ok(Reply::GroupMembers(members.collect()))
    }

    /// The same, as a room shows it.
    pub(in crate::node::engine::rooms) fn group_people(
        &self,
        row: &Room,
        group: &Group,
    ) -> Vec<api::Member> {
        let neighbours = self.neighbours(&row.id);
        let members = group.roster().readers().map(|peer| {
            let own = *peer == self.rooms.me;
            api::Member {
                peer_id: peer.to_string(),
                name: if own {
                    self.name.clone()
                } else {
                    name_of(group, peer).unwrap_or_default()
                },
                connected: own || neighbours.contains(peer),
                own,
            }
        });
        members.collect()
    }
}

fn standing(standing: Standing) -> GroupStanding {
    match standing {
        Standing::Invited => GroupStanding::Invited,
        Standing::Member => GroupStanding::Member,
        Standing::Admin => GroupStanding::Admin,
    }
}

pub(super) fn policy(policy: &Policy) -> api::GroupPolicy {
    let text = |setting: dchat_wire::group::Setting| {
        let text = setting.to_string();
        text.split_once('=')
            .map_or_else(String::new, |(_, value)| value.to_owned())
    };
    api::GroupPolicy {
        late: text(dchat_wire::group::Setting::LateJoin(policy.late_join)),
        keep: text(dchat_wire::group::Setting::Keep(policy.keep_s)),
    }
}
