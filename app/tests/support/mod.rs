//! What the end-to-end tests share.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test binary uses its part"
)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

pub mod agreement;
pub mod command;
pub mod daemon;
pub mod dice;
pub mod group;
pub mod history;
pub mod home;
pub mod kills;
#[cfg(target_os = "linux")]
pub mod namespace;
#[cfg(target_os = "linux")]
pub mod node;
pub mod pair;
pub mod room;
#[cfg(target_os = "linux")]
pub mod split;
pub mod talk;
