//! Identifiers of requirements: on each normative sentence, each once, and none that does not exist.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

use dchat_spec::requirement::statement::{level, numbered};

use crate::markdown::{documents, folder, table};

/// The one sentence that names the words without using them.
const DEFINITION: &str = "are to be read as in BCP 14";

const AREAS: [(&str, &str); 11] = [
    ("00-overview", "GEN"),
    ("10-encoding", "WIRE"),
    ("20-identity", "ID"),
    ("30-transport", "CONN"),
    ("40-messaging", "CHAT"),
    ("50-nat", "NAT"),
    ("60-relay", "RELAY"),
    ("70-dht", "DHT"),
    ("80-gossip", "GOSSIP"),
    ("81-groups", "GROUP"),
    ("registry", "REG"),
];

fn is_normative(sentence: &str) -> bool {
    level(sentence).is_some() && !sentence.contains(DEFINITION)
}

/// The identifier that a sentence begins with.
fn own_id(sentence: &str) -> Option<&str> {
    numbered(sentence).map(|(id, _)| id)
}

/// Every identifier in a text.
fn mentioned(text: &str) -> BTreeSet<String> {
    text.match_indices("DC-")
        .filter_map(|(at, _)| {
            let (area, rest) = text[at + 3..].split_once('-')?;
            let number = rest.get(..3)?;
            let whole = !area.is_empty()
                && area.bytes().all(|byte| byte.is_ascii_uppercase())
                && number.bytes().all(|byte| byte.is_ascii_digit());
            whole.then(|| format!("DC-{area}-{number}"))
        })
        .collect()
}

fn defined() -> BTreeMap<String, String> {
    let mut defined = BTreeMap::new();
    for document in documents() {
        for sentence in document.sentences() {
            if let Some(id) = own_id(&sentence) {
                let earlier = defined.insert(id.to_owned(), document.name.clone());
                assert!(earlier.is_none(), "{id} is given twice");
            }
        }
    }
    defined
}

/// Identifiers of sentences that are no requirements any more.
fn retired() -> BTreeSet<String> {
    let rows = table("CHANGELOG", "### Retired identifiers");
    rows.into_iter()
        .filter_map(|row| row.into_iter().next())
        .collect()
}

#[test]
fn a_retired_identifier_is_given_to_no_other_sentence() {
    let (retired, defined) = (retired(), defined());
    assert!(!retired.is_empty());
    for id in &retired {
        assert_eq!(
            mentioned(id),
            BTreeSet::from([id.clone()]),
            "not well formed"
        );
        assert!(!defined.contains_key(id), "{id}");
    }
}

#[test]
fn every_normative_sentence_begins_with_an_identifier_and_no_other_does() {
    for document in documents() {
        for sentence in document.sentences() {
            let (has, needs) = (own_id(&sentence).is_some(), is_normative(&sentence));
            assert_eq!(has, needs, "{}: {sentence}", document.name);
        }
    }
}

#[test]
fn identifiers_are_unique_and_of_their_documents_area() {
    let areas = BTreeMap::from(AREAS);
    for (id, document) in defined() {
        let area = areas.get(document.as_str());
        let area = area.unwrap_or_else(|| panic!("{document} has no area for {id}"));
        assert_eq!(mentioned(&id).len(), 1, "{id} is not well formed");
        assert!(id.starts_with(&format!("DC-{area}-")), "{id} in {document}");
    }
}

#[test]
fn identifiers_are_numbered_without_gaps() {
    for (_, area) in AREAS {
        let given: BTreeSet<String> = defined().into_keys().chain(retired()).collect();
        let numbers = given.into_iter().filter_map(|id| {
            id.strip_prefix(&format!("DC-{area}-"))?
                .parse::<usize>()
                .ok()
        });
        let numbers: Vec<usize> = numbers.collect();
        assert!(
            numbers.iter().copied().eq(1..=numbers.len()),
            "{area}: {numbers:?}"
        );
        assert!(!numbers.is_empty(), "{area}");
    }
}

#[test]
fn every_identifier_that_is_cited_exists() {
    let (defined, retired) = (defined(), retired());
    let mut cited = 0;
    for file in files() {
        // Where they are retired, and nowhere else.
        let tells = file.ends_with("spec/CHANGELOG.md");
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        for id in mentioned(&text) {
            cited += 1;
            // The overview shows what an identifier looks like; that one exists too.
            let known = defined.contains_key(&id) || (tells && retired.contains(&id));
            assert!(known, "{}: {id}", file.display());
        }
    }
    assert!(cited > 200, "only {cited} citations were found");
}

fn files() -> Vec<std::path::PathBuf> {
    let root = folder();
    let root = root.parent().unwrap();
    let mut files = Vec::new();
    for part in [
        "spec",
        "wire",
        "kademlia",
        "gossip",
        "nat",
        "transport",
        "app",
        "fuzz",
    ] {
        collect(&root.join(part), &mut files);
    }
    files
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "target" && name != "corpus" {
            collect(&path, files);
        } else if [".rs", ".md", ".json", ".py"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            files.push(path);
        }
    }
}
