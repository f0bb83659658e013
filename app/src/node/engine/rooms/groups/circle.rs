//! What is particular to a group where a room asks.

use core::time::Duration;

use dchat_gossip::Verdict;
use dchat_gossip::frontier::Tip;
use dchat_gossip::log::Item;
use dchat_wire::defect::{self, Defect};
use dchat_wire::gossip::{ItemHeader, SignedItem, item_hash};
use dchat_wire::sign::Identity;
use dchat_wire::{Bytes, PeerId, codec};

use super::super::kind::{Keep, Known, Said};
use super::ledger::GroupTx;
use crate::group::{Group, Opened, SealError};
use crate::node::engine::fault::Fault;
use crate::store::{ConversationId, StoreError, Tx};

/// A group with the key we write with.
pub(in crate::node::engine::rooms) struct Circle {
    id: ConversationId,
    me: PeerId,
    /// Absent only while [`Session::in_group`](crate::node::engine::Session) works on it.
    pub(super) group: Option<Box<Group>>,
    /// While we are a member.
    author: Option<Identity>,
}

impl Circle {
    pub(in crate::node::engine::rooms) fn load(
        tx: &Tx<'_>,
        id: ConversationId,
        me: PeerId,
    ) -> Result<Self, StoreError> {
        let mut ledger = GroupTx::new(tx, id);
        let group = Group::load(&mut ledger, id, me)?;
        Ok(Self {
            id,
            me,
            author: group.author(&mut ledger)?,
            group: Some(Box::new(group)),
        })
    }

    pub(in crate::node::engine::rooms) fn id(&self) -> ConversationId {
        self.id
    }

    pub(in crate::node::engine::rooms) fn group(&self) -> Option<&Group> {
        self.group.as_deref()
    }

    /// The key that signs our items; while we have none, one that signs nothing.
    pub(in crate::node::engine::rooms) fn own_key(&self) -> PeerId {
        self.author.as_ref().map_or(self.me, Identity::peer_id)
    }

    /// Members and who was offered a place, once we are a member ourselves.
    pub(in crate::node::engine::rooms) fn may_link(&self, peer: &PeerId) -> bool {
        let roster = self.group().map(Group::roster);
        let lets_in = defect::is(Defect::LetsStrangersIn);
        lets_in
            || roster.is_some_and(|roster| {
                roster.is_member(&self.me) && roster.members.contains_key(peer)
            })
    }

    /// Who may be neighbours.
    pub(in crate::node::engine::rooms) fn members(&self) -> Vec<PeerId> {
        let Some(roster) = self.group().map(Group::roster) else {
            return Vec::new();
        };
        let readers = roster.readers().copied();
        readers
            .filter(|peer| *peer != self.me && self.may_link(peer))
            .collect()
    }

    pub(in crate::node::engine::rooms) fn keep(&self) -> Keep {
        let policy = self.group().map(|group| group.roster().policy);
        let keep_s = policy.and_then(|policy| policy.keep_s);
        Keep {
            time: keep_s.map(|seconds| Duration::from_secs(seconds.into())),
            items: None,
        }
    }

    /// What does not count is not kept; whoever sends it may not know better.
    pub(in crate::node::engine::rooms) fn judge(&self, item: &Item) -> Verdict {
        match self.group().and_then(|group| group.writer(item)) {
            Some(_) => Verdict::Accept,
            None => Verdict::Ignore,
        }
    }

    pub(in crate::node::engine::rooms) fn read(
        &self,
        tx: &Tx<'_>,
        item: &Item,
    ) -> Result<(Said, Option<Known>), StoreError> {
        let Some(group) = self.group() else {
            return Ok((Said::default(), None));
        };
        let opened = group.open(&mut GroupTx::new(tx, self.id), item)?;
        let (from, text) = match opened {
            Opened::Text { from, text } => (from, Some(text)),
            Opened::Waits { from, .. } | Opened::Nothing { from } => (from, None),
            Opened::Void => return Ok((Said::default(), None)),
        };
        let author = *from.public_key();
        let said = Said {
            author: Some(author),
            name: name_of(group, &from),
            text,
        };
        Ok((said, Some(Known::before(author))))
    }

    pub(in crate::node::engine::rooms) fn seal(
        &mut self,
        tx: &Tx<'_>,
        mut header: ItemHeader,
        text: &str,
    ) -> Result<SignedItem, Fault> {
        let keep_s = self
            .keep()
            .time
            .map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        let (Some(group), Some(author)) = (self.group.as_deref_mut(), &self.author) else {
            return Err(Fault::denied(
                "you are not a member of this group. Who was invited accepts first: \
                 `dchat group accept NAME`.",
            ));
        };
        header.keep_s = match (header.keep_s, keep_s) {
            (0, keep_s) => keep_s.unwrap_or(0),
            (asked, keep_s) => asked.min(keep_s.unwrap_or(asked)),
        };
        let body = group
            .seal(&mut GroupTx::new(tx, self.id), text, header.sent_at)
            .map_err(|error| match error {
                SealError::Ledger(error) => Fault::Store(error),
                SealError::TooLong { .. } => Fault::usage(format!("{error}.")),
                SealError::NotMember | SealError::State(_) => Fault::denied(format!("{error}.")),
            })?;
        let body = Bytes::new(body).map_err(|error| Fault::usage(format!("{error}.")))?;
        Ok(SignedItem::sign(author, &self.id, header, body))
    }

    /// How far the stored log of `tip` counts: all of it, up to an earlier item, or not at all.
    pub(in crate::node::engine::rooms) fn counted(
        &self,
        tx: &Tx<'_>,
        tip: Tip,
    ) -> Result<Option<Tip>, StoreError> {
        let Some(group) = self.group() else {
            return Ok(None);
        };
        let signer = tx.log_signer(&self.id, &tip.id.0)?;
        let upto = upto(group, signer.as_ref(), &tip.id.0);
        if tip.closed || tip.seq <= upto {
            return Ok(Some(tip));
        }
        let seq = u64::from(upto);
        let items = tx.items(&self.id, &tip.id.0, (seq.saturating_sub(1), seq), 1)?;
        let last = items.into_iter().next();
        let header = last.and_then(|item| codec::decode::<ItemHeader>(&item.header).ok());
        Ok(header.map(|header| Tip {
            hash: item_hash(&self.id, &header),
            seq: upto,
            hour: u32::try_from(header.sent_at / 3_600_000).unwrap_or(u32::MAX),
            lamport: header.lamport,
            sent_at: header.sent_at,
            ..tip
        }))
    }
}

/// The last item of `log` that counts, `signer` being the key that signs it.
pub(super) fn upto(group: &Group, signer: Option<&[u8; 32]>, log: &[u8; 16]) -> u32 {
    let writer = signer.and_then(|key| group.roster().writers.get(key));
    writer.map_or(0, |writer| writer.upto(log))
}

/// What somebody calls itself in the group.
pub(super) fn name_of(group: &Group, peer: &PeerId) -> Option<String> {
    let member = group.roster().members.get(peer)?;
    Some(member.name.clone()).filter(|name| !name.is_empty())
}
