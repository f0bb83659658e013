//! Reservations at relays.

mod answers;
mod holding;
mod properties;
mod world;
