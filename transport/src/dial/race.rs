//! One dial: attempts at several addresses, of which the first to succeed wins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use dchat_wire::PeerId;
use dchat_wire::close::Code;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::order::order;
use crate::congestion::{PathControl, PathId};
use crate::connection::{Connection, Established, run};
use crate::endpoint::{Shared, VirtualAddress};
use crate::error::{CloseReason, DialError};
use crate::limits::{DIAL_STAGGER, HANDSHAKE_TIMEOUT, HELLO_TIMEOUT};
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
    let dialed = shared.number();
    let winner = tokio::select! {
        winner = race(shared, peer, &addrs, dialed) => winner?,
        live = until_live(shared, peer) => return Ok(live),
        () = shared.closing() => return Err(DialError::Shutdown),
    };
    let answered = winner.peer;
    let (ready, up) = oneshot::channel();
    tokio::spawn(run(Arc::clone(shared), winner, Some(ready)));
    // The sender is dropped only together with the runtime.
    let result = up.await.unwrap_or(Err(DialError::Shutdown));
    match result {
        // The peer keeps another connection, which may be up there and not yet here.
        Err(DialError::Closed(CloseReason::Peer(Code::Duplicate))) => {
            let other = timeout(HELLO_TIMEOUT, shared.until_live(&answered)).await;
            other.map_or(result, Ok)
        }
        result => result,
    }
}

/// The peer may reach us first.
async fn until_live(shared: &Shared, peer: Option<PeerId>) -> Connection {
    match peer {
        Some(peer) => shared.until_live(&peer).await,
        None => core::future::pending().await,
    }
}

async fn race(
    shared: &Arc<Shared>,
    peer: Option<PeerId>,
    addrs: &[SocketAddr],
    dialed: u64,
) -> Result<Established, DialError> {
    let mut waiting = addrs.iter().copied();
    // Dropping the set cancels the attempts in it.
    let mut attempts = JoinSet::new();
    let mut next = Instant::now();
    let mut worst = DialError::Unreachable {
        addresses: addrs.len(),
    };
    loop {
        let more = waiting.len() > 0;
        if !more && attempts.is_empty() {
            return Err(worst);
        }
        tokio::select! {
            () = sleep_until(next.into()), if more => {
                if let Some(addr) = waiting.next() {
                    attempts.spawn(attempt(Arc::clone(shared), peer, addr, dialed));
                }
                next = Instant::now() + DIAL_STAGGER;
            }
            Some(ended) = attempts.join_next(), if !attempts.is_empty() => match ended {
                Ok(Ok(established)) => return Ok(established),
                Ok(Err(error)) => {
                    if tells_more(&error) > tells_more(&worst) {
                        worst = error;
                    }
                    // Nothing is gained by waiting out the stagger behind a failure.
                    next = Instant::now();
                }
                Err(_) => next = Instant::now(),
            },
        }
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
    shared: Arc<Shared>,
    expected: Option<PeerId>,
    addr: SocketAddr,
    dialed: u64,
) -> Result<Established, DialError> {
    let turn = shared.turn(addr).await;
    let address = VirtualAddress::new(&shared, shared.paths.dial(addr));
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
