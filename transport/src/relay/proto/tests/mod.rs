//! The relay protocol as a whole.
