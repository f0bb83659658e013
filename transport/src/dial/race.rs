//! One dial: attempts at several addresses, of which the first to succeed wins.
//!
//! Direct addresses begin one after the other, and so do circuits, beside them: a message does not
//! wait for a direct path, and a direct path that is there is not kept waiting by a relay.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use dchat_wire::close::Code;
use dchat_wire::{Address, PeerId};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};

use super::order::order;
use crate::congestion::{PathControl, PathId};
use crate::connection::{Aim, Connection, Errand, Established, run};
use crate::endpoint::{DialTurn, Shared, Use, VirtualAddress};
use crate::error::{CloseReason, DialError};
use crate::limits::{DIAL_ADDRESSES, DIAL_STAGGER, HANDSHAKE_TIMEOUT, HELLO_TIMEOUT};
use crate::relay::{self, Channel};
use crate::tls::{IdentityError, proven_peer};

/// A name has to be given to TLS; with SNI off it is never sent.
const NAME: &str = "dchat.invalid";

/// Connects to `peer`, or to whoever answers, at one of `addrs`; one that names the peer names it for
/// all. Cancelling stops the attempts; a handshake that is done by then goes on by itself.
pub(crate) async fn dial(
    shared: &Arc<Shared>,
    peer: Option<PeerId>,
    addrs: &[Address],
) -> Result<Connection, DialError> {
    if let Some(relay) = peer.filter(|peer| shared.relays.purpose(peer) == Use::Relay) {
        shared.replace_narrow(&relay);
    }
    let connection = dial_for(shared, Aim::Peer, None, peer, addrs).await?;
    // It may be one that served the DHT alone until now.
    shared.show(&connection);
    Ok(connection)
}

/// As [`dial`], of which the application is told only if `aim` says so. `errand` is asked when the
/// connection is made by this dial, and not when there was one.
pub(crate) async fn dial_for(
    shared: &Arc<Shared>,
    aim: Aim,
    errand: Option<Errand>,
    peer: Option<PeerId>,
    addrs: &[Address],
) -> Result<Connection, DialError> {
    if shared.is_closing() {
        return Err(DialError::Shutdown);
    }
    let peer = peer.or_else(|| addrs.iter().find_map(Address::peer));
    if peer == Some(shared.us) {
        return Err(DialError::Myself);
    }
    if let Some(live) = peer.and_then(|peer| shared.live(&peer)) {
        return Ok(live);
    }
    let (direct, circuits) = ways(shared, peer, addrs)?;
    let race = Race::new(shared, aim, errand, peer);
    let (result, answered) = tokio::select! {
        result = race.run(&direct, &circuits) => result,
        live = until_live(shared, peer) => return Ok(live),
        () = shared.closing() => return Err(DialError::Shutdown),
    };
    match (result, answered) {
        (Ok(connection), _) => {
            shared.dialed_at(&connection, &direct);
            Ok(connection)
        }
        // The peer keeps another connection, which may be up there and not yet here.
        (Err(DialError::Closed(CloseReason::Peer(Code::Duplicate))), Some(answered)) => {
            let other = timeout(HELLO_TIMEOUT, shared.until_live(&answered)).await;
            other.map_err(|_| DialError::Closed(CloseReason::Peer(Code::Duplicate)))
        }
        (result, _) => result,
    }
}

/// [`dial`] of a relay at its own addresses, as a future whose type is known: a dial over a relay
/// dials the relay.
pub(crate) fn dial_boxed<'a>(
    shared: &'a Arc<Shared>,
    relay: PeerId,
    addrs: &'a [Address],
) -> Pin<Box<dyn Future<Output = Result<Connection, DialError>> + Send + 'a>> {
    Box::pin(dial(shared, Some(relay), addrs))
}

/// Dials a relay of which only an address is known, in relay-only mode as well.
pub(crate) async fn dial_anybody(
    shared: &Arc<Shared>,
    relay: &Address,
) -> Result<Connection, DialError> {
    let race = Race::new(shared, Aim::Peer, None, None);
    let direct = [Address::direct(relay.socket())];
    tokio::select! {
        (result, _) = race.run(&direct, &[]) => result,
        () = shared.closing() => Err(DialError::Shutdown),
    }
}

/// The direct addresses to try, and the circuits.
fn ways(
    shared: &Shared,
    peer: Option<PeerId>,
    addrs: &[Address],
) -> Result<(Vec<Address>, Vec<Address>), DialError> {
    let named = |addr: &&Address| addr.peer().is_none() || addr.peer() == peer;
    let addrs: Vec<Address> = addrs.iter().filter(named).copied().collect();
    let (mut direct, mut circuits): (Vec<_>, Vec<_>) = order(&addrs)
        .into_iter()
        .partition(|addr| matches!(addr, Address::Direct { .. }));
    let relay = peer.is_some_and(|peer| shared.relays.is_wanted(&peer));
    // Only a peer with a name can be asked for, and what carries others is not carried itself.
    if peer.is_none() || relay {
        circuits.clear();
    }
    if shared.relay_only && !relay && !direct.is_empty() {
        direct.clear();
        if circuits.is_empty() {
            return Err(DialError::RelayOnly);
        }
    }
    if direct.is_empty() && circuits.is_empty() {
        return Err(DialError::NoAddress);
    }
    Ok((direct, circuits))
}

/// The peer may reach us first.
async fn until_live(shared: &Shared, peer: Option<PeerId>) -> Connection {
    match peer {
        Some(peer) => shared.until_live(&peer).await,
        None => core::future::pending().await,
    }
}

/// How an attempt ended. At most one of a race gets as far as `Up`.
enum Ended {
    Failed(Address, DialError),
    Up(PeerId, Result<Connection, DialError>),
}

/// Attempts at several addresses. The one that wins becomes the connection's task itself, so that
/// HELLO leaves together with the last packet of the handshake. Dropping the race cancels the
/// others.
struct Race {
    entry: Entry,
    /// Told that the race is over by its end.
    _over: watch::Sender<()>,
    ended: mpsc::Receiver<Ended>,
}

/// What an attempt knows of its race.
#[derive(Clone)]
struct Entry {
    shared: Arc<Shared>,
    aim: Aim,
    errand: Option<Errand>,
    expected: Option<PeerId>,
    dialed: u64,
    won: Arc<AtomicBool>,
    over: watch::Receiver<()>,
    ended: mpsc::Sender<Ended>,
}

impl Race {
    fn new(
        shared: &Arc<Shared>,
        aim: Aim,
        errand: Option<Errand>,
        expected: Option<PeerId>,
    ) -> Self {
        let (over, over_seen) = watch::channel(());
        let (ended, ended_seen) = mpsc::channel(DIAL_ADDRESSES);
        let entry = Entry {
            shared: Arc::clone(shared),
            aim,
            errand,
            expected,
            dialed: shared.number(),
            won: Arc::default(),
            over: over_seen,
            ended,
        };
        Self {
            entry,
            _over: over,
            ended: ended_seen,
        }
    }

    /// The outcome, and who answered where somebody did.
    async fn run(
        mut self,
        direct: &[Address],
        circuits: &[Address],
    ) -> (Result<Connection, DialError>, Option<PeerId>) {
        let mut lanes = [Lane::new(direct), Lane::new(circuits)];
        let mut running = 0;
        let mut worst = DialError::Unreachable {
            addresses: direct.len() + circuits.len(),
        };
        loop {
            let now = Instant::now();
            for lane in &mut lanes {
                if let Some(addr) = lane.begin(now) {
                    tokio::spawn(self.entry.clone().run(addr));
                    running += 1;
                }
            }
            if running == 0 {
                return (Err(worst), None);
            }
            let due = lanes.iter().filter_map(Lane::due).min();
            let ended = tokio::select! {
                ended = self.ended.recv() => ended,
                () = sleep_until(due.unwrap_or(now).into()), if due.is_some() => continue,
            };
            match ended {
                Some(Ended::Up(peer, result)) => return (result, Some(peer)),
                Some(Ended::Failed(addr, error)) => {
                    running -= 1;
                    // Nothing is gained by waiting out the stagger behind a failure.
                    let lane = usize::from(matches!(addr, Address::Circuit { .. }));
                    if let Some(lane) = lanes.get_mut(lane) {
                        lane.next = now;
                    }
                    if tells_more(&error) > tells_more(&worst) {
                        worst = error;
                    }
                }
                None => return (Err(worst), None),
            }
        }
    }
}

/// Addresses that begin one after the other.
struct Lane<'a> {
    waiting: core::slice::Iter<'a, Address>,
    next: Instant,
}

impl<'a> Lane<'a> {
    fn new(addrs: &'a [Address]) -> Self {
        Self {
            waiting: addrs.iter(),
            next: Instant::now(),
        }
    }

    fn begin(&mut self, now: Instant) -> Option<Address> {
        if self.next > now {
            return None;
        }
        self.next = now + DIAL_STAGGER;
        self.waiting.next().copied()
    }

    fn due(&self) -> Option<Instant> {
        (self.waiting.len() > 0).then_some(self.next)
    }
}

impl Entry {
    async fn run(self, addr: Address) {
        let mut over = self.over.clone();
        let attempt = attempt(&self.shared, self.aim, self.expected, addr, self.dialed);
        let established = tokio::select! {
            established = attempt => established,
            // Fails once the race is dropped, which is what is waited for.
            _ = over.changed() => return,
        };
        let established = match established {
            Ok(established) => Established {
                errand: self.errand.clone(),
                ..established
            },
            Err(error) => {
                // Nobody waits for a race that is over.
                let _ = self.ended.send(Ended::Failed(addr, error)).await;
                return;
            }
        };
        if self.won.swap(true, Ordering::Relaxed) {
            return;
        }
        let Self { shared, ended, .. } = self;
        let peer = established.peer;
        let ready = move |result| {
            // Nobody may wait any more, and the connection is of use without. There is room: each
            // attempt sends once.
            let _ = ended.try_send(Ended::Up(peer, result));
        };
        run(shared, established, ready).await;
    }
}

/// Which of several failures is worth reporting.
fn tells_more(error: &DialError) -> u8 {
    match error {
        DialError::WrongPeer { .. } => 4,
        DialError::Identity { .. } => 3,
        DialError::Refused { .. } => 2,
        DialError::Relay { .. } | DialError::RelayUnusable { .. } => 2,
        DialError::Internal(_) => 1,
        _ => 0,
    }
}

/// How one attempt gets to the peer.
struct Way {
    address: VirtualAddress,
    turn: Option<DialTurn>,
    channel: Option<Channel>,
}

impl Way {
    async fn find(
        shared: &Arc<Shared>,
        expected: Option<PeerId>,
        addr: Address,
    ) -> Result<Self, DialError> {
        let way = match (addr, expected) {
            (Address::Circuit { socket, relay, .. }, Some(peer)) => {
                let channel = relay::open(shared, relay, socket, peer).await?;
                let virt = channel.dial(&shared.paths);
                Self {
                    address: VirtualAddress::new(shared, virt),
                    turn: None,
                    channel: Some(channel),
                }
            }
            (addr, _) => {
                let turn = shared.turn(addr.socket()).await;
                shared.contacting(&[addr.socket()]);
                let virt = shared.paths.dial(addr.socket());
                Self {
                    address: VirtualAddress::new(shared, virt),
                    turn: Some(turn),
                    channel: None,
                }
            }
        };
        match shared.paths.current(way.address.virt) {
            Some(_) => Ok(way),
            None => Err(DialError::Unreachable { addresses: 1 }),
        }
    }
}

async fn attempt(
    shared: &Arc<Shared>,
    aim: Aim,
    expected: Option<PeerId>,
    addr: Address,
    dialed: u64,
) -> Result<Established, DialError> {
    let Way {
        address,
        turn,
        channel,
    } = Way::find(shared, expected, addr).await?;
    let unreachable = DialError::Unreachable { addresses: 1 };
    let internal = |error: &dyn core::fmt::Display| DialError::Internal(error.to_string());
    let control = PathControl::new(PathId(0), Instant::now(), shared.entropy.number());
    let purpose = expected.map_or(Use::Peer, |peer| shared.relays.purpose(&peer));
    let purpose = match (aim, purpose) {
        (Aim::Table, Use::Peer) => Use::Table,
        (_, purpose) => purpose,
    };
    let (config, failure) = shared
        .settings
        .client(expected, purpose, &control)
        .map_err(|error| internal(&error))?;
    let connecting = shared
        .quinn
        .connect_with(config, address.virt, NAME)
        .map_err(|error| internal(&error))?;
    let ended = async {
        match &channel {
            Some(channel) => channel.ended().await,
            None => core::future::pending().await,
        }
    };
    let handshake = tokio::select! {
        handshake = timeout(HANDSHAKE_TIMEOUT, connecting) => handshake,
        // Nothing more can come over it.
        reason = ended => {
            let relay = expected.map_or(addr, |peer| addr.of(peer));
            return Err(DialError::RelayUnusable { relay, reason });
        }
    };
    let quinn = match handshake {
        Ok(Ok(quinn)) => quinn,
        Ok(Err(error)) => {
            return Err(match failure.get() {
                Some(IdentityError::WrongPeer { expected, found }) => DialError::WrongPeer {
                    addr: Box::new(addr),
                    expected: *expected,
                    found: *found,
                },
                Some(error) => DialError::Identity {
                    addr: Box::new(addr),
                    error: error.clone(),
                },
                None => match CloseReason::of(&error, None) {
                    CloseReason::Idle => unreachable,
                    reason => DialError::Refused {
                        addr: Box::new(addr),
                        reason,
                    },
                },
            });
        }
        Err(_) => return Err(unreachable),
    };
    let Some(peer) = proven_peer(&quinn) else {
        quinn.close(
            (Code::Internal as u32).into(),
            Code::Internal.text().as_bytes(),
        );
        return Err(DialError::Internal("TLS proved no key".into()));
    };
    Ok(Established {
        quinn,
        peer,
        opened_by_us: true,
        aim,
        errand: None,
        dialed,
        control,
        address,
        permit: None,
        turn,
        channel,
    })
}
