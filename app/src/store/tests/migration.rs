//! From one schema to the next.

use std::fs;

use super::*;
use crate::store::{open::Store, schema::MIGRATIONS};

const SECOND: &str = "CREATE TABLE second (x INTEGER) STRICT";
const THIRD: &str = "CREATE TABLE third (x INTEGER) STRICT";
const BROKEN: &str = "CREATE TABLE third (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1)";

fn open(profile: &Profile, later: &[&'static str]) -> Result<Store, OpenError> {
    let steps: Vec<_> = MIGRATIONS.iter().chain(later).copied().collect();
    Store::open_migrated(&profile.home, &profile.key, &steps)
}

fn version(store: &Store) -> u32 {
    crate::store::schema::version(&store.conn).unwrap()
}

fn copies(profile: &Profile) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(profile.dir.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("before"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_database_needs_no_copy() {
    let profile = Profile::new();
    let store = open(&profile, &[SECOND]).unwrap();
    assert_eq!(version(&store), 2);
    assert_eq!(copies(&profile), [""; 0]);
}

#[test]
fn the_copy_opens_with_the_same_key_and_holds_what_was_there() {
    let profile = Profile::new();
    let mut store = open(&profile, &[]).unwrap();
    say(&mut store, &own_log(CHAT), "before", None);
    // As after a crash: the message is still in the write-ahead log only.
    std::mem::forget(store);
    let mut store = open(&profile, &[SECOND]).unwrap();
    assert_eq!(version(&store), 2);
    say(&mut store, &own_log(CHAT), "after", None);
    store.close().unwrap();
    assert_eq!(copies(&profile), ["dchat.db.before-v2"]);

    let other = Profile::new();
    fs::copy(
        profile.dir.path().join("dchat.db.before-v2"),
        other.database(),
    )
    .unwrap();
    let mut old = open(&other, &[]).unwrap();
    assert_eq!(version(&old), 1);
    assert_eq!(texts(&history(&mut old, &CHAT)), ["before"]);
    old.verify().unwrap();
}

#[test]
fn only_the_latest_copy_is_kept_and_strangers_files_are_left_alone() {
    let profile = Profile::new();
    open(&profile, &[]).unwrap();
    open(&profile, &[SECOND]).unwrap();
    fs::write(profile.dir.path().join("dchat.db.before-vacation"), "x").unwrap();
    open(&profile, &[SECOND, THIRD]).unwrap();
    assert_eq!(
        copies(&profile),
        ["dchat.db.before-v3", "dchat.db.before-vacation"]
    );
}

#[test]
fn a_step_that_fails_did_not_happen() {
    let profile = Profile::new();
    let mut store = open(&profile, &[]).unwrap();
    say(&mut store, &own_log(CHAT), "kept", None);
    drop(store);
    open(&profile, &[SECOND, BROKEN]).unwrap_err();
    // The second step stands, the third can be repeated.
    let mut store = open(&profile, &[SECOND]).unwrap();
    assert_eq!(version(&store), 2);
    assert_eq!(texts(&history(&mut store, &CHAT)), ["kept"]);
    drop(store);
    let store = open(&profile, &[SECOND, THIRD]).unwrap();
    assert_eq!(version(&store), 3);
}

#[test]
fn without_a_copy_there_is_no_migration() {
    let profile = Profile::new();
    open(&profile, &[]).unwrap();
    // A directory in the way of the copy.
    fs::create_dir(profile.dir.path().join("dchat.db.before-v2")).unwrap();
    assert!(matches!(
        open(&profile, &[SECOND]),
        Err(OpenError::Copy { .. })
    ));
    assert_eq!(version(&open(&profile, &[]).unwrap()), 1);
}

#[test]
fn a_newer_database_is_refused_untouched() {
    let profile = Profile::new();
    open(&profile, &[SECOND]).unwrap().close().unwrap();
    let before = fs::read(profile.database()).unwrap();
    let error = open(&profile, &[]).unwrap_err();
    assert!(matches!(
        error,
        OpenError::Newer {
            found: 2,
            known: 1,
            ..
        }
    ));
    assert_eq!(fs::read(profile.database()).unwrap(), before);
}

#[test]
fn a_newer_database_left_by_a_crash_is_refused_untouched() {
    let profile = Profile::new();
    std::mem::forget(open(&profile, &[SECOND]).unwrap());
    let before = fs::read(profile.database()).unwrap();
    let wal = profile.dir.path().join("dchat.db-wal");
    let log_before = fs::read(&wal).unwrap();
    assert!(!log_before.is_empty());
    open(&profile, &[]).unwrap_err();
    assert_eq!(fs::read(profile.database()).unwrap(), before);
    assert_eq!(fs::read(&wal).unwrap(), log_before);
}
