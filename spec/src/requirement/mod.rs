//! The requirement index: every numbered sentence of the documents, and the tests that check it.
//!
//! The documents are the source of the sentences, their levels and their roles ([`statement`]); the
//! tests say themselves what they check ([`evidence`]): a vector by `req` and `result`, a case of the
//! runner by `req` and `kind`, a Rust test by a line of its doc comment. [`Index::collect`] joins the
//! two, [`Index::to_file`] is `requirements.json`, [`matrix`] the page for people. An id that lacks a
//! positive or a negative test is a [hole](Index::holes).

pub mod evidence;
pub mod index;
pub mod matrix;
pub mod statement;

pub use evidence::{Evidence, Kind};
pub use index::{Entry, Index};
pub use statement::{Level, Statement};
