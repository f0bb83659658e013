//! How many contacts of a subnet the table may hold at most: a count that is never too low.

use crate::contact::Subnet;

/// Counts by a hash of the subnet into one byte, so a count may be too high and then the table
/// itself is counted. A count that reached 255 stays there.
#[derive(Clone, Debug)]
pub(super) struct Subnets([u8; 256]);

impl Subnets {
    pub(super) fn new() -> Self {
        Self([0; 256])
    }

    pub(super) fn at_most(&self, subnet: Subnet) -> usize {
        usize::from(self.0[slot(subnet)])
    }

    pub(super) fn add(&mut self, subnet: Subnet) {
        let count = &mut self.0[slot(subnet)];
        *count = count.saturating_add(1);
    }

    pub(super) fn remove(&mut self, subnet: Subnet) {
        let count = &mut self.0[slot(subnet)];
        if *count < u8::MAX {
            *count = count.saturating_sub(1);
        }
    }
}

/// Fibonacci hashing: the upper byte of the product depends on every bit.
fn slot(subnet: Subnet) -> usize {
    (subnet.bits().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}
