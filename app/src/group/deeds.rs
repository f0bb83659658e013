//! What a person does in a group: one operation each.

use std::collections::BTreeSet;

use dchat_gossip::membership::{Membership, Standing};
use dchat_wire::PeerId;
use dchat_wire::codec::{self, List, OverLimit, Text};
use dchat_wire::defect::{self, Defect};
use dchat_wire::extension::Extensions;
use dchat_wire::group::{
    Cut, Deed, GroupOperations, Operation, Parents, Seat, Setting, SignedOperation,
};
use dchat_wire::limits;
use dchat_wire::parcel::entry_kind;
use dchat_wire::sign::Identity;

use super::state::Group;
use super::{ActError, GroupLedger, Output};

/// Bytes of operations in one entry: what an entry's text may take, in base64 where it is stored.
const ENTRY_BYTES: usize = 40 * 1024;
/// Who is told of our leaving: nobody links with us any more who has heard of it, so it goes to more
/// than one.
const TOLD_OF_LEAVING: usize = 4;

/// What an operation is about, beside its deed.
#[derive(Default)]
struct About<'t> {
    subject: Option<PeerId>,
    text: &'t str,
    seat: Option<Seat>,
    cut: Cut,
}

impl Group {
    /// Makes a group called `name`, of `identity`, who calls itself `own_name` there and writes with
    /// the key of `seed`, which must be random.
    ///
    /// Returns it, empty, with the operation that makes it, for [`begin`](Self::begin).
    ///
    /// # Errors
    /// [`OverLimit`]: the name is longer than [`limits::GROUP_TEXT`].
    pub fn create(
        identity: &Identity,
        name: &str,
        own_name: &str,
        seed: &[u8; 32],
        now: u64,
    ) -> Result<(Self, SignedOperation), OverLimit> {
        let me = identity.peer_id();
        let seat = seat(&[0; 32], &me, own_name, seed);
        let operation = Operation {
            group: [0; 32],
            author: me,
            seq: 1,
            after: Parents::default(),
            at: now,
            deed: Deed::Create,
            subject: None,
            text: Text::new(name)?,
            seat: Some(seat),
            cut: Cut::default(),
            extensions: Extensions::default(),
        };
        let signed = SignedOperation::sign(identity, operation);
        Ok((Self::of(Membership::new(signed.hash()), me), signed))
    }

    /// Takes up the operation that makes this group, into its ledger.
    ///
    /// # Errors
    /// [`ActError`].
    pub fn begin<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        created: SignedOperation,
        seed: &[u8; 32],
    ) -> Result<(), ActError<L::Error>> {
        self.membership.insert(created, SignedOperation::open)?;
        ledger.save_seat(seed).map_err(ActError::Ledger)?;
        self.follow(ledger, 0).map_err(ActError::Ledger)
    }

    /// Offers `peer` a place, and tells it.
    ///
    /// # Errors
    /// [`ActError`].
    pub fn invite<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        identity: &Identity,
        peer: PeerId,
        now: u64,
    ) -> Result<(), ActError<L::Error>> {
        self.needs_admin()?;
        if self.roster.members.contains_key(&peer) {
            return Err(ActError::AlreadyThere);
        }
        if self.roster.members.len() >= limits::GROUP_MEMBERS {
            return Err(ActError::Full);
        }
        let hash = self.act(ledger, identity, Deed::Invite, About::of(peer), now)?;
        self.tell(peer, self.membership.upto(&hash));
        Ok(())
    }

    /// Takes the place that was offered, with the key of `seed`, which must be random.
    ///
    /// # Errors
    /// [`ActError`].
    pub fn accept<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        identity: &Identity,
        own_name: &str,
        seed: &[u8; 32],
        now: u64,
    ) -> Result<(), ActError<L::Error>> {
        if self.standing() != Some(Standing::Invited) {
            return Err(ActError::NotInvited);
        }
        let by = self.roster.members.get(&self.me).and_then(|me| me.by);
        let about = About {
            seat: Some(seat(self.id(), &self.me, own_name, seed)),
            ..About::default()
        };
        let hash = self.act(ledger, identity, Deed::Accept, about, now)?;
        ledger.save_seat(seed).map_err(ActError::Ledger)?;
        if let Some(by) = by {
            self.tell(by, self.unseen_by(&by, &hash));
        }
        Ok(())
    }

    /// Goes, or turns the offer down.
    ///
    /// # Errors
    /// [`ActError`].
    pub fn leave<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        identity: &Identity,
        now: u64,
    ) -> Result<(), ActError<L::Error>> {
        let me = self
            .roster
            .members
            .get(&self.me)
            .ok_or(ActError::NotMember)?;
        let mut told: Vec<PeerId> = me.by.into_iter().collect();
        let admins = self.roster.members.iter();
        let mut others: Vec<_> = admins
            .filter(|(peer, member)| **peer != self.me && member.standing >= Standing::Member)
            .map(|(peer, member)| (core::cmp::Reverse(member.standing), *peer))
            .collect();
        others.sort_unstable();
        told.extend(others.into_iter().map(|(_, peer)| peer));
        let about = About {
            cut: self.cut(ledger, &self.me)?,
            ..About::default()
        };
        let hash = self.act(ledger, identity, Deed::Leave, about, now)?;
        told.truncate(TOLD_OF_LEAVING + 1);
        told.dedup();
        for peer in told {
            self.tell(peer, self.unseen_by(&peer, &hash));
        }
        Ok(())
    }

    /// Puts `peer` out. What it wrote counts as far as it is held here.
    ///
    /// # Errors
    /// [`ActError`].
    pub fn remove<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        identity: &Identity,
        peer: PeerId,
        now: u64,
    ) -> Result<(), ActError<L::Error>> {
        self.needs_admin()?;
        if !self.roster.members.contains_key(&peer) {
            return Err(ActError::NotThere);
        }
        let about = About {
            cut: self.cut(ledger, &peer)?,
            ..About::of(peer)
        };
        let hash = self.act(ledger, identity, Deed::Remove, about, now)?;
        self.tell(peer, self.unseen_by(&peer, &hash));
        Ok(())
    }

    /// Makes `peer` an administrator.
    ///
    /// # Errors
    /// [`ActError`].
    pub fn promote<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        identity: &Identity,
        peer: PeerId,
        now: u64,
    ) -> Result<(), ActError<L::Error>> {
        self.needs_admin()?;
        match self.roster.members.get(&peer).map(|member| member.standing) {
            Some(Standing::Member) => {}
            Some(Standing::Admin) => return Err(ActError::AlreadyAdmin),
            Some(Standing::Invited) | None => return Err(ActError::NotThere),
        }
        self.act(ledger, identity, Deed::Promote, About::of(peer), now)?;
        Ok(())
    }

    /// Names the group.
    ///
    /// # Errors
    /// [`ActError`].
    pub fn rename<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        identity: &Identity,
        name: &str,
        now: u64,
    ) -> Result<(), ActError<L::Error>> {
        self.needs_admin()?;
        self.act(ledger, identity, Deed::Rename, About::said(name), now)?;
        Ok(())
    }

    /// Sets one thing of the policy.
    ///
    /// # Errors
    /// [`ActError`].
    pub fn set_policy<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        identity: &Identity,
        setting: Setting,
        now: u64,
    ) -> Result<(), ActError<L::Error>> {
        self.needs_admin()?;
        let setting = setting.to_string();
        self.act(ledger, identity, Deed::Policy, About::said(&setting), now)?;
        Ok(())
    }

    fn needs_admin<E>(&self) -> Result<(), ActError<E>> {
        match self.standing() {
            Some(Standing::Admin) => Ok(()),
            Some(Standing::Member) => Err(ActError::NotAdmin),
            Some(Standing::Invited) | None => Err(ActError::NotMember),
        }
    }

    /// How far the logs of `peer` are held, of the keys it writes with now.
    fn cut<L: GroupLedger>(
        &self,
        ledger: &mut L,
        peer: &PeerId,
    ) -> Result<Cut, ActError<L::Error>> {
        let mut logs = Vec::new();
        if defect::is(Defect::CutsNothing) {
            return Ok(Cut::new(logs));
        }
        for (key, writer) in &self.roster.writers {
            if writer.member == *peer && writer.ends.is_none() {
                logs.extend(ledger.logs_of(key).map_err(ActError::Ledger)?);
            }
        }
        Ok(Cut::new(logs))
    }

    /// Signs an operation, takes it up and returns its hash.
    fn act<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        identity: &Identity,
        deed: Deed,
        about: About<'_>,
        now: u64,
    ) -> Result<[u8; 32], ActError<L::Error>> {
        let operation = Operation {
            group: *self.id(),
            author: self.me,
            seq: self.membership.next_seq(&self.me),
            after: self.membership.parents(&self.me),
            at: now,
            deed,
            subject: about.subject,
            text: text(about.text)?,
            seat: about.seat,
            cut: about.cut,
            extensions: Extensions::default(),
        };
        let signed = SignedOperation::sign(identity, operation);
        let hash = signed.hash();
        let before = self.membership.len();
        self.membership.insert(signed, SignedOperation::open)?;
        self.follow(ledger, before).map_err(ActError::Ledger)?;
        Ok(hash)
    }

    /// The operation `hash` and what it rests on, without what `peer` had seen when it last did
    /// something.
    fn unseen_by(&self, peer: &PeerId, hash: &[u8; 32]) -> Vec<SignedOperation> {
        let all = self.membership.operations(0);
        let own = all.filter(|(operation, _)| operation.author == *peer);
        let seen: BTreeSet<[u8; 32]> = own
            .flat_map(|(_, signed)| self.membership.upto(&signed.hash()))
            .map(|signed| signed.hash())
            .collect();
        let mut unseen = self.membership.upto(hash);
        unseen.retain(|signed| !seen.contains(&signed.hash()));
        unseen
    }

    /// Tells `peer` all it has not shown to know.
    pub(super) fn tell_all(&mut self, peer: PeerId) {
        let heads = self.membership.heads();
        let mut seen = BTreeSet::new();
        let unseen: Vec<SignedOperation> = heads
            .as_slice()
            .iter()
            .flat_map(|head| self.unseen_by(&peer, head))
            .filter(|signed| seen.insert(signed.hash()))
            .collect();
        self.tell(peer, unseen);
    }

    /// What tells somebody who is not in any more how that came, and no more: frames for the stream
    /// on which it asks to be let in. None for one who never was.
    #[must_use]
    pub fn farewell(&self, peer: &PeerId) -> Vec<GroupOperations> {
        if self.roster.members.contains_key(peer) {
            return Vec::new();
        }
        let all = self.membership.operations(0);
        let ends = all.filter(|(operation, _)| {
            operation.deed == Deed::Remove && operation.subject == Some(*peer)
        });
        let mut seen = BTreeSet::new();
        let operations: Vec<SignedOperation> = ends
            .flat_map(|(_, end)| self.unseen_by(peer, &end.hash()))
            .filter(|signed| seen.insert(signed.hash()))
            .collect();
        operations
            .chunks(limits::GROUP_OPERATIONS)
            .map(|some| self.told(some.to_vec()))
            .collect()
    }

    /// Writes operations to somebody, in as many entries as they need.
    fn tell(&mut self, to: PeerId, operations: Vec<SignedOperation>) {
        let mut some: Vec<SignedOperation> = Vec::new();
        let mut bytes = 0;
        for operation in operations {
            let len = codec::encoded_len(&operation);
            if bytes + len > ENTRY_BYTES || some.len() == limits::GROUP_OPERATIONS {
                self.tell_some(to, core::mem::take(&mut some));
                bytes = 0;
            }
            bytes += len;
            some.push(operation);
        }
        self.tell_some(to, some);
    }

    fn tell_some(&mut self, to: PeerId, operations: Vec<SignedOperation>) {
        if operations.is_empty() {
            return;
        }
        self.outputs.push_back(Output::Tell {
            to,
            kind: entry_kind::GROUP_OPERATIONS,
            body: codec::encode(&self.told(operations)),
        });
    }

    /// Operations for one who is not asked for any.
    fn told(&self, operations: Vec<SignedOperation>) -> GroupOperations {
        GroupOperations {
            group: *self.id(),
            heads: Parents::default(),
            lacking: Parents::default(),
            operations: List::first_of(operations),
            extensions: Extensions::default(),
        }
    }
}

impl About<'_> {
    fn of(subject: PeerId) -> Self {
        Self {
            subject: Some(subject),
            ..Self::default()
        }
    }
}

impl<'t> About<'t> {
    fn said(text: &'t str) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

fn text<E>(text: &str) -> Result<Text<{ limits::GROUP_TEXT }>, ActError<E>> {
    Text::new(text).map_err(|over| ActError::TooLong { limit: over.limit })
}

/// A name that is too long is left out: it is only shown.
fn seat(group: &[u8; 32], me: &PeerId, name: &str, seed: &[u8; 32]) -> Seat {
    let name = Text::new(name).unwrap_or_default();
    Seat::new(&Identity::from_seed(seed), group, me, name)
}
