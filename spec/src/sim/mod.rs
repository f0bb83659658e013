//! The simulated world: networks of NATs, hosts that run the real cores, and virtual time.
//!
//! **Contract.** Nothing here reads a clock, opens a socket, draws from the operating system or
//! iterates in the order of a hash. A world is a function of its seed: the same seed gives the same
//! events, and [`Trace::digest`] shows it. Time moves from event to event.
//!
//! From below: [`Time`] and the event [`Queue`]; the [`net`]work with its links, realms and hosts;
//! [`nat`], the boxes between realms; [`quic`], a model of the one thing that is not real. Apart from
//! these stand [`kademlia`] and [`gossip`], where links are distributions, so that a hundred thousand
//! nodes fit.

pub mod gossip;
pub mod kademlia;
pub mod nat;
pub mod net;
pub mod node;
pub mod quic;

pub mod scenario;
pub mod site;

mod queue;
mod rng;
mod time;
mod trace;

pub use queue::Queue;
pub use rng::Rng;
pub use time::{Clock, Time};
pub use trace::Trace;
