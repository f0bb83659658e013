//! The `dchat` library: everything between the wire and a person.

pub mod home;
pub mod store;
pub mod vault;
