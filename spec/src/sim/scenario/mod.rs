//! What worlds are made for: each scenario is a function of a seed.

mod nat;
mod quantile;
mod setting;

pub use nat::{NatRun, nat};
pub use quantile::quantile;
pub use setting::{Setting, Weather};
