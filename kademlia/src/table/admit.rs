//! Who is let in, and whose place it takes.

use core::time::Duration;

use crate::contact::Contact;
use crate::key::{BITS, Key};
use crate::time::Time;

use super::Table;
use super::bucket::{Bucket, Closed};
use super::entry::{Entry, seconds};
use crate::call::K;

/// Seconds after which a contact keeps its place against any newcomer: most that stay an hour stay
/// for several.
const PROVEN: u32 = 3600;
/// Seconds between two pings of a bucket because of newcomers.
const PINGED: u32 = 10;
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
        if self.turns_down(contact, index, rtt, now) {
            return Admission::Full(None);
        }
        if self.is_crowded(contact, index) {
            return Admission::Crowded;
        }
        let index = self.make_room(index, seconds(now), &contact.at);
        let is_zone = index >= self.zone;
        let mut entry = Entry::new(contact, rtt, now);
        entry.trust(self.interval(&entry, is_zone));
        let (capacity, spares) = (self.capacity(index), self.config.spares);
        let Some(bucket) = self.buckets.get_mut(index) else {
            return Admission::Ourselves;
        };
        if bucket.entries.len() < capacity {
            bucket.insert(entry, capacity);
            self.len += 1;
            self.subnets.add(contact.subnet);
            self.find_zone();
            return Admission::Added;
        }
        let victim = if is_zone {
            farther_than(&self.at, bucket, &entry.at)
        } else {
            let branches = Branches::of(bucket, index, capacity);
            branches.close(bucket, seconds(now));
            less_useful(bucket, &branches, &entry)
        };
        let Some(victim) = victim else {
            bucket.spare(entry, spares);
            return Admission::Full(oldest(bucket, seconds(now)));
        };
        let old = bucket.take(victim);
        bucket.insert(entry, capacity);
        bucket.spare(old, spares);
        self.subnets.remove(old.subnet());
        self.subnets.add(contact.subnet);
        Admission::Replaced(old.contact())
    }

    /// Whether it is known already that there is no place for `contact`.
    fn turns_down(
        &self,
        contact: &Contact<H>,
        index: usize,
        rtt: Option<Duration>,
        now: Time,
    ) -> bool {
        let Some(bucket) = self.buckets.get(index) else {
            return false;
        };
        let closed = bucket.closed;
        if closed.until <= seconds(now) || index >= self.zone {
            return false;
        }
        let branch = contact
            .at
            .branch(index as u32 + 1, branch_bits(self.config.capacity(index)));
        let is_open = closed.open >> (branch % 64) & 1 != 0;
        let is_fast = rtt.is_some_and(|rtt| 2 * rtt.as_millis() < u128::from(closed.slow));
        !is_open && !is_fast && bucket.spares.len() >= self.config.spares
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
        let is_home = index + 1 == self.buckets.len();
        is_home
            || bucket.entries.len() < self.capacity(index)
            || index >= self.zone && farther_than(&self.at, bucket, &contact.at).is_some()
    }

    /// Whether the limits by subnet speak against one more like `contact`.
    pub(super) fn is_crowded(&self, contact: &Contact<H>, index: usize) -> bool {
        let (subnet, config) = (contact.subnet, &self.config);
        if subnet.is_exempt() {
            return false;
        }
        let same = |entry: &&Entry<H>| entry.subnet() == subnet;
        let most = self.subnets.at_most(subnet);
        if most >= config.subnet_table && self.iter().filter(same).count() >= config.subnet_table {
            return true;
        }
        let of_bucket = (config.subnet_bucket * config.capacity(index)).div_ceil(K);
        let bucket = self.buckets.get(index);
        if most >= of_bucket && bucket.is_some_and(|b| b.count_subnet(subnet) >= of_bucket) {
            return true;
        }
        if index < self.zone || most < config.subnet_siblings {
            return false;
        }
        let zone = self.buckets.iter().skip(self.zone);
        let near = zone.flat_map(|bucket| &bucket.entries).filter(same).count();
        near >= config.subnet_siblings
    }

    /// How many contacts bucket `index` may hold: near us, as many as the siblings need.
    pub(super) fn capacity(&self, index: usize) -> usize {
        let capacity = self.config.capacity(index);
        if index < self.zone {
            return capacity;
        }
        let siblings = self.config.siblings.saturating_sub(self.nearer_than(index));
        capacity.max(siblings)
    }

    /// Splits home until there is room at `at` or it is not in home; the bucket of `at` then.
    fn make_room(&mut self, mut index: usize, now: u32, at: &Key) -> usize {
        if self.buckets.is_empty() {
            self.push_bucket(Bucket::new(now));
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
            home.insert(*entry, self.config.siblings);
        }
        bucket.entries.retain(|entry| !shares_more(entry));
        bucket.entries.shrink_to_fit();
        bucket.closed.until = 0;
        home.spares = bucket
            .spares
            .iter()
            .copied()
            .filter(|e| shares_more(e))
            .collect();
        bucket.spares.retain(|entry| !shares_more(entry));
        self.push_bucket(home);
        self.find_zone();
    }

    /// Room is made for two at a time: there are seldom more than twenty, each is made once, and
    /// doubling would waste a kilobyte.
    fn push_bucket(&mut self, bucket: Bucket<H>) {
        if self.buckets.len() == self.buckets.capacity() {
            self.buckets.reserve_exact(2);
        }
        self.buckets.push(bucket);
    }
}

impl<H: Copy> Table<H> {
    /// Cuts buckets that held more because they were near to what they may hold now.
    pub(super) fn trim(&mut self, from: usize) {
        for index in from..self.zone {
            let capacity = self.config.capacity(index);
            while let Some(bucket) = self.buckets.get_mut(index)
                && bucket.entries.len() > capacity
                && let Some(victim) = most_crowded(bucket, index, capacity)
            {
                let old = bucket.take(victim);
                bucket.spare(old, self.config.spares);
                self.subnets.remove(old.subnet());
                self.len -= 1;
            }
        }
    }
}

/// The entry farthest from us, if it is farther than `than`.
fn farther_than<H: Copy>(at: &Key, bucket: &Bucket<H>, than: &Key) -> Option<usize> {
    let entries = bucket.entries.iter().enumerate();
    let (index, farthest) = entries.max_by_key(|(_, entry)| at.distance(&entry.at))?;
    (at.distance(&farthest.at) > at.distance(than)).then_some(index)
}

/// Bits that tell the branches of a bucket apart, with two entries to each: 3 at a capacity of 20, 6
/// at 128.
fn branch_bits(capacity: usize) -> u32 {
    capacity.clamp(4, 255).ilog2() - 1
}

/// How many entries a bucket has in each of its branches.
struct Branches {
    depth: u32,
    bits: u32,
    counts: [u8; 64],
}

impl Branches {
    fn of<H: Copy>(bucket: &Bucket<H>, depth: usize, capacity: usize) -> Self {
        let mut branches = Self {
            depth: depth as u32 + 1,
            bits: branch_bits(capacity),
            counts: [0; 64],
        };
        for entry in &bucket.entries {
            let branch = branches.branch(&entry.at);
            if let Some(count) = branches.counts.get_mut(branch) {
                *count = count.saturating_add(1);
            }
        }
        branches
    }

    fn branch(&self, at: &Key) -> usize {
        at.branch(self.depth, self.bits)
    }

    fn count(&self, at: &Key) -> u8 {
        self.counts.get(self.branch(at)).copied().unwrap_or(0)
    }

    /// Notes whom the bucket would let in, if anybody, until one of its entries should be pinged.
    fn close<H: Copy>(&self, bucket: &mut Bucket<H>, now: u32) {
        let young = bucket.entries.iter().filter(|entry| entry.age() < PROVEN);
        let (mut most, mut slow) = (0, Duration::ZERO);
        for entry in young {
            most = most.max(self.count(&entry.at));
            slow = slow.max(entry.rtt().unwrap_or_default());
        }
        let mut open = 0;
        for (branch, count) in self.counts.iter().enumerate() {
            open |= u64::from(*count + 2 <= most) << branch;
        }
        let heard = bucket.entries.iter().map(Entry::heard).min().unwrap_or(0);
        bucket.closed = Closed {
            until: heard.saturating_add(RECENT).max(now + PINGED),
            slow: u16::try_from(slow.as_millis()).unwrap_or(u16::MAX),
            open,
        };
    }
}

/// A young entry of a branch that is more crowded than the newcomer's, or one of the same branch
/// that is more than twice as far by round trip.
fn less_useful<H: Copy>(
    bucket: &Bucket<H>,
    branches: &Branches,
    entry: &Entry<H>,
) -> Option<usize> {
    let (ours, own) = (branches.branch(&entry.at), branches.count(&entry.at));
    let is_slower = |old: &Entry<H>| match (old.rtt(), entry.rtt()) {
        (Some(old), Some(new)) => old > 2 * new,
        _ => false,
    };
    let mut worst = None;
    for (index, old) in bucket.entries.iter().enumerate() {
        let count = branches.count(&old.at);
        let is_worse = count >= own + 2 || branches.branch(&old.at) == ours && is_slower(old);
        if is_worse && old.age() < PROVEN {
            worst = worst.max(Some((count, old.fails(), old.rtt(), index)));
        }
    }
    worst.map(|(.., index)| index)
}

/// The entry a bucket can do without best: a young one of the most crowded branch.
fn most_crowded<H: Copy>(bucket: &Bucket<H>, depth: usize, capacity: usize) -> Option<usize> {
    let branches = Branches::of(bucket, depth, capacity);
    let entries = bucket.entries.iter().enumerate();
    let rank = |old: &Entry<H>| (old.age() < PROVEN, branches.count(&old.at), old.rtt());
    Some(entries.max_by_key(|(_, old)| rank(old))?.0)
}

/// The entry not heard of for longest, if that is long enough.
fn oldest<H: Copy>(bucket: &Bucket<H>, now: u32) -> Option<Contact<H>> {
    let oldest = bucket.entries.iter().min_by_key(|entry| entry.heard())?;
    (oldest.heard().saturating_add(RECENT) <= now).then(|| oldest.contact())
}
