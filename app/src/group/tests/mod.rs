//! Groups of a few members over ledgers in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod keys;
mod memory;
mod people;
mod simulation;
mod world;
