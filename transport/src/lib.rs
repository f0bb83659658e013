//! DChat's node on the network.
//!
//! An [`Endpoint`] is everything a node needs to meet others: QUIC connections in which both sides
//! prove the Ed25519 key that is their name ([`tls`]), on one socket under which each peer has one
//! virtual address ([`socket`]) whose packets take whichever real path is best ([`path`]), with a
//! congestion state for each path ([`congestion`]). It keeps peers connected, finds those on the
//! local network, exchanges addresses, and leaves exactly one connection when two nodes dial each
//! other at once.
//!
//! What a stranger can cost is bounded by [`Limits`]; how a failure is told apart is in [`error`].
//! The application reads [`Events`] and uses [`Connection`]s:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use dchat_transport::{Endpoint, EndpointConfig, Event};
//! use dchat_wire::sign::Identity;
//!
//! let identity = Identity::from_seed(&[7; 32]);
//! let (endpoint, mut events) = Endpoint::bind(EndpointConfig::new(identity))?;
//! while let Some(event) = events.next().await {
//!     if let Event::Discovered { peer, addrs, .. } = event {
//!         let connection = endpoint.connect(Some(peer), &addrs).await?;
//!         connection.ping().await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

pub mod congestion;
pub mod dht;
pub mod error;
pub mod hello;
pub mod limits;
pub mod nat;
pub mod path;
pub mod relay;
pub mod socket;
pub mod tls;

mod connection;
mod dial;
mod discovery;
mod endpoint;
mod entropy;
mod sync;

pub use connection::{Claim, Connection, FrameStream, Kept, PathInfo, arbitrate};
pub use dial::TooManyKept;
pub use endpoint::{Endpoint, EndpointConfig, Event, Events, MdnsConfig, RelaySettings, Via};
pub use error::{
    CloseReason, DhtError, DialError, EndpointError, PingError, RelayFault, StreamError,
};
pub use limits::Limits;
pub use path::PathKind;
pub use relay::RelayInfo;
