//! What a classification found.

use std::net::SocketAddr;
use std::time::Duration;

use dchat_wire::nat::NatClass;

/// The result, with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether any answer came over UDP.
    pub udp: bool,
    /// Over IPv4.
    pub v4: FamilyReport,
    /// Over IPv6.
    pub v6: FamilyReport,
    /// Whether there is a further NAT behind the gateway's; `None` while the gateway does not tell its
    /// external address or nobody else does.
    pub double_nat: Option<bool>,
    /// Everyone asked, in the order given.
    pub servers: Vec<ServerReport>,
    /// Who said something that cannot be so; each once per kind.
    pub faults: Vec<Fault>,
    /// Datagrams sent.
    pub sent: u32,
    /// Datagrams received and taken.
    pub received: u32,
    /// From begin to end.
    pub took: Duration,
}

/// What was found in one address family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyReport {
    /// Whether any answer came.
    pub works: bool,
    /// What the NATs on the way do; the default, all unknown, without an answer.
    ///
    /// A mapping that depends on the destination, without evidence whether on its port too
    /// ([`Lacking::MappingByPort`]), stands here as address-and-port-dependent: planning with the
    /// stricter one is safe, and a person is to be told "at least address-dependent".
    pub class: NatClass,
    /// The main socket as most see it, or as the first one did when the mapping depends on who looks.
    pub public: Option<SocketAddr>,
    /// Whether a datagram to the own public address comes back in. `None` without a NAT, and where
    /// the filter would have dropped it in any case.
    pub hairpin: Option<bool>,
    /// What the next mapping of an already mapped socket gets, where the mapping depends on the
    /// destination: like [`class`](Self::class)'s allocation and stride, which are those of a socket's
    /// first mapping. All unknown while it was seen fewer than three times.
    pub again: NatClass,
    /// Evidence there was none of.
    pub lacking: Vec<Lacking>,
}

impl Default for FamilyReport {
    /// Nothing is known.
    fn default() -> Self {
        Self {
            works: false,
            class: NatClass::UNKNOWN,
            public: None,
            hairpin: None,
            again: NatClass::UNKNOWN,
            lacking: Vec::new(),
        }
    }
}

/// Evidence that a classification would have needed and did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lacking {
    /// No server answered.
    Answer,
    /// Two servers with distinct addresses.
    SecondServer,
    /// A majority: as many say one thing as another.
    Majority,
    /// One server with two ports, to tell address-dependent mapping from address-and-port-dependent.
    MappingByPort,
    /// A server with RFC 5780, or a node, to answer from elsewhere.
    Filtering,
    /// Enough fresh sockets' mappings.
    Ports,
}

/// One server's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerReport {
    /// Which.
    pub address: SocketAddr,
    /// Round trip of its first answer; `None` without one.
    pub rtt: Option<Duration>,
    /// As what it sees the main socket.
    pub mapped: Option<SocketAddr>,
}

/// Who said something that cannot be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The server or node.
    pub server: SocketAddr,
    /// What.
    pub kind: FaultKind,
}

/// What cannot be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// Sees us at another address than most, who agree.
    Outvoted,
    /// Sees us at an address nobody can have: port 0, multicast, another family.
    Implausible,
    /// Asked to answer from elsewhere, it answered from where it was asked.
    IgnoredChange,
    /// Names an other address that is none, or that does not answer.
    NoOther,
    /// Says it sent what did not arrive, though another's did.
    NotSent,
    /// Answered with an error.
    Refused,
}
