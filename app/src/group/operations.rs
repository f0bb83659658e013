//! Operations that come in, and what follows from them.

use std::collections::BTreeSet;

use dchat_gossip::membership::{Inserted, Refused, Roster, Standing};
use dchat_wire::PeerId;
use dchat_wire::defect::{self, Defect};
use dchat_wire::group::{Deed, GroupOperations, Parents, SignedOperation};

use super::state::Group;
use super::{Event, GroupLedger, Output};

/// What became of operations somebody sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// How many are new.
    pub added: usize,
    /// What to send back, where a neighbour sent them.
    pub reply: Option<GroupOperations>,
    /// The sender passes on what is no operation of this group.
    pub is_bad: bool,
}

impl Group {
    /// Takes operations, checks their signatures, and draws the consequences.
    ///
    /// # Errors
    /// The environment's.
    pub fn receive_operations<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        frame: &GroupOperations,
    ) -> Result<Heard, L::Error> {
        let before = self.membership.len();
        let is_ours = frame.group == *self.id();
        let mut is_bad = !is_ours;
        for signed in frame.operations.iter().filter(|_| is_ours) {
            match self
                .membership
                .insert(signed.clone(), SignedOperation::open)
            {
                Ok(Inserted::Added(_) | Inserted::Known | Inserted::Waiting) => {}
                Err(Refused::Full | Refused::TooMany) => {}
                Err(_) => is_bad = true,
            }
        }
        self.follow(ledger, before)?;
        let added = self.membership.len() - before;
        Ok(Heard {
            added,
            reply: self.reply(frame, added).filter(|_| is_ours),
            is_bad,
        })
    }

    /// What the sender lacks, or a request for what it has and we do not. A request after operations
    /// came needs that they brought something, so it ends.
    fn reply(&self, frame: &GroupOperations, added: usize) -> Option<GroupOperations> {
        let lacking = if defect::is(Defect::OverlooksLacking) {
            &Parents::default()
        } else {
            &frame.lacking
        };
        let lacks = self.membership.after(&frame.heads, lacking);
        if !self.knows_all(&frame.heads) && defect::is(Defect::AsksForNoOperations) {
            return None;
        }
        let may_ask = frame.operations.is_empty() || added > 0;
        let asks = may_ask && !self.knows_all(&frame.heads);
        (asks || !lacks.is_empty()).then(|| self.frame(lacks))
    }

    /// Draws the consequences of all operations but the first `before`.
    pub(super) fn follow<L: GroupLedger>(
        &mut self,
        ledger: &mut L,
        before: usize,
    ) -> Result<(), L::Error> {
        if self.membership.len() == before {
            return Ok(());
        }
        for (_, signed) in self.membership.operations(before) {
            ledger.add_operation(signed)?;
        }
        let old = core::mem::replace(&mut self.roster, self.membership.roster());
        self.outputs.push_back(Output::Spread { since: before });
        if somebody_went(&old, &self.roster) && !defect::is(Defect::KeepsGroupSession) {
            ledger.save_outbound(None)?;
        }
        self.recount(&old);
        self.tell_of(&old, before);
        for peer in self.newcomers(&old) {
            self.share_past(ledger, &peer)?;
        }
        for peer in self.restored(&old) {
            self.tell_all(peer);
        }
        Ok(())
    }

    fn recount(&mut self, old: &Roster) {
        let keys: BTreeSet<[u8; 32]> = old
            .writers
            .keys()
            .chain(self.roster.writers.keys())
            .filter(|key| old.writers.get(*key) != self.roster.writers.get(*key))
            .copied()
            .collect();
        if !keys.is_empty() {
            self.outputs
                .push_back(Output::Recount(keys.into_iter().collect()));
        }
    }

    /// Who can read now and could not before, or came again.
    fn newcomers(&self, old: &Roster) -> Vec<PeerId> {
        let writers = self.roster.writers.iter();
        let mut peers: Vec<PeerId> = writers
            .filter(|(key, writer)| {
                writer.ends.is_none() && old.writers.get(*key).is_none_or(|old| old.ends.is_some())
            })
            .map(|(_, writer)| writer.member)
            .filter(|peer| *peer != self.me && self.roster.is_member(peer))
            .collect();
        peers.dedup();
        peers
    }

    /// Who was out and is in again with the key it had, because who put it out had no right to. It may
    /// think itself out, and then asks nobody.
    fn restored(&self, old: &Roster) -> Vec<PeerId> {
        let writers = self.roster.writers.iter().filter(|(key, writer)| {
            let before = old.writers.get(*key);
            writer.ends.is_none() && before.is_some_and(|before| before.ends.is_some())
        });
        let peers = writers.map(|(_, writer)| writer.member);
        peers.filter(|peer| *peer != self.me).collect()
    }

    /// Events for a person.
    fn tell_of(&mut self, old: &Roster, before: usize) {
        let mut events = Vec::new();
        for (peer, member) in &self.roster.members {
            let was = old.members.get(peer).map(|member| member.standing);
            let (peer, by) = (*peer, member.by);
            match (was, member.standing) {
                (None, Standing::Invited) => events.push(Event::Invited { peer, by }),
                (None | Some(Standing::Invited), Standing::Member | Standing::Admin) => {
                    events.push(Event::Joined { peer });
                }
                (Some(Standing::Member), Standing::Admin) => events.push(Event::Promoted { peer }),
                _ => {}
            }
        }
        for peer in old.members.keys() {
            if !self.roster.members.contains_key(peer) {
                events.push(self.going(*peer, before));
            }
        }
        if old.name != self.roster.name {
            let name = self.roster.name.clone();
            events.push(Event::Renamed { name });
        }
        if old.policy != self.roster.policy {
            let policy = self.roster.policy;
            events.push(Event::PolicySet { policy });
        }
        if old.members.is_empty() {
            // To whom the group is new, how it came to be is no news, but for its own part.
            events.retain(|event| match event {
                Event::Invited { peer, .. } | Event::Joined { peer } => *peer == self.me,
                _ => false,
            });
        }
        self.outputs.extend(events.into_iter().map(Output::Event));
    }

    /// How `peer` came to be out, by what is new.
    fn going(&self, peer: PeerId, before: usize) -> Event {
        let mut by = None;
        for (operation, _) in self.membership.operations(before) {
            match operation.deed {
                Deed::Leave if operation.author == peer => return Event::Left { peer },
                Deed::Remove if operation.subject == Some(peer) => by = Some(operation.author),
                _ => {}
            }
        }
        Event::Removed { peer, by }
    }
}

/// Whether a key that was written with is not any more: somebody left or was removed, perhaps to come
/// again at once.
fn somebody_went(old: &Roster, new: &Roster) -> bool {
    let mut present = old.writers.iter().filter(|(_, old)| old.ends.is_none());
    present.any(|(key, _)| new.writers.get(key).is_none_or(|new| new.ends.is_some()))
}
