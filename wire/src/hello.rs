//! HELLO: the first frame each side sends, inside TLS, which has already proven both keys.
//!
//! It is not signed, so it leaves no proof of contact that could be shown to others.

use crate::codec::{List, body, checked_field};
use crate::defect::{self, Defect};
use crate::extension::Extensions;
use crate::limits;

/// The protocol version spoken here.
pub const VERSION: u16 = 1;

/// What a node offers to others, as a set of bits (spec `registry` §6). Unknown bits are ignored.
pub mod role {
    /// Relays packets between peers that cannot reach each other.
    pub const RELAY: u64 = 1;
    /// Keeps ciphertext for peers that are offline.
    pub const MAILBOX: u64 = 1 << 1;
    /// Serves as a first contact to the network.
    pub const BOOTSTRAP: u64 = 1 << 2;
}

/// What a node can do, strictly ascending (spec `registry` §7).
pub mod capability {
    /// One-to-one chat.
    pub const CHAT: u16 = 1;
    /// CANDIDATES and PUNCH, and channels over relays.
    pub const PUNCH: u16 = 2;
    /// Answers REACH, and STUN on its own port.
    pub const REACH: u16 = 3;
    /// Asks and, where it serves, answers the DHT's questions.
    pub const DHT: u16 = 4;
    /// Takes part in rooms and groups.
    pub const GOSSIP: u16 = 5;
}

body! {
    /// Versions, roles and capabilities.
    pub struct Hello {
        /// Versions spoken.
        pub versions: Versions,
        /// Drawn at random when the process starts. A connection whose peer says another instance
        /// is newer than any from before, whatever became of that one.
        pub instance: [u8; 16],
        /// Bits of [`role`].
        pub roles: u64,
        /// Values of [`capability`].
        pub capabilities: Capabilities,
        /// Extensions.
        pub extensions: Extensions,
    }
}

/// A range of protocol versions, both ends included and the lower one not above the higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    low: u16,
    high: u16,
}

impl Versions {
    /// What this implementation speaks.
    pub const OURS: Self = Self {
        low: VERSION,
        high: VERSION,
    };

    /// The versions from `low` to `high`.
    ///
    /// # Errors
    /// The spec's reason, when the range is empty or starts at 0.
    pub fn new(low: u16, high: u16) -> Result<Self, &'static str> {
        if (low == 0 || low > high) && !defect::is(Defect::AcceptsEmptyVersionRange) {
            return Err("the version range is empty or starts at 0");
        }
        Ok(Self { low, high })
    }

    /// The lowest version.
    #[must_use]
    pub fn low(self) -> u16 {
        self.low
    }

    /// The highest version.
    #[must_use]
    pub fn high(self) -> u16 {
        self.high
    }

    /// The highest version both speak.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u16> {
        if defect::is(Defect::PicksLowestVersion) {
            return Some(self.low.max(other.low));
        }
        let high = self.high.min(other.high);
        (high >= self.low.max(other.low)).then_some(high)
    }

    fn to_repr(self) -> [u8; 4] {
        let (low, high) = (self.low.to_le_bytes(), self.high.to_le_bytes());
        [low[0], low[1], high[0], high[1]]
    }

    fn from_repr([a, b, c, d]: [u8; 4]) -> Result<Self, &'static str> {
        Self::new(u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
    }
}
checked_field!(Versions as [u8; 4]);

/// Capabilities in strictly ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(List<u16, { limits::CAPABILITIES }>);

impl Capabilities {
    /// Takes `list`.
    ///
    /// # Errors
    /// The spec's reason, when it is not strictly ascending.
    pub fn new(list: List<u16, { limits::CAPABILITIES }>) -> Result<Self, &'static str> {
        if list.is_sorted_by(|a, b| a < b) || defect::is(Defect::AcceptsUnorderedCapabilities) {
            Ok(Self(list))
        } else {
            Err("capabilities are not strictly ascending")
        }
    }

    /// The capabilities.
    #[must_use]
    pub fn as_slice(&self) -> &[u16] {
        &self.0
    }

    /// Whether `capability` is among them.
    #[must_use]
    pub fn contains(&self, capability: u16) -> bool {
        if defect::is(Defect::ConfusesCapabilities) {
            return self.0.iter().any(|one| one & 0xff == capability);
        }
        self.0.binary_search(&capability).is_ok()
    }

    fn to_repr(&self) -> &List<u16, { limits::CAPABILITIES }> {
        &self.0
    }

    fn from_repr(list: List<u16, { limits::CAPABILITIES }>) -> Result<Self, &'static str> {
        Self::new(list)
    }
}
checked_field!(Capabilities as List<u16, { limits::CAPABILITIES }>);
