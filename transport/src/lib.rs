//! placeholder

pub mod path;
