//! Where a node may stand: the fourteen profiles of the matrix, and what can be said of a pair of
//! them without running any code of ours.

mod exchange;
mod profile;
mod terrain;

pub use exchange::needs_guess;
pub use profile::Profile;
pub use terrain::{Home, Place, Terrain};
