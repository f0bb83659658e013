//! When members compare digests.
//!
//! A round is one digest sent to one neighbour, taken at random from those it is longest ago with.
//! It is a push-pull exchange: whoever turns out to hold less sketches what it holds, and the other
//! sends what is missing and asks for what it lacks itself.

mod pacing;
mod session;

pub use pacing::Pacing;
pub(crate) use pacing::Rounds;
pub(crate) use session::{Behind, Reading, Sessions, Sketching};
