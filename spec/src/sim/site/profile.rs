//! The profiles: what stands between a node and the internet.

use super::super::nat::{Allocation, Behaviour, Filtering, Mapping};

/// What stands between a node and the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Nothing; IPv4 and IPv6.
    Public,
    /// For IPv6 a firewall that lets in what was asked for, by address and port; for IPv4 a NAT as
    /// [`Nat`](Self::Nat) with endpoint-independent mapping and the strictest filter. What a home
    /// with both families has.
    V6Firewall,
    /// One NAT, IPv4 only. Ports are preserved where the mapping is endpoint-independent and random
    /// where it is not.
    Nat(Mapping, Filtering),
    /// One NAT with the strictest mapping and filter, whose ports follow each other by one, and
    /// which others use too: two new mappings a second.
    Sequential,
    /// A carrier's NAT with the strictest mapping and filter, which gives each customer a block of
    /// 256 ports (RFC 7422 has examples from 64 to 2,048) and draws from it at random.
    PortBlock,
    /// A home's NAT behind a carrier's, both with endpoint-independent mapping and the strictest
    /// filter; the carrier's ports are random.
    DoubleNat,
}

const MAPPINGS: [Mapping; 3] = [
    Mapping::EndpointIndependent,
    Mapping::AddressDependent,
    Mapping::AddressAndPortDependent,
];
const FILTERINGS: [Filtering; 3] = [
    Filtering::EndpointIndependent,
    Filtering::AddressDependent,
    Filtering::AddressAndPortDependent,
];

/// Ports of a carrier's block.
const BLOCK: u16 = 256;
/// New mappings of others per second on the sequential NAT.
const OTHERS: f64 = 2.0;

impl Profile {
    /// All fourteen.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let nats = MAPPINGS.into_iter().flat_map(|mapping| {
            let nat = move |filtering| Self::Nat(mapping, filtering);
            FILTERINGS.into_iter().map(nat)
        });
        [Self::Public, Self::V6Firewall]
            .into_iter()
            .chain(nats)
            .chain([Self::Sequential, Self::PortBlock, Self::DoubleNat])
            .collect()
    }

    /// A short name: mapping and filtering as `ei`, `ad` or `apd`.
    #[must_use]
    pub fn name(self) -> String {
        let nat = |mapping, filtering| {
            let mapping = match mapping {
                Mapping::None => "none",
                Mapping::EndpointIndependent => "ei",
                Mapping::AddressDependent => "ad",
                Mapping::AddressAndPortDependent => "apd",
            };
            let filtering = match filtering {
                Filtering::EndpointIndependent => "ei",
                Filtering::AddressDependent => "ad",
                Filtering::AddressAndPortDependent => "apd",
            };
            format!("{mapping}-{filtering}")
        };
        match self {
            Self::Public => "public".into(),
            Self::V6Firewall => "v6-firewall".into(),
            Self::Nat(mapping, filtering) => nat(mapping, filtering),
            Self::Sequential => "sequential".into(),
            Self::PortBlock => "port-block".into(),
            Self::DoubleNat => "double-nat".into(),
        }
    }

    /// The profile of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all()
            .into_iter()
            .find(|profile| profile.name() == name)
    }

    /// Whether it has IPv6.
    #[must_use]
    pub fn has_ipv6(self) -> bool {
        matches!(self, Self::Public | Self::V6Firewall)
    }

    /// The IPv4 boxes in front of a node, from the node outwards.
    #[must_use]
    pub fn boxes(self) -> Vec<Behaviour> {
        let strict = Filtering::AddressAndPortDependent;
        let easy = |allocation| Behaviour::nat(Mapping::EndpointIndependent, strict, allocation);
        let hard =
            |allocation| Behaviour::nat(Mapping::AddressAndPortDependent, strict, allocation);
        match self {
            Self::Public => Vec::new(),
            Self::V6Firewall => vec![easy(Allocation::Preserving)],
            Self::Nat(mapping, filtering) => {
                let allocation = match mapping {
                    Mapping::None | Mapping::EndpointIndependent => Allocation::Preserving,
                    Mapping::AddressDependent | Mapping::AddressAndPortDependent => {
                        Allocation::Random
                    }
                };
                vec![Behaviour::nat(mapping, filtering, allocation)]
            }
            Self::Sequential => vec![Behaviour {
                others: OTHERS,
                ..hard(Allocation::Sequential { stride: 1 })
            }],
            Self::PortBlock => vec![hard(Allocation::Block { ports: BLOCK })],
            Self::DoubleNat => vec![easy(Allocation::Preserving), easy(Allocation::Random)],
        }
    }
}
