//! What the tasks of one endpoint share.

mod addresses;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use dchat_wire::close::Code;
use dchat_wire::hello::Capabilities;
use dchat_wire::{Address, PeerId};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, mpsc, watch};

use super::admission::{Admission, Network};
use super::candidates::OwnCandidates;
use super::events::Event;
use super::outbox::{Identified, Notice, Outbox};
use super::quic::ConnectionSettings;
use super::registry::{Claiming, Live, Registry, Verdict};
use crate::connection::{Aim, Claim, Connection, PathInfo};
use crate::dht::Table;
use crate::dial::{Dial, Input, Keeper, TooManyKept};
use crate::entropy::Entropy;
use crate::error::CloseReason;
use crate::limits::{Limits, SIMULTANEOUS};
use crate::nat::Nat;
use crate::path::PathKind;
use crate::relay::server::RelayServer;
use crate::relay::{self, Relays};
use crate::socket::Paths;
use crate::sync::lock;

/// Everything one endpoint's tasks share. One lock guards all tables, is held for short
/// computations only and never across a wait, so that what the application is told has the order in
/// which it happened.
pub(crate) struct Shared {
    pub(crate) us: PeerId,
    pub(crate) instance: [u8; 16],
    pub(crate) roles: u64,
    pub(crate) limits: Limits,
    pub(crate) entropy: Entropy,
    pub(crate) settings: ConnectionSettings,
    pub(crate) quinn: quinn::Endpoint,
    pub(crate) paths: Paths,
    pub(crate) capabilities: Capabilities,
    pub(crate) nat: Nat,
    pub(crate) admission: Admission,
    /// Whether peers shall never learn our address.
    pub(crate) relay_only: bool,
    /// What we relay, with that role.
    pub(crate) relay_server: Option<Arc<RelayServer>>,
    /// The relays we use.
    pub(crate) relays: Relays,
    /// Our part in the DHT, if we have any.
    pub(crate) dht: Option<Arc<Table>>,
    pub(crate) streams: mpsc::Sender<Event>,
    /// Changes with every announcement that may be news to a peer.
    pub(crate) announcements: watch::Sender<()>,
    /// Changes whenever the interfaces may have changed.
    pub(crate) interfaces: watch::Sender<()>,
    /// Changes whenever a connection came up or went.
    pub(crate) peers: watch::Sender<()>,
    /// Peers that discovery should look for again.
    pub(crate) suspects: mpsc::Sender<PeerId>,
    phase: watch::Sender<Phase>,
    numbers: AtomicU64,
    state: Mutex<State>,
    /// The application has something to read.
    news: Notify,
    /// A connection came up or went, or a dial of ours ended.
    settled: Notify,
    /// The keeper may have something to do.
    kept: Notify,
}

/// How far the endpoint's life has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Running,
    /// No new connections; those that are up are being closed.
    Closing,
    /// Nothing will happen any more.
    Finished,
}

struct State {
    registry: Registry<Connection>,
    outbox: Outbox<Connection>,
    keeper: Keeper,
    /// Our own direct addresses.
    direct: Vec<Address>,
    /// Those that gateways opened for us.
    mapped: Vec<Address>,
    /// Those at which relays pass on connections to us.
    circuits: Vec<Address>,
    /// What trusted peers may probe.
    candidates: OwnCandidates,
    /// Where dials of ours are under way.
    dialing: BTreeSet<SocketAddr>,
}

pub(crate) struct Parts {
    pub(crate) us: PeerId,
    pub(crate) roles: u64,
    pub(crate) limits: Limits,
    pub(crate) entropy: Entropy,
    pub(crate) settings: ConnectionSettings,
    pub(crate) quinn: quinn::Endpoint,
    pub(crate) paths: Paths,
    pub(crate) capabilities: Capabilities,
    pub(crate) nat: Nat,
    pub(crate) relay_only: bool,
    pub(crate) relay_server: Option<Arc<RelayServer>>,
    pub(crate) relays: Relays,
    pub(crate) dht: Option<Arc<Table>>,
    pub(crate) streams: mpsc::Sender<Event>,
    pub(crate) suspects: mpsc::Sender<PeerId>,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        let limits = parts.limits;
        let state = State {
            registry: Registry::new(parts.us, limits.clone()),
            outbox: Outbox::default(),
            keeper: Keeper::new(
                limits.kept_peers,
                limits.dials,
                parts.entropy.derive("keeper"),
            ),
            direct: Vec::new(),
            mapped: Vec::new(),
            circuits: Vec::new(),
            candidates: OwnCandidates::default(),
            dialing: BTreeSet::new(),
        };
        Self {
            us: parts.us,
            instance: parts.entropy.derive("instance"),
            roles: parts.roles,
            admission: Admission::new(limits.clone()),
            limits,
            entropy: parts.entropy,
            settings: parts.settings,
            quinn: parts.quinn,
            paths: parts.paths,
            capabilities: parts.capabilities,
            nat: parts.nat,
            relay_only: parts.relay_only,
            relay_server: parts.relay_server,
            relays: parts.relays,
            dht: parts.dht,
            streams: parts.streams,
            announcements: watch::Sender::new(()),
            interfaces: watch::Sender::new(()),
            peers: watch::Sender::new(()),
            suspects: parts.suspects,
            phase: watch::Sender::new(Phase::Running),
            numbers: AtomicU64::new(1),
            state: Mutex::new(state),
            news: Notify::new(),
            settled: Notify::new(),
            kept: Notify::new(),
        }
    }

    /// A number not given before, growing.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    // --- life ---

    pub(crate) fn is_closing(&self) -> bool {
        *self.phase.borrow() >= Phase::Closing
    }

    pub(crate) fn is_finished(&self) -> bool {
        *self.phase.borrow() >= Phase::Finished
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_modify(|now| *now = phase.max(*now));
        self.kept.notify_one();
        self.news.notify_one();
    }

    /// Waits until the endpoint is closing.
    pub(crate) async fn closing(&self) {
        let mut phase = self.phase.subscribe();
        // Fails only without a sender, which is `self`.
        let _ = phase.wait_for(|phase| *phase >= Phase::Closing).await;
    }

    // --- what the application reads ---

    pub(crate) fn news(&self) -> Notified<'_> {
        self.news.notified()
    }

    pub(crate) fn poll_notice(&self) -> Option<Notice<Connection>> {
        lock(&self.state).outbox.poll_output()
    }

    // --- connections ---

    pub(crate) fn live(&self, peer: &PeerId) -> Option<Connection> {
        let connection = lock(&self.state).registry.live(peer)?.connection.clone();
        // Its task may not have noticed its end yet.
        connection.close_reason().is_none().then_some(connection)
    }

    pub(crate) fn connections(&self) -> Vec<Connection> {
        let state = lock(&self.state);
        let live = state.registry.iter();
        live.map(|(_, live)| live.connection.clone()).collect()
    }

    /// The connections that the application knows of.
    pub(crate) fn visible(&self) -> Vec<Connection> {
        let state = lock(&self.state);
        let live = state.registry.iter().filter(|(_, live)| live.visible);
        live.map(|(_, live)| live.connection.clone()).collect()
    }

    /// The connection with `peer`, if the application knows of it.
    pub(crate) fn visible_with(&self, peer: &PeerId) -> Option<Connection> {
        let live = lock(&self.state).registry.live(peer)?.clone();
        let alive = live.visible && live.connection.close_reason().is_none();
        alive.then_some(live.connection)
    }

    /// The connections that serve the DHT alone.
    pub(crate) fn hidden(&self) -> Vec<Connection> {
        lock(&self.state).registry.hidden().cloned().collect()
    }

    /// Tells the application of a connection that served the DHT alone until now, because it is
    /// wanted here.
    pub(crate) fn show(&self, connection: &Connection) {
        let shown = self.show_in(&mut lock(&self.state), connection);
        if shown {
            self.changed();
        }
    }

    /// The same because the peer wants something of the application; false, and nothing changed, when
    /// too many strangers do.
    pub(crate) fn show_to_stranger(&self, connection: &Connection) -> bool {
        let mut state = lock(&self.state);
        let peer = connection.peer_id();
        let hidden = state.registry.live(&peer).is_some_and(|live| !live.visible);
        let trusted = state.registry.is_trusted(&peer);
        if hidden && !trusted && !state.registry.has_room_for_stranger() {
            return false;
        }
        let shown = self.show_in(&mut state, connection);
        drop(state);
        if shown {
            self.changed();
        }
        true
    }

    fn show_in(&self, state: &mut State, connection: &Connection) -> bool {
        let (peer, number) = (connection.peer_id(), connection.number());
        let Some(live) = state.registry.live_mut(&peer) else {
            return false;
        };
        if live.number != number || core::mem::replace(&mut live.visible, true) {
            return false;
        }
        let identified = Identified {
            addresses: live.addrs.clone(),
            observed: live.observed,
        };
        state.outbox.connected(peer, number, connection.clone());
        state.outbox.identified(peer, identified);
        true
    }

    /// Waits until a connection with `peer` is up.
    pub(crate) async fn until_live(&self, peer: &PeerId) -> Connection {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if let Some(connection) = self.live(peer) {
                return connection;
            }
            settled.await;
        }
    }

    /// Waits until a dial of ours to `peer` may go on to HELLO; the connection that is up instead,
    /// if there is one that lives.
    pub(crate) async fn claim(self: &Arc<Self>, peer: PeerId) -> Result<DialClaim, Connection> {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            let claiming = lock(&self.state).registry.claim(peer, Instant::now());
            match claiming {
                Claiming::Granted => {
                    return Ok(DialClaim {
                        shared: Arc::clone(self),
                        peer,
                    });
                }
                Claiming::Live { existing, age } => {
                    if (age <= SIMULTANEOUS && existing.close_reason().is_none())
                        || self.lives(&existing).await
                    {
                        return Err(existing);
                    }
                }
                Claiming::Pending => settled.await,
            }
        }
    }

    /// Waits until no other dial of ours to `addr` is between its first packet and HELLO: the ids
    /// under which two at once are answered could not be told apart.
    pub(crate) async fn turn(self: &Arc<Self>, addr: SocketAddr) -> DialTurn {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if lock(&self.state).dialing.insert(addr) {
                return DialTurn {
                    shared: Arc::clone(self),
                    addr,
                };
            }
            settled.await;
        }
    }

    /// Puts a connection that heard HELLO in its place, or returns the one that stays instead.
    pub(crate) async fn admit(&self, connection: &Connection, claim: Claim) -> Admitted {
        let peer = connection.peer_id();
        let mut made_room = false;
        loop {
            let verdict = {
                let mut state = lock(&self.state);
                let now = Instant::now();
                let number = connection.number();
                let visible = self.dht.is_none()
                    || connection.aim() == Aim::Peer
                    || state.registry.is_trusted(&peer)
                    || state.keeper.contains(&peer);
                let registry = &mut state.registry;
                let verdict = registry.offer(peer, number, claim, connection, visible, now);
                if let Verdict::Admitted { .. } = verdict {
                    if registry.live(&peer).is_some_and(|live| live.visible) {
                        state.outbox.connected(peer, number, connection.clone());
                    }
                    if state.registry.is_trusted(&peer) {
                        self.traverse(connection, &state.candidates);
                    }
                    state.keeper.handle_input(Input::Connected(peer), now);
                }
                verdict
            };
            match verdict {
                Verdict::Admitted { replaced } => {
                    if let Some(replaced) = replaced {
                        replaced.close(Code::Duplicate);
                    }
                    self.changed();
                    return Admitted::Yes;
                }
                Verdict::Duplicate { existing } if existing.close_reason().is_none() => {
                    return Admitted::Instead(existing);
                }
                Verdict::Duplicate { existing } | Verdict::Doubtful { existing } => {
                    if self.lives(&existing).await {
                        return Admitted::Instead(existing);
                    }
                }
                Verdict::Full if connection.aim() == Aim::Table && !made_room => {
                    made_room = true;
                    self.make_room();
                }
                Verdict::Full => return Admitted::Full,
            }
        }
    }

    /// Asks a connection for a sign of life and removes it if there is none.
    async fn lives(&self, connection: &Connection) -> bool {
        let alive = connection.answers().await;
        if !alive {
            connection.close(Code::Duplicate);
            let reason = connection.closed().await;
            self.gone(connection, reason);
        }
        alive
    }

    /// Ends a connection with `peer` that serves the DHT alone: its packets are too small for those of
    /// others to fit in.
    pub(crate) fn replace_narrow(&self, peer: &PeerId) {
        let narrow = |live: &&Live<Connection>| !live.visible;
        let connection = {
            let state = lock(&self.state);
            let live = state.registry.live(peer).filter(narrow);
            live.map(|live| live.connection.clone())
        };
        if let Some(connection) = connection {
            connection.close(Code::Duplicate);
            self.gone(&connection, CloseReason::Here(Code::Duplicate));
        }
    }

    /// Ends the connection that serves the DHT alone and was used least recently.
    fn make_room(&self) {
        let hidden = self.hidden().into_iter();
        let unused = hidden.filter(|connection| connection.inner().usage.is_idle());
        if let Some(oldest) = unused.min_by_key(|connection| connection.inner().usage.last()) {
            oldest.close(Code::Limit);
            self.gone(&oldest, CloseReason::Here(Code::Limit));
        }
    }

    /// A connection is over.
    pub(crate) fn gone(&self, connection: &Connection, reason: CloseReason) {
        let peer = connection.peer_id();
        {
            let mut state = lock(&self.state);
            if !state.registry.remove(&peer, connection.number()) {
                return;
            }
            state.outbox.disconnected(peer, reason);
            let now = Instant::now();
            state.keeper.handle_input(Input::Disconnected(peer), now);
        }
        self.changed();
        self.suspect(peer);
    }

    /// Another path carries the connection at `virt`.
    pub(crate) fn path_changed(self: &Arc<Self>, virt: SocketAddr) {
        let Some(connection) = self.at(virt) else {
            return;
        };
        connection.kick();
        let path: PathInfo = connection.path();
        if path.kind == PathKind::Relayed {
            // Packets are not relayed twice.
            relay::unlink(self, &connection);
        }
        lock(&self.state)
            .outbox
            .path_changed(connection.peer_id(), path);
        self.news.notify_one();
        self.announce();
        relay::keep_warm(self, &connection);
    }

    /// No path carries the connection at `virt` any more.
    pub(crate) fn path_lost(&self, virt: SocketAddr) {
        if let Some(connection) = self.at(virt) {
            self.suspect(connection.peer_id());
        }
    }

    fn at(&self, virt: SocketAddr) -> Option<Connection> {
        let state = lock(&self.state);
        let mut live = state.registry.iter().map(|(_, live)| &live.connection);
        live.find(|connection| connection.virt() == virt).cloned()
    }

    fn changed(&self) {
        self.peers.send_replace(());
        self.news.notify_one();
        self.settled.notify_waiters();
        self.kept.notify_one();
    }

    // --- keeping connected ---

    pub(crate) fn keep(&self, peer: PeerId, addrs: &[Address]) -> Result<(), TooManyKept> {
        let kept = {
            let mut state = lock(&self.state);
            let live = state.registry.live(&peer);
            let live = live.map(|live| live.connection.clone());
            let now = Instant::now();
            let kept = state.keeper.keep(peer, addrs, live.is_some(), now);
            if let Some(live) = live.filter(|_| kept.is_ok()) {
                self.show_in(&mut state, &live);
            }
            kept
        };
        self.news.notify_one();
        self.kept.notify_one();
        kept
    }

    pub(crate) fn forget(&self, peer: &PeerId) {
        lock(&self.state).keeper.forget(peer);
        self.kept.notify_one();
    }

    /// The dials that are due, and when the next one is.
    pub(crate) fn poll_keeper(&self) -> (Vec<Dial>, Option<Instant>) {
        let mut state = lock(&self.state);
        state.keeper.handle_timeout(Instant::now());
        let due = core::iter::from_fn(|| state.keeper.poll_output()).collect();
        (due, state.keeper.poll_timeout())
    }

    pub(crate) fn keeper_input(&self, input: Input) {
        lock(&self.state).keeper.handle_input(input, Instant::now());
        self.kept.notify_one();
    }

    /// A dial for the keeper ended.
    pub(crate) fn dialed(&self, peer: PeerId) {
        let input = match self.live(&peer) {
            Some(_) => Input::Connected(peer),
            None => {
                self.suspect(peer);
                Input::Failed(peer)
            }
        };
        self.keeper_input(input);
    }

    pub(crate) async fn keeper_may_act(&self) {
        self.kept.notified().await;
    }

    // --- discovery ---

    /// mDNS shows `peer` at `addrs`.
    pub(crate) fn found(
        self: &Arc<Self>,
        peer: PeerId,
        addrs: Vec<SocketAddr>,
        instance: Option<[u8; 16]>,
    ) {
        let addrs: Vec<Address> = addrs.into_iter().map(Address::direct).collect();
        let doubtful = {
            let mut state = lock(&self.state);
            let hint = Input::Hint(peer, addrs.clone());
            state.keeper.handle_input(hint, Instant::now());
            let trusted = state.registry.is_trusted(&peer);
            state.outbox.found(peer, addrs.clone());
            state.registry.live_mut(&peer).and_then(|live| {
                if trusted {
                    let mut all = addrs;
                    all.extend(live.addrs.iter().copied());
                    self.offer(&live.connection, &all);
                }
                let restarted = instance.is_some_and(|instance| instance != live.claim.instance);
                let ask = restarted && !core::mem::replace(&mut live.asked, restarted);
                ask.then(|| live.connection.clone())
            })
        };
        self.news.notify_one();
        self.kept.notify_one();
        if let Some(connection) = doubtful {
            // At most one task a connection. The answer comes from the path, not from the record:
            // a forged record costs one ping.
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                if shared.lives(&connection).await {
                    let mut state = lock(&shared.state);
                    if let Some(live) = state.registry.live_mut(&peer) {
                        live.asked = false;
                    }
                }
            });
        }
    }

    /// mDNS shows `peer` no longer.
    pub(crate) fn expired(&self, peer: PeerId) {
        lock(&self.state).outbox.gone(peer);
        self.news.notify_one();
    }

    /// Discovery should look whether `peer` is still there.
    pub(crate) fn suspect(&self, peer: PeerId) {
        // A full queue means that discovery is busy looking; each peer's turn comes anyway.
        let _ = self.suspects.try_send(peer);
    }

    // --- virtual addresses ---

    /// The address packets from `virt` really come from, for limits; a relay's for what it passes on.
    pub(crate) fn real_ip(&self, virt: SocketAddr) -> IpAddr {
        self.paths
            .current(virt)
            .map_or(virt.ip(), |path| path.remote.ip())
    }

    /// What the limits of a network count an attempt from `virt` for. Those over a relay are bounded
    /// by the channels consented to, and are not one network for sharing a relay.
    pub(crate) fn network(&self, virt: SocketAddr) -> Network {
        match self.paths.current(virt) {
            Some(path) if path.kind == PathKind::Direct => Network::of(path.remote.ip()),
            Some(_) | None => Network::virtual_of(virt),
        }
    }
}

impl core::fmt::Debug for Shared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shared")
            .field("us", &self.us)
            .finish_non_exhaustive()
    }
}

/// What became of a connection that heard HELLO.
pub(crate) enum Admitted {
    Yes,
    Instead(Connection),
    Full,
}

/// The right of one dial to go on to HELLO; ends when dropped.
pub(crate) struct DialClaim {
    shared: Arc<Shared>,
    peer: PeerId,
}

impl Drop for DialClaim {
    fn drop(&mut self) {
        lock(&self.shared.state).registry.unclaim(&self.peer);
        self.shared.settled.notify_waiters();
    }
}

/// A dial's turn at one address; ends when dropped.
pub(crate) struct DialTurn {
    shared: Arc<Shared>,
    addr: SocketAddr,
}

impl Drop for DialTurn {
    fn drop(&mut self) {
        lock(&self.shared.state).dialing.remove(&self.addr);
        self.shared.settled.notify_waiters();
    }
}

/// A virtual address in use by one connection or attempt; given back when dropped.
pub(crate) struct VirtualAddress {
    paths: Paths,
    pub(crate) virt: SocketAddr,
}

impl VirtualAddress {
    pub(crate) fn new(shared: &Arc<Shared>, virt: SocketAddr) -> Self {
        Self {
            paths: shared.paths.clone(),
            virt,
        }
    }
}

impl Drop for VirtualAddress {
    fn drop(&mut self) {
        self.paths.release(self.virt);
    }
}
