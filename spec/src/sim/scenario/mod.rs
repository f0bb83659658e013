//! What worlds are made for: each scenario is a function of a seed.

mod classify;
mod nat;
mod path;
mod quantile;
mod setting;

pub use classify::{ClassifyRun, classify};
pub use nat::{NatRun, nat};
pub use path::{PathConfig, PathRun, path};
pub use quantile::quantile;
pub use setting::{Setting, Weather};
