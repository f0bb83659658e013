//! The world of the DHT: small networks, each with the invariant of its scenario.

mod cost;
mod scenarios;
