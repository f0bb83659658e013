//! Talking together: rooms and groups without a socket, a clock or randomness of their own.
//!
//! A room is a set of logs, one for each author. Every member ends with the same logs: items spread
//! along trees, what a tree loses is announced and pulled, and what both miss is found by comparing
//! digests. Time and seeds come in, values go out: the very same code runs in production, in a
//! simulated world of ten thousand members, and under the fuzzer.

pub mod config;
pub mod frontier;
pub mod log;
pub mod membership;
pub mod message;
pub mod node;
pub mod overlay;
pub mod range;
pub mod round;
pub mod score;
pub mod sketch;
pub mod spread;
pub mod time;

mod rng;
mod siphash;

pub use config::Config;
pub use frontier::{Frontier, Log, LogId};
pub use log::{Item, Judge, Verdict};
pub use message::Message;
pub use node::{Input, Node, Output};
pub use time::Time;
