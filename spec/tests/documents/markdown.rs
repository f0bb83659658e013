//! As much of Markdown as the documents use.

use std::path::{Path, PathBuf};

/// A document, by the name of its file.
pub(crate) struct Document {
    pub(crate) name: String,
    text: String,
}

/// A fenced block.
pub(crate) struct Fence {
    /// What follows the backticks.
    pub(crate) info: String,
    pub(crate) content: String,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Every document, in the order of their names.
pub(crate) fn documents() -> Vec<Document> {
    let mut documents: Vec<Document> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| Document {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            text: std::fs::read_to_string(path).unwrap(),
        })
        .collect();
    documents.sort_by(|a, b| a.name.cmp(&b.name));
    documents
}

pub(crate) fn document(name: &str) -> Document {
    let mut all = documents();
    let at = all.iter().position(|document| document.name == name);
    all.swap_remove(at.unwrap_or_else(|| panic!("no document {name}")))
}

impl Document {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn fences(&self) -> Vec<Fence> {
        let mut pieces = self.text.split("\n```");
        pieces.next();
        pieces
            .step_by(2)
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
    pub(crate) fn blocks(&self) -> Vec<String> {
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

    /// The sentences of the text outside fences.
    pub(crate) fn sentences(&self) -> Vec<String> {
        self.blocks()
            .iter()
            .flat_map(|block| sentences(block))
            .collect()
    }

    /// The rows of the first table below the heading that begins with `heading`, without its head.
    pub(crate) fn table(&self, heading: &str) -> Vec<Vec<String>> {
        let from = self.text.find(&format!("\n{heading}")).unwrap_or_else(|| {
            panic!("{}: no heading {heading}", self.name);
        });
        self.text[from..]
            .lines()
            .skip_while(|line| !line.starts_with('|'))
            .take_while(|line| line.starts_with('|'))
            .skip(2)
            .map(|row| {
                let cells = row.trim_matches('|').split('|');
                cells.map(|cell| cell.trim().replace('`', "")).collect()
            })
            .collect()
    }

    /// The numbers of its sections: `1`, `2`, `2.1`.
    pub(crate) fn sections(&self) -> Vec<String> {
        self.text
            .lines()
            .filter_map(|line| line.trim_start_matches('#').strip_prefix(' '))
            .filter_map(|heading| heading.split(' ').next())
            .map(|number| number.trim_end_matches('.').to_owned())
            .filter(|number| number.starts_with(|first: char| first.is_ascii_digit()))
            .collect()
    }
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
