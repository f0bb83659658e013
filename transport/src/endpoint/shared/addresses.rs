//! Where we and others can be reached: what is told to whom, and what becomes of what others tell.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use dchat_nat::agent;
use dchat_wire::defect::{self, Defect};
use dchat_wire::hello::capability;
use dchat_wire::nat::{Candidate, CandidateKind, Candidates, NatClass};
use dchat_wire::{Address, Frame, PeerId};

use super::{Shared, State};
use crate::connection::{Announcement, Connection};
use crate::dial::{Input, usable};
use crate::endpoint::candidates::OwnCandidates;
use crate::endpoint::outbox::Identified;
use crate::endpoint::registry::Live;
use crate::limits::DIAL_CIRCUITS;
use crate::path::PathKind;
use crate::relay;
use crate::socket::Traverse;
use crate::sync::lock;

impl Shared {
    /// What `connection`'s peer may know of addresses now. A stranger is told none, not even circuits:
    /// they name the relays at which we can be found, also to who did not come over one of them.
    pub(crate) fn announcement(&self, peer: &PeerId, virt: SocketAddr) -> Announcement {
        let path = self.paths.current(virt);
        let observed = path.filter(|path| path.kind == PathKind::Direct);
        let state = lock(&self.state);
        let addresses = match (state.registry.is_trusted(peer), self.relay_only) {
            (false, _) => Vec::new(),
            (true, false) => state.own(),
            (true, true) => state.circuits.clone(),
        };
        Announcement {
            observed: observed
                .and_then(|path| usable(&path.remote))
                .map(Address::direct),
            addresses,
        }
    }

    /// Lets every connection look whether it has news for its peer.
    pub(crate) fn announce(&self) {
        self.announcements.send_replace(());
    }

    /// Where we can be reached, as far as anybody may know.
    pub(crate) fn listen_addrs(&self) -> Vec<Address> {
        lock(&self.state).listen(self.relay_only)
    }

    /// Our interfaces may have changed: their addresses make ours.
    pub(crate) fn interfaces_changed(self: &Arc<Self>, addrs: Vec<Address>) {
        // Searches begin anew with it, and wait for candidates.
        self.paths.interfaces_changed();
        self.nat.withdraw_published(|| {
            self.readdress(|state| {
                if state.direct != addrs {
                    state.candidates.forget_outside();
                    state.mapped.clear();
                }
                state.direct = addrs;
            });
        });
        self.interfaces.send_replace(());
        relay::client::network_changed(self);
        self.keeper_input(Input::NetworkChanged);
    }

    /// The relays that pass on connections to us are others now.
    pub(crate) fn circuits_changed(&self, circuits: Vec<Address>) {
        self.readdress(|state| state.circuits = circuits);
    }

    pub(super) fn readdress(&self, change: impl FnOnce(&mut State)) {
        {
            let mut state = lock(&self.state);
            let before = state.listen(self.relay_only);
            change(&mut state);
            let State {
                direct,
                circuits,
                candidates,
                ..
            } = &mut *state;
            candidates.set_addresses(CandidateKind::Host, direct);
            candidates.set_addresses(CandidateKind::Relayed, circuits);
            let listen = state.listen(self.relay_only);
            if before != listen {
                state.outbox.listening(listen);
            }
        }
        self.news.notify_one();
        self.announce();
        self.offer_candidates();
    }

    /// Others have found out at which addresses we are seen, or will be.
    pub(crate) fn set_local_candidates(
        &self,
        class: NatClass,
        kind: CandidateKind,
        candidates: Vec<Candidate>,
    ) {
        self.readdress(|state| {
            if kind == CandidateKind::Mapped {
                let mapped = candidates.iter().map(|candidate| candidate.address);
                state.mapped = mapped.collect();
            }
            state.candidates.set_class(class);
            state.candidates.set(kind, candidates);
        });
    }

    /// Tells the path switch what trusted peers may probe now.
    pub(super) fn offer_candidates(&self) {
        if self.relay_only {
            return;
        }
        let state = lock(&self.state);
        let local = state.candidates.local();
        for (peer, live) in state.registry.iter() {
            if state.registry.is_trusted(peer) {
                self.paths.set_local(live.connection.virt(), local.clone());
            }
        }
    }

    /// The machine slept: as if the interfaces had changed, which nobody may have noticed.
    pub(crate) fn woke(self: &Arc<Self>) {
        self.interfaces.send_replace(());
        self.paths.interfaces_changed();
        // Searches began anew with it, and wait for candidates.
        self.offer_candidates();
        relay::client::network_changed(self);
        self.keeper_input(Input::NetworkChanged);
    }

    /// Our own sockets' addresses, as [`listen_addrs`](Self::listen_addrs).
    pub(crate) fn own_sockets(&self) -> Vec<SocketAddr> {
        direct(&lock(&self.state).direct)
    }

    /// Something is about to be sent to these.
    pub(crate) fn contacting(&self, addrs: &[SocketAddr]) {
        let now = Instant::now();
        for addr in addrs {
            self.nat.contacts.note(addr.ip(), now);
        }
    }

    /// Whether anything was sent to `ip` lately.
    pub(crate) fn has_contacted(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let connected = |connection: Connection| {
            let addr = connection.path().addr.socket();
            addr.ip().to_canonical() == ip
        };
        self.nat.contacts.contains(ip, Instant::now())
            || self.connections().into_iter().any(connected)
    }

    /// The peer told where it is. Only a trusted peer's addresses are tried: anybody could name a
    /// third party's.
    pub(crate) fn identified(self: &Arc<Self>, connection: &Connection, identified: Identified) {
        let peer = connection.peer_id();
        let addrs = identified.addresses.clone();
        {
            let mut state = lock(&self.state);
            let trusted = state.registry.is_trusted(&peer);
            let Some(live) = state.registry.live_mut(&peer) else {
                return;
            };
            if live.number != connection.number() {
                return;
            }
            live.addrs.clone_from(&addrs);
            live.observed = identified.observed;
            state.outbox.identified(peer, identified);
            if trusted {
                let hint = Input::Hint(peer, addrs.clone());
                state.keeper.handle_input(hint, Instant::now());
                self.offer(connection, &addrs);
            }
        }
        self.news.notify_one();
        relay::keep_warm(self, connection);
        if let Some(dht) = &self.dht {
            dht.observed(self, connection);
        }
    }

    /// Where the peer saw us last, by what it told on `connection`.
    pub(crate) fn observed_on(&self, connection: &Connection) -> Option<Address> {
        let state = lock(&self.state);
        let live = state.registry.live(&connection.peer_id())?;
        live.observed.filter(|_| live.number == connection.number())
    }

    /// Lets direct paths to `addrs` be tried, unless that would show ours.
    pub(super) fn offer(&self, connection: &Connection, addrs: &[Address]) {
        if !self.relay_only {
            let addrs = direct(addrs);
            self.contacting(&addrs);
            self.paths.offer(connection.virt(), &addrs);
        }
    }

    /// Circuits that a trusted peer has told lead to it, where `connection` is the one with it.
    pub(crate) fn circuits_of(&self, connection: &Connection) -> Vec<Address> {
        let peer = connection.peer_id();
        let state = lock(&self.state);
        let live = state.registry.live(&peer);
        let live = live.filter(|live| live.number == connection.number());
        let Some(live) = live.filter(|_| state.registry.is_trusted(&peer)) else {
            return Vec::new();
        };
        let circuits = live.addrs.iter();
        circuits
            .filter(|addr| matches!(addr, Address::Circuit { .. }))
            .copied()
            .collect()
    }

    /// A dial succeeded: a trusted peer may be at the other addresses as well.
    pub(crate) fn dialed_at(&self, connection: &Connection, addrs: &[Address]) {
        let peer = connection.peer_id();
        let state = lock(&self.state);
        let fresh = |live: &Live<Connection>| {
            live.number == connection.number() && direct(&live.addrs).is_empty()
        };
        if state.registry.is_trusted(&peer) && state.registry.live(&peer).is_some_and(fresh) {
            self.offer(connection, addrs);
        }
    }

    pub(crate) fn trust(self: &Arc<Self>, peer: PeerId, trusted: bool) {
        let live = {
            let mut state = lock(&self.state);
            if !state.registry.trust(peer, trusted) {
                return;
            }
            let live = state.registry.live(&peer).filter(|_| trusted).cloned();
            live.map(|live| {
                self.show_in(&mut state, &live.connection);
                self.offer(&live.connection, &live.addrs);
                self.traverse(&live.connection, &state.candidates);
                // They may have come before we trusted whom they are from.
                if let Some(candidates) = live.candidates.clone().filter(|_| !self.relay_only) {
                    self.paths.candidates(live.connection.virt(), candidates);
                }
                live.connection.clone()
            })
        };
        self.news.notify_one();
        self.announce();
        relay::client::consent_changed(self);
        if let Some(connection) = live {
            relay::keep_warm(self, &connection);
        }
    }

    pub(crate) fn trusted(&self) -> BTreeSet<PeerId> {
        lock(&self.state).registry.trusted().clone()
    }

    /// Whether the application cares about `peer`.
    pub(crate) fn matters(&self, peer: &PeerId) -> bool {
        let state = lock(&self.state);
        state.registry.is_trusted(peer) || state.keeper.contains(peer)
    }

    /// What a peer is told of our candidates before anything is known of it but its name, and the
    /// frame: only where it is trusted.
    pub(crate) fn opening_candidates(
        &self,
        peer: &PeerId,
        virt: SocketAddr,
    ) -> Option<(agent::Local, Candidates)> {
        if self.relay_only {
            return None;
        }
        let local = {
            let state = lock(&self.state);
            let trusted = state.registry.is_trusted(peer);
            trusted.then(|| state.candidates.local())
        }?;
        let candidates = self.paths.opening(virt, agent::Config::default(), &local);
        Some((local, candidates))
    }

    /// Has the path switch look for direct paths with a trusted peer that can be asked for them. The
    /// lock of the state is held, or not.
    pub(super) fn traverse(&self, connection: &Connection, candidates: &OwnCandidates) {
        if self.relay_only || !can_punch(connection) {
            return;
        }
        let traverse = Traverse {
            config: agent::Config::default(),
            seed: self.entropy.draw(),
            told: connection.inner().told.clone(),
            local: Some(candidates.local()),
        };
        let ends = (self.us, connection.peer_id());
        self.paths.traverse(connection.virt(), ends, traverse);
    }

    /// A frame of the control stream that is for the path switch. Only a trusted peer's is of
    /// interest: anybody could have us probe a third party.
    pub(crate) fn signalled(&self, connection: &Connection, frame: Frame) {
        if self.relay_only {
            return;
        }
        {
            let mut state = lock(&self.state);
            let peer = connection.peer_id();
            let trusted = state.registry.is_trusted(&peer);
            let Some(live) = state.registry.live_mut(&peer) else {
                return;
            };
            if live.number != connection.number() {
                return;
            }
            if let Frame::Candidates(candidates) = &frame {
                live.candidates = Some(candidates.clone());
            }
            if !trusted {
                return;
            }
        }
        match frame {
            Frame::Candidates(candidates) => {
                let theirs = candidates.candidates.iter();
                let addrs: Vec<Address> = theirs.map(|candidate| candidate.address).collect();
                self.contacting(&direct(&addrs));
                self.paths.candidates(connection.virt(), candidates);
            }
            Frame::Punch(punch) => self.paths.punch(connection.virt(), punch),
            _ => {}
        }
    }

    /// The path switch has something to tell the peer of the connection at `virt`.
    pub(crate) fn signal(&self, virt: SocketAddr, frame: Frame) {
        if let Some(connection) = self.at(virt) {
            connection.inner().signals.push(frame);
        }
    }
}

/// Whether the peer knows CANDIDATES and PUNCH.
fn can_punch(connection: &Connection) -> bool {
    let capabilities = &connection.hello().capabilities;
    capabilities.contains(capability::PUNCH) || defect::is(Defect::PunchesAnybody)
}

impl State {
    /// Where we can be reached, as far as anybody may know.
    fn listen(&self, relay_only: bool) -> Vec<Address> {
        match relay_only {
            true => self.circuits.clone(),
            false => self.own(),
        }
    }

    /// The first that a peer may be told of; those a gateway opened and circuits keep their places.
    fn own(&self) -> Vec<Address> {
        let most = dchat_wire::limits::ADDRESSES;
        let first = |addrs: &[Address], count| addrs.iter().copied().take(count).collect();
        let circuits: Vec<Address> = first(&self.circuits, DIAL_CIRCUITS);
        let mut mapped: Vec<Address> = first(&self.mapped, MAPPED);
        // A pinhole opens an address that is ours.
        mapped.retain(|addr| !self.direct.contains(addr));
        let direct = first(&self.direct, most - circuits.len() - mapped.len());
        [direct, mapped, circuits].concat()
    }
}

/// Addresses that gateways opened, at most: one of each protocol, and a pinhole.
const MAPPED: usize = 4;

/// The sockets of the direct addresses.
pub(super) fn direct(addresses: &[Address]) -> Vec<SocketAddr> {
    addresses
        .iter()
        .filter_map(|address| match address {
            Address::Direct { socket, .. } => Some(*socket),
            Address::Circuit { .. } => None,
        })
        .collect()
}
