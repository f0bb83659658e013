//! Members that are no contacts and for whom something waits: they are looked for now and then.

use std::collections::BTreeSet;

use dchat_wire::{Address, PeerId};

use crate::node::engine::Session;
use crate::node::engine::effect::{Command, Effects};
use crate::node::engine::fault::Fault;
use crate::store::{Tx, UnixMillis};

/// Between two looks, in milliseconds.
const LOOK: i64 = 30_000;

impl Session {
    /// Asks for a connection with a member, where there is none and it is nobody that is kept
    /// connected anyway.
    pub(super) fn reach_member(
        &mut self,
        tx: &Tx<'_>,
        peer: &PeerId,
        out: &mut Effects,
    ) -> Result<(), Fault> {
        if self.is_connected(peer) || tx.contact(peer.public_key())?.is_some() {
            return Ok(());
        }
        if self.rooms.reaching.insert(*peer) {
            let mut addresses = self.rooms.book.addresses(peer).to_vec();
            let stored = tx.addresses(peer.public_key())?;
            addresses.extend(
                stored
                    .iter()
                    .filter_map(|text| text.parse::<Address>().ok()),
            );
            out.command(Command::Reach {
                peer: *peer,
                addresses,
                member: true,
            });
        }
        Ok(())
    }

    /// Looks again for those for whom something waits. When to call it again.
    pub(in crate::node::engine::rooms) fn tend_groups(
        &mut self,
        tx: &Tx<'_>,
        now: UnixMillis,
        out: &mut Effects,
    ) -> Result<Option<UnixMillis>, Fault> {
        let groups = self
            .rooms
            .rooms
            .values()
            .filter_map(|room| room.kind.group());
        let members: BTreeSet<PeerId> = groups
            .flat_map(|group| group.roster().members.keys().copied())
            .collect();
        if members.is_empty() {
            return Ok(None);
        }
        if self.rooms.look_at <= now || self.rooms.look_at > now.saturating_add(LOOK) {
            self.rooms.look_at = now.saturating_add(LOOK);
            for peer in members {
                if peer != self.rooms.me && self.has_word_for(tx, &peer)? {
                    self.reach_member(tx, &peer, out)?;
                }
            }
        }
        Ok(Some(self.rooms.look_at))
    }
}
