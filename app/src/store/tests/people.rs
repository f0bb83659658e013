//! Contacts, requests, invites, sessions and the profile's own values.

use super::*;
use crate::store::{
    ContactError, ContactName, ContactState, Filed, MetaKey, NameError, Redemption,
    limits::{MAX_ADDRESSES, MAX_INVITES, MAX_META, MAX_RATCHET_STATE, MAX_REQUESTS, MAX_SESSIONS},
};

fn name(text: &str) -> ContactName {
    ContactName::new(text).unwrap()
}

fn add(store: &mut Store, peer: &PeerKey, called: &str) -> Result<(), ContactError> {
    store.transaction("add", |tx| {
        tx.add_contact(peer, &name(called), true, ContactState::Accepted, NOW)
    })
}

#[test]
fn a_contact_is_found_by_key_and_by_name_in_any_case() {
    let profile = Profile::new();
    let mut store = profile.open();
    add(&mut store, &BOB, "Straße Bob").unwrap();
    let by_key = store.read(|view| view.contact(&BOB)).unwrap().unwrap();
    assert_eq!(by_key.name, "Straße Bob");
    assert!(by_key.verified);
    for typed in ["Straße Bob", "STRASSE BOB", " straße bob "] {
        let found = store.read(|view| view.contact_named(typed)).unwrap();
        assert_eq!(found.as_ref(), Some(&by_key), "{typed}");
    }
    assert_eq!(store.read(|view| view.contact_named("#bob")).unwrap(), None);
}

#[test]
fn two_contacts_never_have_one_name() {
    let profile = Profile::new();
    let mut store = profile.open();
    add(&mut store, &BOB, "Bob").unwrap();
    assert!(matches!(
        add(&mut store, &EVE, "BOB"),
        Err(ContactError::NameTaken { .. })
    ));
    assert!(matches!(
        add(&mut store, &BOB, "Robert"),
        Err(ContactError::Known { .. })
    ));
    let free = store.read(|view| view.free_name(&name("bob"))).unwrap();
    assert_eq!(free.as_str(), "bob-2");
    add(&mut store, &EVE, free.as_str()).unwrap();
    let free = store.read(|view| view.free_name(&name("bob"))).unwrap();
    assert_eq!(free.as_str(), "bob-3");
    let renamed = store.transaction("rename", |tx| tx.rename_contact(&EVE, &name("bOb")));
    assert!(matches!(renamed, Err(ContactError::NameTaken { .. })));
    store
        .transaction("rename", |tx| tx.rename_contact(&BOB, &name("BOB")))
        .unwrap();
}

#[test]
fn names_that_could_deceive_are_refused() {
    for (bad, why) in [
        ("", NameError::Empty),
        ("   ", NameError::Empty),
        ("#room", NameError::Ambiguous),
        ("@group", NameError::Ambiguous),
        ("-n", NameError::Ambiguous),
        ("/ip4/1.2.3.4", NameError::Ambiguous),
        ("12D3KooWabc", NameError::Ambiguous),
        ("a\u{1b}[2J", NameError::Unprintable),
        ("b\u{202e}ob", NameError::Unprintable),
        ("bo\u{200b}b", NameError::Unprintable),
    ] {
        assert_eq!(ContactName::new(bad).unwrap_err(), why, "{bad:?}");
    }
    assert_eq!(
        ContactName::new(&"x".repeat(129)).unwrap_err(),
        NameError::TooLong
    );
    assert_eq!(name(" 小明 ").as_str(), "小明");
}

#[test]
fn a_contact_can_be_changed_and_forgotten() {
    let profile = Profile::new();
    let mut store = profile.open();
    add(&mut store, &BOB, "Bob").unwrap();
    store
        .transaction("change", |tx| {
            tx.set_contact_state(&BOB, ContactState::Blocked)?;
            tx.set_contact_verified(&BOB, false)?;
            tx.contact_seen(&BOB, NOW)?;
            tx.contact_seen(&BOB, NOW - 1)?;
            tx.learn_address(&BOB, "/ip4/1.2.3.4/udp/1/quic-v1", NOW)?;
            tx.save_session(&BOB, b"s", b"state", NOW)?;
            Ok::<_, ContactError>(())
        })
        .unwrap();
    let bob = store.read(|view| view.contact(&BOB)).unwrap().unwrap();
    assert_eq!(bob.state, ContactState::Blocked);
    assert!(!bob.verified);
    assert_eq!(bob.last_seen, Some(NOW));

    store
        .transaction("remove", |tx| tx.remove_contact(&BOB))
        .unwrap();
    store
        .read(|view| {
            assert_eq!(view.contacts()?, []);
            assert_eq!(view.addresses(&BOB)?, [""; 0]);
            assert_eq!(view.sessions(&BOB)?, []);
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let again = store.transaction("remove", |tx| tx.remove_contact(&BOB));
    assert!(matches!(again, Err(ContactError::Unknown)));
}

#[test]
fn the_latest_addresses_of_known_peers_are_kept() {
    let profile = Profile::new();
    let mut store = profile.open();
    add(&mut store, &BOB, "Bob").unwrap();
    commit(&mut store, |tx| {
        for n in 0..MAX_ADDRESSES as i64 + 3 {
            assert!(tx.learn_address(&BOB, &format!("/a/{n}"), NOW + n)?);
        }
        assert!(tx.learn_address(&BOB, "/a/3", NOW + 100)?);
        assert!(!tx.learn_address(&EVE, "/a/1", NOW)?);
        assert!(tx.learn_address(&BOB, &"x".repeat(513), NOW).is_err());
        Ok(())
    })
    .unwrap();
    let known = store.read(|view| view.addresses(&BOB)).unwrap();
    assert_eq!(known.len(), MAX_ADDRESSES);
    assert_eq!(&known[..2], ["/a/3", "/a/18"]);
    assert!(!known.contains(&"/a/2".to_owned()));
}

/// Checks DC-CHAT-003 (positive).
#[test]
fn strangers_cannot_push_out_one_who_came_before() {
    let profile = Profile::new();
    let mut store = profile.open();
    commit(&mut store, |tx| {
        assert_eq!(tx.file_request(&BOB, Some(&name("Bob")), NOW)?, Filed::New);
        assert_eq!(tx.file_request(&BOB, None, NOW + 9)?, Filed::Again);
        assert!(tx.learn_address(&BOB, "/a/1", NOW)?);
        for n in 1..MAX_REQUESTS as u8 {
            assert_eq!(tx.file_request(&[n | 0x80; 32], None, NOW + 1)?, Filed::New);
        }
        assert_eq!(tx.file_request(&EVE, None, NOW + 2)?, Filed::Full);
        Ok(())
    })
    .unwrap();
    let waiting = store.read(|view| view.requests()).unwrap();
    assert_eq!(waiting.len(), MAX_REQUESTS);
    assert_eq!(waiting[0].peer, BOB);
    assert_eq!(waiting[0].name.as_deref(), Some("Bob"));
    assert_eq!(waiting[0].first_at, NOW);

    // Accepting one answers the request and keeps the addresses; there is room again.
    add(&mut store, &BOB, "Bob").unwrap();
    commit(&mut store, |tx| {
        assert_eq!(tx.request(&BOB)?, None);
        assert_eq!(tx.addresses(&BOB)?, ["/a/1"]);
        assert_eq!(tx.file_request(&BOB, None, NOW)?, Filed::Contact);
        assert_eq!(tx.file_request(&EVE, None, NOW)?, Filed::New);
        tx.learn_address(&EVE, "/a/2", NOW)?;
        assert!(tx.remove_request(&EVE)?);
        assert!(!tx.remove_request(&EVE)?);
        assert_eq!(tx.addresses(&EVE)?, [""; 0]);
        Ok(())
    })
    .unwrap();
}

/// Checks DC-ID-031 (positive, negative).
#[test]
fn an_invite_serves_one_person_until_it_expires() {
    let profile = Profile::new();
    let mut store = profile.open();
    let (first, second) = ([1; 16], [2; 16]);
    commit(&mut store, |tx| {
        assert!(tx.create_invite(&first, &[9; 32], NOW, NOW + 10)?);
        assert!(tx.create_invite(&second, &[8; 32], NOW, NOW + 10)?);
        assert_eq!(
            tx.redeem_invite(&first, &BOB, NOW + 9)?,
            Redemption::Redeemed
        );
        assert_eq!(tx.redeem_invite(&first, &BOB, NOW + 9)?, Redemption::Again);
        assert_eq!(tx.redeem_invite(&first, &EVE, NOW + 9)?, Redemption::Used);
        assert_eq!(
            tx.redeem_invite(&second, &EVE, NOW + 10)?,
            Redemption::Expired
        );
        assert_eq!(tx.redeem_invite(&[3; 16], &EVE, NOW)?, Redemption::Unknown);
        assert_eq!(*tx.invite(&first)?.unwrap().secret, [9; 32]);
        // Making another forgets what expired.
        assert!(tx.create_invite(&[4; 16], &[7; 32], NOW + 10, NOW + 20)?);
        assert_eq!(tx.invite(&first)?, None);
        Ok(())
    })
    .unwrap();
}

#[test]
fn open_invites_are_bounded() {
    let profile = Profile::new();
    let mut store = profile.open();
    commit(&mut store, |tx| {
        for n in 0..MAX_INVITES as u128 {
            assert!(tx.create_invite(&n.to_le_bytes(), &[0; 32], NOW, NOW + 10)?);
        }
        let next = u128::MAX.to_le_bytes();
        assert!(!tx.create_invite(&next, &[0; 32], NOW, NOW + 10)?);
        tx.redeem_invite(&[0; 16], &BOB, NOW)?;
        assert!(tx.create_invite(&next, &[0; 32], NOW, NOW + 10)?);
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_least_recently_used_session_goes_and_never_the_one_in_use() {
    let profile = Profile::new();
    let mut store = profile.open();
    commit(&mut store, |tx| {
        for n in 0..MAX_SESSIONS as u8 {
            tx.save_session(&BOB, &[n], b"old", NOW + i64::from(n))?;
        }
        tx.save_session(&EVE, &[0], b"other peer", NOW)?;
        tx.save_session(&BOB, &[0], b"new", NOW + 100)?;
        // A clock that went back must not evict the session that was just made.
        tx.save_session(&BOB, &[99], b"late", NOW - 100)?;
        let kept: Vec<_> = tx.sessions(&BOB)?.into_iter().map(|s| s.id).collect();
        assert_eq!(kept.len(), MAX_SESSIONS);
        assert_eq!(kept[0], [0]);
        assert!(kept.contains(&vec![99]));
        assert!(!kept.contains(&vec![1]));
        assert_eq!(tx.session(&BOB, &[0])?.unwrap().state.as_slice(), b"new");
        assert_eq!(tx.session(&BOB, &[0])?.unwrap().created_at, NOW);
        assert!(tx.remove_session(&BOB, &[0])?);
        assert!(!tx.remove_session(&BOB, &[0])?);
        assert_eq!(tx.sessions(&EVE)?.len(), 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn account_and_values_are_replaced_and_bounded() {
    let profile = Profile::new();
    let mut store = profile.open();
    commit(&mut store, |tx| {
        assert_eq!(tx.account()?, None);
        tx.save_account(b"one")?;
        tx.save_account(b"two")?;
        assert_eq!(tx.account()?.unwrap().as_slice(), b"two");
        tx.set_meta(MetaKey::OWN_NAME, b"a")?;
        tx.set_meta(MetaKey::OWN_NAME, b"b")?;
        assert_eq!(tx.meta(MetaKey::OWN_NAME)?.unwrap().as_slice(), b"b");
        tx.remove_meta(MetaKey::OWN_NAME)?;
        assert_eq!(tx.meta(MetaKey::OWN_NAME)?, None);
        let too_large = |result| matches!(result, Err(StoreError::TooLarge { .. }));
        assert!(too_large(tx.save_account(&vec![0; MAX_RATCHET_STATE + 1])));
        assert!(too_large(
            tx.set_meta(MetaKey::OWN_NAME, &vec![0; MAX_META + 1])
        ));
        assert!(too_large(tx.save_session(&BOB, &[0; 65], b"", NOW)));
        assert!(too_large(tx.save_session(
            &BOB,
            &[0],
            &vec![0; MAX_RATCHET_STATE + 1],
            NOW
        )));
        Ok(())
    })
    .unwrap();
}
