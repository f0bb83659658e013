//! Invite links: whole or refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::invite::{Invite, InviteError, LIFETIME, VERSION};
use dchat_wire::{List, Text, encode};
use support::samples::{self, invite};

#[test]
fn every_changed_character_is_refused() {
    let link = invite().to_string();
    let replacements = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_ =+/.\n";
    for at in 0..link.len() {
        for replacement in replacements.chars() {
            let mut changed = link.clone();
            changed.replace_range(at..=at, &replacement.to_string());
            if changed != link {
                assert!(
                    changed.parse::<Invite>().is_err(),
                    "{replacement:?} at {at}"
                );
            }
        }
    }
}

#[test]
fn every_lost_doubled_or_swapped_character_is_refused() {
    let link = invite().to_string();
    for at in 0..link.len() {
        let mut lost = link.clone();
        let character = lost.remove(at);
        assert!(lost.parse::<Invite>().is_err(), "lost at {at}");
        let mut doubled = link.clone();
        doubled.insert(at, character);
        assert!(doubled.parse::<Invite>().is_err(), "doubled at {at}");
        let mut swapped = lost;
        swapped.insert((at + 1).min(link.len() - 1), character);
        assert!(
            swapped == link || swapped.parse::<Invite>().is_err(),
            "swapped at {at}"
        );
    }
}

#[test]
fn every_cut_link_is_refused() {
    let link = invite().to_string();
    for end in 0..link.len() {
        assert!(link[..end].parse::<Invite>().is_err(), "cut at {end}");
    }
}

#[test]
fn white_space_around_a_link_is_what_pasting_adds() {
    let link = format!("\t {}\r\n", invite());
    assert_eq!(link.parse(), Ok(invite()));
}

#[test]
fn the_kinds_of_failure_are_told_apart() {
    let link = invite().to_string();
    let parse = |text: &str| text.parse::<Invite>().unwrap_err();
    assert_eq!(parse(""), InviteError::NotALink);
    assert_eq!(parse("https://example.org/"), InviteError::NotALink);
    assert_eq!(parse("dchat:"), InviteError::Damaged);
    assert_eq!(parse("dchat:AAAA"), InviteError::Damaged);
    assert_eq!(parse(&link[..link.len() - 1]), InviteError::Damaged);
    let newer = Invite {
        version: VERSION + 1,
        ..invite()
    };
    assert_eq!(parse(&newer.to_string()), InviteError::Newer(VERSION + 1));
}

/// The last character of a group that is not full has bits that mean nothing: they must be zero.
#[test]
fn a_link_has_one_spelling() {
    let mut checked = 0;
    for length in 1..6 {
        let name = Text::new("x".repeat(length)).unwrap();
        let link = Invite { name, ..invite() }.to_string();
        if (link.len() - "dchat:".len()).is_multiple_of(4) {
            continue;
        }
        for last in ('A'..='Z').chain('a'..='z').chain('0'..='9') {
            let other = format!("{}{last}", &link[..link.len() - 1]);
            checked += usize::from(other != link);
            assert!(other == link || other.parse::<Invite>().is_err(), "{other}");
        }
    }
    assert!(checked > 100);
}

#[test]
fn the_fullest_honest_invite_makes_a_link_that_is_read() {
    let fullest = Invite {
        name: Text::new("n".repeat(64)).unwrap(),
        addresses: List::first_of(vec![
            dchat_wire::Address::Circuit {
                socket: samples::v6(),
                relay: samples::peer(2),
                peer: Some(samples::peer(1)),
            };
            6
        ]),
        ..invite()
    };
    let link = fullest.to_string();
    assert!(link.len() < 1700, "{}", link.len());
    assert_eq!(link.parse(), Ok(fullest));
}

#[test]
fn an_ordinary_link_fits_a_qr_code() {
    // Version 40-L holds 2,953 bytes; what a telephone reads from a terminal is far below it.
    assert!(
        invite().to_string().len() < 700,
        "{}",
        invite().to_string().len()
    );
    assert_eq!(LIFETIME, 604_800_000);
}

#[test]
fn the_secret_shows_in_no_debug_text() {
    let debug = format!("{:?}", invite());
    assert!(debug.contains("InviteSecret(redacted)"), "{debug}");
    assert!(!debug.contains("114, 114"), "{debug}");
    assert!(
        encode(&invite())
            .windows(32)
            .any(|window| window == [0x72; 32])
    );
}
