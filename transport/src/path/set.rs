//! A connection's paths: the active one and the others, at most [`bounds::PATHS`] direct ones and
//! [`bounds::RELAYED`] relayed ones. Neither kind takes the places of the other.

use std::net::SocketAddr;
use std::time::Instant;

use super::address::{PathId, Route};
use super::attached::Arrival;
use super::bounds;
use super::leg::{LegId, Legs, PathKind};
use super::path::{Origin, Path};

/// The paths of one connection.
#[derive(Debug)]
pub(super) struct PathSet {
    pub(super) active: Path,
    others: Vec<Path>,
    next_id: u64,
}

impl PathSet {
    pub(super) fn new(active: Path) -> Self {
        Self {
            next_id: active.id.0 + 1,
            active,
            others: Vec::new(),
        }
    }

    /// All, the active one first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.active).chain(&self.others)
    }

    /// All, the active one first.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Path> {
        std::iter::once(&mut self.active).chain(&mut self.others)
    }

    /// All but the active one.
    pub(super) fn others(&self) -> &[Path] {
        &self.others
    }

    pub(super) fn get_mut(&mut self, id: PathId) -> Option<&mut Path> {
        self.iter_mut().find(|path| path.id == id)
    }

    /// The path a datagram came over.
    pub(super) fn met_by(&mut self, arrival: &Arrival) -> Option<&mut Path> {
        self.iter_mut()
            .find(|path| path.is_at(arrival.leg, arrival.from))
    }

    pub(super) fn contains(&self, leg: LegId, remote: SocketAddr) -> bool {
        self.iter().any(|path| path.is_at(leg, remote))
    }

    /// Forgets candidates; the active path stays.
    pub(super) fn retain_others(&mut self, keep: impl FnMut(&Path) -> bool) {
        self.others.retain(keep);
    }

    /// Adds a candidate. When there is no room one of its kind goes: an unproven one, or else the one
    /// not heard for longest.
    pub(super) fn admit(
        &mut self,
        route: Route,
        origin: Origin,
        legs: &Legs,
        now: Instant,
    ) -> Option<PathId> {
        let id = PathId(self.next_id);
        let path = Path::new(id, legs, route, origin, now)?;
        let room = match path.kind {
            PathKind::Direct => bounds::PATHS,
            PathKind::Relayed => bounds::RELAYED,
        };
        if self.iter().filter(|other| other.kind == path.kind).count() >= room {
            let worth = |path: &Path| (path.proven, path.heard, path.created);
            let alike = self.others.iter().enumerate();
            let (worst, _) = alike
                .filter(|(_, other)| other.kind == path.kind)
                .min_by_key(|(_, other)| worth(other))?;
            self.others.swap_remove(worst);
        }
        self.next_id += 1;
        self.others.push(path);
        Some(id)
    }

    /// Makes another path the active one. `false` if it is gone.
    pub(super) fn activate(&mut self, id: PathId) -> bool {
        match self.others.iter_mut().find(|path| path.id == id) {
            Some(to) => {
                std::mem::swap(&mut self.active, to);
                true
            }
            None => false,
        }
    }
}
