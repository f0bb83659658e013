//! A second relayed path for trusted peers, kept for when the first one's relay dies.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use dchat_wire::Address;

use super::act::LINGER;
use super::channel::{Channel, open};
use crate::connection::Connection;
use crate::endpoint::Shared;
use crate::limits::{WARM_CIRCUITS, WARM_RETRY};
use crate::sync::lock;

/// The channels of one connection that lead to its peer.
///
/// Bounds: [`WARM_CIRCUITS`] open ones, and one being opened.
#[derive(Debug, Default)]
pub(crate) struct Channels(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    channels: Vec<Channel>,
    opening: bool,
    not_before: Option<Instant>,
    closed: bool,
}

impl Channels {
    /// Holds a channel as long as the connection lives.
    pub(crate) fn add(&self, channel: Option<Channel>) {
        let mut held = lock(&self.0);
        if !held.closed {
            held.channels.extend(channel);
        }
    }

    /// The connection is over: the channels go once its last word has.
    pub(crate) fn close(&self) {
        let channels = {
            let mut held = lock(&self.0);
            held.closed = true;
            core::mem::take(&mut held.channels)
        };
        if !channels.is_empty() {
            tokio::spawn(async move {
                tokio::time::sleep(LINGER).await;
                drop(channels);
            });
        }
    }

    /// The circuit to open next, if one is missing; [`ended`](Self::ended) has to follow.
    fn begin(&self, circuits: &[Address], now: Instant) -> Option<Address> {
        let (next, dead) = {
            let mut held = lock(&self.0);
            let (open, dead) = core::mem::take(&mut held.channels)
                .into_iter()
                .partition(Channel::is_open);
            held.channels = open;
            let waits = held.not_before.is_some_and(|at| now < at);
            let enough = held.channels.len() >= WARM_CIRCUITS;
            let next = circuits.iter().find(|circuit| match circuit {
                Address::Circuit { relay, .. } => {
                    held.channels.iter().all(|held| held.relay() != *relay)
                }
                Address::Direct { .. } => false,
            });
            let next = next.filter(|_| !(waits || enough || held.opening || held.closed));
            held.opening |= next.is_some();
            (next.copied(), dead)
        };
        // Their end is another matter of the relays' state.
        drop::<Vec<Channel>>(dead);
        next
    }

    fn ended(&self, opened: bool, now: Instant) {
        let mut held = lock(&self.0);
        held.opening = false;
        held.not_before = (!opened).then(|| now + WARM_RETRY);
    }
}

/// Opens what is missing of relayed paths to the peer of `connection`. That is for the side that
/// dialed; the other learns of a path by the packets that come over it.
pub(crate) fn keep_warm(shared: &Arc<Shared>, connection: &Connection) {
    if !connection.opened_by_us() || shared.is_closing() {
        return;
    }
    let peer = connection.peer_id();
    let mut circuits = shared.circuits_of(connection);
    // Where a connection is there already, none has to be made.
    circuits.sort_by_cached_key(|circuit| match circuit {
        Address::Circuit { relay, .. } => shared.relays.link_to(relay).is_none(),
        Address::Direct { .. } => true,
    });
    let channels = &connection.inner().channels;
    let Some(circuit) = channels.begin(&circuits, Instant::now()) else {
        return;
    };
    let Address::Circuit { socket, relay, .. } = circuit else {
        return channels.ended(false, Instant::now());
    };
    let (shared, connection) = (Arc::clone(shared), connection.clone());
    // At most one a connection.
    tokio::spawn(async move {
        let opened = tokio::select! {
            opened = open(&shared, relay, socket, peer) => opened,
            _ = connection.closed() => return,
        };
        let channels = &connection.inner().channels;
        let fine = opened.is_ok();
        match opened {
            Ok(channel) => {
                let (leg, number) = (channel.leg(), channel.number());
                channels.add(Some(channel));
                shared.paths.offer_relayed(connection.virt(), leg, number);
            }
            Err(error) => tracing::debug!(?peer, %error, "no further relayed path"),
        }
        channels.ended(fine, Instant::now());
        if !fine {
            tokio::select! {
                () = tokio::time::sleep(WARM_RETRY) => {}
                _ = connection.closed() => return,
            }
        }
        keep_warm(&shared, &connection);
    });
}
