//! Items others have and we lack.

use std::collections::BTreeMap;

use crate::config::SLOTS;
use crate::time::Time;

/// What is wanted of one log. One request for it is under way at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The last item that is known to exist.
    pub(crate) upto: u32,
    /// Slots of those who announced it.
    pub(crate) announcers: u16,
    /// Slots of those who were asked.
    pub(crate) tried: u16,
    /// Who is asked now, and since when.
    pub(crate) asked: Option<(u8, Time)>,
    /// When to ask, or to ask somebody else.
    pub(crate) at: Time,
    /// How often everybody was asked.
    pub(crate) rounds: u8,
    /// Who is asked was asked for nothing else, and has not answered: how long that takes is a round
    /// trip.
    pub(crate) measures: bool,
}

/// By the beginning of the log's name, at most [`MOST`]: what does not fit is found by the next
/// comparison of digests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wants {
    wanted: BTreeMap<u64, Wanted>,
    /// Of how many logs something is asked for in each slot.
    asked: [u16; SLOTS],
    /// Not later than the earliest `at`.
    next: Option<Time>,
}

const MOST: usize = 4096;
/// Logs of which one neighbour is asked for something at once: half of what it has room for.
const AT_ONCE: u16 = 1024;

impl Wants {
    pub(crate) fn get(&self, log: u64) -> Option<&Wanted> {
        self.wanted.get(&log)
    }

    pub(crate) fn get_mut(&mut self, log: u64) -> Option<&mut Wanted> {
        self.wanted.get_mut(&log)
    }

    /// Notes that `slot` has `log` up to `upto`; when nothing was wanted of it, it is to be asked at
    /// `at`. False when there is no room.
    pub(crate) fn note(&mut self, log: u64, upto: u32, slot: usize, at: Time) -> bool {
        if let Some(wanted) = self.wanted.get_mut(&log) {
            wanted.upto = wanted.upto.max(upto);
            wanted.announcers |= 1 << slot;
            if wanted.asked.is_none() {
                wanted.at = wanted.at.min(at);
            }
        } else if self.wanted.len() < MOST {
            let wanted = Wanted {
                upto,
                announcers: 1 << slot,
                tried: 0,
                asked: None,
                at,
                rounds: 0,
                measures: false,
            };
            self.wanted.insert(log, wanted);
        } else {
            return false;
        }
        self.wake(at);
        true
    }

    /// Somebody has to look not later than `at`.
    pub(crate) fn wake(&mut self, at: Time) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    pub(crate) fn remove(&mut self, log: u64) {
        self.give_up(log);
        self.wanted.remove(&log);
    }

    /// Notes that `slot` is asked for what is wanted of `log`, and until when that may take.
    pub(crate) fn ask(&mut self, log: u64, slot: usize, (now, until): (Time, Time)) {
        self.give_up(log);
        let Some(wanted) = self.wanted.get_mut(&log) else {
            return;
        };
        wanted.asked = Some((slot as u8, now));
        wanted.tried |= 1 << slot;
        wanted.at = until;
        if let Some(asked) = self.asked.get_mut(slot) {
            wanted.measures = *asked == 0;
            *asked += 1;
        }
        self.wake(until);
    }

    /// Nobody is asked for `log` any more: who was, and since when.
    pub(crate) fn give_up(&mut self, log: u64) -> Option<(u8, Time)> {
        let given_up = self.wanted.get_mut(&log)?.asked.take()?;
        if let Some(asked) = self.asked.get_mut(usize::from(given_up.0)) {
            *asked = asked.saturating_sub(1);
        }
        Some(given_up)
    }

    /// Slots that are asked for as much as they can be at once.
    pub(crate) fn busy(&self) -> u16 {
        let busy = self.asked.iter().enumerate();
        let busy = busy.filter(|(_, asked)| **asked >= AT_ONCE);
        busy.fold(0, |slots, (slot, _)| slots | 1 << slot)
    }

    pub(crate) fn next(&self) -> Time {
        self.next.unwrap_or(Time(u64::MAX))
    }

    /// The logs of which something is due.
    pub(crate) fn due(&mut self, now: Time) -> Vec<u64> {
        if self.next() > now {
            return Vec::new();
        }
        let (mut due, mut next) = (Vec::new(), None);
        for (log, wanted) in &self.wanted {
            if wanted.at <= now {
                due.push(*log);
            } else {
                next = Some(next.map_or(wanted.at, |next: Time| next.min(wanted.at)));
            }
        }
        self.next = next;
        due
    }

    /// Forgets the link in `slot`: what it was asked is to be asked elsewhere at once.
    pub(crate) fn drop_slot(&mut self, slot: usize, now: Time) {
        let bit = 1_u16 << slot;
        if let Some(asked) = self.asked.get_mut(slot) {
            *asked = 0;
        }
        self.wanted.retain(|_, wanted| {
            wanted.announcers &= !bit;
            wanted.tried &= !bit;
            if wanted
                .asked
                .is_some_and(|(asked, _)| usize::from(asked) == slot)
            {
                wanted.asked = None;
                wanted.at = now;
            }
            wanted.announcers != 0
        });
        self.wake(now);
    }

    pub(crate) fn len(&self) -> usize {
        self.wanted.len()
    }
}
