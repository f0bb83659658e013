//! The side of those who use relays: [`Reservations`] decides where to be reachable and keeps it
//! so, [`Channels`] asks for channels and answers those who ask. Both speak of streams as the relay
//! does: a stream is opened, written to and closed as their outputs say.

pub mod channels;
pub mod reservations;

mod voucher;

pub use channels::{Channels, Consent};
pub use reservations::{Candidate, Reservations};
pub use voucher::VoucherError;

#[cfg(test)]
mod tests;
