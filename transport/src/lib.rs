//! placeholder

pub mod path;
pub mod socket;
