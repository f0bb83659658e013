//! What a thief of the files finds.

use std::{fs, path::Path};

use super::*;
use crate::store::{ContactName, ContactState, MetaKey, schema::MIGRATIONS};

const WORDS: [&str; 5] = [
    "rutabaga",
    "zeppelin",
    "Philippa",
    "quicksilver",
    "明天见面",
];

fn files_with_words(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        let content = fs::read(&path).unwrap();
        for word in WORDS {
            if content.windows(word.len()).any(|at| at == word.as_bytes()) {
                found.push(format!("{word} in {}", path.display()));
            }
        }
    }
    found
}

fn fill(store: &mut Store) {
    for _ in 0..50 {
        say(
            store,
            &own_log(CHAT),
            "the rutabaga is in the zeppelin 明天见面",
            None,
        );
    }
    store
        .transaction("names", |tx| {
            let name = ContactName::new("Philippa").unwrap();
            tx.add_contact(&BOB, &name, false, ContactState::Accepted, NOW)?;
            tx.set_meta(MetaKey::IDENTITY_SECRET, b"quicksilver")?;
            tx.save_session(&BOB, b"s", b"quicksilver", NOW)?;
            Ok::<_, super::super::ContactError>(())
        })
        .unwrap();
}

#[test]
fn neither_database_nor_log_nor_copy_holds_a_word() {
    let profile = Profile::new();
    let mut store = profile.open();
    fill(&mut store);
    // While it is open, most of it is in the write-ahead log.
    let wal = profile.dir.path().join("dchat.db-wal");
    assert!(fs::metadata(wal).unwrap().len() > 100_000);
    assert_eq!(files_with_words(profile.dir.path()), [""; 0]);
    drop(store);

    let later = "CREATE TABLE later (x INTEGER) STRICT";
    let steps: Vec<_> = MIGRATIONS.iter().copied().chain([later]).collect();
    Store::open_migrated(&profile.home, &profile.key, &steps).unwrap();
    let copy = format!("dchat.db.before-v{}", steps.len());
    assert!(profile.dir.path().join(copy).exists());
    assert_eq!(files_with_words(profile.dir.path()), [""; 0]);
}

#[test]
fn the_words_would_be_found_if_they_were_there() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x"), "a rutabaga").unwrap();
    assert_eq!(files_with_words(dir.path()).len(), 1);
}

#[cfg(unix)]
#[test]
fn every_file_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let profile = Profile::new();
    let mut store = profile.open();
    fill(&mut store);
    for file in fs::read_dir(profile.dir.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", file.path().display());
    }
}
