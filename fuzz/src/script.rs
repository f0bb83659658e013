//! What a state machine is put through, read from fuzzed bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use dchat_wire::nat::{
    Allocation, Candidate, CandidateKind, Candidates, Filtering, Mapping, NatClass,
};
use dchat_wire::{Address, List};

/// Read front to back; past the end everything is zero, so that any bytes are a script and a prefix
/// of a script does the same as far as it goes.
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next step's number; `None` at the end.
    pub(crate) fn step(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(crate) fn u8(&mut self) -> u8 {
        self.step().unwrap_or_default()
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.u8() & 1 == 1
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.u8()) % bound
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.u8())
    }

    /// Up to `most` bytes, as many as a number before them says.
    pub(crate) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let len = usize::from(self.u16()).min(most).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// From a millisecond to nine minutes: the byte's high half is a power of two.
    pub(crate) fn time(&mut self) -> Duration {
        let byte = self.u8();
        Duration::from_millis(u64::from(1 + (byte & 0x0f)) << (byte >> 4))
    }

    /// Any address, of few ones that are met again and again, or of those nobody may be sent to.
    pub(crate) fn socket(&mut self) -> SocketAddr {
        let kind = self.below(10);
        let host = self.u8();
        let ip: IpAddr = match kind {
            0 | 1 => Ipv4Addr::new(20, host >> 6, 0, host & 3).into(),
            2 => Ipv4Addr::new(192, 168, 1, host).into(),
            3 => Ipv6Addr::new(0x2400, 1, 0, 0, 0, 0, 0, host.into()).into(),
            4 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host.into()).into(),
            5 => FORBIDDEN[usize::from(host) % FORBIDDEN.len()],
            6 => Ipv4Addr::from(self.array::<4>()).into(),
            7 => Ipv6Addr::from(self.array::<16>()).into(),
            8 => Ipv4Addr::new(20, 0, 0, 1).to_ipv6_mapped().into(),
            _ => Ipv4Addr::new(20, 0, 0, 1).into(),
        };
        let port = match self.u8() {
            0 => 0,
            small @ 1..=64 => small.into(),
            _ => self.u16(),
        };
        SocketAddr::new(ip, port)
    }

    pub(crate) fn nat_class(&mut self) -> NatClass {
        NatClass {
            mapping: self.one_of(Mapping::ALL),
            filtering: self.one_of(Filtering::ALL),
            allocation: self.one_of(Allocation::ALL),
            stride: self.u16(),
            block_first: self.u16(),
            block_len: self.u16(),
        }
    }

    pub(crate) fn candidates(&mut self, most: usize) -> Vec<Candidate> {
        let count = self.below(most + 1);
        (0..count)
            .map(|_| Candidate {
                kind: self.one_of(CandidateKind::ALL),
                address: Address::direct(self.socket()),
            })
            .collect()
    }

    pub(crate) fn candidates_frame(&mut self) -> Candidates {
        Candidates {
            generation: self.u8().into(),
            class: self.nat_class(),
            candidates: List::first_of(self.candidates(40)),
            extensions: Default::default(),
        }
    }
}

/// Addresses that are no single reachable host's own.
const FORBIDDEN: [IpAddr; 12] = [
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V4(Ipv4Addr::new(0, 1, 2, 3)),
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1)),
    IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251)),
    IpAddr::V4(Ipv4Addr::new(255, 255, 255, 255)),
    IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9)),
    IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb)),
    // What the path switch names connections and channels with.
    IpAddr::V6(Ipv6Addr::new(0xfd64, 0x6368, 0x6174, 1, 0, 0, 0, 9)),
    IpAddr::V6(Ipv6Addr::new(0xfd64, 0x6368, 0x6174, 2, 0, 0, 0, 9)),
];

/// Whether nobody may be made to send there, by the rules written once more.
pub(crate) fn forbidden(addr: SocketAddr) -> bool {
    let ip = match addr.ip() {
        IpAddr::V4(ip) => {
            let first = ip.octets()[0];
            first == 0 || first >= 224 || ip.is_loopback() || ip.is_link_local()
        }
        IpAddr::V6(ip) => {
            ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_multicast()
                || ip.to_ipv4_mapped().is_some()
                || ip.segments()[0] & 0xffc0 == 0xfe80
                || ip.segments()[..3] == [0xfd64, 0x6368, 0x6174]
        }
    };
    ip || addr.port() == 0
}

/// An origin for virtual time: only differences count, so any is the same.
pub(crate) fn start() -> Instant {
    Instant::now()
}
