//! A small internet in memory: a host behind a chain of NATs, STUN servers and nodes, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    dead_code,
    reason = "tests fail by panicking, begin at any time, and each test file uses a part of this"
)]

pub(crate) mod nat;
pub(crate) mod net;
