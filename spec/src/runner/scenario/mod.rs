//! Scenarios: several scripted peers around one running implementation, which has to do its part between
//! them. A scenario is a [`Case`] that has the node for itself.

use super::case::Case;

/// Every case of `dchat-conformance scenario`.
#[must_use]
pub fn catalogue() -> Vec<Case> {
    Vec::new()
}
