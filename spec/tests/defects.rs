//! The table of `defects.md`: it names the defects there are, and vectors and cases there are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed assumption fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};

use dchat_spec::runner::cases::catalogue;
use dchat_spec::suites;
use dchat_wire::defect::Defect;

/// The last column of each row, by the first.
fn rows() -> BTreeMap<&'static str, Vec<&'static str>> {
    let table = include_str!("../defects.md").lines();
    let rows = table.filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, rest)| {
        let column = rest.trim_end_matches([' ', '|']).rsplit(" | ").next();
        let quoted = column.unwrap_or_default().split('`').skip(1).step_by(2);
        (name, quoted.collect())
    })
    .collect()
}

#[test]
fn the_table_names_every_defect_and_no_other() {
    let named: BTreeSet<&str> = rows().into_keys().collect();
    let known: BTreeSet<&str> = Defect::ALL.iter().map(|defect| defect.name()).collect();
    assert_eq!(named, known);
    assert!(known.len() >= 60, "{}", known.len());
}

#[test]
fn every_row_names_what_notices_it() {
    let vectors = suites::all().into_iter().flat_map(|suite| suite.cases);
    let vectors: BTreeSet<String> = vectors
        .map(|case| format!("vector:{}", case.id()))
        .collect();
    let cases: BTreeSet<String> = catalogue()
        .iter()
        .map(|case| format!("case:{}", case.id))
        .collect();
    for (defect, noticed) in rows() {
        assert!(!noticed.is_empty(), "nothing notices {defect}");
        for name in noticed {
            let is_known = vectors.contains(name) || cases.contains(name);
            assert!(is_known, "{defect}: there is no {name}");
        }
    }
}
