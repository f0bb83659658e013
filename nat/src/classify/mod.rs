//! What the own NATs do, found out in at most 2 s and 40 datagrams sent (spec `50-nat`).
//!
//! **State.** A [`Classifier`] knows, for each address family, as what each server sees the main socket
//! and a few fresh ones, and what came in from where nothing had been sent to. **In.** [`Setup`]: whom to
//! ask; then [`Input`]s and time. **Out.** [`Output`]s: datagrams from the main socket and from fresh ones,
//! REACH questions to nodes, and at the end one [`Report`]. How long mappings live takes minutes and is
//! [`LifetimeProbe`]'s matter.
//!
//! **Invariants.** No more than [`Config::packets`] datagrams are sent, repetitions included, and the
//! report comes by [`Config::deadline`]. What lacks evidence is reported as unknown with the reason, never
//! guessed. Who is outvoted is named and changes nothing. Nothing is sent to an address that a single
//! server names, except at most six questions of 64 bytes to an RFC 5780 server's other address, of its
//! own scope; to the own public address only what two operators agree on. **Bounds.** [`SERVERS`] in each
//! family, [`FRESH`] sockets, two witnesses in each family.
//!
//! # What is asked
//!
//! 1. Main socket → three servers (a fourth when one fails or they differ), each up to three times within
//!    1.25 s; and to the other address of those that name one, its other port too once answers differ.
//! 2. Two *witnesses*, that is servers that can have datagrams come from elsewhere: an RFC 5780 server by
//!    CHANGE-REQUEST, a node by REACH. Each gets a fresh socket that sends to nobody else, so that
//!    everything else has to pass the filter; asked three times for the other port and three times for
//!    another address, all at once.
//! 3. Fresh sockets → the servers in turn, 10 ms apart: two if they keep their ports, else eight.
//! 4. Main and a fresh socket → each other's public address, twice: one opens the other's filter.
//!
//! # Mapping
//!
//! A server, its other address and all servers of one IP address are one *operator* with one vote.
//! An other address is not asked when another operator has its IP address.
//!
//! | operators | say | verdict |
//! |---|---|---|
//! | none | | unknown: no answer |
//! | one | an address of ours | none |
//! | one | the same from two hosts | endpoint-independent |
//! | one | one host only | unknown: a second server is lacking |
//! | any | more than half, and two, say the same | none or endpoint-independent; the others are outvoted |
//! | any | two or more agree, but not more than half | unknown: no majority |
//! | two or more | all differ, though one is consistent over two hosts | unknown: no majority |
//! | any | all differ | dependent: see below |
//!
//! A dependent mapping is address-dependent where two ports of one host see the same, and
//! address-and-port-dependent where they differ; hosts vote if they contradict each other. Without such a
//! host it is reported as the latter, with [`Lacking::MappingByPort`].
//!
//! # Filtering
//!
//! An arrival is a proof, whoever sent it, if its source is one that the socket never sent to; only
//! silence can be a lie. Silence of an RFC 5780 server counts if its other address answered the main
//! socket, silence of a node if it says it sent at least two.
//!
//! | from another address | from another port | verdict |
//! |---|---|---|
//! | arrived, with any witness | any | endpoint-independent; none without a NAT |
//! | silence | arrived | address-dependent |
//! | nothing known | arrived | unknown |
//! | any | silence with all | address-and-port-dependent |
//! | any | nothing known | unknown |
//!
//! A witness whose silence is contradicted by another's arrival is named ([`FaultKind::NotSent`]): it
//! lied, or three datagrams were lost.
//!
//! # Ports
//!
//! Of what fresh sockets' first mappings get, the first that fits:
//!
//! | samples | law |
//! |---|---|
//! | at least three keep the socket's port, and three of four that are known | preserving |
//! | at least three steps, three of four of them 1 to 8 times the most frequent one of at most ±16 | sequential, with that stride |
//! | at least seven, all (or all but one of eight) within 2,048 ports | block: the smallest aligned power of two from 64 on, or the likely range |
//! | at least seven | random |
//! | fewer | unknown |
//!
//! A NAT may keep the port of a socket's first mapping and give others to its further ones: this is the
//! law of the first, and [`FamilyReport::again`] that of the further.
//!
//! # Hairpin and second NAT
//!
//! What arrives shows that the NAT sends back. That nothing does shows the opposite only where mapping or
//! filtering are endpoint-independent: elsewhere the filter drops it in any case. A gateway that tells
//! another external address than the servers has a second NAT behind it.

mod asker;
mod classifier;
mod event;
mod family;
mod filtering;
mod hairpin;
mod lifetime;
mod mapping;
mod ports;
mod report;
mod witness;

pub use classifier::Classifier;
pub use event::{Config, FRESH, Input, Output, SERVERS, Server, ServerKind, Setup, Socket};
pub use lifetime::{
    Lifetime, LifetimeConfig, LifetimeInput, LifetimeOutput, LifetimeProbe, PARALLEL,
};
pub use report::{FamilyReport, Fault, FaultKind, Lacking, Report, ServerReport};

use std::net::SocketAddr;

use crate::scope::{self, Scope};

/// Whether an address of this family (0 is IPv4) may be one that someone has.
fn plausible(address: SocketAddr, family: usize) -> bool {
    address.port() != 0
        && usize::from(address.is_ipv6()) == family
        && scope::scope(address.ip()) != Scope::Nobody
}
