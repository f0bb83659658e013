//! What follows from a change in a group.

use dchat_gossip::Input;
use dchat_gossip::log::Item;
use dchat_wire::defect::{self, Defect};
use dchat_wire::gossip::{GossipLeave, Parting};
use dchat_wire::{Frame, List, PeerId};

use super::super::deliver::called;
use super::super::drive::item_of;
use super::super::restore::incarnation;
use super::super::room::{Turn, title};
use super::circle::{name_of, upto};
use super::ledger::GroupTx;
use crate::api::{self, GroupChange};
use crate::group::{Event, Group, Opened, Output};
use crate::node::convert;
use crate::node::engine::Session;
use crate::node::engine::effect::Effects;
use crate::node::engine::fault::Fault;
use crate::store::{ContactName, ConversationId, LogName, Room, RoomKind, Tx, UnixMillis};

/// What is to be done once the group is in its place again.
#[derive(Debug, Default)]
struct After {
    /// Who may be a neighbour is not who it was.
    members: bool,
    /// The node has to be made anew: what counts of a log, how long items are kept, or the key we
    /// write with is not what it was.
    anew: bool,
    /// We are out.
    gone: bool,
    /// We were out, and are not any more.
    back: bool,
}

impl Session {
    /// Works on a group, also one that was left, and does what follows. `from` is who caused it.
    pub(in crate::node::engine::rooms) fn in_group<T>(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        from: Option<&PeerId>,
        now: UnixMillis,
        out: &mut Effects,
        work: impl FnOnce(&mut Group, &mut GroupTx<'_, '_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let taken = self.rooms.rooms.get_mut(id);
        let taken = taken.and_then(|room| room.kind.circle_mut()?.group.take());
        let mut group = match taken {
            Some(group) => group,
            None => Box::new(Group::load(&mut GroupTx::new(tx, *id), *id, self.rooms.me)?),
        };
        let before = group.standing();
        let done = work(&mut group, &mut GroupTx::new(tx, *id));
        let mut after = After::default();
        let followed = match &done {
            Ok(_) => self.follow(tx, &mut group, from, now, out, &mut after),
            Err(_) => Ok(()),
        };
        // Of work that was refused nothing is left.
        while group.poll_output().is_some() {}
        let standing = group.standing();
        after.gone |= before.is_some() && standing.is_none();
        after.back = standing.is_some() && !self.rooms.rooms.contains_key(id);
        after.anew |= self.is_reader(before) != self.is_reader(standing);
        let room = self.rooms.rooms.get_mut(id);
        if let Some(circle) = room.and_then(|room| room.kind.circle_mut()) {
            circle.group = Some(group);
        }
        followed?;
        let done = done?;
        self.follow_up(tx, id, after, now, out)?;
        Ok(done)
    }

    fn is_reader(&self, standing: Option<dchat_gossip::membership::Standing>) -> bool {
        standing.is_some_and(|standing| standing >= dchat_gossip::membership::Standing::Member)
    }

    /// Does what the group put out, while it is out of its place: nothing here gives a node a turn.
    fn follow(
        &mut self,
        tx: &Tx<'_>,
        group: &mut Group,
        from: Option<&PeerId>,
        now: UnixMillis,
        out: &mut Effects,
        after: &mut After,
    ) -> Result<(), Fault> {
        let id = *group.id();
        while let Some(output) = group.poll_output() {
            match output {
                Output::Tell { to, kind, body } => self.tell(tx, &to, kind, &body, now, out)?,
                Output::Spread { since } => {
                    after.members = true;
                    self.spread(group, since, from, out);
                }
                Output::Recount(keys) => {
                    for key in keys {
                        after.anew |= self.recount(tx, group, &key)?;
                    }
                }
                Output::Readable { of, session } => {
                    let author = of.public_key();
                    let waiting = tx.unread_with_session(&id, author, &session.0)?;
                    for (log, seq) in waiting {
                        self.reveal(tx, group, &log, seq, Some(&mut *out))?;
                    }
                }
                Output::Event(event) => {
                    after.anew |= matches!(event, Event::PolicySet { .. });
                    self.tell_of(tx, group, event, now, out)?;
                }
            }
        }
        Ok(())
    }

    /// Sends neighbours operations they may lack.
    fn spread(&self, group: &Group, since: usize, from: Option<&PeerId>, out: &mut Effects) {
        if defect::is(Defect::KeepsOperationsToItself) {
            return;
        }
        let frames = group.news(since);
        for peer in self.neighbours(group.id()) {
            if Some(&peer) != from && group.roster().members.contains_key(&peer) {
                for frame in &frames {
                    let frame = Frame::GroupOperations(frame.clone());
                    self.send_frame(group.id(), &peer, frame, out);
                }
            }
        }
    }

    /// Shows what counts of what was written with `key`, and hides what does not. Whether anything
    /// of it is held.
    fn recount(&self, tx: &Tx<'_>, group: &Group, key: &[u8; 32]) -> Result<bool, Fault> {
        let logs = tx.logs_signed_by(group.id(), key)?;
        for (log, _) in &logs {
            let upto = u64::from(upto(group, Some(key), log));
            tx.hide_after(group.id(), log, upto)?;
            for seq in tx.unread_upto(group.id(), log, upto)? {
                self.reveal(tx, group, log, seq, None)?;
            }
        }
        Ok(!logs.is_empty())
    }

    /// Shows a stored item that could not be read, or did not count, if that has changed.
    fn reveal(
        &self,
        tx: &Tx<'_>,
        group: &Group,
        log: &[u8; 16],
        seq: u64,
        out: Option<&mut Effects>,
    ) -> Result<(), Fault> {
        let id = group.id();
        let stored = tx.items(id, log, (seq - 1, seq), 1)?.into_iter().next();
        let Some(item) = stored.and_then(|stored| item_of(id, stored)) else {
            return Ok(());
        };
        let opened = group.open(&mut GroupTx::new(tx, *id), &item)?;
        let Opened::Text { from, text } = opened else {
            return Ok(());
        };
        let name = LogName {
            conversation: *id,
            author: *from.public_key(),
            incarnation: *log,
        };
        if !tx.reveal(&name, seq, &text)? || from == self.rooms.me {
            return Ok(());
        }
        let in_group = called(group, &self.rooms.me);
        let mention = self.is_named(tx, id, Some(&in_group), &text)?;
        if mention {
            tx.note_mention(&name, seq)?;
        }
        if let (Some(out), Some(row)) = (out, tx.room(id)?) {
            let mut message = message(&row, group, &item, from, text);
            message.mention = mention;
            out.event(api::Event::Message(message));
        }
        Ok(())
    }

    /// Tells people, and keeps what is shown of the group.
    fn tell_of(
        &mut self,
        tx: &Tx<'_>,
        group: &Group,
        event: Event,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let id = group.id();
        if let Event::Joined { peer } = &event
            && let Some(name) = name_of(group, peer)
        {
            tx.meet(id, peer.public_key(), &name, now)?;
        }
        let Some(mut row) = tx.room(id)? else {
            return Ok(());
        };
        if let Event::Renamed { name } = &event {
            let name = self.free_group_name(tx, name, id)?;
            if name.as_str() != row.name {
                tx.rename_room(id, RoomKind::Group, name.as_str(), name.key())?;
                name.as_str().clone_into(&mut row.name);
            }
            if let Some(room) = self.rooms.rooms.get_mut(id) {
                name.as_str().clone_into(&mut room.row.name);
            }
        }
        // Somebody who is not in reads of its own coming and going, and of nobody else's.
        let mine = matches!(&event,
            Event::Invited { peer, .. } | Event::Left { peer } | Event::Removed { peer, .. }
                if *peer == self.rooms.me);
        if mine || group.roster().is_member(&self.rooms.me) {
            out.event(api::Event::Group(news(&row, group, event)));
        }
        Ok(())
    }

    /// A name for a group that no other has here: `wanted`, or with a number behind it.
    pub(super) fn free_group_name(
        &self,
        tx: &Tx<'_>,
        wanted: &str,
        id: &ConversationId,
    ) -> Result<ContactName, Fault> {
        let tail = convert::hex(id);
        let fallback = format!("group-{}", tail.get(..6).unwrap_or_default());
        let wanted = ContactName::new(wanted)
            .or_else(|_| ContactName::new(&fallback))
            .map_err(Fault::from)?;
        let mut name = wanted.clone();
        for number in 2..=u32::from(u8::MAX) {
            let taken = tx.room_named(RoomKind::Group, name.key())?;
            if taken.is_none_or(|taken| taken.id == *id || taken.left_at.is_some()) {
                break;
            }
            let numbered = ContactName::new(&format!("{wanted}-{number}"));
            name = numbered.or_else(|_| ContactName::new(&format!("{fallback}-{number}")))?;
        }
        Ok(name)
    }

    /// The rest, with the group in its place.
    fn follow_up(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        after: After,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        if after.gone {
            if self.rooms.rooms.contains_key(id) {
                self.exit_room(tx, id, now, out)?;
            }
            return Ok(());
        }
        if after.back {
            return self.enter_group(tx, id, now, out);
        }
        if after.members {
            self.show_out(tx, id, now, out)?;
        }
        if after.anew {
            self.enter_anew(tx, id, now, out)?;
        }
        if after.members {
            self.offer_members(tx, id, now, out)?;
            self.answer_members(tx, now, out)?;
        }
        Ok(())
    }

    /// Starts the node of a group that this profile knows again, or for the first time.
    fn enter_group(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let Some(mut row) = tx.room(id)? else {
            return Ok(());
        };
        if row.left_at.is_some() {
            let name = self.free_group_name(tx, &row.name, id)?;
            name.as_str().clone_into(&mut row.name);
            row.incarnation = incarnation()?;
            row.joined_at = now;
            row.left_at = None;
            tx.join_room(&row, name.key())?;
        }
        self.enter_room(tx, row, now, out)
    }

    /// Makes a group's node anew. Its streams end, so that neighbours begin anew too.
    fn enter_anew(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        for peer in self.rooms.links.keys().copied().collect::<Vec<PeerId>>() {
            self.release(id, &peer, out);
        }
        let old = self.rooms.rooms.remove(id);
        let Some(row) = tx.room(id)?.filter(|row| row.left_at.is_none()) else {
            return Ok(());
        };
        self.enter_room(tx, row, now, out)?;
        // What members have said they hold they hold still.
        if let (Some(old), Some(room)) = (old, self.rooms.rooms.get_mut(id))
            && old.log == room.log
        {
            room.held_by = old.held_by;
        }
        Ok(())
    }

    /// Ends the links with those who may not be neighbours any more.
    fn show_out(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let Some(room) = self.rooms.rooms.get(id) else {
            return Ok(());
        };
        let gone = room.lines.keys().filter(|peer| !room.kind.may_link(peer));
        for peer in gone.copied().collect::<Vec<PeerId>>() {
            let leave = Frame::GossipLeave(GossipLeave {
                reason: Parting::UnknownRoom,
                peers: List::default(),
                extensions: Default::default(),
            });
            let group = self.rooms.rooms.get(id).and_then(|room| room.kind.group());
            for told in group.map_or_else(Vec::new, |group| group.farewell(&peer)) {
                self.send_frame(id, &peer, Frame::GroupOperations(told), out);
            }
            if !defect::is(Defect::PartsWithoutWord) {
                self.send_frame(id, &peer, leave, out);
            }
            self.release(id, &peer, out);
            self.drive(tx, id, Turn::Input(Input::Down(peer)), now, out)?;
        }
        Ok(())
    }

    /// Has the node link with members.
    pub(in crate::node::engine::rooms) fn offer_members(
        &mut self,
        tx: &Tx<'_>,
        id: &ConversationId,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        let room = self.rooms.rooms.get(id);
        let members = room.map_or_else(Vec::new, |room| room.kind.members());
        self.offer(tx, id, members, now, out)
    }

    /// Strangers who wait and turn out to be members are answered.
    fn answer_members(
        &mut self,
        tx: &Tx<'_>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        for peer in self.strangers_asking() {
            if self.shares_a_group(&peer) {
                let conversation = self.conversation(peer.public_key())?;
                // With a text, it stays one.
                if tx.unread(Some(&conversation), 1)?.entries.is_empty() {
                    tx.remove_request(peer.public_key())?;
                }
                self.start_chat(tx, &peer, now, out)?;
            }
        }
        Ok(())
    }
}

fn message(row: &Room, group: &Group, item: &Item, from: PeerId, text: String) -> api::Message {
    let header = &item.signed().header;
    api::Message {
        conversation: title(row),
        from: from.to_string(),
        name: name_of(group, &from),
        id: convert::hex(&super::super::deliver::id_of(group.id(), item)),
        seq: item.seq().into(),
        text,
        sent_at: crate::time::rfc3339(header.sent_at),
        state: None,
        mention: false,
    }
}

fn news(row: &Room, group: &Group, event: Event) -> api::GroupNews {
    let mut news = api::GroupNews {
        conversation: title(row),
        change: GroupChange::Joined,
        peer_id: None,
        name: None,
        by: None,
        policy: None,
    };
    let mut about = |change: GroupChange, peer: PeerId, by: Option<PeerId>| {
        news.change = change;
        news.peer_id = Some(peer.to_string());
        news.name = name_of(group, &peer);
        news.by = by.map(|by| by.to_string());
    };
    match event {
        Event::Invited { peer, by } => {
            about(GroupChange::Invited, peer, by);
            news.policy = Some(super::show::policy(&group.roster().policy));
        }
        Event::Joined { peer } => about(GroupChange::Joined, peer, None),
        Event::Promoted { peer } => about(GroupChange::Promoted, peer, None),
        Event::Left { peer } => about(GroupChange::Left, peer, None),
        Event::Removed { peer, by } => about(GroupChange::Removed, peer, by),
        Event::Renamed { name } => {
            news.change = GroupChange::Renamed;
            news.name = Some(name);
        }
        Event::PolicySet { policy } => {
            news.change = GroupChange::Policy;
            news.policy = Some(super::show::policy(&policy));
        }
    }
    news
}
