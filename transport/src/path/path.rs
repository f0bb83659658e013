//! One way to a peer and what is known of it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_wire::{Address, PeerId, limits};

use super::address::{PathId, Route};
use super::bounds;
use super::leg::{LegId, Legs, PathKind};
use super::rtt::Rtt;
use super::sizes;

/// A path as the layers above see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathInfo {
    /// The peer's real address; of a relayed path the relay's.
    pub remote: SocketAddr,
    /// Ours, where it is known: a socket bound to the wildcard learns it from what arrives.
    pub local: Option<SocketAddr>,
    /// Smoothed round trip of probes; `None` before the first answer.
    pub rtt: Option<Duration>,
    /// Stable name within the connection.
    pub id: PathId,
    /// What kind of way it is.
    pub kind: PathKind,
    /// The leg it leaves by.
    pub leg: LegId,
    /// The relay, of a relayed path.
    pub relay: Option<PeerId>,
}

impl PathInfo {
    /// The peer's end as it is shown to people; the peer itself is not named.
    #[must_use]
    pub fn address(&self) -> Address {
        match self.relay {
            None => Address::direct(self.remote),
            Some(relay) => Address::Circuit {
                socket: self.remote,
                relay,
                peer: None,
            },
        }
    }
}

/// How we came to know a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// We chose the remote address; the operating system chooses ours.
    Ours,
    /// The peer came to one of our addresses and expects answers from that one.
    Peers,
}

/// Questions in flight per path: rounds are at least 100 ms apart, so an answer within 400 ms finds
/// its question even when every round was needed.
const ASKS: usize = 4;

/// A question on its way.
#[derive(Clone, Copy, Debug)]
struct Ask {
    transaction: [u8; 8],
    at: Instant,
    size: usize,
}

/// Padded probes under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    /// Bytes of each.
    pub(super) size: usize,
    /// How many were sent.
    pub(super) tries: u32,
    /// When the last one has had its time.
    pub(super) due: Instant,
}

/// State of one path.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) id: PathId,
    pub(super) leg: LegId,
    pub(super) kind: PathKind,
    pub(super) remote: SocketAddr,
    /// The relay of its leg.
    relay: Option<(PeerId, SocketAddr)>,
    /// Its leg or channel is no more: nothing can be sent.
    pub(super) gone: bool,
    pub(super) rtt: Rtt,
    /// It answered a probe, or carried the handshake.
    pub(super) proven: bool,
    pub(super) created: Instant,
    /// When anything of the peer last came this way.
    pub(super) heard: Option<Instant>,
    /// When the question was sent whose answer came last.
    pub(super) answered: Option<Instant>,
    /// How the peer saw us on it.
    pub(super) observed: Option<SocketAddr>,
    origin: Origin,
    local: Option<IpAddr>,
    pinned: bool,
    /// Largest probe it has answered, or datagram it carries in another way; of a relayed one what
    /// the relay splits.
    pub(super) fits: usize,
    /// Whether it carries more is being found out.
    pub(super) fit: Option<Fit>,
    /// A size it did not carry, and when that was seen.
    pub(super) unfit: Option<(usize, Instant)>,
    /// When it was left because it was silent.
    pub(super) failed: Option<Instant>,
    asks: [Option<Ask>; ASKS],
    next_ask: usize,
    granted: usize,
    received: usize,
    spent: usize,
}

impl Path {
    pub(super) fn new(
        id: PathId,
        legs: &Legs,
        route: Route,
        origin: Origin,
        now: Instant,
    ) -> Option<Self> {
        let leg = legs.get(route.leg)?;
        Some(Self {
            id,
            leg: route.leg,
            kind: leg.kind(),
            remote: route.remote,
            relay: leg.relay(),
            gone: false,
            rtt: Rtt::default(),
            proven: false,
            created: now,
            heard: None,
            answered: None,
            observed: None,
            origin,
            local: route.local,
            pinned: origin == Origin::Peers && route.local.is_some(),
            fits: match leg.kind() {
                PathKind::Direct => 0,
                PathKind::Relayed => limits::PROBE_PADDED,
            },
            fit: None,
            unfit: None,
            failed: None,
            asks: [None; ASKS],
            next_ask: 0,
            // A channel is the consent of both ends.
            granted: match leg.kind() {
                PathKind::Direct => 1,
                PathKind::Relayed => bounds::UNPROVEN_PROBES,
            },
            received: 0,
            spent: 0,
        })
    }

    /// The path of a connection that has but one.
    pub(super) fn only(route: Route, legs: &Legs, now: Instant) -> Option<Self> {
        let origin = match route.local {
            Some(_) => Origin::Peers,
            None => Origin::Ours,
        };
        Self::new(PathId(0), legs, route, origin, now)
    }

    /// Whether it lies between these two ends.
    pub(super) fn is_at(&self, leg: LegId, remote: SocketAddr) -> bool {
        self.leg == leg && self.remote == remote
    }

    /// The way a datagram takes over this path.
    pub(super) fn route(&self) -> Route {
        Route {
            leg: self.leg,
            local: self.local.filter(|_| self.pinned),
            remote: self.remote,
        }
    }

    pub(super) fn info(&self, legs: &Legs) -> PathInfo {
        let leg = legs.get(self.leg);
        PathInfo {
            remote: self.relay.map_or(self.remote, |(_, socket)| socket),
            local: leg.and_then(|leg| leg.local(self.local)),
            rtt: self.rtt.smoothed(),
            id: self.id,
            kind: self.kind,
            leg: self.leg,
            relay: self.relay.map(|(relay, _)| relay),
        }
    }

    /// Something of the peer came this way, to this address of ours.
    pub(super) fn hear(&mut self, local: Option<IpAddr>, len: usize, now: Instant) {
        self.heard = Some(now);
        self.received = self.received.saturating_add(len);
        if local.is_some() {
            self.local = local;
            self.pinned = self.origin == Origin::Peers;
        }
    }

    /// Leaves the choice of our address to the operating system again, until the peer is heard.
    pub(super) fn unpin(&mut self) {
        self.pinned = false;
    }

    /// Grants an unproven path one more probe; see [`bounds::UNPROVEN_PROBES`].
    pub(super) fn grant(&mut self) {
        let spent = self.spent / limits::PROBE;
        self.granted = (spent + 1).clamp(self.granted, bounds::UNPROVEN_PROBES.max(self.granted));
    }

    /// Whether a probe may be sent.
    pub(super) fn may_ask(&self) -> bool {
        let allowed = (self.granted * limits::PROBE).max(self.received);
        !self.gone && (self.proven || self.spent + limits::PROBE <= allowed)
    }

    /// Whether anything of the peer came this way within the last `span`.
    pub(super) fn heard_within(&self, span: Duration, now: Instant) -> bool {
        self.heard.is_some_and(|at| now < at + span)
    }

    /// Whether a probe was sent within the last `span`.
    pub(super) fn asked_within(&self, span: Duration, now: Instant) -> bool {
        self.asks.iter().flatten().any(|ask| now < ask.at + span)
    }

    /// Whether it carries what QUIC needs.
    pub(super) fn is_usable(&self) -> bool {
        self.proven && self.fits >= sizes::BASE
    }

    /// Whether it answers, but not what is as large as QUIC needs.
    pub(super) fn is_narrow(&self) -> bool {
        self.proven && self.fits < sizes::BASE && self.fit.is_none() && self.unfit.is_some()
    }

    /// A probe of `size` bytes leaves.
    pub(super) fn ask(&mut self, transaction: [u8; 8], size: usize, now: Instant) {
        if let Some(slot) = self.asks.get_mut(self.next_ask) {
            *slot = Some(Ask {
                transaction,
                at: now,
                size,
            });
        }
        self.next_ask = (self.next_ask + 1) % ASKS;
        if !self.proven {
            self.spent += limits::PROBE;
        }
    }

    /// Whether it waits for the answer to this question.
    pub(super) fn asked(&self, transaction: [u8; 8]) -> bool {
        let mut asks = self.asks.iter().flatten();
        asks.any(|ask| ask.transaction == transaction)
    }

    /// An answer came. Says whether it was the first, or `None` for one nobody waits for.
    pub(super) fn answer(&mut self, transaction: [u8; 8], now: Instant) -> Option<bool> {
        let slot = self
            .asks
            .iter_mut()
            .find(|ask| ask.is_some_and(|ask| ask.transaction == transaction))?;
        let ask = slot.take()?;
        self.rtt.sample(now.saturating_duration_since(ask.at));
        self.answered = self.answered.max(Some(ask.at));
        if ask.size >= sizes::BASE {
            self.fits = self.fits.max(ask.size);
        }
        self.fit = self.fit.filter(|fit| fit.size > ask.size);
        let first = !self.proven;
        self.proven = true;
        Some(first)
    }

    /// It answered a question that somebody else asked. Says whether it was the first.
    pub(super) fn prove(&mut self, rtt: Duration, now: Instant) -> bool {
        self.rtt.sample(rtt);
        self.heard = Some(now);
        let asked_at = now.checked_sub(rtt).unwrap_or(now);
        self.answered = self.answered.max(Some(asked_at));
        !std::mem::replace(&mut self.proven, true)
    }

    /// Whether it answered a question sent at `since` or later.
    pub(super) fn answered_since(&self, since: Instant) -> bool {
        self.answered.is_some_and(|at| at >= since)
    }
}
