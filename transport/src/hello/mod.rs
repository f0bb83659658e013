//! The control stream: what is sent first, and what may come (spec `30-transport` §3).

mod control;
mod opening;

pub use control::{ControlReader, ControlViolation, Heard};
pub(crate) use opening::{Opening, identify};
