//! A group of five on real networks that parts and comes together again.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use dchat::e2ee::InboundSession;
use dchat::store::{RoomKind, StoreError, View};
use dchat_wire::codec;
use dchat_wire::group::SealedBody;
use support::command::run;
use support::home::store;
use support::split::{Lab, NAMES, eventually};

const GROUP: &str = "@five";

/// Everything that can be read in a home: what is shown, and every sealed item that any session of
/// the home opens.
fn readable(home: &Path) -> (BTreeSet<String>, BTreeSet<[u8; 32]>) {
    let (_lock, mut store) = store(home);
    let read = store.read(|view| Ok::<_, StoreError>(read_all(view)));
    read.unwrap()
}

fn read_all(view: &View<'_>) -> (BTreeSet<String>, BTreeSet<[u8; 32]>) {
    let id = view
        .room_named(RoomKind::Group, "five")
        .unwrap()
        .unwrap()
        .id;
    let shown = view.room_history(&id, None, 1000).unwrap().entries;
    let mut texts: BTreeSet<String> = shown.into_iter().filter_map(|entry| entry.text).collect();
    let tips = view.room_tips(&id).unwrap();
    let authors: BTreeSet<[u8; 32]> = tips.iter().filter_map(|tip| tip.author).collect();
    let sessions: Vec<_> = authors
        .iter()
        .flat_map(|author| view.group_sessions(&id, author).unwrap())
        .collect();
    let mut names = BTreeSet::new();
    for export in &sessions {
        names.insert(InboundSession::import(export).unwrap().id().0);
    }
    for tip in &tips {
        for item in view.items(&id, &tip.log, (0, tip.seq), usize::MAX).unwrap() {
            let Some(body) = item.body else { continue };
            let sealed: SealedBody = codec::decode(&body).unwrap();
            for export in &sessions {
                let mut session = InboundSession::import(export).unwrap();
                if let Ok((_, text)) = session.decrypt(sealed.message.as_slice()) {
                    texts.insert(String::from_utf8(text.to_vec()).unwrap());
                }
            }
        }
    }
    (texts, names)
}

#[test]
fn five_part_two_and_three_one_is_removed_and_all_end_alike() {
    let Some(mut lab) = Lab::new(GROUP) else {
        return;
    };
    for other in 1..5 {
        lab.befriend(0, other);
    }
    lab.does(0, &["group", "create", "five"]);
    for other in 1..5 {
        let peer = lab.people[other].0.peer.clone();
        lab.does(0, &["group", "invite", "five", &peer]);
        eventually("an invitation", || {
            !lab.verb(other, &["group", "list", "--json"]).is_empty()
        });
        lab.does(other, &["group", "accept", "five"]);
    }
    eventually("five members everywhere", || {
        (0..5).all(|who| {
            let members = lab.members(who);
            members.len() == 5 && members.iter().all(|(_, standing)| standing != "invited")
        })
    });
    for (who, name) in NAMES.iter().enumerate() {
        lab.says(who, &format!("{name} before"));
    }
    let before: Vec<String> = NAMES.iter().map(|name| format!("{name} before")).collect();
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    eventually("the first words everywhere", || {
        (0..5).all(|who| lab.has(who, &before))
    });

    lab.split();
    // Ann and Ben put Eli out, who is with Cem and Dia; all talk on.
    lab.does(0, &["group", "remove", "five", "Eli"]);
    eventually("Ben knows", || lab.members(1).len() == 4);
    for text in ["Ann parted 1", "Ann parted 2"] {
        lab.says(0, text);
    }
    lab.says(1, "Ben parted");
    lab.says(2, "Cem parted");
    lab.says(3, "Dia parted");
    lab.says(4, "Eli parted");
    let left: Vec<&str> = before
        .iter()
        .copied()
        .chain(["Ann parted 1", "Ann parted 2", "Ben parted"])
        .collect();
    let right: Vec<&str> = before
        .iter()
        .copied()
        .chain(["Cem parted", "Dia parted", "Eli parted"])
        .collect();
    eventually("each side has its own", || {
        (0..2).all(|who| lab.has(who, &left)) && (2..5).all(|who| lab.has(who, &right))
    });

    lab.heal();
    let after: Vec<&str> = left
        .iter()
        .copied()
        .chain(["Cem parted", "Dia parted"])
        .collect();
    eventually("one history", || (0..4).all(|who| lab.has(who, &after)));
    eventually("one membership", || {
        (0..4).all(|who| lab.members(who).len() == 4)
    });
    lab.says(2, "Cem healed");
    let healed: Vec<&str> = after.iter().copied().chain(["Cem healed"]).collect();
    eventually("the last word everywhere", || {
        (0..4).all(|who| lab.has(who, &healed))
    });
    for (who, name) in NAMES.iter().enumerate().take(4).skip(1) {
        assert_eq!(lab.history(who), lab.history(0), "{name}");
        assert_eq!(lab.members(who), lab.members(0), "{name}");
    }
    eventually("Eli knows", || {
        lab.verb(4, &["group", "list", "--json"]).is_empty()
    });
    let refused = run(&mut lab.people[4].0.dchat(&["send", GROUP, "still here?"]));
    assert_eq!(refused.code, Some(4), "{refused:?}");

    let (ann, eli) = (
        lab.people[0].0.path().to_owned(),
        lab.people[4].0.path().to_owned(),
    );
    let mut homes = Vec::new();
    for (node, daemon) in core::mem::take(&mut lab.people) {
        daemon.stop();
        // What is in them is still to be read.
        homes.push(node);
    }
    let (texts, sessions) = readable(&eli);
    for text in right.iter().filter(|text| **text != "Eli parted") {
        assert!(
            texts.contains(*text),
            "the control: {text} is there to be read"
        );
    }
    let secret = ["Ann parted 1", "Ann parted 2", "Ben parted", "Cem healed"];
    for text in secret {
        assert!(!texts.contains(text), "{text} can be read");
    }
    let (texts, all) = readable(&ann);
    assert!(
        secret.iter().all(|text| texts.contains(*text)),
        "the control"
    );
    assert!(
        all.difference(&sessions).count() >= 3,
        "three authors began anew"
    );
}
