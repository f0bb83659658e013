//! A Kademlia of a hundred thousand nodes in virtual time.
//!
//! Every node is a [production core](dchat_kademlia::node::Node), driven through its own four verbs;
//! the world only carries its calls and keeps its clock. What it models is stated where it is
//! modelled: round-trip times and losses ([`link`]), which connections are warm ([`pool`]), what
//! calls cost ([`cost`]), how long nodes stay ([`churn`]) and what attackers do ([`adversary`]).
//! Results are judged by the [`truth`] about who runs, which no node sees.
//!
//! **Contract.** A world is a function of its [setting](Setting): the same one gives the same events,
//! and [`Journal::digest`] shows it. [`scenario::run`] makes a world, does something to it and
//! reports.

pub mod adversary;
pub mod churn;
pub mod clerk;
pub mod cost;
pub mod job;
pub mod journal;
pub mod link;
pub mod pool;
pub mod population;
pub mod records;
pub mod scenario;
pub mod tally;
pub mod truth;

mod exchange;
mod fill;
mod life;
mod search;
mod slab;
mod wheel;
mod world;

pub use journal::Journal;
pub use slab::Slab;
pub use wheel::Wheel;
pub use world::{EPOCH, Setting, World};
