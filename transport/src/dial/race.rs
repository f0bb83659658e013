//! One dial: attempts at several addresses, of which the first to succeed wins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use dchat_wire::PeerId;
use dchat_wire::close::Code;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::order::order;
use crate::congestion::{PathControl, PathId};
use crate::connection::{Connection, Established, run};
use crate::endpoint::{Shared, VirtualAddress};
use crate::error::{CloseReason, DialError};
use crate::limits::{DIAL_ADDRESSES, DIAL_STAGGER, HANDSHAKE_TIMEOUT, HELLO_TIMEOUT};
use crate::tls::{IdentityError, proven_peer};

/// A name has to be given to TLS; with SNI off it is never sent.
const NAME: &str = "dchat.invalid";

/// Connects to `peer`, or to whoever answers, at one of `addrs`. Cancelling stops the attempts; a
/// handshake that is done by then goes on by itself.
pub(crate) async fn dial(
    shared: &Arc<Shared>,
    peer: Option<PeerId>,
    addrs: &[SocketAddr],
) -> Result<Connection, DialError> {
    if shared.is_closing() {
        return Err(DialError::Shutdown);
    }
    if peer == Some(shared.us) {
        return Err(DialError::Myself);
    }
    if let Some(live) = peer.and_then(|peer| shared.live(&peer)) {
        return Ok(live);
    }
    let addrs = order(addrs);
    if addrs.is_empty() {
        return Err(DialError::NoAddress);
    }
    let race = Race::new(shared, peer);
    let (result, answered) = tokio::select! {
        result = race.run(&addrs) => result,
        live = until_live(shared, peer) => return Ok(live),
        () = shared.closing() => return Err(DialError::Shutdown),
    };
    match (result, answered) {
        // The peer keeps another connection, which may be up there and not yet here.
        (Err(DialError::Closed(CloseReason::Peer(Code::Duplicate))), Some(answered)) => {
            let other = timeout(HELLO_TIMEOUT, shared.until_live(&answered)).await;
            other.map_err(|_| DialError::Closed(CloseReason::Peer(Code::Duplicate)))
        }
        (result, _) => result,
    }
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
    Failed(DialError),
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
    expected: Option<PeerId>,
    dialed: u64,
    won: Arc<AtomicBool>,
    over: watch::Receiver<()>,
    ended: mpsc::Sender<Ended>,
}

impl Race {
    fn new(shared: &Arc<Shared>, expected: Option<PeerId>) -> Self {
        let (over, over_seen) = watch::channel(());
        let (ended, ended_seen) = mpsc::channel(DIAL_ADDRESSES);
        let entry = Entry {
            shared: Arc::clone(shared),
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
        addrs: &[SocketAddr],
    ) -> (Result<Connection, DialError>, Option<PeerId>) {
        let mut waiting = addrs.iter().copied();
        let mut running = 0;
        let mut worst = DialError::Unreachable {
            addresses: addrs.len(),
        };
        loop {
            if let Some(addr) = waiting.next() {
                tokio::spawn(self.entry.clone().run(addr));
                running += 1;
            } else if running == 0 {
                return (Err(worst), None);
            }
            // Nothing is gained by waiting out the stagger behind a failure.
            let more = waiting.len() > 0;
            let ended = tokio::select! {
                ended = self.ended.recv() => ended,
                () = sleep(DIAL_STAGGER), if more => continue,
            };
            match ended {
                Some(Ended::Up(peer, result)) => return (result, Some(peer)),
                Some(Ended::Failed(error)) => {
                    running -= 1;
                    if tells_more(&error) > tells_more(&worst) {
                        worst = error;
                    }
                }
                None => return (Err(worst), None),
            }
        }
    }
}

impl Entry {
    async fn run(self, addr: SocketAddr) {
        let mut over = self.over.clone();
        let attempt = attempt(&self.shared, self.expected, addr, self.dialed);
        let established = tokio::select! {
            established = attempt => established,
            // Fails once the race is dropped, which is what is waited for.
            _ = over.changed() => return,
        };
        let established = match established {
            Ok(established) => established,
            Err(error) => {
                // Nobody waits for a race that is over.
                let _ = self.ended.send(Ended::Failed(error)).await;
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
        DialError::Internal(_) => 1,
        _ => 0,
    }
}

async fn attempt(
    shared: &Arc<Shared>,
    expected: Option<PeerId>,
    addr: SocketAddr,
    dialed: u64,
) -> Result<Established, DialError> {
    let turn = shared.turn(addr).await;
    shared.contacting(&[addr]);
    let address = VirtualAddress::new(shared, shared.paths.dial(addr));
    let unreachable = DialError::Unreachable { addresses: 1 };
    if shared.paths.current(address.virt).is_none() {
        return Err(unreachable);
    }
    let internal = |error: &dyn core::fmt::Display| DialError::Internal(error.to_string());
    let control = PathControl::new(PathId(0), Instant::now(), shared.entropy.number());
    let (config, failure) = shared
        .settings
        .client(expected, &control)
        .map_err(|error| internal(&error))?;
    let connecting = shared
        .quinn
        .connect_with(config, address.virt, NAME)
        .map_err(|error| internal(&error))?;
    let quinn = match timeout(HANDSHAKE_TIMEOUT, connecting).await {
        Ok(Ok(quinn)) => quinn,
        Ok(Err(error)) => {
            return Err(match failure.get() {
                Some(IdentityError::WrongPeer { expected, found }) => DialError::WrongPeer {
                    addr,
                    expected: *expected,
                    found: *found,
                },
                Some(error) => DialError::Identity {
                    addr,
                    error: error.clone(),
                },
                None => match CloseReason::of(&error, None) {
                    CloseReason::Idle => unreachable,
                    reason => DialError::Refused { addr, reason },
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
        dialed,
        control,
        address,
        permit: None,
        turn: Some(turn),
    })
}
