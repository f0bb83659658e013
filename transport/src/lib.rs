//! placeholder

pub mod congestion;
pub mod path;
pub mod socket;
pub mod tls;
