//! The files, read back.

use std::path::Path;

use serde_json::Value;

/// An error as a vector names it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: String,
    pub(crate) field: Option<String>,
    /// What came out before the error.
    pub(crate) before: Option<Value>,
}

impl Refusal {
    pub(crate) fn new(error: &str) -> Self {
        Self {
            error: error.to_owned(),
            field: None,
            before: None,
        }
    }
}

impl From<dchat_wire::DecodeError> for Refusal {
    fn from(error: dchat_wire::DecodeError) -> Self {
        Self {
            field: error.field().map(str::to_owned),
            ..Self::new(error.name())
        }
    }
}

pub(crate) type Answer = Result<Value, Refusal>;

/// A case of a file.
#[derive(Debug)]
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) op: String,
    pub(crate) error: Option<String>,
    pub(crate) field: Option<String>,
    pub(crate) input: Value,
    pub(crate) expected: Option<Value>,
}

impl Vector {
    /// An input that is text.
    pub(crate) fn text(&self, name: &str) -> &str {
        let value = self.input.get(name).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("{}: no text {name}", self.id))
    }

    /// An input that is a small number.
    pub(crate) fn number(&self, name: &str) -> u64 {
        let value = self.input.get(name).and_then(Value::as_u64);
        value.unwrap_or_else(|| panic!("{}: no number {name}", self.id))
    }

    /// An input that is a `u64`.
    pub(crate) fn u64(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap()
    }

    /// An input of bytes.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        unhex(self.text(name))
    }

    /// An input of so many bytes.
    pub(crate) fn fixed<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap()
    }

    /// An input that is a list of bytes.
    pub(crate) fn list(&self, name: &str) -> Vec<Vec<u8>> {
        let items = self.input.get(name).and_then(Value::as_array).unwrap();
        items
            .iter()
            .map(|item| unhex(item.as_str().unwrap()))
            .collect()
    }

    /// The output, unless the vector claims another.
    pub(crate) fn claimed(&self, name: &str, output: Value) -> Answer {
        match self.input.get("claimed") {
            Some(claimed) if *claimed != output => Err(Refusal::new("mismatch")),
            _ => Ok(serde_json::json!({ name: output })),
        }
    }
}

pub(crate) fn load_all() -> Vec<Vector> {
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
            let cases = file["cases"].as_array().unwrap().clone();
            cases.into_iter().map(parse)
        })
        .collect()
}

fn parse(case: Value) -> Vector {
    let text = |name: &str| case.get(name).and_then(Value::as_str).map(str::to_owned);
    Vector {
        id: text("id").unwrap(),
        op: text("op").unwrap(),
        error: text("error"),
        field: text("field"),
        input: joined(&case["input"]),
        expected: case.get("expected").map(joined),
    }
}

/// The value with lists of pieces put together to one hexadecimal string.
fn joined(value: &Value) -> Value {
    match value {
        Value::Array(items) if items.iter().any(is_run) => {
            items.iter().map(piece).collect::<String>().into()
        }
        Value::Array(items) => items.iter().map(joined).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), joined(value)))
            .collect(),
        other => other.clone(),
    }
}

fn is_run(item: &Value) -> bool {
    item.get("repeat").is_some()
}

fn piece(item: &Value) -> String {
    match item.get("repeat").and_then(Value::as_str) {
        Some(repeated) => {
            let times = item["times"].as_u64().unwrap();
            repeated.repeat(usize::try_from(times).unwrap())
        }
        None => item.as_str().unwrap().to_owned(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> Value {
    dchat_spec::json::hex(bytes).into()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "half a byte");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
