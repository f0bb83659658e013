//! The switch on virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod asymmetric;
mod demux;
mod liveness;
mod net;
mod properties;
mod relayed;
mod roaming;
mod selection;
mod traversal;
