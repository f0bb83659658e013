//! As much of Markdown as the documents use.
//!
//! A [`Document`] is the text of one file; everything else is a function of it. Blocks are separated
//! by empty lines; an item of a list, a row of a table and a heading each is a block of its own; what
//! stands between lines of three backticks is a [`Fence`] and no prose.

use std::io;
use std::path::{Path, PathBuf};

/// The directory of the documents: that of this crate.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A document, by the name of its file without `.md`.
#[derive(Clone, Debug)]
pub struct Document {
    /// `10-encoding`.
    pub name: String,
    text: String,
}

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Fence {
    /// What follows the backticks.
    pub info: String,
    /// The lines between the fences.
    pub content: String,
}

/// A sentence and the section it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// `4.1`; empty before the first numbered heading.
    pub section: String,
    /// The sentence on one line.
    pub sentence: String,
}

/// Every document of the directory, in the order of their names.
///
/// # Errors
/// What reading the files gives.
pub fn documents() -> io::Result<Vec<Document>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths.into_iter().map(Document::read).collect()
}

impl Document {
    fn read(path: PathBuf) -> io::Result<Self> {
        let name = path.file_stem().unwrap_or_default();
        Ok(Self::new(
            name.to_string_lossy(),
            std::fs::read_to_string(&path)?,
        ))
    }

    /// A document of this name and text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// The whole file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its fenced blocks.
    #[must_use]
    pub fn fences(&self) -> Vec<Fence> {
        let blocks = self.text.split("\n```").skip(1).step_by(2);
        blocks
            .map(|block| {
                let (info, content) = block.split_once('\n').unwrap_or((block, ""));
                Fence {
                    info: info.to_owned(),
                    content: content.to_owned(),
                }
            })
            .collect()
    }

    /// The text outside fences, in blocks that hold whole sentences: paragraphs, items of lists and
    /// rows of tables.
    #[must_use]
    pub fn blocks(&self) -> Vec<String> {
        let prose: Vec<&str> = self.text.split("\n```").step_by(2).collect();
        let mut blocks = Vec::new();
        let mut block = String::new();
        for line in prose.join("\n\n").lines() {
            let begins = ["- ", "|", "#"].iter().any(|mark| line.starts_with(mark));
            if (line.is_empty() || begins) && !block.is_empty() {
                blocks.push(core::mem::take(&mut block));
            }
            block.push_str(line.trim());
            if !line.is_empty() {
                block.push(' ');
            }
        }
        blocks.push(block);
        blocks
    }

    /// The sentences outside fences, each with its section.
    #[must_use]
    pub fn placed(&self) -> Vec<Placed> {
        let mut section = String::new();
        let mut placed = Vec::new();
        for block in self.blocks() {
            if let Some(number) = section_number(&block) {
                section = number;
            }
            placed.extend(sentences(&block).into_iter().map(|sentence| Placed {
                section: section.clone(),
                sentence,
            }));
        }
        placed
    }

    /// The sentences of the text outside fences.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        self.placed()
            .into_iter()
            .map(|placed| placed.sentence)
            .collect()
    }

    /// The rows of the first table below the heading that begins with `heading`, without its head
    /// and without backticks; `None` without such a heading.
    #[must_use]
    pub fn table(&self, heading: &str) -> Option<Vec<Vec<String>>> {
        let from = self.text.find(&format!("\n{heading}"))?;
        let rows = self.text[from..]
            .lines()
            .skip_while(|line| !line.starts_with('|'))
            .take_while(|line| line.starts_with('|'))
            .skip(2);
        let cells = |row: &str| -> Vec<String> {
            let cells = row.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        };
        Some(rows.map(cells).collect())
    }

    /// The numbers of its sections: `1`, `2`, `2.1`.
    #[must_use]
    pub fn sections(&self) -> Vec<String> {
        self.text.lines().filter_map(section_number).collect()
    }
}

/// `2.1` of `### 2.1 Written form`.
fn section_number(line: &str) -> Option<String> {
    let heading = line.trim_start_matches('#').strip_prefix(' ')?;
    let number = heading.split(' ').next()?.trim_end_matches('.');
    let numbered = line.starts_with('#') && number.starts_with(|c: char| c.is_ascii_digit());
    numbered.then(|| number.to_owned())
}

fn sentences(block: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut rest = block;
    while let Some(end) = sentence_end(rest) {
        sentences.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    sentences.push(rest.to_owned());
    sentences
}

/// After the first full stop that a new sentence follows.
fn sentence_end(text: &str) -> Option<usize> {
    text.match_indices(". ").map(|(at, _)| at + 1).find(|end| {
        let next = text[*end..].trim_start().chars().next();
        next.is_some_and(|next| next.is_uppercase() || "*`[".contains(next))
    })
}
