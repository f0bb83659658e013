//! From one schema to the next.

use std::fs;

use super::*;
use crate::store::{open::Store, schema::MIGRATIONS};

/// The version this program makes; what follows are the next two.
const PRESENT: u32 = MIGRATIONS.len() as u32;
const NEXT: &str = "CREATE TABLE next (x INTEGER) STRICT";
const LATER: &str = "CREATE TABLE later (x INTEGER) STRICT";
const BROKEN: &str = "CREATE TABLE later (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1)";

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

/// The name of the copy made for the step `later` ones after the present.
fn copy(later: u32) -> String {
    format!("dchat.db.before-v{}", PRESENT + later)
}

#[test]
fn a_new_database_needs_no_copy() {
    let profile = Profile::new();
    let store = open(&profile, &[NEXT]).unwrap();
    assert_eq!(version(&store), PRESENT + 1);
    assert_eq!(copies(&profile), [""; 0]);
}

#[test]
fn the_copy_opens_with_the_same_key_and_holds_what_was_there() {
    let profile = Profile::new();
    let mut store = open(&profile, &[]).unwrap();
    say(&mut store, &own_log(CHAT), "before", None);
    // As after a crash: the message is still in the write-ahead log only.
    std::mem::forget(store);
    let mut store = open(&profile, &[NEXT]).unwrap();
    assert_eq!(version(&store), PRESENT + 1);
    say(&mut store, &own_log(CHAT), "after", None);
    store.close().unwrap();
    assert_eq!(copies(&profile), [copy(1)]);

    let other = Profile::new();
    fs::copy(profile.dir.path().join(copy(1)), other.database()).unwrap();
    let mut old = open(&other, &[]).unwrap();
    assert_eq!(version(&old), PRESENT);
    assert_eq!(texts(&history(&mut old, &CHAT)), ["before"]);
    old.verify().unwrap();
}

#[test]
fn only_the_latest_copy_is_kept_and_strangers_files_are_left_alone() {
    let profile = Profile::new();
    open(&profile, &[]).unwrap();
    open(&profile, &[NEXT]).unwrap();
    fs::write(profile.dir.path().join("dchat.db.before-vacation"), "x").unwrap();
    open(&profile, &[NEXT, LATER]).unwrap();
    assert_eq!(
        copies(&profile),
        [copy(2), "dchat.db.before-vacation".to_owned()]
    );
}

#[test]
fn a_step_that_fails_did_not_happen() {
    let profile = Profile::new();
    let mut store = open(&profile, &[]).unwrap();
    say(&mut store, &own_log(CHAT), "kept", None);
    drop(store);
    open(&profile, &[NEXT, BROKEN]).unwrap_err();
    // The second step stands, the third can be repeated.
    let mut store = open(&profile, &[NEXT]).unwrap();
    assert_eq!(version(&store), PRESENT + 1);
    assert_eq!(texts(&history(&mut store, &CHAT)), ["kept"]);
    drop(store);
    let store = open(&profile, &[NEXT, LATER]).unwrap();
    assert_eq!(version(&store), PRESENT + 2);
}

#[test]
fn without_a_copy_there_is_no_migration() {
    let profile = Profile::new();
    open(&profile, &[]).unwrap();
    // A directory in the way of the copy.
    fs::create_dir(profile.dir.path().join(copy(1))).unwrap();
    assert!(matches!(
        open(&profile, &[NEXT]),
        Err(OpenError::Copy { .. })
    ));
    assert_eq!(version(&open(&profile, &[]).unwrap()), PRESENT);
}

#[test]
fn a_newer_database_is_refused_untouched() {
    let profile = Profile::new();
    open(&profile, &[NEXT]).unwrap().close().unwrap();
    let before = fs::read(profile.database()).unwrap();
    let error = open(&profile, &[]).unwrap_err();
    assert!(matches!(
        error,
        OpenError::Newer {
            found,
            known: PRESENT,
            ..
        } if found == PRESENT + 1
    ));
    assert_eq!(fs::read(profile.database()).unwrap(), before);
}

#[test]
fn a_newer_database_left_by_a_crash_is_refused_untouched() {
    let profile = Profile::new();
    std::mem::forget(open(&profile, &[NEXT]).unwrap());
    let before = fs::read(profile.database()).unwrap();
    let wal = profile.dir.path().join("dchat.db-wal");
    let log_before = fs::read(&wal).unwrap();
    assert!(!log_before.is_empty());
    open(&profile, &[]).unwrap_err();
    assert_eq!(fs::read(profile.database()).unwrap(), before);
    assert_eq!(fs::read(&wal).unwrap(), log_before);
}

#[test]
fn a_home_of_the_first_version_is_brought_up_to_date_and_keeps_its_messages() {
    let profile = Profile::new();
    let first = &MIGRATIONS[..1];
    let mut store = Store::open_migrated(&profile.home, &profile.key, first).unwrap();
    say(&mut store, &own_log(CHAT), "from the first version", None);
    store.close().unwrap();
    let mut store = profile.open();
    assert_eq!(version(&store), PRESENT);
    assert_eq!(
        texts(&history(&mut store, &CHAT)),
        ["from the first version"]
    );
    store.verify().unwrap();
}
