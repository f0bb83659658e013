//! What stands between us and the world: asking the gateway, asking others, and answering them.

mod agenda;
mod ask;
mod config;
mod contacts;
mod dialback;
mod field;
mod fresh;
mod gateway;
mod helpers;
mod lifetime;
mod node;
mod portmap;
mod publish;
mod sample;
mod serve;
mod server;
mod side;
mod sleep;
mod status;
mod survey;

pub use dchat_nat::classify::{FamilyReport, Fault, FaultKind, Lacking, Report, ServerReport};
pub use dchat_nat::lease::Failure as MappingFailure;
pub use dchat_nat::reach::Verdict as Reachability;

pub use config::NatConfig;
pub use gateway::{Gateway, default_v4, default_v6};
pub use portmap::{MappingState, PortMapConfig, PortMapper, PortMapping};
pub use server::{NoStunServer, STUN_PORT, STUN_SERVERS, StunServer};
pub use status::NatStatus;

pub(crate) use node::{Nat, run};
pub(crate) use serve::serve;
