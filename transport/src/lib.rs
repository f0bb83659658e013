//! placeholder

pub mod congestion;
