//! A running node of one home: the store, the conversations and the network, behind [`Peer`].
//!
//! Two halves meet over bounded queues. The **engine** is one thread that owns everything durable:
//! the database, the ratchets and the conversations. It takes what is waiting (requests of this
//! home's user, frames of peers, ticks), applies it in one transaction, commits, and only then lets
//! anything be seen: replies, events, frames. The **network** half runs on tokio, owns the endpoint
//! and the streams, and knows nothing of what the bytes mean.
//!
//! Invariants:
//! - nothing leaves the engine before the transaction it comes from is committed;
//! - when a transaction fails, everybody who waited for it is told so, the connections it touched
//!   are dropped, and the peers' frontiers sort out the rest when they are back;
//! - a batch is bounded ([`engine::BATCH`]), and so is every queue, so a fast peer waits in QUIC's
//!   flow control and not in our memory.

mod convert;
mod dht;
mod doctor;
mod engine;
mod hub;
mod network;
mod peer;
mod profile;
mod sdk;
mod streams;

pub use peer::Peer;
