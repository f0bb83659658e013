//! What the own NATs do, found out in at most 2 s and 40 datagrams.

mod asker;
mod classifier;
mod event;
mod family;
mod filtering;
mod hairpin;
mod mapping;
mod ports;
mod report;
mod witness;

pub use classifier::Classifier;
pub use event::{Config, FRESH, Input, Output, SERVERS, Server, ServerKind, Setup, Socket};
pub use report::{FamilyReport, Fault, FaultKind, Lacking, Report, ServerReport};

use std::net::SocketAddr;

use crate::scope::{self, Scope};

/// Whether an address of this family (0 is IPv4) may be one that someone has.
fn plausible(address: SocketAddr, family: usize) -> bool {
    address.port() != 0
        && usize::from(address.is_ipv6()) == family
        && scope::scope(address.ip()) != Scope::Nobody
}
