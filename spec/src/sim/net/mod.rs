//! The network: realms of addresses, boxes between them, hosts in them.
//!
//! **State.** A *realm* is a domain in which an address means one place: the internet, or a network
//! behind a box. A *box* ([`nat`](super::nat)) is the gateway of its inside realm and is attached to
//! an outside one, so boxes nest (a home behind a carrier's NAT is two of them in a row). A *host*
//! has any number of interfaces, each in one realm with some addresses. Every attachment is a
//! [`Link`] with its own delay, loss and so on in each direction; realms themselves are instant.
//!
//! **In.** [`Net::send`] for a host's datagram, [`Net::wake`] for its timer, [`Net::apply`] for what
//! happens to the network itself, [`Net::schedule`] for a moment at which something should.
//!
//! **Out.** [`Net::next`]: the next [`Occurrence`], after moving time to it.
//!
//! **Routing.** A packet to an address of its realm goes there; to an address behind a firewall of
//! the realm, through it; anything else to the realm's gateway of its family, or nowhere. An
//! address of the sending host itself never leaves it. A host sends on the interface that has the
//! wanted source address, or else on the first that is up and has a way to the destination.
//!
//! **Invariants.** The same calls give the same occurrences and the same
//! [trace](super::trace::Trace). No packet is seen in two places, none is altered but its two
//! addresses. Time never goes back.

mod action;
mod host;
mod link;
mod packet;
mod realm;
mod routing;

pub use action::Action;
pub use host::{HostId, InterfaceId, Unroutable};
pub use link::{Fate, Link, Loss, Pipe, Quality};
pub use packet::Packet;
pub use realm::{BoxId, RealmId};
pub use routing::{Drops, Net, Occurrence};
