//! The book of nodes: what the core's short names for them stand for.
//!
//! * State: for each handle the node's key, the nonce of its puzzle, its position and where it may
//!   be; whether that was proven by speaking to it, and when.
//! * Inputs: nodes that others named, whose puzzles were checked; nodes that were spoken to; those
//!   that failed. Output: handles, and what they stand for.
//! * Invariants: one entry a key; a handle stands for one key and position for ever and is never
//!   given twice; what others say never replaces what was proven.
//! * Bounds: a given number of entries of about 200 bytes. When it is full, a quarter makes room:
//!   those named longest ago that the core does not hold.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use dchat_kademlia::{Key, Time};
use dchat_wire::PeerId;

use super::config::KnownNode;

/// The core's name for a node.
pub(super) type Handle = u32;

/// Addresses kept of a node nobody has spoken to: of several that others name one may be true.
const HEARSAY: usize = 4;

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) peer: PeerId,
    pub(super) nonce: u64,
    pub(super) at: Key,
    /// Where it listens, the best first; one or two when proven.
    pub(super) sockets: Vec<SocketAddr>,
    /// When it last answered.
    pub(super) proven: Option<Time>,
    /// How long that took.
    pub(super) rtt: Option<Duration>,
    /// When it was last of interest.
    touched: u64,
}

/// The book.
#[derive(Debug)]
pub(super) struct Book {
    entries: BTreeMap<Handle, Entry>,
    handles: BTreeMap<PeerId, Handle>,
    next: Handle,
    touches: u64,
    limit: usize,
}

impl Book {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            handles: BTreeMap::new(),
            next: 0,
            touches: 0,
            limit: limit.max(1),
        }
    }

    pub(super) fn entry(&self, handle: Handle) -> Option<&Entry> {
        self.entries.get(&handle)
    }

    /// The entry of a key.
    pub(super) fn of(&self, peer: &PeerId) -> Option<(Handle, &Entry)> {
        let handle = *self.handles.get(peer)?;
        Some((handle, self.entries.get(&handle)?))
    }

    /// The position of `peer`, if it is known with this very nonce.
    pub(super) fn position(&self, peer: &PeerId, nonce: u64) -> Option<Key> {
        let (_, entry) = self.of(peer)?;
        (entry.nonce == nonce).then_some(entry.at)
    }

    /// Somebody named a node, whose position was checked. Its handle; `None` when another position of
    /// the same key was proven.
    pub(super) fn hear(
        &mut self,
        (peer, nonce, at): (PeerId, u64, Key),
        sockets: &[SocketAddr],
    ) -> Option<Handle> {
        if let Some((handle, known)) = self.of(&peer) {
            if known.nonce == nonce {
                self.touches += 1;
                let touched = self.touches;
                let entry = self.entries.get_mut(&handle)?;
                entry.touched = touched;
                if entry.proven.is_none() {
                    for socket in sockets {
                        if !entry.sockets.contains(socket) && entry.sockets.len() < HEARSAY {
                            entry.sockets.push(*socket);
                        }
                    }
                }
                return Some(handle);
            }
            if known.proven.is_some() {
                return None;
            }
            self.forget(handle);
        }
        Some(self.insert((peer, nonce, at), sockets, None))
    }

    /// A node was spoken to, at the first of `sockets`, and said the rest itself. Its handle, and the
    /// one it had under another position, which is void.
    pub(super) fn prove(
        &mut self,
        (peer, nonce, at): (PeerId, u64, Key),
        sockets: &[SocketAddr],
        now: Time,
    ) -> (Handle, Option<Handle>) {
        let mut void = None;
        if let Some((handle, known)) = self.of(&peer) {
            if known.nonce == nonce {
                self.touches += 1;
                let touched = self.touches;
                if let Some(entry) = self.entries.get_mut(&handle) {
                    entry.touched = touched;
                    entry.sockets.clear();
                    entry.sockets.extend_from_slice(sockets);
                    entry.proven = Some(now);
                }
                return (handle, None);
            }
            self.forget(handle);
            void = Some(handle);
        }
        (self.insert((peer, nonce, at), sockets, Some(now)), void)
    }

    /// A node answered.
    pub(super) fn answered(&mut self, handle: Handle, rtt: Option<Duration>, now: Time) {
        self.touches += 1;
        let touched = self.touches;
        if let Some(entry) = self.entries.get_mut(&handle) {
            entry.touched = touched;
            entry.proven = Some(now);
            entry.rtt = rtt.or(entry.rtt);
        }
    }

    /// Drops a node.
    pub(super) fn forget(&mut self, handle: Handle) {
        if let Some(entry) = self.entries.remove(&handle) {
            self.handles.remove(&entry.peer);
        }
    }

    /// Whether one more node does not fit.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.limit
    }

    /// Makes room for a quarter, sparing those that `kept` names.
    pub(super) fn make_room(&mut self, kept: impl Fn(Handle) -> bool) {
        let spare = self.entries.iter().filter(|(handle, _)| !kept(**handle));
        let mut spare: Vec<(u64, Handle)> = spare
            .map(|(handle, entry)| (entry.touched, *handle))
            .collect();
        spare.sort_unstable();
        for (_, handle) in spare.into_iter().take((self.limit / 4).max(1)) {
            self.forget(handle);
        }
    }

    /// Those that answered, the latest first, at most `most`.
    pub(super) fn known(&self, most: usize) -> Vec<KnownNode> {
        let proven = |entry: &Entry| {
            let mut sockets = entry.sockets.iter().copied();
            Some(KnownNode {
                peer: entry.peer,
                nonce: entry.nonce,
                last_seen: entry.proven?.0,
                rtt: entry.rtt,
                socket: sockets.next()?,
                other: sockets.next(),
            })
        };
        let mut known: Vec<KnownNode> = self.entries.values().filter_map(proven).collect();
        known.sort_unstable_by_key(|node| core::cmp::Reverse(node.last_seen));
        known.truncate(most);
        known
    }

    fn insert(
        &mut self,
        (peer, nonce, at): (PeerId, u64, Key),
        sockets: &[SocketAddr],
        proven: Option<Time>,
    ) -> Handle {
        // Who holds nothing back from the core may fill it with what the core holds.
        if self.is_full() {
            self.make_room(|_| false);
        }
        while self.entries.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let handle = self.next;
        self.next = self.next.wrapping_add(1);
        self.touches += 1;
        let mut sockets = sockets.to_vec();
        sockets.truncate(HEARSAY);
        let entry = Entry {
            peer,
            nonce,
            at,
            sockets,
            proven,
            rtt: None,
            touched: self.touches,
        };
        self.entries.insert(handle, entry);
        self.handles.insert(peer, handle);
        handle
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use dchat_wire::sign::Identity;

    use super::*;

    fn node(seed: u8, nonce: u64) -> (PeerId, u64, Key) {
        let peer = Identity::from_seed(&[seed; 32]).peer_id();
        let mut at = [seed; 32];
        at[0] = nonce as u8;
        (peer, nonce, Key(at))
    }

    fn socket(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn a_node_keeps_its_handle_and_collects_what_others_say() {
        let mut book = Book::new(8);
        let handle = book.hear(node(1, 0), &[socket(1)]).unwrap();
        assert_eq!(book.hear(node(1, 0), &[socket(2)]), Some(handle));
        for port in 3..20 {
            book.hear(node(1, 0), &[socket(port)]);
        }
        let sockets = &book.entry(handle).unwrap().sockets;
        assert_eq!(sockets[..2], [socket(1), socket(2)]);
        assert_eq!(sockets.len(), HEARSAY);
    }

    #[test]
    fn what_others_say_does_not_replace_what_was_proven() {
        let mut book = Book::new(8);
        let (handle, void) = book.prove(node(1, 0), &[socket(1)], Time(5));
        assert_eq!(void, None);
        assert_eq!(book.hear(node(1, 0), &[socket(9)]), Some(handle));
        assert_eq!(book.hear(node(1, 7), &[socket(9)]), None);
        assert_eq!(book.entry(handle).unwrap().sockets, [socket(1)]);
    }

    #[test]
    fn a_proven_position_voids_the_one_others_named() {
        let mut book = Book::new(8);
        let named = book.hear(node(1, 7), &[socket(9)]).unwrap();
        let (handle, void) = book.prove(node(1, 0), &[socket(1)], Time(5));
        assert_eq!(void, Some(named));
        assert_ne!(handle, named);
        assert_eq!(book.entry(named), None);
        assert_eq!(book.position(&node(1, 0).0, 0), Some(node(1, 0).2));
        assert_eq!(book.position(&node(1, 0).0, 7), None);
    }

    #[test]
    fn a_full_book_spares_what_the_core_holds() {
        let mut book = Book::new(8);
        let handles: Vec<Handle> = (0..8)
            .map(|seed| book.hear(node(seed, 0), &[socket(1)]).unwrap())
            .collect();
        assert!(book.is_full());
        book.make_room(|handle| handle == handles[0]);
        assert!(book.entry(handles[0]).is_some());
        assert!(book.entry(handles[1]).is_none() && book.entry(handles[2]).is_none());
        assert!(book.entry(handles[3]).is_some());
        for seed in 20..100 {
            book.hear(node(seed, 0), &[socket(1)]);
            assert!(book.entries.len() <= 8 && book.entries.len() == book.handles.len());
        }
    }
}
