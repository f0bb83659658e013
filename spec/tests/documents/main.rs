//! What the documents say about themselves, about each other, and about the code.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod citations;
mod coverage;
mod examples;
mod markdown;
mod parameters;
mod registry;
mod requirements;
mod structures;
