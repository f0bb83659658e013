//! What a round asks of whom.

use super::{AUDIT, NEIGHBOURS, PER_ROUND, Repair};
use crate::call::K;
use crate::contact::Contact;
use crate::key::Key;
use crate::store::Store;

/// The first bytes of a position, by which neighbours are told apart and compared: two of one node's
/// neighbours that share them would have to be looked for through 2^32 positions.
pub(super) fn prefix(key: &Key) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = key.0;
    // Zero stands for an empty slot.
    u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1)
}

/// Chances are at least `2^-LEAST`.
const LEAST: u32 = 8;

/// Neighbours within the radius that should hold k of them at which it is a crowd: by chance one key
/// in fifty has so many.
const CROWD: usize = K * 3 / 2;

impl<H: Copy> Repair<H> {
    /// Marks in every record which neighbours are to be asked for it.
    pub(super) fn begin(&mut self, store: &mut Store, neighbours: &[Contact<H>], share: f64) {
        let gone = self.assign(neighbours);
        let audited = self.audited();
        let reach = (share.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
        let own = prefix(&self.at);
        let mut any = 0;
        let Some(shelf) = store.shelf_mut() else {
            return;
        };
        for index in 0..shelf.len() {
            let Some(held) = shelf.at(index) else { break };
            let view = View::of(prefix(&held.key), own, &self.slots, reach);
            let holders = if held.fresh {
                view.nearest
            } else {
                held.holders & !gone
            };
            let nearer = (holders & view.nearer).count_ones();
            let mut wanted = view.near & audited;
            let mut lacking = view.near & !holders;
            while lacking != 0 && !view.is_far {
                let bit = lacking & lacking.wrapping_neg();
                lacking ^= bit;
                if self.draw().trailing_zeros() >= nearer.min(LEAST) {
                    wanted |= bit;
                }
            }
            any |= wanted;
            if let Some(held) = shelf.at_mut(index) {
                held.holders = holders;
                held.wanted = wanted;
                held.fresh = false;
            }
            shelf.set_near(index, !view.is_far);
        }
        self.targets = neighbours
            .iter()
            .filter_map(|neighbour| {
                let slot = self.slot(&neighbour.at)?;
                (any & (1 << slot) != 0).then_some((*neighbour, slot))
            })
            .collect();
        self.cursor = 0;
        self.left = PER_ROUND;
        self.rounds = self.rounds.wrapping_add(1);
    }

    /// The slot of the neighbour at `at`.
    pub(super) fn slot(&self, at: &Key) -> Option<u8> {
        let wanted = prefix(at);
        let slot = self.slots.iter().position(|slot| *slot == wanted)?;
        u8::try_from(slot).ok()
    }

    /// Gives each neighbour a slot; the bits of those that are gone or taken over.
    fn assign(&mut self, neighbours: &[Contact<H>]) -> u64 {
        let mut gone = 0;
        for (bit, slot) in self.slots.iter_mut().enumerate() {
            let is_neighbour = |neighbour: &Contact<H>| prefix(&neighbour.at) == *slot;
            if *slot != 0 && !neighbours.iter().take(NEIGHBOURS).any(is_neighbour) {
                *slot = 0;
            }
            if *slot == 0 {
                gone |= 1 << bit;
            }
        }
        for neighbour in neighbours.iter().take(NEIGHBOURS) {
            let prefix = prefix(&neighbour.at);
            if self.slots.contains(&prefix) {
                continue;
            }
            match self.slots.iter_mut().find(|slot| **slot == 0) {
                Some(slot) => *slot = prefix,
                None => {
                    // Its bit was nobody's: no record has it set.
                    self.slots.push(prefix);
                }
            }
        }
        gone
    }

    /// The bit of the neighbour whose turn it is to be asked about everything, if it is time.
    fn audited(&mut self) -> u64 {
        if !self.rounds.is_multiple_of(AUDIT) || self.slots.is_empty() {
            return 0;
        }
        let slot = self.draw() % self.slots.len() as u64;
        1 << slot
    }
}

/// A key's neighbourhood, one bit for each neighbour.
struct View {
    /// The k nearest, with ourselves.
    nearest: u64,
    /// Who should hold a record under it.
    near: u64,
    /// Who is nearer to it than we are.
    nearer: u64,
    /// Whether so many are nearer that it is not ours to keep.
    is_far: bool,
}

impl View {
    fn of(key: u64, own: u64, slots: &[u64], reach: u64) -> Self {
        let ours = key ^ own;
        let mut distances = [u64::MAX; NEIGHBOURS + 1];
        let mut nearer = 0;
        for (bit, (slot, distance)) in slots.iter().zip(&mut distances).enumerate() {
            if *slot != 0 {
                *distance = key ^ slot;
                nearer |= u64::from(*distance < ours) << bit;
            }
        }
        let within = |radius: u64| {
            let bits = slots.iter().zip(distances).enumerate();
            bits.fold(0, |bits, (bit, (slot, distance))| {
                bits | u64::from(*slot != 0 && distance <= radius) << bit
            })
        };
        let nearest = within(kth(distances, slots.len(), ours));
        let all = within(reach);
        let is_crowded = all.count_ones() as usize >= CROWD;
        Self {
            nearest,
            near: if is_crowded { nearest | all } else { nearest },
            nearer,
            is_far: nearer.count_ones() as usize >= 2 * K && ours > reach,
        }
    }
}

/// The distance of the k-th nearest of `count` neighbours and ourselves.
fn kth(mut distances: [u64; NEIGHBOURS + 1], count: usize, ours: u64) -> u64 {
    let Some(all) = distances.get_mut(..=count) else {
        return u64::MAX;
    };
    if let Some(last) = all.last_mut() {
        *last = ours;
    }
    if all.len() < K {
        return u64::MAX;
    }
    *all.select_nth_unstable(K - 1).1
}
