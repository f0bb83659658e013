//! Every requirement has a test for it and a test against it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use dchat_spec::requirement::evidence::in_file;
use dchat_spec::requirement::{Index, Kind, matrix};

use crate::markdown::folder;

/// Made once: the vectors take their time.
fn index() -> &'static Index {
    static INDEX: LazyLock<Index> = LazyLock::new(|| Index::collect().unwrap());
    &INDEX
}

#[test]
fn tests_name_requirements_that_exist() {
    let index = index();
    assert!(index.unknown.is_empty(), "{:#?}", index.unknown);
}

/// `holes.txt` lists what has no test yet, and may only become shorter.
/// Checks DC-GEN-001 (positive, negative).
#[test]
fn every_requirement_has_a_positive_and_a_negative_test() {
    let known = std::fs::read_to_string(folder().join("tests/documents/holes.txt"));
    let known = known.unwrap_or_default();
    let known: BTreeSet<&str> = known.lines().collect();
    let holes = index().holes();
    let new: Vec<&String> = holes
        .iter()
        .filter(|hole| !known.contains(hole.as_str()))
        .collect();
    assert!(new.is_empty(), "without a test: {new:#?}");
}

#[test]
fn holes_that_are_closed_are_no_longer_listed() {
    let known = std::fs::read_to_string(folder().join("tests/documents/holes.txt"));
    let holes = index().holes();
    let closed = known.unwrap_or_default();
    let closed: Vec<&str> = closed
        .lines()
        .filter(|line| !holes.iter().any(|hole| hole == line))
        .collect();
    assert!(
        closed.is_empty(),
        "run `cargo run -p dchat-spec --bin requirements`: {closed:#?}"
    );
}

#[test]
fn the_index_is_what_is_generated() {
    let file = std::fs::read_to_string(folder().join("requirements.json")).unwrap();
    let generated = index().to_file().unwrap();
    assert!(
        file == generated,
        "run `cargo run -p dchat-spec --bin requirements`"
    );
}

#[test]
fn the_matrix_names_every_requirement_and_each_of_its_tests() {
    let index = index();
    let page = matrix::page(index).unwrap();
    assert!(page.ends_with("</html>\n"));
    for entry in &index.entries {
        assert!(page.contains(&format!("<td id=\"{}\">", entry.statement.id)));
        for test in entry.positive.iter().chain(&entry.negative) {
            assert!(page.contains(&format!("<li>{test}</li>")), "{test}");
        }
    }
}

#[test]
fn a_doc_comment_above_a_test_is_read() {
    let lines = [
        "/// What it is about.",
        "/// Checks DC-WIRE-001 (positive), DC-WIRE-002 (positive, negative).",
        "/// Checks DC-ID-003 (negative).",
        "#[tokio::test]",
        "async fn it_is_so() {",
    ];
    let found = in_file("wire/tests/a.rs", &lines.join("\n")).unwrap();
    let short: Vec<(&str, Kind)> = found
        .iter()
        .map(|one| (one.id.as_str(), one.kind))
        .collect();
    assert_eq!(
        short,
        [
            ("DC-WIRE-001", Kind::Positive),
            ("DC-WIRE-002", Kind::Positive),
            ("DC-WIRE-002", Kind::Negative),
            ("DC-ID-003", Kind::Negative),
        ]
    );
    assert!(
        found
            .iter()
            .all(|one| one.test == "test:wire/tests/a.rs::it_is_so")
    );
}

#[test]
fn a_doc_comment_of_another_form_is_an_error() {
    let test = "\n#[test]\nfn it_is_so() {";
    for line in [
        "/// Checks DC-WIRE-001.",
        "/// Checks DC-WIRE-001 (positive)",
        "/// Checks DC-WIRE-01 (positive).",
        "/// Checks DC-WIRE-001 (perhaps).",
        "/// Checks DC-WIRE-001 (positive) and DC-WIRE-002 (negative).",
        "/// Checks DC-WIRE-001 (positive), WIRE-002 (negative).",
    ] {
        assert!(in_file("a.rs", &format!("{line}{test}")).is_err(), "{line}");
    }
    let line = "/// Checks DC-WIRE-001 (positive).";
    assert!(in_file("a.rs", &format!("{line}\nfn no_test() {{")).is_err());
}
