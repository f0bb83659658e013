//! Who talks with whom.

use dchat_wire::PeerId;
use dchat_wire::hash::{entry_id, pair_conversation};

use super::{EntryId, Incarnation};

/// The two peers of a conversation, seen from one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    own: PeerId,
    peer: PeerId,
    conversation: [u8; 32],
}

impl Pair {
    /// The conversation of `own`, who we are, with `peer`.
    #[must_use]
    pub fn new(own: PeerId, peer: PeerId) -> Self {
        Self {
            own,
            peer,
            conversation: pair_conversation(&own, &peer),
        }
    }

    /// Us.
    #[must_use]
    pub fn own(&self) -> &PeerId {
        &self.own
    }

    /// The other side.
    #[must_use]
    pub fn peer(&self) -> &PeerId {
        &self.peer
    }

    /// Name of the conversation, equal on both sides.
    #[must_use]
    pub fn conversation(&self) -> &[u8; 32] {
        &self.conversation
    }

    /// Whether we are the one who makes a session when there is none.
    pub(super) fn leads(&self) -> bool {
        self.own < self.peer
    }

    pub(super) fn own_entry_id(&self, incarnation: &Incarnation, seq: u64) -> EntryId {
        entry_id(&self.conversation, &self.own, incarnation, seq)
    }

    pub(super) fn peer_entry_id(&self, incarnation: &Incarnation, seq: u64) -> EntryId {
        entry_id(&self.conversation, &self.peer, incarnation, seq)
    }
}
