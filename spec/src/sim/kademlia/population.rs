//! Who lives in a world.

use std::net::{IpAddr, Ipv4Addr};

use dchat_kademlia::{Contact, Key, Subnet};

use super::adversary::Conduct;
use crate::sim::Rng;

/// Never: the time of what is not planned.
pub const NEVER: u64 = u64::MAX;

/// A node of the world apart from its core. Its number in the population is its handle.
#[derive(Clone, Debug)]
pub struct Person {
    /// Its position.
    pub at: Key,
    /// Its public key, as far as cores see it.
    pub id: [u8; 32],
    /// Its subnet.
    pub subnet: Subnet,
    /// How it treats others.
    pub conduct: Conduct,
    /// Whether it runs.
    pub up: bool,
    /// How often it started: what was sent to an earlier run of it concerns nobody.
    pub session: u32,
    /// When the current session began.
    pub since: u64,
    /// When it will stop.
    pub leaves: u64,
    /// When its core wants to be woken.
    pub wake: u64,
    /// The side of a partition it is on.
    pub side: u8,
    /// Whom it knew when it last stopped, as a node that keeps a file of known nodes.
    pub known: Vec<u32>,
    /// Measured searches it has under way.
    pub jobs: Vec<u32>,
}

impl Person {
    /// An honest one with random position, key and subnet, not running.
    #[must_use]
    pub fn random(rng: &mut Rng) -> Self {
        let mut id = [0; 32];
        rng.fill(&mut id);
        Self {
            at: random_key(rng),
            id,
            subnet: random_subnet(rng),
            conduct: Conduct::Honest,
            up: false,
            session: 0,
            since: 0,
            leaves: NEVER,
            wake: NEVER,
            side: 0,
            known: Vec::new(),
            jobs: Vec::new(),
        }
    }

    /// As others know it.
    #[must_use]
    pub fn contact(&self, node: u32) -> Contact<u32> {
        Contact {
            at: self.at,
            subnet: self.subnet,
            handle: node,
        }
    }
}

/// A uniformly random position.
#[must_use]
pub fn random_key(rng: &mut Rng) -> Key {
    let mut key = [0; 32];
    rng.fill(&mut key);
    Key(key)
}

/// A position that shares the first `bits` bits with `target`, at most 64, and is random beyond
/// them: what grinding reaches in 2^bits tries.
#[must_use]
pub fn key_near(rng: &mut Rng, target: &Key, bits: u32) -> Key {
    let mut key = random_key(rng);
    let mask = u64::MAX.checked_shl(64 - bits.min(64)).unwrap_or(0);
    let head = |key: &Key| {
        let mut head = [0; 8];
        head.copy_from_slice(&key.0[..8]);
        u64::from_be_bytes(head)
    };
    let mixed = head(target) & mask | head(&key) & !mask;
    key.0[..8].copy_from_slice(&mixed.to_be_bytes());
    key
}

/// The /24 of a random address among those that hosts have: a few share one, most have their own.
#[must_use]
pub fn random_subnet(rng: &mut Rng) -> Subnet {
    let [a, b, c, ..] = rng.next_u64().to_le_bytes();
    Subnet::of(IpAddr::V4(Ipv4Addr::new(16 + a % 176, b, c, 1)))
}

/// Spreads a number over 64 bits (the finaliser of SplitMix64, Steele et al. 2014).
#[must_use]
pub fn mix(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
