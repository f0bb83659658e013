//! The relays of one endpoint: what is held where, and over which connections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use dchat_wire::{Address, PeerId};
use tokio::sync::{Notify, mpsc, oneshot};

use super::channel::Channel;
use super::link::Link;
use crate::dial::dial_anybody;
use crate::endpoint::{Shared, Use};
use crate::limits::{REDIAL_MAX, REDIAL_MIN};
use crate::relay::proto::client::channels::{self, Failure};
use crate::relay::proto::client::reservations::{self, Candidate};
use crate::relay::proto::client::{Channels, Consent, Reservations};
use crate::relay::proto::{ConnId, StreamId};
use crate::relay::stream::Order;
use crate::sync::lock;

/// Relays without a name that are asked for it at a time.
const UNNAMED: usize = 8;

/// A relay in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayInfo {
    /// Where it is reached, with its name.
    pub address: Address,
    /// Round trip to it.
    pub rtt: Duration,
    /// Whether it holds a reservation for us.
    pub reserved: bool,
    /// Channels open over it.
    pub channels: usize,
}

/// See the [module](super).
pub(crate) struct Relays {
    pub(super) state: Mutex<State>,
    pub(super) wake: Notify,
}

/// Who waits for a channel.
pub(super) type Waiter = oneshot::Sender<Result<Channel, Failure>>;

pub(super) struct State {
    pub(super) reservations: Reservations,
    pub(super) channels: Channels,
    /// The relays that were set, as far as their names are known.
    configured: Vec<Address>,
    /// Grows each time they are set.
    round: u64,
    /// Relays that hold a reservation for us or are to.
    pub(super) reserving: BTreeSet<PeerId>,
    /// Relays that are or shall be connected to for a channel, each with how many want that.
    wanted: BTreeMap<PeerId, usize>,
    pub(super) links: BTreeMap<ConnId, Arc<Link>>,
    /// With whom each open channel is, as its relay says.
    pub(super) open: BTreeMap<(ConnId, u32), PeerId>,
    pub(super) streams: BTreeMap<(ConnId, StreamId), mpsc::Sender<Order>>,
    pub(super) asks: BTreeMap<(ConnId, PeerId), Vec<Waiter>>,
    pub(super) asleep_until: Option<Instant>,
}

impl Relays {
    pub(crate) fn new(us: PeerId, seed: [u8; 32], strangers: usize) -> Self {
        let config = channels::Config {
            strangers,
            ..channels::Config::default()
        };
        let channels = Channels::new(config, us, Consent::default(), Instant::now());
        let reservations = Reservations::new(reservations::Config::default(), us, seed);
        Self {
            state: Mutex::new(State {
                reservations,
                channels,
                configured: Vec::new(),
                round: 0,
                reserving: BTreeSet::new(),
                wanted: BTreeMap::new(),
                links: BTreeMap::new(),
                open: BTreeMap::new(),
                streams: BTreeMap::new(),
                asks: BTreeMap::new(),
                asleep_until: None,
            }),
            wake: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Whether `peer` is used as a relay, or shall be.
    pub(crate) fn is_wanted(&self, peer: &PeerId) -> bool {
        let state = self.lock();
        state.reserving.contains(peer) || state.wanted.contains_key(peer)
    }

    /// Whether `peer` holds a reservation for us, or shall.
    pub(super) fn is_reserving(&self, peer: &PeerId) -> bool {
        self.lock().reserving.contains(peer)
    }

    /// What a connection to `peer` is for.
    pub(crate) fn purpose(&self, peer: &PeerId) -> Use {
        match self.is_wanted(peer) {
            true => Use::Relay,
            false => Use::Peer,
        }
    }

    /// Wants `relay` connected for a channel, while the guard lives; `None` when there are `limit`
    /// such relays already.
    pub(super) fn want(shared: &Arc<Shared>, relay: PeerId) -> Option<Wanted> {
        let mut state = shared.relays.lock();
        let full = state.wanted.len() >= shared.limits.relays_on_demand;
        let known = state.wanted.contains_key(&relay) || state.reserving.contains(&relay);
        if full && !known {
            return None;
        }
        *state.wanted.entry(relay).or_default() += 1;
        Some(Wanted {
            shared: Arc::clone(shared),
            relay,
        })
    }

    pub(super) fn link(&self, conn: ConnId) -> Option<Arc<Link>> {
        self.lock().links.get(&conn).cloned()
    }

    /// The link to a relay that is not over.
    pub(super) fn link_to(&self, relay: &PeerId) -> Option<Arc<Link>> {
        let state = self.lock();
        let mut links = state.links.values();
        let to = links.rfind(|link| link.connection.peer_id() == *relay && !link.is_over());
        to.cloned()
    }

    /// A connection carries channels from now on.
    pub(super) fn linked(&self, shared: &Arc<Shared>, link: Arc<Link>) {
        let (conn, relay) = (link.conn(), link.connection.peer_id());
        let (socket, rtt) = (link.socket, link.quinn().rtt());
        let now = Instant::now();
        let mut state = self.lock();
        state.links.insert(conn, link);
        let up = channels::Input::Up { conn, relay };
        state.channels.handle_input(up, now);
        let up = reservations::Input::Up { relay, socket, rtt };
        state.reservations.handle_input(up, now);
        self.settle(shared, state);
    }

    /// It does no more.
    pub(super) fn unlinked(&self, shared: &Arc<Shared>, link: &Link) {
        let (conn, relay) = (link.conn(), link.connection.peer_id());
        let now = Instant::now();
        let mut state = self.lock();
        state.links.remove(&conn);
        state.streams.retain(|(of, _), _| *of != conn);
        let gone = channels::Input::Gone { conn };
        state.channels.handle_input(gone, now);
        let mut others = state.links.values();
        if !others.any(|link| link.connection.peer_id() == relay) {
            let gone = reservations::Input::Gone { relay };
            state.reservations.handle_input(gone, now);
        }
        self.settle(shared, state);
    }

    pub(super) fn channel_input(&self, shared: &Arc<Shared>, input: channels::Input) {
        let now = Instant::now();
        let mut state = self.lock();
        state.channels.handle_input(input, now);
        self.settle(shared, state);
    }

    pub(super) fn reservation_input(&self, shared: &Arc<Shared>, input: reservations::Input) {
        let now = Instant::now();
        let mut state = self.lock();
        state.reservations.handle_input(input, now);
        self.settle(shared, state);
    }

    /// Asks for a channel to `peer`.
    pub(super) fn ask(
        &self,
        shared: &Arc<Shared>,
        conn: ConnId,
        peer: PeerId,
    ) -> oneshot::Receiver<Result<Channel, Failure>> {
        let (waiter, answer) = oneshot::channel();
        let now = Instant::now();
        let mut state = self.lock();
        state.asks.entry((conn, peer)).or_default().push(waiter);
        let ask = channels::Input::Ask { conn, peer };
        state.channels.handle_input(ask, now);
        self.settle(shared, state);
        answer
    }
}

impl core::fmt::Debug for Relays {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Relays").finish_non_exhaustive()
    }
}

/// A relay's place among those wanted; ends when dropped.
pub(super) struct Wanted {
    shared: Arc<Shared>,
    relay: PeerId,
}

impl Drop for Wanted {
    fn drop(&mut self) {
        let mut state = self.shared.relays.lock();
        if let Some(count) = state.wanted.get_mut(&self.relay) {
            *count -= 1;
            if *count == 0 {
                state.wanted.remove(&self.relay);
            }
        }
    }
}

/// Keeps the time of reservations and channels until the endpoint closes.
pub(crate) async fn drive(shared: Arc<Shared>) {
    let closing = shared.closing();
    tokio::pin!(closing);
    loop {
        let until = {
            let now = Instant::now();
            let mut state = shared.relays.lock();
            state.reservations.handle_timeout(now);
            state.channels.handle_timeout(now);
            shared.relays.settle(&shared, state);
            let mut state = shared.relays.lock();
            state.asleep_until = state.poll_timeout();
            state.asleep_until
        };
        let due = async {
            match until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => core::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = shared.relays.wake.notified() => {}
            () = &mut closing => return,
        }
    }
}

/// The relays to hold reservations at. One that does not name its peer is asked for its name.
pub(crate) fn set_relays(shared: &Arc<Shared>, relays: &[Address]) {
    let mut direct = Vec::new();
    let mut unnamed = Vec::new();
    for address in relays {
        match address {
            Address::Direct { peer: Some(_), .. } => direct.push(*address),
            Address::Direct { peer: None, .. } => unnamed.push(*address),
            Address::Circuit { .. } => {}
        }
    }
    let round = {
        let mut state = shared.relays.lock();
        state.configured = direct;
        state.round += 1;
        state.round
    };
    propose(shared);
    unnamed.truncate(UNNAMED);
    for address in unnamed {
        tokio::spawn(learn_name(Arc::clone(shared), address, round));
    }
}

fn propose(shared: &Arc<Shared>) {
    let configured = shared.relays.lock().configured.clone();
    let mut candidates: Vec<Candidate> = Vec::new();
    for address in &configured {
        let (socket, Some(relay)) = (address.socket(), address.peer()) else {
            continue;
        };
        match candidates.iter_mut().find(|one| one.relay == relay) {
            Some(known) => known.sockets.push(socket),
            None => candidates.push(Candidate {
                relay,
                sockets: vec![socket],
                configured: true,
            }),
        }
    }
    let input = reservations::Input::Candidates(candidates);
    shared.relays.reservation_input(shared, input);
}

/// Dials a relay of which only the address is known until it has said who it is, or other relays are
/// set.
async fn learn_name(shared: Arc<Shared>, address: Address, round: u64) {
    let mut pause = REDIAL_MIN;
    while shared.relays.lock().round == round && !shared.is_closing() {
        match dial_anybody(&shared, &address).await {
            Ok(connection) => {
                {
                    let mut state = shared.relays.lock();
                    if state.round != round {
                        return;
                    }
                    state.configured.push(address.of(connection.peer_id()));
                }
                return propose(&shared);
            }
            Err(error) => tracing::debug!(%error, "a relay does not say its name"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(REDIAL_MAX);
    }
}

/// Other contacts may have channels to us without asking.
pub(crate) fn consent_changed(shared: &Arc<Shared>) {
    let consent = Consent {
        contacts: shared.trusted(),
        ..Consent::default()
    };
    let input = channels::Input::Consent(consent);
    shared.relays.channel_input(shared, input);
}

/// Relays that failed are tried again.
pub(crate) fn network_changed(shared: &Arc<Shared>) {
    let input = reservations::Input::NetworkChanged;
    shared.relays.reservation_input(shared, input);
}

/// What is known of the relays in use.
pub(crate) fn infos(shared: &Shared) -> Vec<RelayInfo> {
    let state = shared.relays.lock();
    let held: BTreeSet<PeerId> = state.reservations.held().map(|held| held.relay).collect();
    let mut infos: Vec<RelayInfo> = state
        .links
        .values()
        .map(|link| {
            let relay = link.connection.peer_id();
            RelayInfo {
                address: Address::direct(link.socket).of(relay),
                rtt: link.quinn().rtt(),
                reserved: held.contains(&relay),
                channels: link.carry.channels(),
            }
        })
        .collect();
    infos.sort_by_key(|info| info.address);
    infos
}

/// Waits until what connections over relays had to say has left for the relays.
pub(crate) async fn quiesce(shared: &Shared) {
    /// Between two looks; their tasks need a turn or two.
    const LOOK: Duration = Duration::from_millis(5);
    let links: Vec<_> = shared.relays.lock().links.values().cloned().collect();
    for _ in 0..2 {
        tokio::time::sleep(LOOK).await;
        for link in &links {
            while !link.is_over() && !link.carry.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}
