//! Invites, who becomes a contact, and the names of own logs, over the same homes.

use dchat_wire::invite::Invite;

use super::*;
use crate::conversation::Incarnation;

fn invite(home: &mut Home) -> Invite {
    match home.call(Request::Invite) {
        Ok(Reply::Invite(link)) => link.invite.parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Checks DC-ID-034 (negative).
#[test]
fn an_invite_names_loopback_addresses_when_there_are_no_others() {
    let mut ann = Home::new("Ann");
    let mut named = |addresses: &[&str]| -> Vec<String> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap());
        let addresses = Input::Addresses(addresses.collect());
        ann.engine.batch(vec![addresses], false);
        let named = invite(&mut ann).addresses;
        named.iter().map(ToString::to_string).collect()
    };
    let here = ["/ip4/127.0.0.1/udp/1/quic-v1", "/ip6/::1/udp/1/quic-v1"];
    let there = "/ip4/192.0.2.1/udp/1/quic-v1";
    let relay = Identity::from_seed(&[9; 32]).peer_id();
    let circuit = format!("{there}/p2p/{relay}/p2p-circuit");
    assert_eq!(named(&here), here);
    assert_eq!(named(&[here[0], there, here[1]]), [there]);
    assert_eq!(named(&[here[0], &circuit]), [circuit]);
}

/// Whether the invite is used up, and whether `peer` is a contact.
fn redeemed(home: &mut Home, invite: &Invite, peer: &PeerId) -> (bool, bool) {
    let store = &mut home.engine.store;
    let read = store.read(|view| {
        let used = view.invite(&invite.id)?.unwrap().redeemed_by.is_some();
        Ok::<_, StoreError>((used, view.contact(peer.public_key())?.is_some()))
    });
    read.unwrap()
}

/// Checks DC-CHAT-005 (positive).
#[test]
fn an_invite_is_used_up_when_the_redeemer_is_a_contact_and_not_before() {
    let mut world = World::acquainted(&["Ann", "Ben"], |_, _| false);
    let ben = world.homes[1].peer;
    let invite = invite(&mut world.homes[0]);
    let target = invite.to_string();
    let added = world.homes[1].call(Request::Add { target, name: None });
    assert!(added.is_ok(), "{added:?}");
    assert!(world.carry());
    let opened = core::mem::take(&mut world.waiting).into_iter();
    let opened: Vec<Input> = opened.map(|(_, input)| input).collect();
    assert!(!opened.is_empty());
    world.homes[0].fail(opened);
    assert_eq!(redeemed(&mut world.homes[0], &invite, &ben), (false, false));
    world.disconnect(0, 1);
    world.run(100);
    world.connect(0, 1);
    world.run(100);
    assert_eq!(redeemed(&mut world.homes[0], &invite, &ben), (true, true));
}

/// What a home calls its contacts, and their PeerIds.
fn contacts(home: &mut Home) -> Vec<(String, String)> {
    let Ok(Reply::Contacts(contacts)) = home.call(Request::Contacts) else {
        panic!("no contacts");
    };
    let each = contacts.into_iter();
    each.map(|one| (one.name, one.peer_id)).collect()
}

/// Checks DC-CHAT-004 (negative).
#[test]
fn who_calls_itself_like_a_contact_is_not_called_so() {
    // Eve calls herself Ben, and asks Ann; then Mal does, who has an invite of hers.
    let mut world = World::acquainted(&["Ann", "Ben", "Ben", "Ben"], |one, other| {
        (one, other) == (0, 1)
    });
    let [ben, eve, mal] = [1, 2, 3].map(|home: usize| world.homes[home].peer.to_string());
    let target = world.homes[0].peer.to_string();
    let invite = invite(&mut world.homes[0]).to_string();
    for (home, target) in [(2, target), (3, invite)] {
        let added = world.homes[home].call(Request::Add { target, name: None });
        assert!(added.is_ok(), "{added:?}");
    }
    world.run(100);
    let Ok(Reply::Requests(asking)) = world.homes[0].call(Request::Requests) else {
        panic!("no requests");
    };
    let asking: Vec<_> = asking.iter().map(|one| (&one.name, &one.peer_id)).collect();
    assert_eq!(asking, [(&"Ben".to_owned(), &eve)]);
    let peer = eve.clone();
    let accepted = world.homes[0].call(Request::Accept { peer, name: None });
    assert!(accepted.is_ok(), "{accepted:?}");
    let known = contacts(&mut world.homes[0]);
    assert_eq!(known.len(), 3);
    for (name, peer) in known {
        assert_eq!(name == "Ben", peer == ben, "{name} {peer}");
        assert!([&ben, &eve, &mal].contains(&&peer));
    }
}

/// The names of a home's own logs in its conversation with `peer`.
fn own_logs(home: &mut Home, peer: &PeerId) -> Vec<Incarnation> {
    let conversation = home.engine.session.conversation(peer.public_key());
    let Ok(conversation) = conversation else {
        panic!("no conversation");
    };
    let logs = home.engine.store.read(|view| view.frontiers(&conversation));
    let own = logs.unwrap().into_iter().filter(|log| log.own);
    own.map(|log| log.log.incarnation).collect()
}

fn write(home: &mut Home, to: &PeerId) {
    let sent = home.call(Request::Send {
        to: to.to_string(),
        text: "hello".to_owned(),
        ttl_s: None,
        token: None,
    });
    assert!(sent.is_ok(), "{sent:?}");
}

/// Checks DC-CHAT-034 (positive).
#[test]
fn every_bit_of_the_name_of_a_log_is_drawn() {
    let mut ann = Home::new("Ann");
    let (mut ones, mut zeros) = ([0; 16], [0; 16]);
    // A bit is the same in all of them once in 2^63.
    for seed in 0..64 {
        let peer = Identity::from_seed(&[seed; 32]).peer_id();
        write(&mut ann, &peer);
        let [log] = own_logs(&mut ann, &peer)[..] else {
            panic!("one log");
        };
        for (at, byte) in log.into_iter().enumerate() {
            ones[at] |= byte;
            zeros[at] |= !byte;
        }
    }
    assert_eq!((ones, zeros), ([0xff; 16], [0xff; 16]));
}

/// Checks DC-CHAT-034 (negative).
#[test]
fn two_copies_of_a_home_give_one_log_two_names() {
    let peer = Identity::from_seed(&[1; 32]).peer_id();
    let mut copies = Home::new("Ann").copied("Ann");
    // With the same keys, at the same moment, to the same peer.
    copies.iter_mut().for_each(|copy| write(copy, &peer));
    let [one, other] = copies.each_mut().map(|copy| own_logs(copy, &peer));
    assert_eq!((one.len(), other.len()), (1, 1));
    assert_ne!(one, other);
}
