//! How many nodes there are, from how near the nearest ones are.
//!
//! The n-th of N nodes spread evenly is expected at n/(N+1) of the space. One such measurement is off
//! by a fifth (n = 20), or by anything where somebody placed nodes on purpose. The estimate is the
//! median of the last ones, made at keys an attacker cannot all know.

use crate::key::Distance;

/// Measurements that count.
const KEPT: usize = 15;

/// The last measurements.
#[derive(Clone, Debug, Default)]
pub struct Size {
    last: [f32; KEPT],
    len: u8,
    next: u8,
}

/// How many nodes there are in all if `rank` nodes lie within `distance`.
#[must_use]
pub fn extrapolated(rank: usize, distance: Distance) -> f64 {
    rank as f64 / distance.fraction().max(f64::MIN_POSITIVE)
}

impl Size {
    /// Adds what a lookup of a key saw.
    pub fn measured(&mut self, nodes: f64) {
        if let Some(place) = self.last.get_mut(usize::from(self.next)) {
            *place = nodes as f32;
        }
        self.next = (self.next + 1) % KEPT as u8;
        self.len = (self.len + 1).min(KEPT as u8);
    }

    /// The median of the last measurements, `siblings` being one more.
    #[must_use]
    pub fn estimate(&self, siblings: Option<f64>) -> Option<f64> {
        let mut all = [0.0; KEPT + 1];
        let mut len = 0;
        let last = self.last.iter().take(usize::from(self.len)).copied();
        for (place, value) in all.iter_mut().zip(last.chain(siblings.map(|s| s as f32))) {
            *place = value;
            len += 1;
        }
        let all = all.get_mut(..len)?;
        all.sort_unstable_by(f32::total_cmp);
        all.get(len / 2).map(|median| f64::from(*median))
    }
}
