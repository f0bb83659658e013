//! The numbered sentences of the documents.

use std::collections::BTreeMap;

use crate::document::Document;

/// How binding a sentence is: its strongest word of BCP 14.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// MAY, OPTIONAL.
    May,
    /// SHOULD, SHOULD NOT, RECOMMENDED.
    Should,
    /// MUST, MUST NOT, REQUIRED, SHALL.
    Must,
}

impl Level {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::May => "MAY",
            Self::Should => "SHOULD",
            Self::Must => "MUST",
        }
    }
}

/// The role of a sentence that its document's table does not name.
pub const EVERY_NODE: &str = "node";
/// The heading, without its number, of the table that names roles.
const ROLES: &str = "Roles of the requirements";

/// A numbered sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// `DC-WIRE-014`.
    pub id: String,
    /// `10-encoding`.
    pub document: String,
    /// `4.1`.
    pub section: String,
    /// Its strongest word.
    pub level: Level,
    /// Whom it binds.
    pub role: String,
    /// The sentence, without the id.
    pub text: String,
}

/// The strongest BCP 14 word of a sentence; what stands in backticks is a name, not a word of it.
#[must_use]
pub fn level(sentence: &str) -> Option<Level> {
    let words: String = sentence.split('`').step_by(2).collect();
    let words = words.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter_map(level_of_word).max()
}

fn level_of_word(word: &str) -> Option<Level> {
    match word {
        "MUST" | "REQUIRED" | "SHALL" | "NOT" => Some(Level::Must),
        "SHOULD" | "RECOMMENDED" => Some(Level::Should),
        "MAY" | "OPTIONAL" => Some(Level::May),
        _ => None,
    }
}

/// The id that a sentence begins with, and what follows it.
#[must_use]
pub fn numbered(sentence: &str) -> Option<(&str, &str)> {
    let (id, text) = sentence.strip_prefix("**[")?.split_once("]**")?;
    Some((id, text.trim()))
}

/// The numbered sentences of a document, in its order.
#[must_use]
pub fn statements(document: &Document) -> Vec<Statement> {
    let roles = Roles::of(document);
    let mut found = Vec::new();
    for placed in document.placed() {
        let Some((id, text)) = numbered(&placed.sentence) else {
            continue;
        };
        // SHOULD NOT is no stronger than SHOULD.
        let bare = text.replace("SHOULD NOT", "SHOULD");
        found.push(Statement {
            id: id.to_owned(),
            document: document.name.clone(),
            level: level(&bare).unwrap_or(Level::Must),
            role: roles.role(id, &placed.section),
            section: placed.section,
            text: text.to_owned(),
        });
    }
    found
}

/// What the table of roles says: of sections, and of ids, which go before their section.
#[derive(Debug, Default)]
struct Roles {
    sections: BTreeMap<String, String>,
    ids: BTreeMap<String, String>,
}

impl Roles {
    fn of(document: &Document) -> Self {
        let mut roles = Self::default();
        let heading = document
            .text()
            .lines()
            .find(|line| line.starts_with("## ") && line.ends_with(ROLES));
        let rows = heading.and_then(|heading| document.table(heading));
        for row in rows.unwrap_or_default() {
            let [role, bound, ..] = row.as_slice() else {
                continue;
            };
            for item in bound.split(", ") {
                roles.read(role, item);
            }
        }
        roles
    }

    /// `§4.1`, `DC-WIRE-010`, or `DC-WIRE-010 to 012`.
    fn read(&mut self, role: &str, item: &str) {
        if let Some(section) = item.strip_prefix('§') {
            self.sections.insert(section.to_owned(), role.to_owned());
            return;
        }
        let (first, last) = item.split_once(" to ").unwrap_or((item, ""));
        let Some((area, from)) = first.rsplit_once('-') else {
            return;
        };
        let from = from.parse::<u32>().unwrap_or_default();
        let to = last.parse::<u32>().unwrap_or(from);
        for number in from..=to {
            self.ids
                .insert(format!("{area}-{number:03}"), role.to_owned());
        }
    }

    fn role(&self, id: &str, section: &str) -> String {
        let own = self.ids.get(id);
        // §4 speaks for §4.1 where that says nothing.
        let chapter = section.split('.').next().unwrap_or_default();
        let named = own
            .or_else(|| self.sections.get(section))
            .or_else(|| self.sections.get(chapter));
        named.map_or(EVERY_NODE, String::as_str).to_owned()
    }
}
