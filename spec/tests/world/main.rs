//! The simulated world: its network keeps to RFC 4787, and it is a function of its seed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod determinism;
mod gossip;
mod kademlia;
mod matrix;
mod network;
mod profiles;
mod quic;
mod reference;
mod switching;
mod translator;
