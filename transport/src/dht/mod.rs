//! Our part in the DHT: finding anybody, and what they stored (spec `70-dht`).
//!
//! `dchat-kademlia`'s [`Node`](dchat_kademlia::node::Node) decides whom to ask, whom to know and what
//! to keep. Here its handles become keys and addresses, its questions streams and datagrams, and its
//! clock a real one.
//!
//! * A question goes over whichever connection there is with the node, or over one made for the DHT
//!   alone: of those the application is not told. They are bounded, and closed when unused.
//! * Whether somebody is still there is asked by [pulse](dchat_wire::pulse): 33 bytes each way, under
//!   a key of the last connection.
//! * A node is believed to serve at a position when its puzzle is solved and it was spoken to where
//!   it says it listens. Puzzles are checked and solved on blocking threads.
//! * We serve when we can be reached, and say so with the first question on each connection.
//! * Bounds: [`DhtLimits`], [`Limits`](crate::Limits) and the core's
//!   [`Config`](dchat_kademlia::Config).

mod answer;
mod book;
mod call;
mod clock;
mod config;
mod drive;
mod handle;
mod inner;
mod meet;
mod pulse;
mod puzzles;
mod rpc;
mod seeds;
mod serve;
mod standing;
mod table;
mod usage;

use std::time::Duration;

pub use answer::{Counts, DhtStat, Effort, Evidence, Found, Got, Put, TableNode};
pub use config::{DhtConfig, DhtLimits, KnownNode, Serve};
pub use handle::Dht;

pub(crate) use drive::drive;
pub(crate) use serve::serve;
pub(crate) use table::Table;
pub(crate) use usage::Usage;

/// Nodes not heard of for longer are not begun with after a restart: of a hundred that were there a
/// week ago, with sessions as they are measured, few are left.
pub const STALE: Duration = Duration::from_secs(7 * 24 * 3_600);
