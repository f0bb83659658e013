//! What the user of this home does in groups.

use std::str::FromStr as _;

use dchat_wire::PeerId;
use dchat_wire::group::Setting;
use dchat_wire::sign::Identity;

use super::super::restore::incarnation;
use super::ledger::GroupTx;
use crate::api::Reply;
use crate::group::{ActError, Group};
use crate::node::engine::Session;
use crate::node::engine::effect::Effects;
use crate::node::engine::fault::Fault;
use crate::node::engine::rooms::title;
use crate::node::profile::random;
use crate::store::{ContactName, Room, RoomKind, StoreError, Tx, UnixMillis};

impl Session {
    /// Makes a group.
    pub(in crate::node::engine) fn create_group(
        &mut self,
        tx: &Tx<'_>,
        name: &str,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let name = group_name(name)?;
        let seed = zeroize::Zeroizing::new(random::<32>()?);
        let time = now.unsigned_abs();
        let (group, made) = Group::create(&self.identity, name.as_str(), &self.name, &seed, time)
            .map_err(|error| Fault::usage(format!("{error}.")))?;
        let id = *group.id();
        let row = Room {
            id,
            kind: RoomKind::Group,
            name: name.as_str().to_owned(),
            secret: None,
            incarnation: incarnation()?,
            joined_at: now,
            left_at: None,
        };
        tx.join_room(&row, name.key())?;
        self.in_group(tx, &id, None, now, out, |group, ledger| {
            group.begin(ledger, made, &seed).map_err(fault)
        })?;
        self.shown_group(tx, &row)
    }

    /// Invites somebody, puts somebody out, or makes somebody an administrator.
    pub(in crate::node::engine) fn change_member(
        &mut self,
        tx: &Tx<'_>,
        (name, whom): (&str, &str),
        change: MemberChange,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let row = self.group_in(tx, name)?;
        let peer = match change {
            MemberChange::Invite => {
                let contact = self.find_or_add(tx, whom, now, out)?;
                crate::node::engine::messages::peer_of(&contact.peer)?
            }
            MemberChange::Remove | MemberChange::Promote => self.member(tx, &row, whom)?,
        };
        let time = now.unsigned_abs();
        self.acting(tx, &row, now, out, |group, ledger, me| match change {
            MemberChange::Invite => group.invite(ledger, me, peer, time),
            MemberChange::Remove => group.remove(ledger, me, peer, time),
            MemberChange::Promote => group.promote(ledger, me, peer, time),
        })?;
        Ok(Reply::Done)
    }

    /// Takes the place that was offered.
    pub(in crate::node::engine) fn accept_group(
        &mut self,
        tx: &Tx<'_>,
        name: &str,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let row = self.group_in(tx, name)?;
        let seed = zeroize::Zeroizing::new(random::<32>()?);
        let own_name = self.name.clone();
        let time = now.unsigned_abs();
        self.acting(tx, &row, now, out, |group, ledger, me| {
            group.accept(ledger, me, &own_name, &seed, time)
        })?;
        self.shown_group(tx, &row)
    }

    /// Goes, or turns the offer down.
    pub(in crate::node::engine) fn leave_group(
        &mut self,
        tx: &Tx<'_>,
        name: &str,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let row = self.group_in(tx, name)?;
        let time = now.unsigned_abs();
        self.acting(tx, &row, now, out, |group, ledger, me| {
            group.leave(ledger, me, time)
        })?;
        Ok(Reply::Done)
    }

    /// Names a group, for everybody in it.
    pub(in crate::node::engine) fn rename_group(
        &mut self,
        tx: &Tx<'_>,
        (name, new): (&str, &str),
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let row = self.group_in(tx, name)?;
        let new = group_name(new)?;
        let taken = tx.room_named(RoomKind::Group, new.key())?;
        if taken.is_some_and(|taken| taken.left_at.is_none() && taken.id != row.id) {
            return Err(Fault::usage(format!(
                "there is another group called {new} here; choose another name."
            )));
        }
        let time = now.unsigned_abs();
        self.acting(tx, &row, now, out, |group, ledger, me| {
            group.rename(ledger, me, new.as_str(), time)
        })?;
        let row = tx.room(&row.id)?.unwrap_or(row);
        self.shown_group(tx, &row)
    }

    /// Sets one thing of a group's policy.
    pub(in crate::node::engine) fn set_group_policy(
        &mut self,
        tx: &Tx<'_>,
        (name, setting): (&str, &str),
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Reply, Fault> {
        let row = self.group_in(tx, name)?;
        let setting =
            Setting::from_str(setting).map_err(|error| Fault::usage(format!("{error}.")))?;
        let time = now.unsigned_abs();
        self.acting(tx, &row, now, out, |group, ledger, me| {
            group.set_policy(ledger, me, setting, time)
        })?;
        self.shown_group(tx, &row)
    }

    fn acting(
        &mut self,
        tx: &Tx<'_>,
        row: &Room,
        now: UnixMillis,
        out: &mut Effects,
        deed: impl FnOnce(
            &mut Group,
            &mut GroupTx<'_, '_>,
            &Identity,
        ) -> Result<(), ActError<StoreError>>,
    ) -> Result<(), Fault> {
        let identity = self.identity.clone();
        self.in_group(tx, &row.id, None, now, out, |group, ledger| {
            deed(group, ledger, &identity).map_err(fault)
        })
    }

    fn shown_group(&self, tx: &Tx<'_>, row: &Room) -> Result<Reply, Fault> {
        let info = self.group_info(tx, row)?;
        info.map(Reply::Group).ok_or_else(|| not_in(row))
    }

    /// The group called `text`, with or without `@`, also one that was left.
    pub(in crate::node::engine::rooms) fn group_named(
        &self,
        tx: &Tx<'_>,
        text: &str,
    ) -> Result<Room, Fault> {
        let name = group_name(text)?;
        let row = tx.room_named(RoomKind::Group, name.key())?;
        row.ok_or_else(|| {
            Fault::not_found(format!(
                "there is no group @{name} here. `dchat group list` lists them; \
                 `dchat group create {name}` makes one."
            ))
        })
    }

    /// The same, while we are in it or invited.
    fn group_in(&self, tx: &Tx<'_>, text: &str) -> Result<Room, Fault> {
        let row = self.group_named(tx, text)?;
        if row.left_at.is_some() {
            return Err(not_in(&row));
        }
        Ok(row)
    }

    /// The member that `text` stands for: a contact's name, a PeerId, or what a member calls itself,
    /// where one does.
    fn member(&self, tx: &Tx<'_>, row: &Room, text: &str) -> Result<PeerId, Fault> {
        if let Ok(peer) = PeerId::from_str(text) {
            return Ok(peer);
        }
        let room = self.rooms.rooms.get(&row.id);
        let members = room.and_then(|room| room.kind.group());
        let members = members.map(|group| &group.roster().members);
        let among = |peer: &PeerId| members.is_some_and(|members| members.contains_key(peer));
        let contact = tx.contact_named(text)?;
        let contact = contact.and_then(|contact| PeerId::from_public_key(contact.peer).ok());
        if let Some(peer) = contact.filter(among) {
            return Ok(peer);
        }
        let named = members.into_iter().flatten();
        let named: Vec<PeerId> = named
            .filter(|(_, member)| member.name == text)
            .map(|(peer, _)| *peer)
            .collect();
        match named.as_slice() {
            [peer] => Ok(*peer),
            [] => Err(Fault::not_found(format!(
                "nobody called {text} is in {0}. `dchat group members {1}` lists who is.",
                title(row),
                row.name
            ))),
            _ => Err(Fault::usage(format!(
                "several members of {0} call themselves {text}; use the PeerId that \
                 `dchat group members {1}` shows.",
                title(row),
                row.name
            ))),
        }
    }
}

/// What is done to one member.
#[derive(Clone, Copy, Debug)]
pub(in crate::node::engine) enum MemberChange {
    Invite,
    Remove,
    Promote,
}

fn group_name(text: &str) -> Result<ContactName, Fault> {
    Ok(ContactName::new(text.strip_prefix('@').unwrap_or(text))?)
}

pub(in crate::node::engine::rooms) fn not_in(row: &Room) -> Fault {
    Fault::denied(format!(
        "you are not in {} any more. Who is in it can invite you again.",
        title(row)
    ))
}

fn fault(error: ActError<StoreError>) -> Fault {
    match error {
        ActError::Ledger(error) => Fault::Store(error),
        ActError::NotThere => Fault::not_found(format!("{error}.")),
        ActError::AlreadyThere | ActError::AlreadyAdmin | ActError::TooLong { .. } => {
            Fault::usage(format!("{error}."))
        }
        other => Fault::denied(format!("{other}.")),
    }
}
