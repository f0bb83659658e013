//! The control stream: what is sent first, and what may come.

mod control;
mod opening;

pub(crate) use control::{ControlReader, ControlViolation, Heard};
pub(crate) use opening::{Opening, identify};
