//! Worked examples against the vectors they name, and tables against what they tabulate.

use std::collections::BTreeMap;

use dchat_wire::{limits, parcel};
use serde_json::Value;

use crate::markdown::{Fence, document, documents, folder, table};

fn cases() -> BTreeMap<String, Value> {
    let mut cases = BTreeMap::new();
    for suite in dchat_spec::suites::all() {
        let path = folder()
            .join("vectors")
            .join(suite.name)
            .with_extension("json");
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for case in file["cases"].as_array().unwrap() {
            cases.insert(case["id"].as_str().unwrap().to_owned(), case.clone());
        }
    }
    cases
}

/// A word of the form `name=value` in a fence's first line.
fn option<'a>(fence: &'a Fence, name: &str) -> Option<&'a str> {
    let mut words = fence.info.split(' ');
    words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// The text of a block without comments and, for hexadecimal, without space.
fn bare(fence: &Fence) -> String {
    if fence.info.starts_with("hex") {
        let lines = fence.content.lines();
        let code = lines.filter_map(|line| line.split('#').next());
        code.flat_map(str::chars)
            .filter(|c| !c.is_whitespace())
            .collect()
    } else {
        fence.content.trim().to_owned()
    }
}

/// A text, or the pieces of a long one put together.
fn text(value: &Value) -> Option<String> {
    let piece = |piece: &Value| {
        let repeat = piece["repeat"].as_str().or(piece.as_str())?;
        let times = piece["times"].as_u64().unwrap_or(1);
        Some(repeat.repeat(times as usize))
    };
    match value {
        Value::Array(pieces) => pieces.iter().map(piece).collect(),
        other => other.as_str().map(str::to_owned),
    }
}

#[test]
fn worked_examples_are_the_bytes_of_their_cases() {
    let cases = cases();
    let mut checked = 0;
    for document in documents() {
        for fence in document.fences() {
            let Some(id) = option(&fence, "case") else {
                assert!(
                    !fence.info.starts_with("hex"),
                    "{}: hex of no case",
                    document.name
                );
                continue;
            };
            let case = cases.get(id).unwrap_or_else(|| panic!("no case {id}"));
            let path = option(&fence, "at").unwrap_or("input.bytes");
            let value = path.split('.').fold(case, |value, name| &value[name]);
            let value = text(value).unwrap_or_else(|| panic!("{id}: no text at {path}"));
            let shown = bare(&fence);
            if fence.info.ends_with(" prefix") {
                assert!(
                    value.starts_with(&shown),
                    "{}: {id}: {value}",
                    document.name
                );
                let zeros = value[shown.len()..].chars().all(|digit| digit == '0');
                assert!(zeros, "{id}: more than zeros follow");
            } else {
                assert_eq!(shown, *value, "{}: {id}", document.name);
            }
            checked += 1;
        }
    }
    assert!(checked >= 15, "only {checked} examples were found");
}

#[test]
fn the_table_of_padded_lengths_is_right() {
    let rows = table("40-messaging", "### 4.1 Padding");
    assert!(rows.len() >= 10);
    for row in rows {
        let numbers: Vec<usize> = row.iter().map(|cell| cell.parse().unwrap()).collect();
        let [n, e, s, g, padded] = numbers[..] else {
            panic!("{row:?}");
        };
        let m = n.max(limits::PARCEL_MIN);
        assert!(1 << e <= m && m < 2 << e, "{row:?}");
        assert!(1 << (s - 1) <= e && e < 1 << s, "{row:?}");
        assert_eq!(g, 1 << (e - s), "{row:?}");
        assert_eq!(padded, parcel::padded_len(n), "{row:?}");
    }
}

#[test]
fn every_error_name_of_the_vectors_is_documented() {
    let text = document("10-encoding").text().to_owned();
    for (id, case) in cases() {
        if let Some(error) = case["error"].as_str() {
            assert!(text.contains(&format!("`{error}`")), "{id}: {error}");
        }
    }
}

#[test]
fn every_operation_of_the_vectors_is_documented() {
    let text = document("92-vectors").text().to_owned();
    for (id, case) in cases() {
        let op = case["op"].as_str().unwrap();
        assert!(text.contains(&format!("| `{op}` |")), "{id}: {op}");
    }
}
