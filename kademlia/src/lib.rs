//! Finding anybody: a distributed hash table without a socket, a clock or randomness of its own.
//!
//! A node of the table has a position ([`Key`]), the hash of its public key and of a memory-hard
//! puzzle. It keeps contacts near every distance from itself, and answers who is nearest to a key
//! and what is stored there. Time and seeds come in, values go out: the very same code runs in
//! production, in a simulated world of a hundred thousand nodes, and under the fuzzer.

pub mod blinded;
pub mod call;
mod config;
pub mod contact;
pub mod key;
mod lookup;
pub mod node;
mod pace;
pub mod puzzle;
pub mod record;
pub mod repair;
mod rng;
pub mod size;
pub mod store;
pub mod table;
pub mod time;
pub mod token;

pub use config::Config;
pub use contact::{Contact, Subnet};
pub use key::{Distance, Key};
pub use time::Time;
