//! What groups keep beside their items, and entries that are no texts.

use super::*;
use crate::store::{Acknowledged, EntryState, GroupOutbound, Receipt, Room, RoomKind};

const GROUP: ConversationId = [30; 32];

fn opened() -> (Profile, Store) {
    let profile = Profile::new();
    let mut store = profile.open();
    let room = Room {
        id: GROUP,
        kind: RoomKind::Group,
        name: "friends".to_owned(),
        secret: None,
        incarnation: [3; 16],
        joined_at: NOW,
        left_at: None,
    };
    store
        .transaction("test", |tx| tx.join_room(&room, "friends"))
        .unwrap_or_else(|error: crate::store::RoomError| panic!("{error}"));
    (profile, store)
}

fn change(store: &mut Store, work: impl FnOnce(&crate::store::Tx<'_>) -> Result<(), StoreError>) {
    store.transaction("test", work).unwrap();
}

#[test]
fn operations_seat_and_session_are_there_after_a_restart() {
    let (profile, mut store) = opened();
    let outbound = GroupOutbound {
        state: Zeroizing::new(vec![5; 300]),
        started_at: NOW,
        told: vec![BOB, EVE],
    };
    change(&mut store, |tx| {
        for operation in [[1; 40], [2; 40], [0; 40]] {
            tx.add_group_operation(&GROUP, &operation)?;
        }
        tx.save_group_seat(&GROUP, &[9; 32])?;
        tx.save_group_outbound(&GROUP, Some(&outbound))
    });
    drop(store);
    let mut store = profile.open();
    let held = store.read(|view| {
        Ok::<_, StoreError>((
            view.group_operations(&GROUP)?,
            view.group_seat(&GROUP)?.map(|seat| *seat),
            view.group_outbound(&GROUP)?,
            view.group_seat(&CHAT)?.is_none(),
        ))
    });
    let operations = vec![vec![1; 40], vec![2; 40], vec![0; 40]];
    assert_eq!(
        held.unwrap(),
        (operations, Some([9; 32]), Some(outbound), true)
    );
    change(&mut store, |tx| tx.save_group_outbound(&GROUP, None));
    let gone = store.read(|view| {
        Ok::<_, StoreError>((
            view.group_outbound(&GROUP)?,
            view.group_seat(&GROUP)?.is_some(),
        ))
    });
    assert_eq!(gone.unwrap(), (None, true));
}

#[test]
fn a_session_is_kept_under_its_name_and_the_oldest_go() {
    let (_profile, mut store) = opened();
    let save = |store: &mut Store, name: u8, content: u8| {
        change(store, |tx| {
            tx.save_group_session(&GROUP, &BOB, &[name; 32], &[content; 165], 3)
        });
    };
    for name in 1..=4 {
        save(&mut store, name, name);
    }
    save(&mut store, 2, 7);
    let held = store.read(|view| {
        let all = view.group_sessions(&GROUP, &BOB)?;
        let firsts: Vec<u8> = all.iter().map(|session| session[0]).collect();
        let gone = view.group_session(&GROUP, &BOB, &[1; 32])?.is_none();
        let others = view.group_session_count(&GROUP, &EVE)?;
        Ok::<_, StoreError>((firsts, gone, others))
    });
    assert_eq!(held.unwrap(), (vec![7, 3, 4], true, 0));
}

#[test]
fn an_entry_that_is_no_text_is_not_shown_and_goes_when_it_has_arrived() {
    let profile = Profile::new();
    let mut store = profile.open();
    let log = own_log(CHAT);
    for (number, kind) in [(1, 1), (2, 3), (3, 1)] {
        let entry = NewEntry {
            id: id_of(&log, number),
            kind,
            text: "words",
            sent_at: NOW,
            expires_at: None,
        };
        store
            .transaction("test", |tx| {
                tx.append_own(&log, &entry, NOW, |seq, _| hash_of(&log, seq))
            })
            .unwrap_or_else(|error: crate::store::AppendError| panic!("{error}"));
    }
    let look = |store: &mut Store| {
        let looked = store.read(|view| {
            let shown = view.history(&CHAT, None, 10)?.entries.len();
            let found = view.search(None, "words", 10)?.entries.len();
            let sent = view.entries_after(&log, 0, 10, 10_000)?;
            let texts = sent.iter().filter(|entry| entry.text.is_some()).count();
            Ok::<_, StoreError>((shown, found, texts))
        });
        looked.unwrap()
    };
    assert_eq!(look(&mut store), (2, 2, 3), "it is sent like any other");
    let states = store
        .transaction("test", |tx| tx.acknowledge(&log, 3, Receipt::Delivered))
        .unwrap();
    let texts = [1, 3].map(|seq| id_of(&log, seq)).to_vec();
    assert_eq!(states, Acknowledged::Changed(texts));
    assert_eq!(look(&mut store), (2, 2, 2));
    let state = store.read(|view| view.entry(&id_of(&log, 2)));
    assert_eq!(state.unwrap().unwrap().state, EntryState::Delivered);
}
