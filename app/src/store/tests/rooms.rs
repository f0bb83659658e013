//! Rooms, their logs and their items.

use super::*;
use crate::store::{
    EntryState, ItemPlace, NewItem, Room, RoomError, RoomKind, RoomTip, limits::MAX_ROOMS,
};

const ROOM: ConversationId = [20; 32];
const HOUR: i64 = 3_600_000;

fn room(id: u8, name: &str) -> Room {
    Room {
        id: [id; 32],
        kind: RoomKind::Room,
        name: name.to_owned(),
        secret: None,
        incarnation: [id; 16],
        joined_at: NOW,
        left_at: None,
    }
}

fn join(store: &mut Store, room: &Room) -> Result<(), RoomError> {
    store.transaction("test", |tx| tx.join_room(room, &room.name))
}

/// Item `seq` of the log called `log`, `author`'s, at lamport time `lamport`.
struct Item {
    log: u8,
    author: Option<PeerKey>,
    own: bool,
    seq: u64,
    prev: [u8; 32],
    lamport: u64,
    sent_at: i64,
    expires_at: Option<i64>,
    state: EntryState,
    text: Option<String>,
    body: Option<Vec<u8>>,
}

impl Item {
    fn of(log: u8, seq: u64, text: &str) -> Self {
        let name = name(log);
        Self {
            log,
            author: Some([log; 32]),
            own: false,
            seq,
            prev: hash_of(&name, seq - 1),
            lamport: 1000 * seq + u64::from(log),
            sent_at: NOW,
            expires_at: None,
            state: EntryState::Received,
            text: Some(text.to_owned()),
            body: Some(text.as_bytes().to_vec()),
        }
    }

    fn of_mine(seq: u64, text: &str) -> Self {
        Self {
            own: true,
            author: Some(ME),
            state: EntryState::Queued,
            ..Self::of(1, seq, text)
        }
    }

    fn put(&self, store: &mut Store) -> bool {
        let name = name(self.log);
        let new = NewItem {
            conversation: ROOM,
            log: [self.log; 16],
            author: self.author,
            own: self.own,
            entry: ReceivedEntry {
                seq: self.seq,
                id: id_of(&name, self.seq),
                hash: hash_of(&name, self.seq),
                prev: self.prev,
                kind: 1,
                text: self.text.as_deref(),
                sent_at: self.sent_at,
                expires_at: self.expires_at,
            },
            state: self.state,
            hour: u32::try_from(self.sent_at / HOUR).unwrap(),
            lamport: self.lamport,
            header: b"header",
            signature: &[7; 64],
            body: self.body.as_deref(),
        };
        store
            .transaction("test", |tx| tx.append_item(&new, NOW))
            .unwrap()
    }
}

const fn name(log: u8) -> LogName {
    LogName {
        conversation: ROOM,
        author: [log; 32],
        incarnation: [log; 16],
    }
}

fn opened() -> (Profile, Store) {
    let profile = Profile::new();
    let mut store = profile.open();
    join(&mut store, &room(20, "lobby")).unwrap();
    (profile, store)
}

fn read<T>(
    store: &mut Store,
    look: impl FnOnce(&crate::store::View<'_>) -> Result<T, StoreError>,
) -> T {
    store.read(look).unwrap()
}

fn said(store: &mut Store) -> Vec<String> {
    let page = read(store, |view| view.room_history(&ROOM, None, 100));
    page.entries
        .into_iter()
        .filter_map(|entry| entry.text)
        .collect()
}

fn tip(store: &mut Store, log: u8) -> RoomTip {
    let tips = read(store, |view| view.room_tips(&ROOM));
    tips.into_iter().find(|tip| tip.log == [log; 16]).unwrap()
}

#[test]
fn a_name_is_one_rooms_until_that_is_left() {
    let (_profile, mut store) = opened();
    let other = room(21, "lobby");
    assert!(matches!(
        join(&mut store, &other),
        Err(RoomError::NameTaken { .. })
    ));
    commit(&mut store, |tx| tx.leave_room(&ROOM, NOW)).unwrap();
    join(&mut store, &other).unwrap();
    let named = |store: &mut Store| {
        let found = read(store, |view| view.room_named(RoomKind::Room, "lobby"));
        found.unwrap().id
    };
    assert_eq!(named(&mut store), other.id);
    // The other is still known, with when it was left.
    let left = read(&mut store, |view| view.room(&ROOM)).unwrap();
    assert_eq!(left.left_at, Some(NOW));
    commit(&mut store, |tx| tx.leave_room(&other.id, NOW + 1)).unwrap();
    assert_eq!(named(&mut store), other.id);
    assert!(read(&mut store, |view| view.rooms()).is_empty());
}

#[test]
fn there_are_at_most_so_many_rooms() {
    let profile = Profile::new();
    let mut store = profile.open();
    for number in 0..MAX_ROOMS as u8 {
        join(&mut store, &room(number, &format!("room {number}"))).unwrap();
    }
    assert!(matches!(
        join(&mut store, &room(200, "one more")),
        Err(RoomError::Full)
    ));
}

#[test]
fn history_is_in_the_order_of_the_room_whatever_came_first() {
    let (_profile, mut store) = opened();
    for item in [
        Item::of(3, 1, "b1"),
        Item::of(3, 2, "b2"),
        Item::of(2, 1, "a1"),
        Item::of(2, 2, "a2"),
    ] {
        assert!(item.put(&mut store));
    }
    assert_eq!(said(&mut store), ["a1", "b1", "a2", "b2"]);
    let page = read(&mut store, |view| view.room_history(&ROOM, None, 2));
    assert!(page.more);
    let first = page.entries.first().unwrap();
    assert_eq!(first.text.as_deref(), Some("a2"));
    let place = read(&mut store, |view| view.item_place(first.ord)).unwrap();
    assert_eq!(
        place,
        ItemPlace {
            lamport: 2002,
            log: [2; 16],
            seq: 2
        }
    );
    let before = read(&mut store, |view| view.room_history(&ROOM, Some(place), 9));
    assert_eq!(texts(&before.entries), ["a1", "b1"]);
}

#[test]
fn an_item_is_stored_once_and_what_is_passed_over_leaves_no_hole() {
    let (_profile, mut store) = opened();
    assert!(Item::of(2, 1, "1").put(&mut store));
    assert!(!Item::of(2, 1, "1").put(&mut store));
    // Those between are too old for anybody to keep.
    assert!(Item::of(2, 5, "5").put(&mut store));
    assert!(!Item::of(2, 3, "3").put(&mut store));
    let tip = tip(&mut store, 2);
    assert_eq!((tip.seq, tip.hash), (5, hash_of(&name(2), 5)));
    assert_eq!(tip.lamport, 5002);
    let frontier = read(&mut store, |view| view.frontier(&name(2))).unwrap();
    assert_eq!(frontier.low_water, 5);
    assert_eq!(said(&mut store), ["1", "5"]);
    let items = read(&mut store, |view| view.items(&ROOM, &[2; 16], (0, 9), 1));
    assert_eq!(items.len(), 1);
    let items = read(&mut store, |view| {
        view.items(&ROOM, &[2; 16], (1, 9), 1 << 20)
    });
    assert_eq!(items.iter().map(|item| item.seq).collect::<Vec<_>>(), [5]);
    assert_eq!(items[0].body.as_deref(), Some(b"5".as_slice()));
}

#[test]
fn a_log_has_no_author_until_one_is_known() {
    let (_profile, mut store) = opened();
    let stub = Item {
        author: None,
        text: None,
        body: None,
        ..Item::of(2, 1, "")
    };
    assert!(stub.put(&mut store));
    assert_eq!(tip(&mut store, 2).author, None);
    assert!(Item::of(2, 2, "2").put(&mut store));
    assert_eq!(tip(&mut store, 2).author, Some([2; 32]));
    // One that does not say so is still of the same log.
    let sealed = Item {
        author: None,
        text: None,
        ..Item::of(2, 3, "3")
    };
    assert!(sealed.put(&mut store));
    let tip = tip(&mut store, 2);
    assert_eq!((tip.author, tip.seq), (Some([2; 32]), 3));
    assert!(commit(&mut store, |tx| tx.reveal(&name(2), 3, "at last")).unwrap());
    assert_eq!(said(&mut store), ["2", "at last"]);
    let found = read(&mut store, |view| view.search(Some(&ROOM), "last", 9));
    assert_eq!(texts(&found.entries), ["at last"]);
}

#[test]
fn what_one_says_oneself_is_read_and_waits_until_somebody_has_it() {
    let (_profile, mut store) = opened();
    assert!(Item::of_mine(1, "mine").put(&mut store));
    assert!(Item::of(2, 1, "theirs").put(&mut store));
    assert_eq!(read(&mut store, |view| view.unread_count(&ROOM)), 1);
    assert_eq!(read(&mut store, |view| view.pending()).len(), 1);
    let failed = store
        .transaction("test", |tx| tx.leave_room(&ROOM, NOW))
        .unwrap();
    assert_eq!(failed, [id_of(&name(1), 1)]);
    assert!(read(&mut store, |view| view.pending()).is_empty());
    let again = Item {
        state: EntryState::Delivered,
        ..Item::of_mine(2, "from another life")
    };
    assert!(again.put(&mut store));
    assert!(read(&mut store, |view| view.pending()).is_empty());
}

/// Checks DC-GOSSIP-022 (positive).
#[test]
fn bodies_end_and_stubs_stay_until_the_log_is_forgotten() {
    let (_profile, mut store) = opened();
    let short = Item {
        expires_at: Some(NOW + 10),
        ..Item::of(2, 1, "short")
    };
    assert!(short.put(&mut store));
    assert!(Item::of(3, 1, "long").put(&mut store));
    assert_eq!(
        read(&mut store, |view| view.next_item_expiry()),
        Some(NOW + 10)
    );
    let ended = commit(&mut store, |tx| {
        tx.expire(NOW + 10)?;
        tx.expire_items(NOW + 10)
    })
    .unwrap();
    assert_eq!(ended, 1);
    assert_eq!(read(&mut store, |view| view.full_items(&ROOM)), 1);
    let stub = read(&mut store, |view| view.items(&ROOM, &[2; 16], (0, 1), 1));
    assert_eq!(stub[0].body, None);
    assert_eq!(said(&mut store), ["long"]);
    // The log with something left to say is kept, however old.
    let before = u32::try_from(NOW / HOUR).unwrap() + 1;
    let forgotten = commit(&mut store, |tx| {
        tx.forget_room_logs(&ROOM, before, &[9; 16])
    })
    .unwrap();
    assert_eq!(forgotten, 1);
    let tips = read(&mut store, |view| view.room_tips(&ROOM));
    assert_eq!(
        tips.iter().map(|tip| tip.log).collect::<Vec<_>>(),
        [[3; 16]]
    );
    store.verify().unwrap();
}

/// Checks DC-GOSSIP-052 (positive).
#[test]
fn the_newest_that_still_say_something_are_had_first() {
    let (_profile, mut store) = opened();
    for seq in 1..=3 {
        assert!(Item::of(2, seq, &format!("a{seq}")).put(&mut store));
        assert!(Item::of(3, seq, &format!("b{seq}")).put(&mut store));
    }
    let short = Item {
        expires_at: Some(NOW + 10),
        ..Item::of(2, 4, "short")
    };
    assert!(short.put(&mut store));
    commit(&mut store, |tx| tx.expire_items(NOW + 10)).unwrap();
    let newest = |store: &mut Store, between, most, bytes| -> Vec<u64> {
        let items = read(store, |view| view.newest_items(&ROOM, between, most, bytes));
        assert!(items.iter().all(|item| item.body.is_some()));
        items.into_iter().map(|item| item.seq).collect()
    };
    let all = (0, u64::MAX);
    assert_eq!(newest(&mut store, all, 3, 1 << 20), [3, 3, 2]);
    assert_eq!(newest(&mut store, all, 3, 1), [3]);
    let tip = tip(&mut store, 3).lamport;
    assert!(newest(&mut store, (tip + 1, u64::MAX), 3, 1 << 20).is_empty());
}

#[test]
fn places_are_of_items_with_a_body_and_all_or_none() {
    let (_profile, mut store) = opened();
    for seq in 1..=2 {
        assert!(Item::of(2, seq, &format!("a{seq}")).put(&mut store));
        assert!(Item::of(3, seq, &format!("b{seq}")).put(&mut store));
    }
    let short = Item {
        expires_at: Some(NOW + 10),
        ..Item::of(2, 3, "short")
    };
    assert!(short.put(&mut store));
    commit(&mut store, |tx| tx.expire_items(NOW + 10)).unwrap();
    let places = |store: &mut Store, most| read(store, |view| view.full_places(&ROOM, most));
    let place = |log: u8, seq| (1000 * seq + u64::from(log), hash_of(&name(log), seq));
    let all = vec![place(2, 1), place(3, 1), place(2, 2), place(3, 2)];
    assert_eq!(places(&mut store, 4), Some(all));
    assert_eq!(places(&mut store, 3), None);
}

#[test]
fn the_oldest_of_too_many_go_first() {
    let (_profile, mut store) = opened();
    for seq in 1..=5 {
        assert!(Item::of(2, seq, &format!("a{seq}")).put(&mut store));
        assert!(Item::of(3, seq, &format!("b{seq}")).put(&mut store));
    }
    let ended = commit(&mut store, |tx| {
        let ended = tx.end_oldest_items(&ROOM, 3, NOW)?;
        tx.expire(NOW)?;
        Ok(ended)
    })
    .unwrap();
    assert_eq!(ended, 3);
    assert_eq!(said(&mut store).first().unwrap(), "b2");
    assert_eq!(read(&mut store, |view| view.full_items(&ROOM)), 7);
}

/// Checks DC-GOSSIP-023 (negative).
#[test]
fn a_closed_log_says_nothing_any_more_and_the_proof_is_kept() {
    let (_profile, mut store) = opened();
    assert!(Item::of(2, 1, "one thing").put(&mut store));
    let item = Item::of(2, 1, "another");
    let new = NewItem {
        conversation: ROOM,
        log: [2; 16],
        author: item.author,
        own: false,
        entry: received(&name(2), 1, "another"),
        state: EntryState::Received,
        hour: 7,
        lamport: 1,
        header: b"header",
        signature: &[7; 64],
        body: None,
    };
    commit(&mut store, |tx| tx.close_room_log(&new, (b"one", b"other"))).unwrap();
    assert!(said(&mut store).is_empty());
    assert!(tip(&mut store, 2).closed);
    let proof = read(&mut store, |view| view.proof(&ROOM, &[2; 16]));
    assert_eq!(proof, Some((b"one".to_vec(), b"other".to_vec())));
    assert_eq!(read(&mut store, |view| view.full_items(&ROOM)), 0);
    store.verify().unwrap();
}

#[test]
fn people_are_remembered_by_what_they_last_called_themselves() {
    let (_profile, mut store) = opened();
    let meet = |store: &mut Store, name: &str, at: i64| {
        commit(store, |tx| tx.meet(&ROOM, &BOB, name, at)).unwrap();
    };
    meet(&mut store, "Bob", NOW);
    meet(&mut store, "Robert", NOW + 1);
    let people = read(&mut store, |view| view.room_people(&ROOM));
    assert_eq!((people.len(), people[0].name.as_str()), (1, "Robert"));
    assert_eq!(
        read(&mut store, |view| view.room_person(&ROOM, &BOB)).as_deref(),
        Some("Robert")
    );
    assert_eq!(
        read(&mut store, |view| view.room_person(&OTHER_CHAT, &BOB)),
        None
    );
}
