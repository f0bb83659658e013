//! How two peers that stand behind NATs find a direct path: what each can be reached at and what its
//! NAT does, said on the control stream of a connection that already runs over a relay, and how a
//! node lets others test its own NAT (spec `50-nat`).

use crate::address::Address;
use crate::codec::{List, body, codes};
use crate::extension::Extensions;
use crate::limits;

codes! {
    /// What the public address of a socket depends on (RFC 4787 §4.1).
    #[derive(Default)]
    pub enum Mapping as u8, "the mapping is none of 0 to 4" {
        /// Not known (yet).
        #[default]
        Unknown = 0,
        /// No translation: the socket's own address is seen outside.
        None = 1,
        /// One public address, whatever the destination.
        EndpointIndependent = 2,
        /// One for each destination address.
        AddressDependent = 3,
        /// One for each destination address and port: a symmetric NAT.
        AddressAndPortDependent = 4,
    }
}

codes! {
    /// From where datagrams to the public address are let in (RFC 4787 §5).
    #[derive(Default)]
    pub enum Filtering as u8, "the filtering is none of 0 to 4" {
        /// Not known (yet).
        #[default]
        Unknown = 0,
        /// Nothing is filtered, as without a NAT or firewall.
        None = 1,
        /// From anywhere, once the mapping exists.
        EndpointIndependent = 2,
        /// From addresses something was sent to.
        AddressDependent = 3,
        /// From addresses and ports something was sent to.
        AddressAndPortDependent = 4,
    }
}

codes! {
    /// Which port a new mapping gets (RFC 4787 §4.2).
    #[derive(Default)]
    pub enum Allocation as u8, "the allocation is none of 0 to 4" {
        /// Not known (yet).
        #[default]
        Unknown = 0,
        /// The socket's own port where it is free.
        Preserving = 1,
        /// The port of the mapping before, plus a stride.
        Sequential = 2,
        /// Any of a block of ports that belongs to the host.
        Block = 3,
        /// Any port.
        Random = 4,
    }
}

body! {
    /// What is known of the NATs in front of a node.
    pub struct NatClass {
        /// What the public address depends on.
        pub mapping: Mapping,
        /// Who is let in.
        pub filtering: Filtering,
        /// Which port a new mapping gets.
        pub allocation: Allocation,
        /// From one new mapping to the next, as two's complement; 0 unless sequential.
        pub stride: u16,
        /// First port of the block; 0 unless the allocation is by block.
        pub block_first: u16,
        /// Ports in the block; 0 unless the allocation is by block.
        pub block_len: u16,
    }
}

impl NatClass {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        mapping: Mapping::Unknown,
        filtering: Filtering::Unknown,
        allocation: Allocation::Unknown,
        stride: 0,
        block_first: 0,
        block_len: 0,
    };
}

codes! {
    /// How a node came to an address of its own (RFC 8445 §5.1.1).
    #[derive(Default)]
    pub enum CandidateKind as u8, "the candidate is none of 0 to 3" {
        /// Of an interface.
        #[default]
        Host = 0,
        /// A port mapping that a gateway confirmed (UPnP, PCP, NAT-PMP).
        Mapped = 1,
        /// As others see the socket.
        Reflexive = 2,
        /// A circuit over a relay.
        Relayed = 3,
    }
}

body! {
    /// One address of a node.
    pub struct Candidate {
        /// How it was learned.
        pub kind: CandidateKind,
        /// Direct, or a circuit for [`CandidateKind::Relayed`]; without the peer.
        pub address: Address,
    }
}

body! {
    /// CANDIDATES: all addresses at which the sender may be reached, and what its NAT does. Sent to
    /// accepted contacts only; each one replaces the one before.
    pub struct Candidates {
        /// Grows by one with each one sent on a connection, from 1: a late one is ignored.
        pub generation: u32,
        /// The NATs in front of the sender.
        pub class: NatClass,
        /// Best first.
        pub candidates: List<Candidate, { limits::CANDIDATES }>,
        /// Extensions.
        pub extensions: Extensions,
    }
}

body! {
    /// Where the sender's next packets will seem to come from.
    pub struct Prediction {
        /// The public address with the likeliest port.
        pub address: Address,
        /// From that port to the next, as two's complement.
        pub stride: u16,
        /// Ports in all, at least 1.
        pub count: u16,
    }
}

body! {
    /// PUNCH: the sender begins a round of probing now, and expects the same of the receiver.
    pub struct Punch {
        /// Grows by one with each round of the sender, from 1; an answer to a round repeats it.
        pub round: u32,
        /// Whether it answers a PUNCH of the receiver, and asks for none.
        pub answers: bool,
        /// Where from, when the NAT maps by destination and its law is known.
        pub prediction: Option<Prediction>,
        /// Sockets the sender probes from, each mapped to a port of its own; 1 for the usual one.
        pub sockets: u16,
        /// Extensions.
        pub extensions: Extensions,
    }
}

codes! {
    /// From where a REACH datagram is to come.
    #[derive(Default)]
    pub enum ReachFrom as u8, "the origin is none of 0 to 2" {
        /// From the asked node's address and another port.
        #[default]
        OtherPort = 0,
        /// From another node, in another subnet, which the asked one asks with [`Self::Here`].
        OtherNode = 1,
        /// From the asked node's usual socket, on behalf of a third node.
        Here = 2,
    }
}

body! {
    /// REACH: asks for one datagram with a token to be sent to an address of the asker's, so that it
    /// learns who is let in. A request on a stream of its own.
    pub struct Reach {
        /// Chosen at random by who wants to know.
        pub token: [u8; 16],
        /// From where.
        pub from: ReachFrom,
        /// Where to: for the first two origins it has to have the IP address the asker is seen at.
        pub target: Address,
        /// Extensions.
        pub extensions: Extensions,
    }
}

codes! {
    /// What became of a REACH.
    #[derive(Default)]
    pub enum ReachResult as u8, "the result is none of 0 to 3" {
        /// A datagram was sent.
        #[default]
        Sent = 0,
        /// The target is not the asker's, or not a public address.
        Forbidden = 1,
        /// Asked too often.
        Limited = 2,
        /// No other node, socket or family to send from.
        Unable = 3,
    }
}

body! {
    /// REACHED: answers a REACH.
    pub struct Reached {
        /// What was done.
        pub result: ReachResult,
        /// Extensions.
        pub extensions: Extensions,
    }
}

/// The datagram that a REACH asks for: kind, token, zeros up to 64 bytes.
pub mod reach_datagram {
    use crate::limits;

    /// First byte.
    pub const KIND: u8 = 0x23;

    /// The datagram that carries `token`.
    #[must_use]
    pub fn seal(token: &[u8; 16]) -> [u8; limits::PROBE] {
        let mut bytes = [0; limits::PROBE];
        bytes[0] = KIND;
        bytes[1..17].copy_from_slice(token);
        bytes
    }

    /// The token of a datagram that is exactly one of these.
    #[must_use]
    pub fn open(datagram: &[u8]) -> Option<[u8; 16]> {
        let token = datagram.get(1..17)?.try_into().ok()?;
        (datagram == seal(&token).as_slice()).then_some(token)
    }
}
