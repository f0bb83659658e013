//! placeholder

pub mod path;
pub mod socket;
pub mod tls;
