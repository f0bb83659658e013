//! What is stored: signed statements, each under the one key it belongs to (spec `70-dht` §6).
//!
//! A record is believed when it is canonical, of a kind that is [stored](rule::Rule), no larger and
//! no longer-lived than its kind allows, placed under its own key, neither expired nor from the
//! future, and signed. The checks run in this order of cost; all are done when a record is stored
//! and again when one is read, for a node that answers is not believed either.

mod notary;
mod rule;

pub use notary::{Meta, Notary, Strict, validate};
pub use rule::{Placement, RULES, Rule, rule};
