//! The `dchat` library: everything between the wire and a person.

pub mod conversation;
pub mod e2ee;
