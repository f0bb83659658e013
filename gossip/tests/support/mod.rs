//! What the tests and examples share.
#![allow(dead_code, reason = "every binary uses a part of it")]
#![allow(unreachable_pub, reason = "shared by tests and examples")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

pub(crate) mod world;
