//! The nodes of a world: what stands around the real cores in it, as tokio and sockets do in
//! production.
//!
//! | node | real | modelled |
//! |---|---|---|
//! | [`Peer`] | path switch, agent, classifier, STUN, reservations, channels, frames | QUIC, HELLO, what the application does |
//! | [`RelayNode`] | path switch, relay, STUN answers | QUIC |
//! | [`StunServer`] | nothing: it is somebody else's | RFC 5780 |
//!
//! A node is told of a datagram or that its timer rang, then [`settled`](World::run) until it has
//! nothing left to do at that moment. Work takes no time.

mod chat;
mod classification;
mod endpoint;
mod peer;
mod relay;
mod relaying;
mod sampling;
mod streams;
mod stun;
mod world;

pub use chat::{Chat, Received};
pub use endpoint::{Endpoint, Event, PORT};
pub use peer::{Peer, PeerConfig, Progress, Session};
pub use relay::RelayNode;
pub use stun::StunServer;
pub use world::{Node, World};
