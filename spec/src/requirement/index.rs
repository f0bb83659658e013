//! Sentences and tests, joined.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{self, Document};
use crate::json::Json;
use crate::requirement::evidence::{self, CollectError, Evidence, Kind};
use crate::requirement::statement::{Statement, statements};

/// A requirement and the names of its tests, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The sentence.
    pub statement: Statement,
    /// Tests that show it is done.
    pub positive: Vec<String>,
    /// Tests that show the contrary is refused or not done.
    pub negative: Vec<String>,
}

/// Every requirement, in the order of the documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The requirements.
    pub entries: Vec<Entry>,
    /// Tests that name an id which no document has.
    pub unknown: Vec<Evidence>,
}

impl Index {
    /// The index of the documents and tests as they stand in the repository.
    ///
    /// # Errors
    /// Files that cannot be read, and doc comments that are not of the form agreed on.
    pub fn collect() -> Result<Self, CollectError> {
        let mut tests = evidence::vectors();
        tests.extend(evidence::runner_cases());
        tests.extend(evidence::rust_tests()?);
        Ok(Self::join(&document::documents()?, tests))
    }

    /// The index of these documents and tests.
    #[must_use]
    pub fn join(documents: &[Document], tests: Vec<Evidence>) -> Self {
        let mut by_id: BTreeMap<(String, Kind), BTreeSet<String>> = BTreeMap::new();
        for test in &tests {
            let names = by_id.entry((test.id.clone(), test.kind)).or_default();
            names.insert(test.test.clone());
        }
        let mut take = |id: &str, kind| -> Vec<String> {
            let names = by_id.remove(&(id.to_owned(), kind)).unwrap_or_default();
            names.into_iter().collect()
        };
        let statements = documents.iter().flat_map(statements);
        let entries: Vec<Entry> = statements
            .map(|statement| Entry {
                positive: take(&statement.id, Kind::Positive),
                negative: take(&statement.id, Kind::Negative),
                statement,
            })
            .collect();
        let is_left = |test: &Evidence| by_id.contains_key(&(test.id.clone(), test.kind));
        let unknown = tests.into_iter().filter(is_left).collect();
        Self { entries, unknown }
    }

    /// What lacks a test, one line each: `DC-WIRE-014 negative`.
    #[must_use]
    pub fn holes(&self) -> Vec<String> {
        let mut holes = Vec::new();
        for entry in &self.entries {
            for (tests, kind) in [(&entry.positive, "positive"), (&entry.negative, "negative")] {
                if tests.is_empty() {
                    holes.push(format!("{} {kind}", entry.statement.id));
                }
            }
        }
        holes
    }

    /// The content of `requirements.json`.
    ///
    /// # Errors
    /// The JSON library's; none is known for these values.
    pub fn to_file(&self) -> Result<String, serde_json::Error> {
        let list = |names: &[String]| Json::List(names.iter().cloned().map(Json::Text).collect());
        let entry = |entry: &Entry| {
            let statement = &entry.statement;
            Json::Object(vec![
                ("id", Json::Text(statement.id.clone())),
                ("document", Json::Text(statement.document.clone())),
                ("section", Json::Text(statement.section.clone())),
                ("level", statement.level.name().into()),
                ("role", Json::Text(statement.role.clone())),
                ("text", Json::Text(statement.text.clone())),
                ("positive", list(&entry.positive)),
                ("negative", list(&entry.negative)),
            ])
        };
        let file = Json::List(self.entries.iter().map(entry).collect());
        let mut text = serde_json::to_string_pretty(&file)?;
        text.push('\n');
        Ok(text)
    }
}
