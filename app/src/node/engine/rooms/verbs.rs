//! What the user of this home asks of rooms.

use std::collections::BTreeSet;

use dchat_gossip::Input;
use dchat_kademlia::blinded::Secret;
use dchat_wire::PeerId;
use dchat_wire::room::{RoomKey, RoomName};
use zeroize::Zeroizing;

use super::restore::incarnation;
use super::room::{Turn, title};
use crate::api::{self, Event, MessageState, Reply};
use crate::node::convert;
use crate::node::engine::Session;
use crate::node::engine::effect::{Command, Effects};
use crate::node::engine::fault::Fault;
use crate::store::{ConversationId, Room, RoomKind, Tx, UnixMillis};

impl Session {
    /// Joins the room called `name`, again when this profile left it or is in it already.
    pub(in crate::node::engine) fn join_room(
        &mut self,
        tx: &Tx<'_>,
        name: &str,
        secret: Option<&api::Secret>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let name = room_name(name)?;
        let secret = secret.map(|secret| Zeroizing::new(secret.expose().as_bytes().to_vec()));
        let key = RoomKey::derive(&name, secret.as_ref().map(|secret| secret.as_slice()))
            .map_err(|error| Fault::usage(format!("{error}.")))?;
        let id = key.room();
        if let Some(known) = tx.room(&id)?.filter(|room| room.left_at.is_none()) {
            return Ok(Reply::Room(self.room_info(tx, &known)?));
        }
        let row = Room {
            id,
            kind: RoomKind::Room,
            name: name.as_str().to_owned(),
            secret,
            // Who was away may have been here from a copy of this home.
            incarnation: incarnation()?,
            joined_at: now,
            left_at: None,
        };
        tx.join_room(&row, name.as_str())?;
        self.enter_room(tx, row.clone(), now, out)?;
        Ok(Reply::Room(self.room_info(tx, &row)?))
    }

    /// Leaves a room; its messages stay for as long as they are kept.
    pub(in crate::node::engine) fn leave_room(
        &mut self,
        tx: &Tx<'_>,
        name: &str,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let room = self.joined(tx, name)?;
        self.exit_room(tx, &room.id, now, out)?;
        Ok(Reply::Done)
    }

    /// Says goodbye in a room or group and forgets its node.
    pub(super) fn exit_room(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        self.drive(tx, id, Turn::Input(Input::Leave), now, out)?;
        for peer in self.rooms.links.keys().copied().collect::<Vec<PeerId>>() {
            self.release(id, &peer, out);
        }
        self.rooms.rooms.remove(id);
        self.rooms.touched.remove(id);
        out.command(Command::Part { topic: *id });
        for id in tx.leave_room(id, now)? {
            out.event(Event::MessageState {
                id: convert::hex(&id),
                state: MessageState::Failed,
            });
        }
        Ok(())
    }

    /// All rooms this profile is in.
    pub(in crate::node::engine) fn list_rooms(&self, tx: &Tx<'_>) -> Result<Reply, Fault> {
        let rooms = tx.rooms()?;
        let rooms = rooms.iter().filter(|room| room.kind == RoomKind::Room);
        let rooms: Result<Vec<_>, Fault> = rooms.map(|room| self.room_info(tx, room)).collect();
        Ok(Reply::Rooms(rooms?))
    }

    /// Who is known in a room: who is connected, and who wrote within its window.
    pub(in crate::node::engine) fn members(&self, tx: &Tx<'_>, of: &str) -> Result<Reply, Fault> {
        let room = self.conversation_room(tx, of)?;
        let group = self.rooms.rooms.get(&room.id);
        if let Some(group) = group.and_then(|room| room.kind.group()) {
            return Ok(Reply::Members(self.group_people(&room, group)));
        }
        let neighbours = self.neighbours(&room.id);
        let members = self.people(tx, &room.id)?.into_iter().map(|peer| {
            let mut known = tx.room_person(&room.id, peer.public_key())?;
            if known.as_ref().is_none_or(String::is_empty) {
                // Who has said nothing here may be known all the same.
                let contact = tx.contact(peer.public_key())?;
                known = contact.map(|contact| contact.name);
            }
            let own = peer == self.rooms.me;
            Ok(api::Member {
                peer_id: peer.to_string(),
                name: if own {
                    self.name.clone()
                } else {
                    known.unwrap_or_default()
                },
                connected: own || neighbours.contains(&peer),
                own,
            })
        });
        let members: Result<Vec<_>, Fault> = members.collect();
        Ok(Reply::Members(members?))
    }

    /// Everybody known in a room, this profile among them.
    fn people(&self, tx: &Tx<'_>, id: &ConversationId) -> Result<BTreeSet<PeerId>, Fault> {
        let mut people: BTreeSet<PeerId> = self.neighbours(id).into_iter().collect();
        people.insert(self.rooms.me);
        let wrote = tx.room_people(id)?.into_iter();
        people.extend(wrote.filter_map(|person| PeerId::from_public_key(person.peer).ok()));
        Ok(people)
    }

    fn room_info(&self, tx: &Tx<'_>, room: &Room) -> Result<api::RoomInfo, Fault> {
        Ok(api::RoomInfo {
            name: room.name.clone(),
            conversation: title(room),
            members: self.people(tx, &room.id)?.len() as u64,
            connected: self.neighbours(&room.id).len() as u64,
            unread: tx.unread_count(&room.id)?,
            mentions: tx.unread_mentions(&room.id)?,
            closed: room.secret.is_some(),
            joined_at: convert::at(room.joined_at),
        })
    }

    /// Queues a text for everybody in a room.
    pub(in crate::node::engine) fn send_to_room(
        &mut self,
        tx: &Tx<'_>,
        to: &str,
        text: &str,
        ttl_s: Option<u64>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<crate::store::EntryId, Fault> {
        let room = self.conversation_room(tx, to)?;
        if room.left_at.is_some() {
            return Err(not_in(&room));
        }
        self.say(tx, &room.id, text, ttl_s, now, out)
    }

    /// The room or group that `#name` or `@name` stands for, also one that was left.
    pub(in crate::node::engine) fn conversation_room(
        &self,
        tx: &Tx<'_>,
        text: &str,
    ) -> Result<Room, Fault> {
        if text.starts_with('@') {
            return self.group_named(tx, text);
        }
        let name = room_name(text)?;
        let room = tx.room_named(RoomKind::Room, name.as_str())?;
        room.ok_or_else(|| {
            Fault::not_found(format!(
                "you are not in #{name}. Join it with `dchat room join {name}`."
            ))
        })
    }

    /// The room called `name`, which this profile is in.
    fn joined(&self, tx: &Tx<'_>, name: &str) -> Result<Room, Fault> {
        let name = room_name(name)?;
        let room = self.conversation_room(tx, &format!("#{name}"))?;
        match room.left_at {
            None => Ok(room),
            Some(_) => Err(not_in(&room)),
        }
    }

    /// Has members who are not connected find us in a room, where they can; and us them.
    pub(super) fn found_by_rendezvous(&self, id: &ConversationId, out: &mut Effects) {
        let Some(room) = self.rooms.rooms.get(id) else {
            return;
        };
        if let Some(secret) = room.kind.rendezvous() {
            out.command(Command::Meet {
                topic: *id,
                secret: Secret::new(secret),
                neighbours: room.neighbours.len(),
            });
        }
    }
}

fn room_name(text: &str) -> Result<RoomName, Fault> {
    RoomName::new(text).map_err(|error| Fault::usage(format!("{error}.")))
}

fn not_in(room: &Room) -> Fault {
    if room.kind == RoomKind::Group {
        return super::groups::not_in(room);
    }
    Fault::denied(format!(
        "you have left {}. Join it again with `dchat room join {}`.",
        title(room),
        room.name
    ))
}
