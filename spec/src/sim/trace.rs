//! The hash of everything that happened.

use std::net::{IpAddr, SocketAddr};

use super::time::Time;

/// BLAKE3 over the events of a world in their order. Two worlds with the same hash went through the
/// same events with the same bytes at the same times.
#[derive(Clone)]
pub struct Trace {
    hasher: blake3::Hasher,
    events: u64,
}

impl Trace {
    const CONTEXT: &str = "dchat-sim 2026 trace";

    /// Of a world in which nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        Self {
            hasher: blake3::Hasher::new_derive_key(Self::CONTEXT),
            events: 0,
        }
    }

    /// Adds an event: its kind, its time, who it concerns, and its bytes.
    pub fn note(&mut self, kind: u8, at: Time, ends: [SocketAddr; 2], bytes: &[u8]) {
        let mut head = [0; 49];
        head[0] = kind;
        head[1..9].copy_from_slice(&at.as_nanos().to_le_bytes());
        for (slot, end) in head[9..45].chunks_exact_mut(18).zip(ends) {
            let ip = match end.ip() {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            slot[..16].copy_from_slice(&ip.octets());
            slot[16..].copy_from_slice(&end.port().to_le_bytes());
        }
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        head[45..].copy_from_slice(&len.to_le_bytes());
        self.hasher.update(&head).update(bytes);
        self.events += 1;
    }

    /// Adds an event that concerns no packet.
    pub fn mark(&mut self, kind: u8, at: Time, what: u64) {
        self.hasher
            .update(&[kind])
            .update(&at.as_nanos().to_le_bytes())
            .update(&what.to_le_bytes());
        self.events += 1;
    }

    /// Events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The hash of all events so far.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trace({} events)", self.events)
    }
}
