//! Records, and how they are stored, kept and found.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests"
)]

mod blinded;
mod expiry;
mod model;
mod placement;
mod puzzle;
mod quotas;
mod refusals;
mod repair;
mod support;
mod token;
mod world;
