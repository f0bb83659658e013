//! Who is still there: signs of life, misses, and who is to be asked next.

use core::time::Duration;

use crate::contact::Contact;
use crate::key::Key;
use crate::rng::Rng;
use crate::time::Time;

use super::Table;
use super::entry::{Entry, seconds};

/// Misses in a row after which a contact is gone.
const GIVE_UP: u8 = 2;

/// What became of a contact that did not answer.
#[derive(Clone, Copy, Debug)]
pub enum Missed<H> {
    /// It is no contact.
    Unknown,
    /// It stays, not to be told to others, until it is asked once more.
    Suspect,
    /// It is gone. It had been there for so many seconds.
    Gone(Contact<H>, u32),
}

impl<H: Copy> Table<H> {
    /// Notes a sign of life; false when it is no contact. An address that changed is taken over,
    /// unless the limits by subnet speak against the new one: then it is a contact no more.
    pub fn hear(&mut self, contact: &Contact<H>, rtt: Option<Duration>, now: Time) -> bool {
        let Some(index) = self.index(&contact.at) else {
            return false;
        };
        let is_zone = index >= self.zone;
        let Some(bucket) = self.buckets.get(index) else {
            return false;
        };
        let Some(place) = bucket.position(&contact.at) else {
            return false;
        };
        let known = bucket.entries.get(place).map(Entry::subnet);
        if known != Some(contact.subnet) && self.is_crowded(contact, index) {
            self.remove(&contact.at);
            return false;
        }
        let Some(bucket) = self.buckets.get_mut(index) else {
            return false;
        };
        let Some(entry) = bucket.entries.get_mut(place) else {
            return false;
        };
        if entry.subnet() != contact.subnet {
            self.subnets.remove(entry.subnet());
            self.subnets.add(contact.subnet);
        }
        entry.relocate(contact);
        entry.hear(rtt, now);
        let interval = interval(&self.config, entry.age(), is_zone);
        entry.trust(interval);
        bucket.due = bucket.due.min(entry.due());
        true
    }

    /// Notes that the contact at `at` did not answer.
    pub fn miss(&mut self, at: &Key) -> Missed<H> {
        let index = self.index(at);
        let Some(bucket) = index.and_then(|index| self.buckets.get_mut(index)) else {
            return Missed::Unknown;
        };
        bucket.spares.retain(|spare| spare.at != *at);
        let Some(entry) = bucket.entries.iter_mut().find(|entry| entry.at == *at) else {
            return Missed::Unknown;
        };
        if entry.miss() < GIVE_UP {
            bucket.due = 0;
            return Missed::Suspect;
        }
        let (contact, age) = (entry.contact(), entry.age());
        self.remove(at);
        Missed::Gone(contact, age)
    }

    /// Takes out the contact at `at`; a spare moves up.
    pub fn remove(&mut self, at: &Key) -> Option<Contact<H>> {
        let index = self.index(at)?;
        let bucket = self.buckets.get_mut(index)?;
        bucket.spares.retain(|spare| spare.at != *at);
        let place = bucket.position(at)?;
        let gone = bucket.take(place);
        self.len -= 1;
        self.subnets.remove(gone.subnet());
        self.promote(index);
        self.find_zone();
        Some(gone.contact())
    }

    /// Moves the spare heard of last into the bucket; it is due at once.
    fn promote(&mut self, index: usize) {
        while let Some(bucket) = self.buckets.get_mut(index)
            && let Some(mut spare) = bucket.spares.pop()
        {
            if self.is_crowded(&spare.contact(), index) {
                continue;
            }
            spare.trust(Duration::ZERO);
            let capacity = self.capacity(index);
            if let Some(bucket) = self.buckets.get_mut(index) {
                bucket.insert(spare, capacity);
                self.len += 1;
                self.subnets.add(spare.subnet());
            }
            return;
        }
    }

    /// Up to `most` contacts that are to be asked whether they are there, the siblings' buckets
    /// first. Whoever is returned is not due again until it was heard of or missed, or `again`
    /// seconds have passed.
    pub fn due(&mut self, now: Time, most: usize, mut ask: impl FnMut(Contact<H>) -> bool) {
        let second = seconds(now);
        let mut left = most;
        for bucket in self.buckets.iter_mut().rev() {
            if left == 0 {
                break;
            }
            if bucket.due > second {
                continue;
            }
            let mut next = u32::MAX;
            for entry in &bucket.entries {
                let is_due = entry.due() <= second || entry.fails() > 0;
                if is_due && left > 0 && ask(entry.contact()) {
                    left -= 1;
                }
                next = next.min(if is_due { second + 1 } else { entry.due() });
            }
            bucket.due = next;
        }
    }

    /// Believes in nobody until heard of again.
    pub fn doubt(&mut self) {
        for bucket in &mut self.buckets {
            bucket.due = 0;
            for entry in &mut bucket.entries {
                entry.trust(Duration::ZERO);
            }
        }
    }

    /// A position in a bucket with few contacts of which nobody was asked for others lately: the
    /// one longest ago.
    pub(crate) fn stale_bucket(&self, now: Time, rng: &mut Rng) -> Option<Key> {
        let before = seconds(now).saturating_sub(self.config.bucket_refresh.as_secs() as u32);
        let home = self.buckets.len().saturating_sub(1);
        let sparse = self.buckets.iter().take(home).enumerate();
        let sparse = sparse.filter(|(_, bucket)| bucket.entries.len() < self.config.fill);
        let stale = sparse.filter(|(_, bucket)| bucket.refreshed <= before);
        let (depth, _) = stale.min_by_key(|(_, bucket)| bucket.refreshed)?;
        Some(self.at.scrambled_beyond(depth as u32, &rng.bytes()))
    }

    /// Somebody was asked for others near `target`.
    pub(crate) fn refreshed(&mut self, target: &Key, now: Time) {
        let index = self.index(target);
        if let Some(bucket) = index.and_then(|index| self.buckets.get_mut(index)) {
            bucket.refreshed = seconds(now);
        }
    }

    /// For how long `entry` is believed in after a sign of life.
    pub(super) fn interval(&self, entry: &Entry<H>, is_zone: bool) -> Duration {
        interval(&self.config, entry.age(), is_zone)
    }
}

fn interval(config: &crate::Config, age: u32, is_zone: bool) -> Duration {
    if is_zone {
        return config.ping_sibling;
    }
    let (least, most) = config.ping_bounds;
    let hours = f64::from(age.max(1)) / 3600.0;
    config.ping_far.mul_f64(hours.powf(0.4)).clamp(least, most)
}
