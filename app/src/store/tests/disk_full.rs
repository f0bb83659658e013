//! No room.

use super::*;

/// As many pages as there are now: SQLite then reports what it reports on a full disk.
fn fill_up(store: &Store) {
    let pages: i64 = store
        .conn
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    behind(store, &format!("PRAGMA max_page_count = {pages}"));
}

#[test]
fn a_full_disk_loses_nothing_and_ends_with_room() {
    let profile = Profile::new();
    let mut store = profile.open();
    let log = bobs_log(CHAT);
    hear(&mut store, &log, 1, "before");
    fill_up(&store);
    let long = "long ".repeat(10_000);
    let result = commit(&mut store, |tx| {
        tx.append_received(&log, &received(&log, 2, &long), NOW)
    });
    assert!(matches!(result, Err(StoreError::DiskFull)), "{result:?}");
    // Reading works, and so does the same entry again.
    assert_eq!(texts(&history(&mut store, &CHAT)), ["before"]);
    assert_eq!(frontier(&mut store, &log).unwrap().next_seq, 2);
    behind(&store, "PRAGMA max_page_count = 1000000");
    assert!(matches!(
        hear(&mut store, &log, 2, &long),
        Received::Appended { .. }
    ));
    store.verify().unwrap();
}

#[test]
fn going_on_after_the_disk_was_full_commits_nothing() {
    let profile = Profile::new();
    let mut store = profile.open();
    let log = bobs_log(CHAT);
    hear(&mut store, &log, 1, "before");
    fill_up(&store);
    let long = "long ".repeat(10_000);
    // A caller that makes light of the error, whether or not SQLite undid all by itself.
    let outcome = commit(&mut store, |tx| {
        let refused = tx.append_received(&log, &received(&log, 2, &long), NOW);
        assert!(refused.is_err());
        Err::<(), _>(StoreError::Aborted)
    });
    assert!(outcome.is_err());
    assert_eq!(frontier(&mut store, &log).unwrap().next_seq, 2);
    assert_eq!(texts(&history(&mut store, &CHAT)), ["before"]);
}
