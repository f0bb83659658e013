//! The documents, read; a file that cannot be read fails the test.

use std::path::PathBuf;

pub(crate) use dchat_spec::document::{Document, Fence};

pub(crate) fn folder() -> PathBuf {
    dchat_spec::document::folder().to_owned()
}

/// Every document, in the order of their names.
pub(crate) fn documents() -> Vec<Document> {
    dchat_spec::document::documents().unwrap()
}

pub(crate) fn document(name: &str) -> Document {
    let mut all = documents();
    let at = all.iter().position(|document| document.name == name);
    all.swap_remove(at.unwrap_or_else(|| panic!("no document {name}")))
}

/// The rows of the first table below a heading, without its head.
pub(crate) fn table(name: &str, heading: &str) -> Vec<Vec<String>> {
    let rows = document(name).table(heading);
    rows.unwrap_or_else(|| panic!("{name}: no heading {heading}"))
}
