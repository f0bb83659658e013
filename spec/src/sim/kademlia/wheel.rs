//! What is yet to happen, for worlds with more events than a heap carries.
//!
//! A hierarchical timing wheel (Varghese and Lauck, 1987) in steps of a millisecond, the core's unit
//! of time: adding and taking an event are O(1) and an event takes 8 bytes while it is near.
//!
//! **Contract.** Events come by time and, within a millisecond, in the order in which they came to
//! their slot: a fixed function of the calls made. An event added for the past comes next.

use std::collections::BTreeMap;

/// Slots of the near wheel, a millisecond each: longer than any packet is under way.
const NEAR: u64 = 4096;
/// Slots of the far wheel, [`NEAR`] milliseconds each: four and a half hours, longer than nearly all
/// timers.
const FAR: u64 = 4096;

/// Events of type `T`, which should be small.
#[derive(Debug)]
pub struct Wheel<T> {
    now: u64,
    /// Events of the current millisecond that were taken.
    taken: usize,
    near: Vec<Vec<T>>,
    far: Vec<Vec<(u64, T)>>,
    /// By span of the far wheel's slots: what lies beyond it.
    beyond: BTreeMap<u64, Vec<(u64, T)>>,
    waiting: usize,
}

impl<T: Copy> Wheel<T> {
    /// An empty one that starts at `now`, in milliseconds.
    #[must_use]
    pub fn new(now: u64) -> Self {
        Self {
            now,
            taken: 0,
            near: (0..NEAR).map(|_| Vec::new()).collect(),
            far: (0..FAR).map(|_| Vec::new()).collect(),
            beyond: BTreeMap::new(),
            waiting: 0,
        }
    }

    /// Adds an event for the time `at`.
    pub fn push(&mut self, at: u64, event: T) {
        self.waiting += 1;
        self.place(at.max(self.now), event);
    }

    fn place(&mut self, at: u64, event: T) {
        let spans = at / NEAR - self.now / NEAR;
        if spans == 0 {
            self.near[index(at % NEAR)].push(event);
        } else if spans < FAR {
            self.far[index(at / NEAR % FAR)].push((at, event));
        } else {
            self.beyond.entry(at / NEAR).or_default().push((at, event));
        }
    }

    /// Takes the next event that is due before `end`; the clock then stands at its time, and at
    /// `end` when there is none.
    pub fn pop(&mut self, end: u64) -> Option<T> {
        while self.now < end {
            let slot = &mut self.near[index(self.now % NEAR)];
            if let Some(event) = slot.get(self.taken) {
                self.taken += 1;
                self.waiting -= 1;
                return Some(*event);
            }
            slot.clear();
            self.taken = 0;
            self.now += 1;
            if self.now.is_multiple_of(NEAR) {
                self.turn();
            }
        }
        None
    }

    /// Spreads the events of the span that begins over the near wheel, and brings in those that
    /// come within reach of the far one.
    fn turn(&mut self) {
        let span = self.now / NEAR;
        let mut due = core::mem::take(&mut self.far[index(span % FAR)]);
        for (at, event) in due.drain(..) {
            self.near[index(at % NEAR)].push(event);
        }
        self.far[index(span % FAR)] = due;
        while let Some(entry) = self.beyond.first_entry()
            && *entry.key() < span + FAR
        {
            for (at, event) in entry.remove() {
                self.place(at, event);
            }
        }
    }

    /// Milliseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Events waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

fn index(slot: u64) -> usize {
    usize::try_from(slot).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Rng;

    #[test]
    fn events_come_at_their_time_however_far_off_it_is() {
        let mut rng = Rng::new(3, "wheel", 0);
        let mut wheel = Wheel::new(1_000);
        let mut wanted = Vec::new();
        for serial in 0..5_000_u64 {
            let reach = [10, NEAR, NEAR * 50, NEAR * FAR * 3][index(serial % 4)];
            let at = 1_000 + rng.below(reach);
            wheel.push(at, (at, serial));
            wanted.push(at);
        }
        wanted.sort_unstable();
        let mut came = Vec::new();
        while let Some((at, _)) = wheel.pop(u64::MAX) {
            assert_eq!(wheel.now(), at);
            came.push(at);
            if wheel.is_empty() {
                break;
            }
        }
        assert_eq!(came, wanted);
    }

    #[test]
    fn events_of_one_millisecond_come_in_the_order_they_were_added() {
        let mut wheel = Wheel::new(0);
        for event in 0..5 {
            wheel.push(7, event);
        }
        assert_eq!(wheel.pop(u64::MAX), Some(0));
        wheel.push(3, 5);
        let order: Vec<i32> = core::iter::from_fn(|| wheel.pop(8)).collect();
        assert_eq!(order, [1, 2, 3, 4, 5], "what is late comes next");
        assert_eq!(wheel.now(), 8);
    }
}
