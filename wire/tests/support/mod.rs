//! What the tests share. All but the strategies and the snapshots also serve the fuzz targets, which include
//! them by path.

#![allow(dead_code, reason = "every test binary uses a part of it")]
#![allow(unreachable_pub, reason = "the fuzz crate includes these files too")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

pub mod agree;
pub mod any_gossip;
pub mod bodies;
pub mod gossip;
pub mod hand;
pub mod hex;
pub mod mirror;
pub mod samples;
pub mod snapshot;
pub mod strategies;
