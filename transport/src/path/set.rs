//! A connection's paths: the active one and the others, at most [`bounds::PATHS`] in all.

use std::net::SocketAddr;
use std::time::Instant;

use super::address::{Leg, LegId, PathId, Route};
use super::attached::Arrival;
use super::bounds;
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

    /// Adds a candidate. When there is no room an unproven one goes, or else the one not heard for
    /// longest.
    pub(super) fn admit(
        &mut self,
        route: Route,
        origin: Origin,
        legs: &[Leg],
        now: Instant,
    ) -> Option<PathId> {
        let kind = legs.get(usize::from(route.leg.0))?.kind();
        if self.others.len() + 1 >= bounds::PATHS {
            let worth = |path: &Path| (path.proven, path.heard, path.created);
            let (worst, _) = self
                .others
                .iter()
                .enumerate()
                .min_by_key(|(_, path)| worth(path))?;
            self.others.swap_remove(worst);
        }
        let id = PathId(self.next_id);
        self.next_id += 1;
        self.others.push(Path::new(id, kind, route, origin, now));
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
