//! Sections that are cited, in the documents and in the code, and files that are linked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::markdown::{documents, folder};

fn sections() -> BTreeMap<String, Vec<String>> {
    documents()
        .into_iter()
        .map(|document| (document.name.clone(), document.sections()))
        .collect()
}

/// The section number behind `§` at the start of a text, if there is one.
fn section(text: &str) -> Option<String> {
    let rest = text.trim_start_matches(|c: char| c.is_whitespace() || "/!`".contains(c));
    let number: String = rest
        .strip_prefix('§')?
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    Some(number.trim_end_matches('.').to_owned())
}

#[test]
fn sections_cited_by_documents_exist() {
    let sections = sections();
    let mut checked = 0;
    for document in documents() {
        for (at, _) in document.text().match_indices("](") {
            let target = &document.text()[at + 2..];
            let (link, rest) = target.split_once(')').unwrap();
            let name = link.trim_end_matches(".md");
            if let (Some(of), Some(number)) = (sections.get(name), section(rest)) {
                checked += 1;
                assert!(of.contains(&number), "{}: {name} §{number}", document.name);
            }
        }
        // A section without a document before it is one of the same document.
        let own = &sections[&document.name];
        for (at, _) in document.text().match_indices('§') {
            let before = document.text()[..at].trim_end();
            let foreign = before.ends_with(')') || before.ends_with(|c: char| c.is_ascii_digit());
            let after_list = before.ends_with("and") || before.ends_with("to");
            let number = section(&document.text()[at..]).unwrap();
            if !foreign && !after_list {
                checked += 1;
                assert!(own.contains(&number), "{}: own §{number}", document.name);
            }
        }
    }
    assert!(checked > 40, "only {checked} citations were found");
}

#[test]
fn sections_cited_by_code_exist() {
    let sections = sections();
    let mut checked = 0;
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        for (name, numbers) in &sections {
            for (at, _) in text.match_indices(&format!("`{name}`")) {
                if let Some(number) = section(&text[at + name.len() + 2..]) {
                    checked += 1;
                    assert!(
                        numbers.contains(&number),
                        "{}: {name} §{number}",
                        path.display()
                    );
                }
            }
        }
    }
    assert!(checked > 20, "only {checked} citations were found");
}

fn sources() -> Vec<PathBuf> {
    let root = folder();
    let mut found = Vec::new();
    for part in [
        "spec/src",
        "wire/src",
        "kademlia/src",
        "gossip/src",
        "nat/src",
        "transport/src",
        "app/src",
    ] {
        rust_files(&root.parent().unwrap().join(part), &mut found);
    }
    found
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn files_that_are_linked_exist() {
    for document in documents() {
        for (at, _) in document.text().match_indices("](") {
            let (link, _) = document.text()[at + 2..].split_once(')').unwrap();
            assert!(folder().join(link).exists(), "{}: {link}", document.name);
        }
    }
}

#[test]
fn the_readme_lists_every_document() {
    let readme = crate::markdown::document("README");
    for document in documents() {
        let link = format!("]({}.md)", document.name);
        let listed = readme.text().contains(&link) || document.name == "README";
        assert!(listed, "{} is not listed", document.name);
    }
}
