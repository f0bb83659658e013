//! One contact in the table.

use core::time::Duration;

use crate::contact::{Contact, Subnet};
use crate::key::Key;
use crate::time::Time;

/// A contact and what is known of it. Times in whole seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Entry<H> {
    /// Its position.
    pub at: Key,
    subnet: Subnet,
    handle: H,
    /// When it was last heard of.
    heard: u32,
    /// Since when it has been heard of without a break.
    since: u32,
    /// Milliseconds; 0 when not known.
    rtt: u16,
    /// For how long it is believed to be there after it was heard of, in units of [`STEP`].
    trust: u8,
    /// Questions in a row that it did not answer.
    fails: u8,
}

/// Unit of [`Entry::trust`]: a byte of it reaches 68 minutes.
const STEP: u32 = 16;

// A table of 440 contacts has to fit 100,000 times into 3 GiB (issue's target: 64 bytes each).
const _: () = assert!(size_of::<Entry<u32>>() <= 56);

/// Whole seconds of `time`.
pub(crate) fn seconds(time: Time) -> u32 {
    u32::try_from(time.0 / 1000).unwrap_or(u32::MAX)
}

impl<H: Copy> Entry<H> {
    pub(crate) fn new(contact: &Contact<H>, rtt: Option<Duration>, now: Time) -> Self {
        let mut entry = Self {
            at: contact.at,
            subnet: contact.subnet,
            handle: contact.handle,
            heard: seconds(now),
            since: seconds(now),
            rtt: 0,
            trust: u8::MAX,
            fails: 0,
        };
        entry.measure(rtt);
        entry
    }

    /// The contact.
    pub fn contact(&self) -> Contact<H> {
        Contact {
            at: self.at,
            subnet: self.subnet,
            handle: self.handle,
        }
    }

    /// Its subnet.
    pub fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// When it was last heard of, in seconds since 1970.
    pub fn heard(&self) -> u32 {
        self.heard
    }

    /// For how many seconds it had been there when it was last heard of.
    pub fn age(&self) -> u32 {
        self.heard.saturating_sub(self.since)
    }

    /// Its round trip.
    pub fn rtt(&self) -> Option<Duration> {
        (self.rtt > 0).then(|| Duration::from_millis(u64::from(self.rtt)))
    }

    /// Questions in a row that it did not answer.
    pub fn fails(&self) -> u8 {
        self.fails
    }

    /// Second from which on it should be asked whether it is there.
    pub fn due(&self) -> u32 {
        self.heard.saturating_add(u32::from(self.trust) * STEP)
    }

    /// Whether others may be told of it: it answered when last asked, and that is not long ago. The
    /// grace of one more interval covers the time until its ping has had its turn.
    pub fn is_fresh(&self, now: u32) -> bool {
        self.fails == 0 && now <= self.heard.saturating_add(2 * u32::from(self.trust) * STEP)
    }

    /// It was heard of.
    pub(crate) fn hear(&mut self, rtt: Option<Duration>, now: Time) {
        self.heard = self.heard.max(seconds(now));
        self.fails = 0;
        self.measure(rtt);
    }

    /// It did not answer; how often in a row.
    pub(crate) fn miss(&mut self) -> u8 {
        self.fails = self.fails.saturating_add(1);
        self.fails
    }

    /// Believes in it for `time` after each sign of life.
    pub(crate) fn trust(&mut self, time: Duration) {
        let steps = time.as_secs() / u64::from(STEP);
        self.trust = u8::try_from(steps).unwrap_or(u8::MAX).max(1);
    }

    /// It has moved to another address.
    pub(crate) fn relocate(&mut self, contact: &Contact<H>) {
        self.subnet = contact.subnet;
        self.handle = contact.handle;
    }

    /// The smallest counts at once, larger ones by an eighth: what is measured may include a
    /// handshake or a repeated packet, never less than the round trip.
    fn measure(&mut self, rtt: Option<Duration>) {
        let Some(rtt) = rtt else { return };
        let sample = u16::try_from(rtt.as_millis()).unwrap_or(u16::MAX).max(1);
        self.rtt = if self.rtt == 0 || sample < self.rtt {
            sample
        } else {
            let mixed = (7 * u32::from(self.rtt) + u32::from(sample)) / 8;
            u16::try_from(mixed).unwrap_or(u16::MAX)
        };
    }
}
