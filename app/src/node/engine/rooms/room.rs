//! One room or group.

use std::collections::{BTreeMap, BTreeSet};

use dchat_gossip::log::Item;
use dchat_gossip::{Input, LogId, Node, Time, Verdict};
use dchat_wire::PeerId;
use dchat_wire::defect::{self, Defect};
use dchat_wire::gossip::item_message;
use dchat_wire::sign::{Purpose, Verifier};

use super::kind::{Kind, Known};
use super::lines::Line;
use crate::store::{self, StoreError, Tx};

/// Keys kept ready: those of all who write in a lively room. When there are more, all go.
const KEYS: usize = 256;

/// Peers remembered not to be in a room; who said so longest ago goes.
const STRANGERS: usize = 256;

/// A room or group this profile is in, with its gossip node.
#[derive(Debug)]
pub(in crate::node::engine) struct Room {
    pub(super) row: store::Room,
    pub(super) kind: Kind,
    pub(super) node: Node<PeerId>,
    /// The log we write now.
    pub(super) log: LogId,
    /// All logs we write, or wrote.
    pub(super) own: BTreeSet<LogId>,
    /// Whose the logs are; at most as many as the node has.
    pub(super) authors: BTreeMap<LogId, Known>,
    /// Keys of authors whose items were right lately; at most [`KEYS`].
    pub(super) keys: BTreeMap<[u8; 32], Verifier>,
    /// Items with a body.
    pub(super) full: u64,
    /// Logs older than this hour were forgotten.
    pub(super) forgotten: u32,
    /// The neighbours after the last batch.
    pub(super) neighbours: Vec<PeerId>,
    /// Peers that are not in it, and until when they are not asked again.
    pub(super) strangers: BTreeMap<PeerId, Time>,
    /// At most one for each connection.
    pub(super) lines: BTreeMap<PeerId, Line>,
    /// What to tell authors of their own logs at the end of the batch.
    pub(super) held: BTreeSet<(PeerId, LogId)>,
    /// Hashes of items that were shown before their turn.
    pub(super) early: BTreeSet<[u8; 32]>,
    /// Of a group, how far members hold the log we write now, by what they last said: as neighbours, or by
    /// what the items they wrote name.
    pub(super) held_by: BTreeMap<PeerId, u32>,
}

/// What a node's turn is about.
#[derive(Debug)]
pub(super) enum Turn {
    Input(Input<PeerId>),
    Timeout,
}

impl Room {
    /// Gives the node its turn; outputs wait in it.
    pub(super) fn turn(&mut self, tx: &Tx<'_>, turn: Turn, now: Time) -> Result<(), StoreError> {
        let Self {
            node, kind, keys, ..
        } = self;
        match turn {
            Turn::Timeout => node.handle_timeout(now),
            Turn::Input(input) => {
                let mut failed = None;
                let mut judge = |item: &Item| match judge(kind, keys, tx, item) {
                    Ok(verdict) => verdict,
                    Err(error) => {
                        // The whole batch will be undone.
                        failed = Some(error);
                        Verdict::Ignore
                    }
                };
                node.handle_input(input, now, &mut judge);
                if let Some(error) = failed {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Notes that `peer` is not in this room, until `until`.
    pub(super) fn is_stranger(&mut self, peer: PeerId, until: Time) {
        self.strangers.insert(peer, until);
        if self.strangers.len() > STRANGERS {
            let first = self.strangers.iter().min_by_key(|(_, until)| **until);
            if let Some(first) = first.map(|(peer, _)| *peer) {
                self.strangers.remove(&first);
            }
        }
    }

    /// Notes how far a member of a group says it holds the log we write now; `held` is logs by the
    /// beginnings of their names.
    pub(super) fn note_held(&mut self, peer: PeerId, held: &[(u64, u32)]) {
        let prefix = self.log.prefix();
        let own = held.iter().find(|(log, _)| *log == prefix);
        if let (Some((_, seq)), Some(_)) = (own, self.kind.group()) {
            let known = self.held_by.entry(peer).or_default();
            *known = (*known).max(*seq);
        }
    }

    /// Whether `peer` may be asked to be a neighbour.
    pub(super) fn may_ask(&self, peer: &PeerId, now: Time) -> bool {
        self.kind.may_link(peer) && self.strangers.get(peer).is_none_or(|until| *until <= now)
    }

    /// The sign before its name, and its name.
    pub(super) fn title(&self) -> String {
        title(&self.row)
    }
}

/// `#lobby`, or `@friends`.
pub(in crate::node::engine) fn title(room: &store::Room) -> String {
    let sign = match room.kind {
        store::RoomKind::Room => '#',
        store::RoomKind::Group => '@',
    };
    format!("{sign}{}", room.name)
}

/// Whether an item is its author's; then what is particular decides.
fn judge(
    kind: &Kind,
    keys: &mut BTreeMap<[u8; 32], Verifier>,
    tx: &Tx<'_>,
    item: &Item,
) -> Result<Verdict, StoreError> {
    if is_signed(&kind.id(), keys, item) || defect::is(Defect::PassesInvalidItems) {
        kind.judge(tx, item)
    } else {
        Ok(Verdict::Reject)
    }
}

fn is_signed(room: &[u8; 32], keys: &mut BTreeMap<[u8; 32], Verifier>, item: &Item) -> bool {
    let header = &item.signed().header;
    let is_right = |key: &Verifier| {
        let message = item_message(room, header);
        let signature = &item.signed().signature;
        key.verify(Purpose::Item, &message, signature).is_ok()
    };
    if let Some(key) = keys.get(&header.author) {
        return is_right(key);
    }
    let Ok(author) = PeerId::from_public_key(header.author) else {
        return false;
    };
    let key = Verifier::new(&author);
    let signed = is_right(&key);
    if signed {
        if keys.len() >= KEYS {
            keys.clear();
        }
        keys.insert(header.author, key);
    }
    signed
}
