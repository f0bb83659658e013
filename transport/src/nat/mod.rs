//! What stands between us and the world: asking the gateway, asking others.

mod ask;
mod fresh;
mod gateway;
mod portmap;
mod sample;
mod server;
mod side;
mod sleep;

pub use gateway::{Gateway, default_v4, default_v6};
pub use portmap::{MappingState, PortMapConfig, PortMapper, PortMapping, Refusal};
pub use server::{NoStunServer, STUN_PORT, STUN_SERVERS, StunServer};
