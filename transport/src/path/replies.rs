//! Where to send what quinn answers at once to somebody we keep no entry for.

use super::address::{Route, VirtualAddress};
use super::bounds;

/// The last [`bounds::REPLIES`] such senders, in a ring: a flood forgets the oldest.
#[derive(Debug)]
pub(super) struct Replies {
    ring: [Option<(VirtualAddress, Route)>; bounds::REPLIES],
    next: usize,
}

impl Replies {
    pub(super) fn new() -> Self {
        Self {
            ring: [None; bounds::REPLIES],
            next: 0,
        }
    }

    pub(super) fn note(&mut self, virt: VirtualAddress, route: Route) {
        let known = self
            .ring
            .iter()
            .position(|slot| slot.is_some_and(|(of, _)| of == virt));
        let at = known.unwrap_or(self.next);
        if known.is_none() {
            self.next = (self.next + 1) % bounds::REPLIES;
        }
        if let Some(slot) = self.ring.get_mut(at) {
            *slot = Some((virt, route));
        }
    }

    pub(super) fn route(&self, virt: VirtualAddress) -> Option<Route> {
        self.ring
            .iter()
            .flatten()
            .find(|(of, _)| *of == virt)
            .map(|(_, route)| *route)
    }
}
