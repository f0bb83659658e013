//! What a home holds, read from its database while no process has it.

use std::path::Path;

use dchat::store::{Cursor, Entry, EntryState, PeerKey};
use dchat_wire::PeerId;
use dchat_wire::hash::pair_conversation;

use super::home::store;
use super::talk;

/// Every message of the conversation between `me` and `other`, in the order of arrival.
pub fn of(home: &Path, me: &str, other: &str) -> Vec<Entry> {
    let (me, other): (PeerId, PeerId) = (me.parse().unwrap(), other.parse().unwrap());
    let (_lock, mut store) = store(home);
    let conversation = pair_conversation(&me, &other);
    let (mut pages, mut before): (Vec<Vec<Entry>>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = store
            .read(|view| view.history(&conversation, before, 1000))
            .unwrap_or_else(|error: dchat::store::StoreError| panic!("{error}"));
        before = page.entries.first().map(|entry| entry.ord);
        let more = page.more;
        pages.push(page.entries);
        if !more {
            break;
        }
    }
    pages.into_iter().rev().flatten().collect()
}

/// Asserts that `from` said exactly `PREFIX 1` to `PREFIX count` in this order, each once.
pub fn assert_said(entries: &[Entry], from: &str, prefix: &str, count: usize) {
    let author: PeerKey = *from.parse::<PeerId>().unwrap().public_key();
    let said: Vec<&str> = entries
        .iter()
        .filter(|entry| entry.author == author)
        .filter_map(|entry| entry.text.as_deref())
        .collect();
    let wanted = talk::texts(prefix, count);
    let first_wrong = said
        .iter()
        .zip(&wanted)
        .position(|(said, wanted)| said != wanted);
    assert_eq!(
        first_wrong,
        None,
        "at this place {:?} was said",
        first_wrong.map(|at| said[at])
    );
    assert_eq!(said.len(), count, "of {prefix}");
}

/// Asserts that every message of ours in `entries` was delivered or read.
pub fn assert_delivered(entries: &[Entry]) {
    let open: Vec<u64> = entries
        .iter()
        .filter(|entry| entry.own)
        .filter(|entry| !matches!(entry.state, EntryState::Delivered | EntryState::Read))
        .map(|entry| entry.seq)
        .collect();
    assert!(open.is_empty(), "not delivered: {open:?}");
}
