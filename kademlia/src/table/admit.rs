//! Who is let in, and whose place it takes.

use core::time::Duration;

use crate::contact::Contact;
use crate::key::{BITS, Key};
use crate::time::Time;

use super::Table;
use super::bucket::Bucket;
use super::entry::{Entry, seconds};
use crate::call::K;

/// Seconds after which a contact keeps its place against any newcomer: most that stay an hour stay
/// for several.
const PROVEN: u32 = 3600;
/// Seconds within which a sign of life makes a ping pointless.
const RECENT: u32 = 60;

/// What became of a contact offered to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission<H> {
    /// It was there already.
    Known,
    /// It is new.
    Added,
    /// It is new; another one had to go, which is a spare now.
    Replaced(Contact<H>),
    /// Its bucket is full. It is a spare; this one was not heard of for longest and should be
    /// pinged.
    Full(Option<Contact<H>>),
    /// As many of its subnet are there as may be.
    Crowded,
    /// It is ourselves.
    Ourselves,
}

impl<H: Copy> Table<H> {
    /// Takes in `contact`, with whom something authenticated was exchanged just `now`; or notes that
    /// it is there.
    pub fn admit(
        &mut self,
        contact: &Contact<H>,
        rtt: Option<Duration>,
        now: Time,
    ) -> Admission<H> {
        let Some(index) = self.index(&contact.at) else {
            return Admission::Ourselves;
        };
        if self.hear(contact, rtt, now) {
            return Admission::Known;
        }
        if self.is_crowded(contact, index) {
            return Admission::Crowded;
        }
        let mut entry = Entry::new(contact, rtt, now);
        let index = self.make_room(index, seconds(now), &contact.at);
        let nearer = self.nearer_than(index);
        let is_zone = nearer < self.config.siblings;
        entry.trust(self.interval(&entry, is_zone));
        let capacity = self.capacity(index, nearer);
        let Some(bucket) = self.buckets.get_mut(index) else {
            return Admission::Ourselves;
        };
        if bucket.entries.len() < capacity {
            bucket.push(entry);
            self.len += 1;
            self.subnets.add(contact.subnet);
            self.find_zone();
            return Admission::Added;
        }
        let victim = if is_zone {
            farther(&self.at, bucket, &entry)
        } else {
            less_useful(bucket, &entry, index, capacity)
        };
        let spares = self.config.spares;
        let Some(place) = victim.and_then(|victim| bucket.entries.get_mut(victim)) else {
            bucket.spare(entry, spares);
            return Admission::Full(oldest(bucket, seconds(now)));
        };
        let old = core::mem::replace(place, entry);
        bucket.due = bucket.due.min(entry.due());
        bucket.spare(old, spares);
        self.subnets.remove(old.subnet());
        self.subnets.add(contact.subnet);
        Admission::Replaced(old.contact())
    }

    /// Whether `contact` would be taken in, or be a better entry than one that is there: worth an
    /// exchange to find out whether it is really there.
    #[must_use]
    pub fn wants(&self, contact: &Contact<H>) -> bool {
        let Some(index) = self.index(&contact.at) else {
            return false;
        };
        let Some(bucket) = self.buckets.get(index) else {
            return true;
        };
        if bucket.position(&contact.at).is_some() || self.is_crowded(contact, index) {
            return false;
        }
        let nearer = self.nearer_than(index);
        let is_home = index + 1 == self.buckets.len();
        let is_zone = nearer < self.config.siblings;
        is_home
            || bucket.entries.len() < self.capacity(index, nearer)
            || is_zone && farther_than(&self.at, bucket, &contact.at).is_some()
    }

    /// Whether the limits by subnet speak against one more like `contact`.
    pub(super) fn is_crowded(&self, contact: &Contact<H>, index: usize) -> bool {
        let (subnet, config) = (contact.subnet, &self.config);
        if subnet.is_exempt() {
            return false;
        }
        let same = |entry: &&Entry<H>| entry.subnet() == subnet;
        if self.subnets.at_most(subnet) >= config.subnet_bucket.min(config.subnet_siblings) {
            if self.iter().filter(same).count() >= config.subnet_table {
                return true;
            }
            let Some(bucket) = self.buckets.get(index) else {
                return false;
            };
            let capacity = config.capacity(index);
            if bucket.count_subnet(subnet) >= (config.subnet_bucket * capacity).div_ceil(K) {
                return true;
            }
            if index >= self.zone {
                let zone = self.buckets.iter().skip(self.zone);
                let near = zone.flat_map(|bucket| &bucket.entries).filter(same).count();
                return near >= config.subnet_siblings;
            }
        }
        false
    }

    /// How many contacts bucket `index` may hold, with so many nearer ones.
    pub(super) fn capacity(&self, index: usize, nearer: usize) -> usize {
        let siblings = self.config.siblings.saturating_sub(nearer);
        self.config.capacity(index).max(siblings)
    }

    /// Splits home until there is room at `at` or it is not in home; the bucket of `at` then.
    fn make_room(&mut self, mut index: usize, now: u32, at: &Key) -> usize {
        if self.buckets.is_empty() {
            self.buckets.push(Bucket::new(now));
        }
        while let Some(home) = self.buckets.last()
            && index + 1 == self.buckets.len()
            && home.entries.len() >= self.config.siblings
            && self.buckets.len() < BITS as usize
        {
            self.split(now);
            index = self.index(at).unwrap_or(index);
        }
        index
    }

    /// Parts home into those that share just its depth with us and those that share more.
    fn split(&mut self, now: u32) {
        let depth = self.buckets.len().saturating_sub(1) as u32;
        let mut home = Bucket::new(now);
        let Some(bucket) = self.buckets.last_mut() else {
            return;
        };
        let shares_more = |entry: &Entry<H>| self.at.common_prefix(&entry.at) > depth;
        for entry in bucket.entries.iter().filter(|entry| shares_more(entry)) {
            home.push(*entry);
        }
        bucket.entries.retain(|entry| !shares_more(entry));
        bucket.entries.shrink_to_fit();
        home.spares = bucket
            .spares
            .iter()
            .copied()
            .filter(|e| shares_more(e))
            .collect();
        bucket.spares.retain(|entry| !shares_more(entry));
        self.buckets.push(home);
        self.find_zone();
    }
}

/// The entry farthest from us, if `entry` is nearer.
fn farther<H: Copy>(at: &Key, bucket: &Bucket<H>, entry: &Entry<H>) -> Option<usize> {
    farther_than(at, bucket, &entry.at)
}

fn farther_than<H: Copy>(at: &Key, bucket: &Bucket<H>, than: &Key) -> Option<usize> {
    let entries = bucket.entries.iter().enumerate();
    let (index, farthest) = entries.max_by_key(|(_, entry)| at.distance(&entry.at))?;
    (at.distance(&farthest.at) > at.distance(than)).then_some(index)
}

/// A young entry of a branch that is more crowded than the newcomer's, or one of the same branch
/// that is more than twice as far by round trip.
fn less_useful<H: Copy>(
    bucket: &Bucket<H>,
    entry: &Entry<H>,
    depth: usize,
    capacity: usize,
) -> Option<usize> {
    // Two entries to each branch: 3 bits at a capacity of 20, 6 at 128.
    let bits = capacity.max(4).ilog2() - 1;
    let branch = |at: &Key| at.branch(depth as u32 + 1, bits);
    let mut counts = [0_u8; 256];
    for entry in &bucket.entries {
        if let Some(count) = counts.get_mut(branch(&entry.at)) {
            *count = count.saturating_add(1);
        }
    }
    let count = |at: &Key| counts.get(branch(at)).copied().unwrap_or(0);
    let (ours, own) = (branch(&entry.at), count(&entry.at));
    let is_slower = |old: &Entry<H>| match (old.rtt(), entry.rtt()) {
        (Some(old), Some(new)) => old > 2 * new,
        _ => false,
    };
    let young = bucket.entries.iter().enumerate();
    let young = young.filter(|(_, old)| old.age() < PROVEN);
    let worse = young
        .filter(|(_, old)| count(&old.at) >= own + 2 || branch(&old.at) == ours && is_slower(old));
    let worst = worse.max_by_key(|(_, old)| (count(&old.at), old.fails(), old.rtt()))?;
    Some(worst.0)
}

/// The entry not heard of for longest, if that is long enough.
fn oldest<H: Copy>(bucket: &Bucket<H>, now: u32) -> Option<Contact<H>> {
    let oldest = bucket.entries.iter().min_by_key(|entry| entry.heard())?;
    (oldest.heard().saturating_add(RECENT) <= now).then(|| oldest.contact())
}
