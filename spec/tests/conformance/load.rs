//! The files, read back.

use std::path::Path;

use dchat_spec::reference::{Vector, joined};
use serde_json::Value;

/// A case of a file.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) vector: Vector,
    pub(crate) error: Option<String>,
    pub(crate) field: Option<String>,
    pub(crate) expected: Option<Value>,
}

pub(crate) fn load_all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap() != "schema.json")
        .collect();
    paths.sort();
    paths
        .iter()
        .flat_map(|path| {
            let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            file["cases"].as_array().unwrap().clone()
        })
        .map(|case| parse(&case))
        .collect()
}

fn parse(case: &Value) -> Case {
    let text = |name: &str| case.get(name).and_then(Value::as_str).map(str::to_owned);
    Case {
        vector: Vector::read(case).unwrap(),
        error: text("error"),
        field: text("field"),
        expected: case.get("expected").map(|value| joined(value).unwrap()),
    }
}
