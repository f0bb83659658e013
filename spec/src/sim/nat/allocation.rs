//! Which public port a new mapping gets.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::behaviour::Allocation;
use crate::sim::rng::Rng;
use crate::sim::time::Time;

/// First port that is given out (RFC 4787 REQ-3: none of the system ports).
const FIRST: u16 = 1024;
/// Ports that can be given out.
const PORTS: u32 = 65_536 - FIRST as u32;
/// Random draws before a free port is searched for from the last one on.
const DRAWS: u32 = 64;
/// Mappings of others that are counted at most at once: beyond, the sequence stands anywhere.
const OTHERS: u32 = PORTS;

/// State of the allocation law of one box.
#[derive(Clone, Debug)]
pub(super) struct Allocator {
    law: Allocation,
    rng: Rng,
    next: u16,
    blocks: BTreeMap<IpAddr, u16>,
    others: f64,
    next_other: Time,
}

impl Allocator {
    pub(super) fn new(law: Allocation, others: f64, rng: Rng) -> Self {
        let mut allocator = Self {
            law,
            rng,
            next: FIRST,
            blocks: BTreeMap::new(),
            others,
            next_other: Time::ZERO,
        };
        allocator.reboot();
        allocator
    }

    pub(super) fn reboot(&mut self) {
        self.blocks.clear();
        self.next = self.any();
    }

    /// The port for a new mapping of `inside`; `None` when all it may have are taken.
    pub(super) fn choose(
        &mut self,
        inside: (IpAddr, u16),
        taken: impl Fn(u16) -> bool,
        now: Time,
    ) -> Option<u16> {
        match self.law {
            Allocation::Preserving if inside.1 >= FIRST && !taken(inside.1) => Some(inside.1),
            Allocation::Preserving | Allocation::Random => self.random(FIRST, PORTS, taken),
            Allocation::Sequential { stride } => self.sequential(stride, taken, now),
            Allocation::Block { ports } => {
                let first = self.block(inside.0, ports)?;
                self.random(first, u32::from(ports), taken)
            }
        }
    }

    fn any(&mut self) -> u16 {
        port(FIRST, self.rng.below(u64::from(PORTS)))
    }

    fn random(&mut self, first: u16, ports: u32, taken: impl Fn(u16) -> bool) -> Option<u16> {
        for _ in 0..DRAWS {
            let drawn = port(first, self.rng.below(u64::from(ports)));
            if !taken(drawn) {
                return Some(drawn);
            }
        }
        let start = self.rng.below(u64::from(ports));
        (0..u64::from(ports))
            .map(|step| port(first, (start + step) % u64::from(ports)))
            .find(|port| !taken(*port))
    }

    fn sequential(&mut self, stride: i16, taken: impl Fn(u16) -> bool, now: Time) -> Option<u16> {
        if self.others > 0.0 {
            let mut passed = 0;
            while self.next_other <= now && passed < OTHERS {
                self.next = stepped(self.next, stride);
                self.next_other = self.next_other + self.rng.until_next(self.others);
                passed += 1;
            }
            self.next_other = self.next_other.max(now);
        }
        for _ in 0..PORTS {
            let port = self.next;
            self.next = stepped(port, stride);
            if !taken(port) {
                return Some(port);
            }
        }
        None
    }

    /// The first port of the block of an inside host.
    fn block(&mut self, inside: IpAddr, ports: u16) -> Option<u16> {
        if let Some(first) = self.blocks.get(&inside) {
            return Some(*first);
        }
        let ports = u32::from(ports.max(1));
        // Aligned to their size, below the system ports none.
        let lowest = u32::from(FIRST).div_ceil(ports);
        let blocks = (65_536 / ports).checked_sub(lowest)?;
        let used: Vec<u16> = self.blocks.values().copied().collect();
        let start = self.rng.below(u64::from(blocks));
        let first = (0..u64::from(blocks))
            .map(|step| (start + step) % u64::from(blocks) + u64::from(lowest))
            .map(|block| port(0, block * u64::from(ports)))
            .find(|first| !used.contains(first))?;
        self.blocks.insert(inside, first);
        Some(first)
    }
}

fn port(first: u16, offset: u64) -> u16 {
    u16::try_from(u64::from(first) + offset).unwrap_or(u16::MAX)
}

/// The port after `port`, round the range that is given out.
fn stepped(port: u16, stride: i16) -> u16 {
    let offset = i32::from(port) - i32::from(FIRST) + i32::from(stride);
    let wrapped = offset.rem_euclid(65_536 - i32::from(FIRST));
    u16::try_from(wrapped + i32::from(FIRST)).unwrap_or(FIRST)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::expect_used, reason = "a test fails by panicking")]
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    const INSIDE: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 2)), 4001);

    fn allocator(law: Allocation, others: f64) -> Allocator {
        Allocator::new(law, others, Rng::new(3, "test", 0))
    }

    #[test]
    fn preserving_keeps_the_port_until_it_is_taken() {
        let mut allocator = allocator(Allocation::Preserving, 0.0);
        let free = allocator.choose(INSIDE, |_| false, Time::ZERO);
        assert_eq!(free, Some(4001));
        let other = allocator.choose(INSIDE, |port| port == 4001, Time::ZERO);
        assert!(other.is_some_and(|port| port != 4001 && port >= FIRST));
    }

    #[test]
    fn a_sequence_steps_by_its_stride_round_the_range() {
        assert_eq!(stepped(65_535, 1), FIRST);
        assert_eq!(stepped(FIRST, -1), 65_535);
        let mut allocator = allocator(Allocation::Sequential { stride: -2 }, 0.0);
        let mut draw = || {
            allocator
                .choose(INSIDE, |_| false, Time::ZERO)
                .expect("free")
        };
        let (first, second, third) = (draw(), draw(), draw());
        assert_eq!((second, third), (stepped(first, -2), stepped(second, -2)));
    }

    #[test]
    fn others_advance_the_sequence_at_their_rate() {
        let mut allocator = allocator(Allocation::Sequential { stride: 1 }, 10.0);
        let mut draw = |at| allocator.choose(INSIDE, |_| false, at).expect("free");
        let start = draw(Time::ZERO);
        let end = draw(Time::ZERO + Duration::from_secs(100));
        let steps = (i32::from(end) - i32::from(start)).rem_euclid(64_512);
        assert!((850..1150).contains(&steps), "{steps}");
    }

    #[test]
    fn a_block_is_aligned_stays_with_its_host_and_runs_out() {
        let mut allocator = allocator(Allocation::Block { ports: 256 }, 0.0);
        let mut given = Vec::new();
        for _ in 0..256 {
            let port = allocator.choose(INSIDE, |port| given.contains(&port), Time::ZERO);
            given.push(port.expect("free"));
        }
        let first = given.iter().min().copied().expect("some");
        assert_eq!(first % 256, 0);
        assert!(
            given
                .iter()
                .all(|port| (first..=first + 255).contains(port))
        );
        let none = allocator.choose(INSIDE, |port| given.contains(&port), Time::ZERO);
        assert_eq!(none, None);
        let neighbour = (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 3)), 4001);
        let other = allocator
            .choose(neighbour, |_| false, Time::ZERO)
            .expect("free");
        assert!(!(first..=first + 255).contains(&other));
    }
}
