//! A laboratory of real networks: namespaces, routers, NATs of the kernel's and of our own, and
//! the services that real networks have.
//!
//! `translator`, `firewall` and `link` are pure; `tun` runs them between two namespaces. `gateway`
//! is a home router, `internet` what is between them, `profile` the places a peer may be in,
//! `prober` finds out what a NAT really does, `verdict` what two of them allow, `service` runs a STUN server and a UPnP, NAT-PMP
//! and PCP daemon, `network` puts the real binary in. Everything is deleted on drop.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test binary uses its part, and what cannot be built fails the test"
)]

pub mod dice;
pub mod firewall;
pub mod gateway;
pub mod internet;
pub mod link;
pub mod meter;
pub mod network;
pub mod packet;
pub mod prober;
pub mod profile;
pub mod router;
pub mod service;
pub mod stun;
pub mod translator;
pub mod tun;
pub mod verdict;
