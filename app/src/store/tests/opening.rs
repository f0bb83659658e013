//! Files that are not what they should be.

use std::fs;

use super::*;

fn closed_with_messages(profile: &Profile) {
    let mut store = profile.open();
    for n in 0..200 {
        say(&mut store, &own_log(CHAT), &format!("message {n}"), None);
    }
    store.close().unwrap();
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let profile = Profile::new();
    closed_with_messages(&profile);
    let mut store = profile.open();
    assert_eq!(history(&mut store, &CHAT).len(), 200);
    store.verify().unwrap();
}

#[test]
fn a_wrong_key_opens_nothing_and_changes_nothing() {
    let profile = Profile::new();
    closed_with_messages(&profile);
    let before = fs::read(profile.database()).unwrap();
    let error = Store::open(&profile.home, &key(0xcd)).unwrap_err();
    assert!(matches!(error, OpenError::WrongKey { .. }), "{error}");
    assert_eq!(fs::read(profile.database()).unwrap(), before);
    profile.open();
}

#[test]
fn a_key_that_only_claims_the_name_opens_nothing() {
    let profile = Profile::new();
    closed_with_messages(&profile);
    // The salt is public: put another key's name at the start of the file.
    let other = key(0xcd);
    let mut bytes = fs::read(profile.database()).unwrap();
    bytes[..16].copy_from_slice(&other.id());
    fs::write(profile.database(), bytes).unwrap();
    assert!(matches!(
        Store::open(&profile.home, &other),
        Err(OpenError::Store(StoreError::Corrupted { .. }))
    ));
}

#[test]
fn a_file_that_is_no_database_is_refused_untouched() {
    let profile = Profile::new();
    for garbage in [&b"short"[..], &[b'x'; 5000]] {
        fs::write(profile.database(), garbage).unwrap();
        assert!(matches!(
            profile.try_open(),
            Err(OpenError::NotADatabase { .. })
        ));
        assert_eq!(fs::read(profile.database()).unwrap(), garbage);
    }
}

#[test]
fn a_plain_sqlite_file_is_refused_untouched() {
    let profile = Profile::new();
    rusqlite::Connection::open(profile.database())
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    let before = fs::read(profile.database()).unwrap();
    assert!(matches!(
        profile.try_open(),
        Err(OpenError::NotEncrypted { .. })
    ));
    assert_eq!(fs::read(profile.database()).unwrap(), before);
}

#[test]
fn an_empty_file_becomes_a_database() {
    let profile = Profile::new();
    fs::write(profile.database(), b"").unwrap();
    closed_with_messages(&profile);
}

#[test]
fn a_damaged_first_page_is_damage_and_not_a_wrong_key() {
    let profile = Profile::new();
    closed_with_messages(&profile);
    let mut bytes = fs::read(profile.database()).unwrap();
    bytes[1000] ^= 1;
    fs::write(profile.database(), bytes).unwrap();
    assert!(matches!(
        profile.try_open(),
        Err(OpenError::Store(StoreError::Corrupted { .. }))
    ));
}

#[test]
fn one_flipped_bit_anywhere_is_noticed() {
    let profile = Profile::new();
    closed_with_messages(&profile);
    let good = fs::read(profile.database()).unwrap();
    for page in 1..good.len() / 4096 {
        let mut bytes = good.clone();
        bytes[page * 4096 + 100] ^= 1;
        fs::write(profile.database(), bytes).unwrap();
        let noticed = match profile.try_open() {
            Err(OpenError::Store(StoreError::Corrupted { .. })) => true,
            Err(other) => panic!("{other}"),
            Ok(store) => matches!(store.verify(), Err(StoreError::Corrupted { .. })),
        };
        assert!(noticed, "page {page}");
    }
}

#[test]
fn a_database_cut_off_is_damage() {
    let profile = Profile::new();
    closed_with_messages(&profile);
    let bytes = fs::read(profile.database()).unwrap();
    fs::write(profile.database(), &bytes[..bytes.len() / 2]).unwrap();
    let damaged = match profile.try_open() {
        Err(error) => Err(error),
        Ok(store) => store.verify().map_err(OpenError::from),
    };
    assert!(matches!(
        damaged,
        Err(OpenError::Store(StoreError::Corrupted { .. }))
    ));
}

#[test]
fn an_error_undoes_the_whole_transaction() {
    let profile = Profile::new();
    let mut store = profile.open();
    say(&mut store, &own_log(CHAT), "kept", None);
    let result = commit(&mut store, |tx| {
        tx.append_received(&bobs_log(CHAT), &received(&bobs_log(CHAT), 1, "lost"), NOW)?;
        tx.set_meta(super::super::MetaKey::OWN_NAME, &[0; 100_000])
    });
    assert!(matches!(result, Err(StoreError::TooLarge { .. })));
    assert_eq!(texts(&history(&mut store, &CHAT)), ["kept"]);
    assert_eq!(frontier(&mut store, &bobs_log(CHAT)), None);
}

#[test]
fn what_read_does_is_not_kept() {
    let profile = Profile::new();
    let mut store = profile.open();
    store
        .read(|view| {
            view.conn
                .execute("INSERT INTO meta VALUES ('x', x'00')", [])?;
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let count = store
        .read(|view| view.count("SELECT count(*) FROM meta WHERE key = 'x'", []))
        .unwrap();
    assert_eq!(count, 0);
}

#[test]
fn the_connection_is_set_up_as_documented() {
    let profile = Profile::new();
    let store = profile.open();
    let pragma = |name: &str| -> String {
        store
            .conn
            .query_row(&format!("PRAGMA {name}"), [], |row| {
                row.get::<_, rusqlite::types::Value>(0)
            })
            .map(|value| match value {
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => panic!("{other:?}"),
            })
            .unwrap()
    };
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("synchronous"), "2");
    assert_eq!(pragma("secure_delete"), "1");
    assert_eq!(pragma("foreign_keys"), "1");
    assert_eq!(pragma("cache_size"), "-2048");
    assert_eq!(pragma("busy_timeout"), "2000");
}

#[cfg(feature = "crash-points")]
#[test]
fn every_commit_has_an_event_before_and_after() {
    use std::sync::{Arc, Mutex};

    use super::super::{CommitSide, CrashAt};

    let profile = Profile::new();
    let mut store = profile.open();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    store.observe_commits(move |event| {
        record
            .lock()
            .unwrap()
            .push((event.number, event.point, event.side));
    });
    say(&mut store, &own_log(CHAT), "x", None);
    let _ = commit(&mut store, |_| Err::<(), _>(StoreError::Aborted));
    store.read(|view| view.contacts()).unwrap();
    commit(&mut store, |_| Ok(())).unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (1, "say", CommitSide::Before),
            (2, "say", CommitSide::After),
            (3, "test", CommitSide::Before),
            (4, "test", CommitSide::After),
        ]
    );
    assert_eq!(CrashAt::parse("0"), None);
    assert_eq!(CrashAt::parse("x"), None);
    assert!(CrashAt::parse("3").is_some());
}
