//! Invites, as the program makes and takes them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use dchat_wire::invite::Invite;
use dchat_wire::{Address, Text};
use support::home::Home;
use support::pair;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn invite(home: &Home) -> Invite {
    let link = home.json(&["invite"]).remove(0);
    link["invite"].as_str().unwrap().parse().unwrap()
}

/// Checks DC-ID-002 (positive, negative).
#[test]
fn every_new_home_is_somebody_else_and_stays_it() {
    let peers: Vec<String> = (0..4).map(|_| Home::of("Alice").1).collect();
    for (index, peer) in peers.iter().enumerate() {
        assert!(!peers[index + 1..].contains(peer), "{peers:?}");
    }
    let (home, peer) = Home::of("Alice");
    assert_eq!(home.json(&["id"])[0]["peer_id"], peer.as_str());
}

/// Checks DC-ID-030 (positive, negative), DC-ID-033 (positive, negative).
#[test]
fn an_invite_lives_for_a_week_and_no_two_have_anything_in_common_that_is_secret() {
    let (home, peer) = Home::of("Alice");
    let before = now_ms();
    let invites = [invite(&home), invite(&home)];
    for invite in &invites {
        assert_eq!(invite.peer.to_string(), peer);
        assert!(invite.expires_at > before + 6 * DAY_MS);
        assert!(invite.expires_at <= now_ms() + 7 * DAY_MS);
    }
    let [one, other] = &invites;
    assert_ne!(one.id, other.id);
    assert_ne!(one.secret.as_bytes(), other.secret.as_bytes());
    for number in invites.iter().map(|invite| invite.secret.as_bytes()) {
        assert_ne!(number[..16], number[16..], "no pattern");
    }
}

/// Checks DC-ID-029 (negative), DC-ID-032 (negative).
#[test]
fn an_invite_that_expired_or_names_the_device_of_another_is_not_redeemed() {
    let (alice, _) = Home::of("Alice");
    let (mallory, _) = Home::of("Mallory");
    let (bob, _) = Home::of("Bob");
    let (honest, others) = (invite(&alice), invite(&mallory));
    let mut changed = vec![
        Invite {
            expires_at: now_ms() - 1,
            ..honest.clone()
        },
        // The record of somebody else, and one that nobody signed like that.
        Invite {
            device: others.device.clone(),
            ..honest.clone()
        },
    ];
    let mut forged = honest;
    forged.device.signature[7] ^= 1;
    changed.push(forged);
    for invite in changed {
        let ended = bob.run(&["add", &invite.to_string()]);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert_eq!(bob.json(&["contacts"]).len(), 0, "nothing of it is kept");
    }
}

/// Checks DC-ID-029 (positive), DC-ID-031 (positive), DC-ID-032 (positive).
#[test]
fn an_honest_invite_makes_both_contacts() {
    let ((alice, _first), (bob, _second)) = pair::contacts();
    for side in [&alice, &bob] {
        let contacts = support::command::output(&mut side.verb(&["contacts", "--json"]));
        assert_eq!(contacts.lines().count(), 1, "{contacts}");
    }
}

/// Checks DC-ID-034 (positive).
#[test]
fn an_invite_of_a_node_with_other_addresses_names_no_loopback_address() {
    let (home, _) = Home::of("Alice");
    let invite = invite(&home);
    assert_eq!(invite.name, Text::new("Alice").unwrap());
    let loopback = |address: &Address| address.to_string().contains("/ip4/127.");
    let (inside, outside): (Vec<Address>, Vec<Address>) = invite
        .addresses
        .iter()
        .partition(|address| loopback(address));
    assert!(
        inside.is_empty() || outside.is_empty(),
        "{inside:?} {outside:?}"
    );
}
