//! The store as its callers see it, and as a thief and a power cut see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod at_rest;
mod dht;
mod disk_full;
mod groups;
mod kill;
mod log_model;
mod messages;
mod migration;
mod opening;
mod own_records;
mod people;
mod rooms;
mod searching;

use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{
    Appended, ContactName, ContactState, ConversationId, Entry, EntryId, Frontier, LogName,
    NewEntry, OpenError, PeerKey, Received, ReceivedEntry, Store, StoreError,
    entry::{entry_columns, entry_joins},
};
use crate::{
    home::{FileName, Home, LockedHome},
    vault::DatabaseKey,
};

const ME: PeerKey = [1; 32];
const BOB: PeerKey = [2; 32];
const EVE: PeerKey = [3; 32];
const CHAT: ConversationId = [7; 32];
const OTHER_CHAT: ConversationId = [8; 32];
const NOW: i64 = 1_800_000_000_000;

struct Profile {
    dir: TempDir,
    home: LockedHome,
    key: DatabaseKey,
}

impl Profile {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap().lock().unwrap();
        Self {
            dir,
            home,
            key: key(0xab),
        }
    }

    fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Store, OpenError> {
        Store::open(&self.home, &self.key)
    }

    fn database(&self) -> std::path::PathBuf {
        self.home.path(FileName::Database)
    }
}

fn key(byte: u8) -> DatabaseKey {
    DatabaseKey::from_bytes(Zeroizing::new([byte; 32]))
}

const fn own_log(conversation: ConversationId) -> LogName {
    LogName {
        conversation,
        author: ME,
        incarnation: [1; 16],
    }
}

const fn bobs_log(conversation: ConversationId) -> LogName {
    LogName {
        conversation,
        author: BOB,
        incarnation: [2; 16],
    }
}

/// Something different for each log, number and variant, like a real id or hash.
fn digest<const N: usize>(log: &LogName, seq: u64, variant: u8) -> [u8; N] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&log.conversation);
    hasher.update(&log.author);
    hasher.update(&log.incarnation);
    hasher.update(&seq.to_le_bytes());
    hasher.update(&[variant]);
    let mut digest = [0; N];
    hasher.finalize_xof().fill(&mut digest);
    digest
}

fn hash_of(log: &LogName, seq: u64) -> [u8; 32] {
    if seq == 0 {
        [0; 32]
    } else {
        digest(log, seq, 0)
    }
}

fn id_of(log: &LogName, seq: u64) -> EntryId {
    digest(log, seq, 0)
}

fn received<'t>(log: &LogName, seq: u64, text: &'t str) -> ReceivedEntry<'t> {
    ReceivedEntry {
        seq,
        id: id_of(log, seq),
        hash: hash_of(log, seq),
        prev: hash_of(log, seq.saturating_sub(1)),
        kind: 1,
        text: Some(text),
        sent_at: NOW,
        expires_at: None,
    }
}

/// Appends to an own log with the ids and hashes of the functions above.
fn say(store: &mut Store, log: &LogName, text: &str, expires_at: Option<i64>) -> Appended {
    store
        .transaction("say", |tx| {
            let seq = tx.frontier(log)?.map_or(1, |at| at.next_seq);
            let entry = NewEntry {
                id: id_of(log, seq),
                kind: 1,
                text,
                sent_at: NOW,
                expires_at,
            };
            tx.append_own(log, &entry, NOW, |seq, _| hash_of(log, seq))
        })
        .unwrap()
}

fn hear(store: &mut Store, log: &LogName, seq: u64, text: &str) -> Received {
    store
        .transaction("hear", |tx| {
            tx.append_received(log, &received(log, seq, text), NOW)
        })
        .unwrap()
}

/// Has Bob be a contact.
fn add_bob(store: &mut Store) {
    let name = ContactName::new("Bob").unwrap();
    let added = store.transaction("test", |tx| {
        tx.add_contact(&BOB, &name, false, ContactState::Accepted, NOW)
    });
    added.unwrap();
}

fn frontier(store: &mut Store, log: &LogName) -> Option<Frontier> {
    store.read(|view| view.frontier(log)).unwrap()
}

/// All entries of a conversation that are for people, stubs among them.
fn history(store: &mut Store, conversation: &ConversationId) -> Vec<Entry> {
    let sql = concat!(
        "SELECT ",
        entry_columns!(),
        " FROM entries e ",
        entry_joins!(),
        " WHERE c.id = ?1 AND e.kind <= 1 ORDER BY e.ord"
    );
    store
        .read(|view| view.all(sql, [conversation], Entry::from_row))
        .unwrap_or_else(|error: StoreError| panic!("{error}"))
}

fn texts(entries: &[Entry]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| entry.text.as_deref().unwrap_or("-"))
        .collect()
}

/// Runs statements behind the store's back.
fn behind(store: &Store, sql: &str) {
    store.conn.execute_batch(sql).unwrap();
}

fn commit<T>(
    store: &mut Store,
    work: impl FnOnce(&super::Tx<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    store.transaction("test", work)
}
