//! Who is in the table.

use std::net::IpAddr;

use crate::key::Key;

/// The part of a network within which addresses are cheap to come by: a /24 of IPv4, a /48 of IPv6.
/// Zero stands for no limit: private and loopback addresses, on a node that has no public one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet(u64);

impl Subnet {
    /// Exempt from the limits.
    pub const EXEMPT: Self = Self(0);

    /// The subnet of `ip`.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self(u64::from_be_bytes([4, 0, 0, 0, 0, a, b, c]))
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, ..] = ip.octets();
                Self(u64::from_be_bytes([6, 0, a, b, c, d, e, f]))
            }
        }
    }

    /// As a number, for hashing.
    #[must_use]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// The subnet as a value to hash.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Whether the limits do not count it.
    #[must_use]
    pub fn is_exempt(self) -> bool {
        self == Self::EXEMPT
    }
}

/// A node as the core knows it. `handle` is the driver's name for it: production's index into its
/// [address book], the simulated world's number of the node.
///
/// [address book]: crate::contact
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact<H> {
    /// Its position.
    pub at: Key,
    /// Its subnet.
    pub subnet: Subnet,
    /// The driver's name for it.
    pub handle: H,
}
