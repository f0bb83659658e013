//! What the application has still to be told, as states instead of a list of happenings.
//!
//! The application may read slowly or not at all. A queue of events would grow or lose some; here
//! each subject holds only its newest state and what the application was told of it, and an event is
//! made when it is asked for. So nothing true is lost, what came and went unread is never mentioned,
//! and memory follows the number of peers, not of events.
//!
//! * Inputs: changes. Output: [`Notice`]s, subjects in the order in which they first changed.
//! * Invariants: for each peer connected and disconnected alternate, where a connected for a peer
//!   that is connected replaces the connection; a peer's other notices come only while it is told
//!   connected; found and gone alternate, where a second found replaces the addresses.
//! * Bounds: subjects of the peers that are connected, discovered, or last told to be either.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dchat_wire::{Address, PeerId};

use crate::connection::PathInfo;
use crate::error::CloseReason;

/// One thing to tell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Notice<C> {
    Connected(C),
    Disconnected(PeerId, CloseReason),
    PathChanged(PeerId, PathInfo),
    Identified(PeerId, Identified),
    Discovered(PeerId, Vec<Address>),
    Expired(PeerId),
    ListenAddrs(Vec<Address>),
}

/// The content of a peer's newest IDENTIFY.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identified {
    pub(crate) addresses: Vec<Address>,
    pub(crate) observed: Option<Address>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Presence(PeerId),
    Path(PeerId),
    Identity(PeerId),
    Discovery(PeerId),
    Listen,
}

#[derive(Debug)]
struct Presence<C> {
    /// The connection's number and handle, while one is up.
    now: Option<(u64, C)>,
    /// The number of the connection the application knows of.
    told: Option<u64>,
    reason: CloseReason,
}

/// The states.
#[derive(Debug)]
pub(crate) struct Outbox<C> {
    due: VecDeque<Subject>,
    queued: BTreeSet<Subject>,
    presence: BTreeMap<PeerId, Presence<C>>,
    paths: BTreeMap<PeerId, PathInfo>,
    identified: BTreeMap<PeerId, Identified>,
    found: BTreeMap<PeerId, Vec<Address>>,
    told_found: BTreeMap<PeerId, Vec<Address>>,
    listen: Option<Vec<Address>>,
}

impl<C> Default for Outbox<C> {
    fn default() -> Self {
        Self {
            due: VecDeque::new(),
            queued: BTreeSet::new(),
            presence: BTreeMap::new(),
            paths: BTreeMap::new(),
            identified: BTreeMap::new(),
            found: BTreeMap::new(),
            told_found: BTreeMap::new(),
            listen: None,
        }
    }
}

impl<C: Clone> Outbox<C> {
    /// `connection`, numbered `number`, is the one with `peer` now.
    pub(crate) fn connected(&mut self, peer: PeerId, number: u64, connection: C) {
        self.paths.remove(&peer);
        self.identified.remove(&peer);
        let told = self.presence.get(&peer).and_then(|presence| presence.told);
        let presence = Presence {
            now: Some((number, connection)),
            told,
            reason: CloseReason::Idle,
        };
        self.presence.insert(peer, presence);
        self.queue(Subject::Presence(peer));
    }

    /// There is no connection with `peer` any more.
    pub(crate) fn disconnected(&mut self, peer: PeerId, reason: CloseReason) {
        self.paths.remove(&peer);
        self.identified.remove(&peer);
        if let Some(presence) = self.presence.get_mut(&peer) {
            presence.now = None;
            presence.reason = reason;
            if presence.told.is_none() {
                self.presence.remove(&peer);
            } else {
                self.queue(Subject::Presence(peer));
            }
        }
    }

    /// Another path carries the connection with `peer`.
    pub(crate) fn path_changed(&mut self, peer: PeerId, path: PathInfo) {
        if self.is_connected(&peer) {
            self.paths.insert(peer, path);
            self.queue(Subject::Path(peer));
        }
    }

    /// `peer` has told where it is.
    pub(crate) fn identified(&mut self, peer: PeerId, identified: Identified) {
        if self.is_connected(&peer) {
            self.identified.insert(peer, identified);
            self.queue(Subject::Identity(peer));
        }
    }

    /// `peer` is on the local network, at `addrs`.
    pub(crate) fn found(&mut self, peer: PeerId, addrs: Vec<Address>) {
        self.found.insert(peer, addrs);
        self.queue(Subject::Discovery(peer));
    }

    /// It is not there any more.
    pub(crate) fn gone(&mut self, peer: PeerId) {
        self.found.remove(&peer);
        if self.told_found.contains_key(&peer) {
            self.queue(Subject::Discovery(peer));
        }
    }

    /// These are our addresses now.
    pub(crate) fn listening(&mut self, addrs: Vec<Address>) {
        self.listen = Some(addrs);
        self.queue(Subject::Listen);
    }

    /// The next thing to tell.
    pub(crate) fn poll_output(&mut self) -> Option<Notice<C>> {
        while let Some(subject) = self.due.pop_front() {
            self.queued.remove(&subject);
            let notice = match subject {
                Subject::Presence(peer) => self.tell_presence(peer),
                Subject::Path(peer) => {
                    let path = self.paths.remove(&peer);
                    path.map(|path| Notice::PathChanged(peer, path))
                }
                Subject::Identity(peer) => {
                    let identified = self.identified.remove(&peer);
                    identified.map(|identified| Notice::Identified(peer, identified))
                }
                Subject::Discovery(peer) => self.tell_discovery(peer),
                Subject::Listen => self.listen.take().map(Notice::ListenAddrs),
            };
            if notice.is_some() {
                return notice;
            }
        }
        None
    }

    fn tell_presence(&mut self, peer: PeerId) -> Option<Notice<C>> {
        let presence = self.presence.get_mut(&peer)?;
        match (&presence.now, presence.told) {
            (Some((number, _)), Some(told)) if *number == told => None,
            (Some((number, connection)), _) => {
                presence.told = Some(*number);
                Some(Notice::Connected(connection.clone()))
            }
            (None, _) => {
                let presence = self.presence.remove(&peer)?;
                presence.told?;
                Some(Notice::Disconnected(peer, presence.reason))
            }
        }
    }

    fn tell_discovery(&mut self, peer: PeerId) -> Option<Notice<C>> {
        let Some(addrs) = self.found.get(&peer) else {
            self.told_found.remove(&peer)?;
            return Some(Notice::Expired(peer));
        };
        if self.told_found.get(&peer) == Some(addrs) {
            return None;
        }
        self.told_found.insert(peer, addrs.clone());
        Some(Notice::Discovered(peer, addrs.clone()))
    }

    fn is_connected(&self, peer: &PeerId) -> bool {
        self.presence
            .get(peer)
            .is_some_and(|presence| presence.now.is_some())
    }

    fn queue(&mut self, subject: Subject) {
        if self.queued.insert(subject) {
            self.due.push_back(subject);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use dchat_wire::sign::Identity;
    use proptest::prelude::*;

    use super::*;

    fn peer(seed: u8) -> PeerId {
        Identity::from_seed(&[seed; 32]).peer_id()
    }

    fn addrs(port: u16) -> Vec<Address> {
        vec![Address::direct(([192, 0, 2, 1], port).into())]
    }

    fn drain(outbox: &mut Outbox<u64>) -> Vec<Notice<u64>> {
        core::iter::from_fn(|| outbox.poll_output()).collect()
    }

    #[test]
    fn what_came_and_went_unread_is_not_mentioned() {
        let mut outbox = Outbox::default();
        outbox.connected(peer(1), 1, 1);
        outbox.disconnected(peer(1), CloseReason::Reset);
        outbox.found(peer(2), addrs(1));
        outbox.gone(peer(2));
        assert_eq!(drain(&mut outbox), []);
        assert!(outbox.presence.is_empty() && outbox.found.is_empty());
    }

    #[test]
    fn a_replaced_connection_is_told_once_as_connected() {
        let mut outbox = Outbox::default();
        outbox.connected(peer(1), 1, 1);
        assert_eq!(drain(&mut outbox), [Notice::Connected(1)]);
        outbox.connected(peer(1), 2, 2);
        outbox.connected(peer(1), 3, 3);
        assert_eq!(drain(&mut outbox), [Notice::Connected(3)]);
        outbox.disconnected(peer(1), CloseReason::Idle);
        assert_eq!(
            drain(&mut outbox),
            [Notice::Disconnected(peer(1), CloseReason::Idle)]
        );
        assert!(outbox.presence.is_empty());
    }

    #[test]
    fn addresses_told_before_are_not_told_again() {
        let mut outbox = Outbox::<u64>::default();
        outbox.found(peer(1), addrs(1));
        assert_eq!(drain(&mut outbox), [Notice::Discovered(peer(1), addrs(1))]);
        outbox.found(peer(1), addrs(1));
        assert_eq!(drain(&mut outbox), []);
        outbox.gone(peer(1));
        assert_eq!(drain(&mut outbox), [Notice::Expired(peer(1))]);
    }

    #[test]
    fn an_identify_of_a_connection_that_is_gone_is_not_told() {
        let mut outbox = Outbox::default();
        outbox.connected(peer(1), 1, 1);
        drain(&mut outbox);
        outbox.identified(peer(1), Identified::default());
        outbox.disconnected(peer(1), CloseReason::Idle);
        outbox.identified(peer(1), Identified::default());
        assert_eq!(drain(&mut outbox).len(), 1);
    }

    proptest! {
        #[test]
        fn the_reader_ends_with_the_truth_however_rarely_it_reads(
            steps in proptest::collection::vec((0u8..6, 1u8..5), 0..120),
        ) {
            let mut outbox = Outbox::default();
            let (mut live, mut here) = (BTreeMap::new(), BTreeSet::new());
            let (mut told_live, mut told_here) = (BTreeMap::new(), BTreeSet::new());
            let read = |outbox: &mut Outbox<(PeerId, u64)>,
                            live: &mut BTreeMap<PeerId, u64>,
                            here: &mut BTreeSet<PeerId>| {
                while let Some(notice) = outbox.poll_output() {
                    match notice {
                        Notice::Connected((peer, number)) => drop(live.insert(peer, number)),
                        Notice::Disconnected(peer, _) => assert!(live.remove(&peer).is_some()),
                        Notice::Discovered(peer, _) => drop(here.insert(peer)),
                        Notice::Expired(peer) => assert!(here.remove(&peer)),
                        _ => {}
                    }
                }
            };
            for (number, (what, who)) in (0u64..).zip(steps) {
                let peer = peer(who);
                match what {
                    0 | 1 => {
                        outbox.connected(peer, number, (peer, number));
                        live.insert(peer, number);
                    }
                    2 => {
                        outbox.disconnected(peer, CloseReason::Idle);
                        live.remove(&peer);
                    }
                    3 => {
                        outbox.found(peer, addrs(1));
                        here.insert(peer);
                    }
                    4 => {
                        outbox.gone(peer);
                        here.remove(&peer);
                    }
                    _ => read(&mut outbox, &mut told_live, &mut told_here),
                }
                prop_assert!(outbox.due.len() <= 4 * 4 + 1);
            }
            read(&mut outbox, &mut told_live, &mut told_here);
            prop_assert_eq!(told_live, live);
            prop_assert_eq!(told_here, here);
        }
    }
}
