//! One virtual address, from the first packet to the last.

use std::net::SocketAddr;
use std::time::Instant;

use super::address::Route;
use super::allowance::Allowance;
use super::attached::Attached;
use super::leg::{LegId, Legs};
use super::packet::Cid;
use super::path::{Path, PathInfo};

/// How far a virtual address has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// Somebody began a handshake from there. `proven` once a packet came to an id we chose, which
    /// shows that our answer arrived.
    Provisional {
        /// Round trip seen.
        proven: bool,
        /// What it may be sent until then.
        allowance: Allowance,
    },
    /// We began a handshake.
    Dialed {
        /// Whether it was already said that nothing can be sent there.
        lost: bool,
    },
    /// TLS and HELLO are done: paths may come and go.
    Attached(Box<Attached>),
    /// Released; routed for a while so that the close arrives.
    Lingering {
        /// When it is forgotten.
        until: Instant,
    },
}

/// Ids under which packets for one virtual address come in.
#[derive(Debug, Default)]
pub(super) struct Cids {
    /// Put into long headers by our side.
    pub(super) issued: Vec<Cid>,
    /// Seen on the active path in short headers.
    pub(super) learned: Vec<Cid>,
}

/// State of one virtual address.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stage: Stage,
    /// The only path before attachment and after release. While attached the active path counts.
    pub(super) only: Route,
    pub(super) cids: Cids,
    /// Key in the table of what may be evicted, if it may.
    pub(super) evictable: Option<(Class, u64)>,
    /// Earliest timer that is set for it.
    pub(super) armed: Option<Instant>,
    /// Legs that only this connection uses: at most one of a scatter.
    pub(super) adopted: Vec<LegId>,
    /// Address its short headers without a known id come from: the active path's.
    pub(super) home: (LegId, SocketAddr),
}

/// What is evicted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Released, kept only for its close.
    Lingering,
    /// A stranger that has shown nothing.
    Unproven,
    /// A stranger in the middle of a handshake.
    Proven,
}

impl Connection {
    pub(super) fn new(stage: Stage, only: Route) -> Self {
        Self {
            stage,
            only,
            cids: Cids::default(),
            evictable: None,
            armed: None,
            adopted: Vec::new(),
            home: (only.leg, only.remote),
        }
    }

    /// The way its packets take now.
    pub(super) fn route(&self) -> Route {
        match &self.stage {
            Stage::Attached(attached) => attached.active().route(),
            Stage::Provisional { .. } | Stage::Dialed { .. } | Stage::Lingering { .. } => self.only,
        }
    }

    /// The class it is evicted in; `None` for what stays until released.
    pub(super) fn class(&self) -> Option<Class> {
        match &self.stage {
            Stage::Provisional { proven: false, .. } => Some(Class::Unproven),
            Stage::Provisional { proven: true, .. } => Some(Class::Proven),
            Stage::Lingering { .. } => Some(Class::Lingering),
            Stage::Dialed { .. } | Stage::Attached(_) => None,
        }
    }

    /// When it wants `handle_timeout`.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Attached(attached) => attached.wake_at(),
            Stage::Lingering { until } => Some(*until),
            Stage::Provisional { .. } | Stage::Dialed { .. } => None,
        }
    }

    /// Its path, for the layers above.
    pub(super) fn info(&self, legs: &Legs, now: Instant) -> Option<PathInfo> {
        match &self.stage {
            Stage::Attached(attached) => Some(attached.active().info(legs)),
            Stage::Provisional { .. } | Stage::Dialed { .. } | Stage::Lingering { .. } => {
                Path::only(self.only, legs, now).map(|path| path.info(legs))
            }
        }
    }
}
