//! Test vectors for the protocol that the documents beside this crate define.
//!
//! [`suites::all`] makes every suite in memory, from fixed seeds, so that the same bytes come out
//! each time; the program `vectors` writes them to `vectors/`. None of it uses `dchat-wire` (built
//! without default features this crate does not even depend on it): each byte is put down by hand as the documents say ([`structure`], [`multiaddr`], [`der`]), and the
//! tests of this crate then hold `dchat-wire` (its answers are `reference`) and the files against
//! each other. A third opinion, made from the documents alone, is `check_vectors.py`.
//!
//! [`requirement`] joins the sentences of the documents with the tests that check them.
//!
//! Apart from that stand `sim`, the simulated world in which the real cores run, and `runner`, the
//! conformance runner: a peer that plays correct and faulty partner against any implementation.

pub mod actor;
pub mod case;
pub mod der;
pub mod document;
pub mod fault;
pub mod json;
pub mod megolm;
pub mod multiaddr;
pub mod olm;
#[cfg(feature = "reference")]
pub mod reference;
pub mod requirement;
#[cfg(feature = "runner")]
pub mod runner;
#[cfg(feature = "sim")]
pub mod sim;
pub mod structure;
pub mod suites;

pub use case::{Case, Suite};
pub use json::Json;
