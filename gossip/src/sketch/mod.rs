//! In which logs do two members differ, and by how much? A sketch of a few bytes for each log that
//! differs, however many do not.
//!
//! A sketch is an endless row of cells. Each log is added to the first cell and to fewer and fewer of
//! the later ones, so that a prefix of about 1.4 times as many cells as logs differ (twice for few)
//! can be read: the rateless code of "Practical Rateless Set Reconciliation" (Yang et al., SIGCOMM
//! 2024). That paper reconciles sets, in which a log that went from 5 to 7 is two differences. Here a
//! cell adds up sequences, sequences times a hash of the log, and sequences times a check, each in a
//! small prime field; the difference of two members' cells is a sketch of the difference of their
//! sequences, in which such a log is one (spec `80-gossip` §6).
//!
//! A cell in which one log differs by `d` is `(d, d·h, d·c(h))`, so `h` is the quotient of the first
//! two; the check, the hash's own choice of cells and, for known logs, the table of hashes say
//! whether it is really one. What was read is taken out of its other cells, and so on until all are
//! zero.

mod cell;
mod decode;
mod mapping;
mod snapshot;

pub use cell::CELL;
pub use decode::{BadCells, Decoded, Decoder, Difference, Named, first_cells};
pub use snapshot::{MAX_CELLS, Snapshot};
