//! What checks a requirement: vectors, cases of the runner, Rust tests.
//!
//! A Rust test says it in a line of its doc comment, right above its attributes:
//!
//! ```text
//! /// Checks DC-DHT-014 (positive), DC-DHT-015 (negative), DC-DHT-016 (positive, negative).
//! #[test]
//! fn a_lookup_ends_when_nobody_nearer_is_left() {
//! ```
//!
//! A list that does not fit into one line goes on in another line of the same form.

use std::io;
use std::path::{Path, PathBuf};

use crate::document::folder;
use crate::suites;

/// The directories whose Rust tests are read.
pub const PARTS: [&str; 8] = [
    "wire",
    "kademlia",
    "gossip",
    "nat",
    "transport",
    "app",
    "spec",
    "fuzz",
];

/// What a test shows of a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What the sentence asks for is done where it applies.
    Positive,
    /// What the sentence rules out is refused, or not done though it was invited.
    Negative,
}

/// One test of one requirement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Evidence {
    /// `DC-WIRE-014`.
    pub id: String,
    /// What it shows.
    pub kind: Kind,
    /// `vector:hello/version-1`, `case:hello/future-version` or `test:wire/tests/hello.rs::name`.
    pub test: String,
}

/// A line that looks like a statement of what is checked and is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file}:{line}: {why}; write `/// Checks DC-WIRE-001 (positive), DC-WIRE-002 (negative).` right above `#[test]`"
)]
pub struct Misstated {
    /// The file, from the root of the repository.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// What is wrong.
    pub why: &'static str,
}

/// Why the tests could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A source file could not be read.
    #[error("a source file cannot be read: {0}")]
    Read(#[from] io::Error),
    /// A doc comment is not of the form above.
    #[error(transparent)]
    Misstated(#[from] Misstated),
}

/// What the vectors check.
#[must_use]
pub fn vectors() -> Vec<Evidence> {
    let suites = suites::all();
    let cases = suites.iter().flat_map(|suite| &suite.cases);
    cases
        .flat_map(|case| {
            let kind = if case.is_invalid() {
                Kind::Negative
            } else {
                Kind::Positive
            };
            case.requirements().iter().map(move |id| Evidence {
                id: (*id).to_owned(),
                kind,
                test: format!("vector:{}", case.id()),
            })
        })
        .collect()
}

/// What the cases of the conformance runner check; nothing in a build without it.
#[must_use]
#[cfg(feature = "runner")]
pub fn runner_cases() -> Vec<Evidence> {
    let cases = [
        crate::runner::cases::catalogue(),
        crate::runner::scenario::catalogue(),
    ]
    .concat();
    let cited = cases.iter().flat_map(|case| {
        let kind = match case.kind {
            crate::runner::Kind::Positive => Kind::Positive,
            crate::runner::Kind::Negative => Kind::Negative,
        };
        case.req.iter().map(move |id| Evidence {
            id: (*id).to_owned(),
            kind,
            test: format!("case:{}", case.id),
        })
    });
    cited.collect()
}

/// What the cases of the conformance runner check; nothing in a build without it.
#[must_use]
#[cfg(not(feature = "runner"))]
pub fn runner_cases() -> Vec<Evidence> {
    Vec::new()
}

/// What the Rust tests of the repository check.
///
/// # Errors
/// A file that cannot be read, and a line that begins like a statement and is none.
pub fn rust_tests() -> Result<Vec<Evidence>, CollectError> {
    let root = folder().parent().unwrap_or(folder());
    let mut files = Vec::new();
    for part in PARTS {
        rust_files(&root.join(part), &mut files)?;
    }
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let name = file.strip_prefix(root).unwrap_or(&file);
        found.extend(in_file(&name.to_string_lossy(), &text)?);
    }
    Ok(found)
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path
                .file_name()
                .is_some_and(|name| name != "target" && name != "comparison")
            {
                rust_files(&path, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// The statements of one file.
///
/// # Errors
/// A line that begins like a statement and is none, or stands above something else than a test.
pub fn in_file(file: &str, text: &str) -> Result<Vec<Evidence>, Misstated> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(list) = line
            .strip_prefix("/// Checks ")
            .filter(|list| list.starts_with("DC-"))
        else {
            continue;
        };
        let misstated = |why| Misstated {
            file: file.to_owned(),
            line: at + 1,
            why,
        };
        let list = list
            .strip_suffix('.')
            .ok_or_else(|| misstated("no full stop at the end"))?;
        let name = test_below(&lines[at + 1..]).ok_or_else(|| misstated("no test below it"))?;
        for item in list.split("), ").flat_map(items) {
            let (id, kind) = item.ok_or_else(|| misstated("not a list of ids and kinds"))?;
            found.push(Evidence {
                id,
                kind,
                test: format!("test:{file}::{name}"),
            });
        }
    }
    Ok(found)
}

/// `DC-DHT-014 (positive, negative` as one item for each kind; `None` for what is not understood.
fn items(text: &str) -> Vec<Option<(String, Kind)>> {
    let Some((id, kinds)) = text.trim_end_matches(')').split_once(" (") else {
        return vec![None];
    };
    let well_formed = id.strip_prefix("DC-").and_then(|rest| rest.split_once('-'));
    let well_formed = well_formed.is_some_and(|(area, number)| {
        let digits = number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit());
        digits && !area.is_empty() && area.bytes().all(|byte| byte.is_ascii_uppercase())
    });
    let kind = |kind: &str| match kind {
        "positive" => Some(Kind::Positive),
        "negative" => Some(Kind::Negative),
        _ => None,
    };
    let item = |text| Some((id.to_owned(), kind(text)?)).filter(|_| well_formed);
    kinds.split(", ").map(item).collect()
}

/// The name of the test function whose doc comment and attributes `lines` begin with.
fn test_below<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let is_head =
        |line: &&&str| line.starts_with("///") || line.starts_with("#[") || line.is_empty();
    let head: Vec<&&str> = lines.iter().take_while(is_head).collect();
    let is_test = head
        .iter()
        .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    let function = lines
        .get(head.len())?
        .trim_start_matches("async ")
        .strip_prefix("fn ")?;
    let name = function.split(['(', '<']).next()?;
    is_test.then_some(name)
}
