//! Logs, pages, receipts and expiry, one behaviour each. All together: `log_model`.

use super::*;
use crate::store::{
    Acknowledged, AppendError, EntryState, Receipt,
    limits::{MAX_INCARNATIONS, MAX_PAGE_BYTES, MAX_TEXT, MAX_UNACKNOWLEDGED},
};

fn acknowledge(store: &mut Store, through: u64, receipt: Receipt) -> Acknowledged {
    commit(store, |tx| tx.acknowledge(&own_log(CHAT), through, receipt)).unwrap()
}

fn states(store: &mut Store) -> Vec<EntryState> {
    history(store, &CHAT)
        .iter()
        .map(|entry| entry.state)
        .collect()
}

#[test]
fn an_entry_comes_back_as_it_was_stored() {
    let profile = Profile::new();
    let mut store = profile.open();
    let log = bobs_log(CHAT);
    let sent = ReceivedEntry {
        kind: 40_000,
        sent_at: -5,
        expires_at: Some(NOW + 1),
        ..received(&log, 1, "héllo \0 \u{1F600}")
    };
    commit(&mut store, |tx| tx.append_received(&log, &sent, NOW + 7)).unwrap();
    let stored = store.read(|view| view.entry(&sent.id)).unwrap().unwrap();
    assert_eq!(
        stored,
        Entry {
            ord: stored.ord,
            conversation: CHAT,
            author: BOB,
            incarnation: log.incarnation,
            own: false,
            seq: 1,
            id: sent.id,
            hash: sent.hash,
            prev: [0; 32],
            kind: 40_000,
            text: sent.text.map(str::to_owned),
            sent_at: -5,
            committed_at: NOW + 7,
            expires_at: Some(NOW + 1),
            state: EntryState::Received,
            mention: false,
        }
    );
}

/// Checks DC-CHAT-032 (positive).
#[test]
fn own_entries_are_numbered_and_chained() {
    let profile = Profile::new();
    let mut store = profile.open();
    let log = own_log(CHAT);
    let first = say(&mut store, &log, "one", None);
    let second = say(&mut store, &log, "two", None);
    assert_eq!((first.seq, second.seq), (1, 2));
    assert_eq!(first.prev, [0; 32]);
    assert_eq!(second.prev, first.hash);
    let at = frontier(&mut store, &log).unwrap();
    assert_eq!((at.next_seq, at.tip, at.own), (3, second.hash, true));
}

#[test]
fn a_text_over_the_limit_is_refused_on_both_sides() {
    let profile = Profile::new();
    let mut store = profile.open();
    let (own, theirs) = (own_log(CHAT), bobs_log(CHAT));
    let long = "x".repeat(MAX_TEXT + 1);
    let refused = store.transaction("say", |tx| {
        let entry = NewEntry {
            id: [0; 16],
            kind: 1,
            text: &long,
            sent_at: NOW,
            expires_at: None,
        };
        tx.append_own(&own, &entry, NOW, |_, _| [0; 32])
    });
    assert!(matches!(
        refused,
        Err(AppendError::Store(StoreError::TooLarge { .. }))
    ));
    let refused = commit(&mut store, |tx| {
        tx.append_received(&theirs, &received(&theirs, 1, &long), NOW)
    });
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
    hear(&mut store, &theirs, 1, &long[..MAX_TEXT]);
}

/// Checks DC-CHAT-046 (negative).
#[test]
fn what_does_not_continue_a_log_is_told_apart() {
    let profile = Profile::new();
    let mut store = profile.open();
    let log = bobs_log(CHAT);
    let mut give = |entry: ReceivedEntry<'_>| {
        commit(&mut store, |tx| tx.append_received(&log, &entry, NOW)).unwrap()
    };
    let good = |seq| received(&log, seq, "x");
    assert_eq!(give(good(2)), Received::Gap { next_seq: 1 });
    assert_eq!(give(good(0)), Received::Fork);
    assert!(matches!(give(good(1)), Received::Appended { .. }));
    assert!(matches!(give(good(2)), Received::Appended { .. }));
    assert_eq!(give(good(1)), Received::Duplicate);
    assert_eq!(give(good(u64::MAX)), Received::Gap { next_seq: 3 });
    let other_hash = ReceivedEntry {
        hash: [9; 32],
        ..good(2)
    };
    assert_eq!(give(other_hash), Received::Fork);
    let other_past = ReceivedEntry {
        prev: [9; 32],
        ..good(3)
    };
    assert_eq!(give(other_past), Received::Fork);
    let same_id = ReceivedEntry {
        id: id_of(&log, 1),
        ..good(3)
    };
    assert_eq!(give(same_id), Received::IdReused);
    assert_eq!(frontier(&mut store, &log).unwrap().next_seq, 3);
}

#[test]
fn an_id_taken_by_one_author_keeps_out_no_other() {
    let profile = Profile::new();
    let mut store = profile.open();
    let (own, theirs) = (own_log(CHAT), bobs_log(OTHER_CHAT));
    say(&mut store, &own, "mine", None);
    let copied = ReceivedEntry {
        id: id_of(&own, 1),
        ..received(&theirs, 1, "theirs")
    };
    let outcome = commit(&mut store, |tx| tx.append_received(&theirs, &copied, NOW)).unwrap();
    assert!(matches!(outcome, Received::Appended { .. }));
    let found = store.read(|view| view.entry(&copied.id)).unwrap().unwrap();
    assert_eq!(found.text.as_deref(), Some("mine"));
}

#[test]
fn nobody_else_writes_our_log_and_we_write_nobody_elses() {
    let profile = Profile::new();
    let mut store = profile.open();
    let (own, theirs) = (own_log(CHAT), bobs_log(CHAT));
    say(&mut store, &own, "mine", None);
    assert_eq!(hear(&mut store, &own, 2, "forged"), Received::OwnLog);
    hear(&mut store, &theirs, 1, "theirs");
    let refused = store.transaction("say", |tx| {
        let entry = NewEntry {
            id: [0; 16],
            kind: 1,
            text: "x",
            sent_at: NOW,
            expires_at: None,
        };
        tx.append_own(&theirs, &entry, NOW, |_, _| [0; 32])
    });
    assert!(matches!(refused, Err(AppendError::ForeignLog)));
    let nonsense = commit(&mut store, |tx| {
        tx.acknowledge(&theirs, 1, Receipt::Delivered)
    });
    assert_eq!(nonsense.unwrap(), Acknowledged::NoSuchLog);
}

/// Checks .
#[test]
fn incarnations_of_one_author_are_bounded() {
    let profile = Profile::new();
    let mut store = profile.open();
    let life = |n: usize| LogName {
        incarnation: (n as u128).to_le_bytes(),
        ..bobs_log(CHAT)
    };
    commit(&mut store, |tx| {
        for n in 0..MAX_INCARNATIONS {
            tx.append_received(&life(n), &received(&life(n), 1, "x"), NOW)?;
        }
        let next = life(MAX_INCARNATIONS);
        assert_eq!(
            tx.append_received(&next, &received(&next, 1, "x"), NOW)?,
            Received::TooManyIncarnations
        );
        assert!(!tx.skip_to(&next, 5, &[1; 32])?);
        // The lives that are known go on.
        assert!(matches!(
            tx.append_received(&life(0), &received(&life(0), 2, "x"), NOW)?,
            Received::Appended { .. }
        ));
        Ok(())
    })
    .unwrap();
}

#[test]
fn states_move_forward_only() {
    use EntryState::{Delivered, Queued, Read, Stored};
    let profile = Profile::new();
    let mut store = profile.open();
    let ids: Vec<_> = (1..=4)
        .map(|seq| {
            say(&mut store, &own_log(CHAT), "x", None);
            id_of(&own_log(CHAT), seq)
        })
        .collect();
    let changed = |ids: &[EntryId]| Acknowledged::Changed(ids.to_vec());
    assert_eq!(
        acknowledge(&mut store, 4, Receipt::Stored),
        changed(&ids[..4])
    );
    assert_eq!(
        acknowledge(&mut store, 2, Receipt::Delivered),
        changed(&ids[..2])
    );
    assert_eq!(acknowledge(&mut store, 2, Receipt::Delivered), changed(&[]));
    assert_eq!(
        acknowledge(&mut store, 3, Receipt::Read),
        changed(&ids[..3])
    );
    assert_eq!(acknowledge(&mut store, 3, Receipt::Delivered), changed(&[]));
    assert_eq!(acknowledge(&mut store, 4, Receipt::Stored), changed(&[]));
    assert_eq!(states(&mut store), [Read, Read, Read, Stored]);
    assert_eq!(
        acknowledge(&mut store, 5, Receipt::Delivered),
        Acknowledged::Beyond { last_seq: 4 }
    );
    say(&mut store, &own_log(CHAT), "x", None);
    assert_eq!(
        acknowledge(&mut store, 4, Receipt::Delivered),
        changed(&ids[3..])
    );
    assert_eq!(states(&mut store), [Read, Read, Read, Delivered, Queued]);
}

#[test]
fn the_outbox_is_what_comes_after_a_number_in_bounded_batches() {
    let profile = Profile::new();
    let mut store = profile.open();
    let log = own_log(CHAT);
    for n in 1..=5 {
        say(&mut store, &log, &"x".repeat(n * 100), None);
    }
    let mut batch = |after, entries, bytes| -> Vec<u64> {
        store
            .read(|view| view.entries_after(&log, after, entries, bytes))
            .unwrap()
            .iter()
            .map(|entry| entry.seq)
            .collect()
    };
    assert_eq!(batch(0, 3, usize::MAX), [1, 2, 3]);
    assert_eq!(batch(3, 10, usize::MAX), [4, 5]);
    assert_eq!(batch(0, 10, 300), [1, 2]);
    assert_eq!(batch(0, 10, 1), [1]);
    assert_eq!(batch(5, 10, usize::MAX), [0; 0]);
    assert_eq!(batch(u64::MAX, 10, usize::MAX), [0; 0]);

    acknowledge(&mut store, 3, Receipt::Delivered);
    let pending = store.read(|view| view.pending()).unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].acked, pending[0].last_seq), (3, 5));
    acknowledge(&mut store, 5, Receipt::Delivered);
    assert_eq!(store.read(|view| view.pending()).unwrap(), []);
}

#[test]
fn an_outbox_nobody_empties_is_full_one_day() {
    let profile = Profile::new();
    let mut store = profile.open();
    say(&mut store, &own_log(CHAT), "x", None);
    behind(
        &store,
        &format!("UPDATE logs SET next_seq = {MAX_UNACKNOWLEDGED} + 1"),
    );
    let entry = NewEntry {
        id: [0; 16],
        kind: 1,
        text: "x",
        sent_at: NOW,
        expires_at: None,
    };
    let mut try_one = || {
        store.transaction("say", |tx| {
            tx.append_own(&own_log(CHAT), &entry, NOW, |_, _| [0; 32])
        })
    };
    assert!(matches!(try_one(), Err(AppendError::OutboxFull)));
    acknowledge(&mut store, 1, Receipt::Delivered);
    store
        .transaction("say", |tx| {
            tx.append_own(&own_log(CHAT), &entry, NOW, |_, _| [0; 32])
        })
        .unwrap();
}

#[test]
fn history_comes_in_pages_from_the_newest() {
    let profile = Profile::new();
    let mut store = profile.open();
    for n in 1..=5 {
        say(&mut store, &own_log(CHAT), &format!("m{n}"), None);
        hear(&mut store, &bobs_log(OTHER_CHAT), n, "elsewhere");
    }
    let mut page = |before, entries| {
        store
            .read(|view| view.history(&CHAT, before, entries))
            .unwrap()
    };
    let newest = page(None, 2);
    assert_eq!(texts(&newest.entries), ["m4", "m5"]);
    assert!(newest.more);
    let older = page(Some(newest.entries[0].ord), 2);
    assert_eq!(texts(&older.entries), ["m2", "m3"]);
    let oldest = page(Some(older.entries[0].ord), 2);
    assert_eq!(texts(&oldest.entries), ["m1"]);
    assert!(!oldest.more);
    let exact = page(None, 5);
    assert_eq!(exact.entries.len(), 5);
    assert!(!exact.more);
}

#[test]
fn what_has_expired_takes_no_place_in_a_page() {
    let profile = Profile::new();
    let mut store = profile.open();
    say(&mut store, &own_log(CHAT), "stays", None);
    for n in 0..3 {
        say(
            &mut store,
            &own_log(CHAT),
            &format!("goes {n}"),
            Some(NOW + 1),
        );
    }
    commit(&mut store, |tx| tx.expire(NOW + 2)).unwrap();
    let page = store.read(|view| view.history(&CHAT, None, 1)).unwrap();
    assert_eq!(texts(&page.entries), ["stays"]);
    assert!(!page.more);
}

#[test]
fn a_page_of_long_messages_ends_at_its_bytes() {
    let profile = Profile::new();
    let mut store = profile.open();
    let long = "x ".repeat(MAX_TEXT / 2);
    let count = MAX_PAGE_BYTES / MAX_TEXT + 3;
    let log = bobs_log(CHAT);
    commit(&mut store, |tx| {
        for seq in 1..=count as u64 {
            tx.append_received(&log, &received(&log, seq, &long), NOW)?;
        }
        Ok(())
    })
    .unwrap();
    let page = store.read(|view| view.history(&CHAT, None, 1_000)).unwrap();
    assert_eq!(page.entries.len(), MAX_PAGE_BYTES / MAX_TEXT);
    assert_eq!(page.entries.last().unwrap().seq, count as u64);
    assert!(page.more);
}

#[test]
fn unread_is_what_others_said_since() {
    let profile = Profile::new();
    let mut store = profile.open();
    let log = bobs_log(CHAT);
    say(&mut store, &own_log(CHAT), "mine", None);
    for n in 1..=3 {
        hear(&mut store, &log, n, &format!("m{n}"));
    }
    hear(&mut store, &bobs_log(OTHER_CHAT), 1, "elsewhere");
    assert_eq!(store.read(|view| view.unread_count(&CHAT)).unwrap(), 3);
    assert!(commit(&mut store, |tx| tx.mark_read(&log, 2)).unwrap());
    assert!(!commit(&mut store, |tx| tx.mark_read(&log, 1)).unwrap());
    let unread = |store: &mut Store, of: Option<&ConversationId>| {
        let page = store.read(|view| view.unread(of, 10)).unwrap();
        texts(&page.entries).join(",")
    };
    assert_eq!(unread(&mut store, Some(&CHAT)), "m3");
    assert_eq!(unread(&mut store, None), "", "Bob is no contact");
    add_bob(&mut store);
    assert_eq!(unread(&mut store, None), "m3,elsewhere");
    let blocked = store.transaction("test", |tx| {
        tx.set_contact_state(&BOB, ContactState::Blocked)
    });
    blocked.unwrap();
    assert_eq!(unread(&mut store, None), "");
    assert!(commit(&mut store, |tx| tx.mark_read(&log, u64::MAX)).unwrap());
    assert_eq!(unread(&mut store, Some(&CHAT)), "");
    assert_eq!(frontier(&mut store, &log).unwrap().read, 3);
}

#[test]
fn a_follower_gets_what_others_said_after_its_cursor() {
    let profile = Profile::new();
    let mut store = profile.open();
    hear(&mut store, &bobs_log(CHAT), 1, "a");
    say(&mut store, &own_log(CHAT), "mine", None);
    hear(&mut store, &bobs_log(OTHER_CHAT), 1, "b");
    hear(&mut store, &bobs_log(CHAT), 2, "c");
    let mut after = |of: Option<&ConversationId>, cursor, n| {
        store
            .read(|view| view.received_after(of, cursor, n))
            .unwrap()
    };
    let all = after(None, 0, 10);
    assert_eq!(texts(&all.entries), ["a", "b", "c"]);
    assert_eq!(texts(&after(None, all.entries[0].ord, 1).entries), ["b"]);
    assert_eq!(texts(&after(Some(&CHAT), 0, 10).entries), ["a", "c"]);
}

/// Checks DC-CHAT-052 (positive, negative), DC-CHAT-053 (positive, negative).
#[test]
fn expiry_leaves_a_stub_and_no_hole() {
    let profile = Profile::new();
    let mut store = profile.open();
    let log = own_log(CHAT);
    say(&mut store, &log, "delivered secret", Some(NOW + 10));
    acknowledge(&mut store, 1, Receipt::Delivered);
    say(&mut store, &log, "queued secret", Some(NOW + 10));
    say(&mut store, &log, "lasting", None);
    say(&mut store, &log, "later secret", Some(NOW + 20));
    let at = frontier(&mut store, &log);
    assert_eq!(
        store.read(|view| view.next_expiry()).unwrap(),
        Some(NOW + 10)
    );

    let early = commit(&mut store, |tx| tx.expire(NOW + 9)).unwrap();
    assert_eq!(early.stubs, 0);
    let expired = commit(&mut store, |tx| tx.expire(NOW + 10)).unwrap();
    assert_eq!(expired.stubs, 2);
    assert_eq!(expired.failed, [id_of(&log, 2)]);

    assert_eq!(
        texts(&history(&mut store, &CHAT)),
        ["-", "-", "lasting", "later secret"]
    );
    assert_eq!(
        states(&mut store)[..2],
        [EntryState::Delivered, EntryState::Failed]
    );
    assert_eq!(frontier(&mut store, &log), at);
    assert_eq!(
        store.read(|view| view.next_expiry()).unwrap(),
        Some(NOW + 20)
    );
    // The stub still goes out, and its acknowledgement does not bring it back to life.
    let outbox = store
        .read(|view| view.entries_after(&log, 1, 1, 1))
        .unwrap();
    assert_eq!((outbox[0].seq, &outbox[0].text), (2, &None));
    assert_eq!(
        acknowledge(&mut store, 3, Receipt::Delivered),
        Acknowledged::Changed(vec![id_of(&log, 3)])
    );
    assert_eq!(states(&mut store)[1], EntryState::Failed);
}

#[test]
fn a_stub_can_be_received() {
    let profile = Profile::new();
    let mut store = profile.open();
    let log = bobs_log(CHAT);
    let stub = ReceivedEntry {
        text: None,
        ..received(&log, 1, "")
    };
    commit(&mut store, |tx| tx.append_received(&log, &stub, NOW)).unwrap();
    hear(&mut store, &log, 2, "after it");
    assert_eq!(texts(&history(&mut store, &CHAT)), ["-", "after it"]);
    assert_eq!(store.read(|view| view.unread_count(&CHAT)).unwrap(), 1);
}

#[test]
fn a_log_can_begin_or_go_on_at_a_low_water_mark() {
    let profile = Profile::new();
    let mut store = profile.open();
    let log = bobs_log(CHAT);
    let mut skip = |to: u64| {
        commit(&mut store, |tx| {
            tx.skip_to(&log, to, &hash_of(&log, to.saturating_sub(1)))
        })
        .unwrap()
    };
    assert!(!skip(1));
    assert!(!skip(u64::MAX));
    assert!(skip(5));
    assert!(!skip(4));
    assert_eq!(hear(&mut store, &log, 4, "x"), Received::Duplicate);
    assert!(matches!(
        hear(&mut store, &log, 5, "five"),
        Received::Appended { .. }
    ));
    let at = frontier(&mut store, &log).unwrap();
    assert_eq!((at.low_water, at.next_seq, at.read), (5, 6, 4));
    assert_eq!(store.read(|view| view.unread_count(&CHAT)).unwrap(), 1);
    say(&mut store, &own_log(CHAT), "mine", None);
    let refused = commit(&mut store, |tx| tx.skip_to(&own_log(CHAT), 9, &[0; 32]));
    assert!(!refused.unwrap());
}
