//! The sentences of the documents, by their ids: what a failed case is held against.

/// The documents, as they were when the runner was built.
pub const DOCUMENTS: [(&str, &str); 11] = [
    ("00-overview", include_str!("../../00-overview.md")),
    ("10-encoding", include_str!("../../10-encoding.md")),
    ("20-identity", include_str!("../../20-identity.md")),
    ("30-transport", include_str!("../../30-transport.md")),
    ("40-messaging", include_str!("../../40-messaging.md")),
    ("50-nat", include_str!("../../50-nat.md")),
    ("60-relay", include_str!("../../60-relay.md")),
    ("70-dht", include_str!("../../70-dht.md")),
    ("80-gossip", include_str!("../../80-gossip.md")),
    ("81-groups", include_str!("../../81-groups.md")),
    ("registry", include_str!("../../registry.md")),
];

/// The sentence of a requirement such as `DC-CONN-022`, on one line; `None` when no document has it.
#[must_use]
pub fn sentence(id: &str) -> Option<String> {
    let mark = format!("**[{id}]**");
    let (_, text) = DOCUMENTS
        .iter()
        .find_map(|(_, document)| document.split_once(&mark))?;
    let paragraph = text.split("\n\n").next().unwrap_or(text);
    Some(paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use super::*;

    #[test]
    fn a_sentence_is_found_and_ends_with_its_paragraph() {
        let found = sentence("DC-CONN-018").unwrap();
        assert!(found.starts_with("A node MUST close"), "{found}");
        assert!(found.ends_with('.') && !found.contains("**["), "{found}");
        assert_eq!(sentence("DC-NONE"), None);
    }
}
