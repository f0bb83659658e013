//! The files of vectors as a whole.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dchat_spec::{Case, suites};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

#[test]
fn the_files_are_what_the_generator_makes() {
    for suite in suites::all() {
        let path = folder().join(suite.name).with_extension("json");
        let file = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            file == suite.to_file().unwrap(),
            "{} is stale: run `cargo run -p dchat-spec --bin vectors`",
            path.display()
        );
    }
}

#[test]
fn there_are_no_other_files() {
    let made: BTreeSet<String> = suites::all()
        .iter()
        .map(|suite| format!("{}.json", suite.name))
        .chain(["schema.json".to_owned()])
        .collect();
    let found: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, made);
}

#[test]
fn every_id_is_given_once() {
    let mut seen = BTreeSet::new();
    for suite in suites::all() {
        let file: Value = serde_json::from_str(&suite.to_file().unwrap()).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let id = case["id"].as_str().unwrap().to_owned();
            assert!(seen.insert(id.clone()), "{id} is given twice");
        }
    }
}

#[test]
fn at_least_two_thousand_cases_of_which_two_fifths_are_invalid() {
    let cases: Vec<Case> = suites::all()
        .into_iter()
        .flat_map(|suite| suite.cases)
        .collect();
    let invalid = cases.iter().filter(|case| case.is_invalid()).count();
    assert!(cases.len() >= 2000, "{} cases", cases.len());
    assert!(
        invalid * 5 >= cases.len() * 2,
        "{invalid} of {}",
        cases.len()
    );
}
