//! Rooms, with real daemons on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod support;

use std::fs;

use support::command::{object, output, run};
use support::room::{Member, eventually};

/// Alice, and two who dial her.
fn three() -> [Member; 3] {
    let alice = Member::new("Alice", &[]);
    let bob = Member::new("Bob", &[&alice]);
    let carol = Member::new("Carol", &[&alice]);
    [alice, bob, carol]
}

#[test]
fn three_daemons_talk_in_a_room_and_end_with_the_same_history() {
    let members = three();
    let mut daemons = members.each_ref().map(Member::start);
    members.iter().for_each(|member| member.join("Lobby"));
    // Everybody is everybody's neighbour: who dials Alice is found by the others through her.
    members
        .iter()
        .for_each(|member| member.wait_for_neighbours(2));
    let [alice, bob, carol] = &members;
    alice.say("#lobby", "hello from Alice");
    bob.say("#LOBBY", "hello from Bob");
    carol.say("#lobby", "你好");

    let event = daemons[1].wait_for("message", |event| event["text"] == "你好");
    assert_eq!(event["conversation"], "#lobby");
    assert_eq!(event["from"], carol.peer.as_str());
    assert_eq!(event["name"], "Carol");
    let state = daemons[0].wait_for("message_state", |event| event["state"] == "delivered");
    let texts = ["hello from Alice", "hello from Bob", "你好"];
    for member in &members {
        member.wait_for_texts("#lobby", &texts);
    }
    let histories = members.each_ref().map(|member| member.history("#lobby"));
    assert_eq!(histories[0][0].id, state["id"].as_str().unwrap());
    for other in &histories[1..] {
        let ids = |history: &[dchat::api::Message]| -> Vec<(String, String)> {
            let each = history.iter();
            each.map(|message| (message.id.clone(), message.from.clone()))
                .collect()
        };
        assert_eq!(ids(other), ids(&histories[0]));
    }

    let room = bob.room();
    assert_eq!(room["name"], "lobby");
    assert_eq!(room["conversation"], "#lobby");
    assert_eq!(room["members"], 3);
    assert_eq!(room["unread"], 2);
    let found = output(&mut bob.verb(&["search", "你好", "--json", "--in", "#lobby"]));
    assert_eq!(found.lines().count(), 1);
    let received = output(&mut bob.verb(&["recv", "--json", "--from", "#lobby"]));
    assert_eq!(received.lines().count(), 2);
    assert_eq!(bob.room()["unread"], 0);
    let known = output(&mut bob.verb(&["room", "members", "lobby"]));
    for name in ["Alice", "Bob", "Carol"] {
        assert!(known.contains(name), "{known}");
    }
}

#[test]
fn who_is_named_in_a_room_is_told() {
    let [alice, bob, _] = three();
    let mut daemons = [&alice, &bob].map(Member::start);
    alice.join("lobby");
    bob.join("lobby");
    alice.wait_for_neighbours(1);
    alice.say("#lobby", "mail bob@example.org");
    alice.say("#lobby", "@BOB, look");
    let told = daemons[1].wait_for("message", |event| event["text"] == "@BOB, look");
    assert_eq!(told["mention"], true);
    let room = bob.room();
    assert_eq!((&room["unread"], &room["mentions"]), (&2.into(), &1.into()));
    let history = output(&mut bob.verb(&["history", "#lobby", "--json"]));
    let named: Vec<bool> = history
        .lines()
        .map(|line| line.contains("\"mention\":true"))
        .collect();
    assert_eq!(named, [false, true]);
    let shown = output(&mut bob.verb(&["recv", "--from", "#lobby"]));
    assert!(shown.contains(" → you: @BOB, look"), "{shown}");
    assert_eq!(bob.room()["mentions"], 0);
}

#[test]
fn who_joins_late_has_the_history_and_who_was_killed_has_all_of_it_again() {
    let [alice, bob, carol] = three();
    let _alice = alice.start();
    let mut bobs = bob.start();
    alice.join("lobby");
    bob.join("lobby");
    alice.say("#lobby", "1");
    bob.say("#lobby", "2");
    bobs.kill();
    // It is known only after a while that Bob is gone, and Carol gets it all the same.
    let _carol = carol.start();
    carol.join("lobby");
    carol.wait_for_texts("#lobby", &["1", "2"]);
    carol.say("#lobby", "3");
    let _bobs = bob.start();
    bob.wait_for_texts("#lobby", &["1", "2", "3"]);
    bob.say("#lobby", "4");
    for member in [&alice, &carol] {
        member.wait_for_texts("#lobby", &["1", "2", "3", "4"]);
    }
}

#[test]
fn a_room_that_was_joined_without_a_daemon_is_there_when_one_starts() {
    let [alice, bob, _] = three();
    alice.join("lobby");
    bob.join("lobby");
    let queued = run(&mut alice.verb(&["send", "#lobby", "before", "--wait", "queued"]));
    assert!(queued.well(), "{queued:?}");
    assert_eq!(alice.room()["connected"], 0);
    let mut alices = alice.start();
    let _bobs = bob.start();
    alices.wait_for("message_state", |event| event["state"] == "delivered");
    bob.wait_for_texts("#lobby", &["before"]);
}

/// Checks DC-GOSSIP-050 (negative).
#[test]
fn who_is_alone_is_told_that_the_message_is_queued_and_it_arrives_when_somebody_comes() {
    let [alice, bob, _] = three();
    let mut alices = alice.start();
    alice.join("lobby");
    let sent = alice.try_to_say("#lobby", "is anybody here?", 1);
    assert_eq!(sent.code, Some(6), "{sent:?}");
    assert!(sent.out.contains("queued"), "{sent:?}");
    let _bobs = bob.start();
    bob.join("lobby");
    bob.wait_for_texts("#lobby", &["is anybody here?"]);
    alices.wait_for("message_state", |event| event["state"] == "delivered");
    let status = object(&mut alice.verb(&["status", "--json"]));
    assert_eq!(status["queued"], 0);
}

#[test]
fn a_closed_room_is_closed_to_those_without_its_secret() {
    let [alice, bob, carol] = three();
    let _daemons = [&alice, &bob, &carol].map(Member::start);
    let secret = |member: &Member, text: &str| {
        let file = member.path().join("secret");
        fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap().to_owned();
        run(&mut member.verb(&["room", "join", "den", "--secret-file", &file]))
    };
    assert!(secret(&alice, "0123456789abcdef0123456789abcdef\n").well());
    assert!(secret(&bob, "0123456789abcdef0123456789abcdef").well());
    carol.join("den");
    alice.wait_for_neighbours(1);
    alice.say("#den", "between us");
    bob.wait_for_texts("#den", &["between us"]);
    let alone = carol.try_to_say("#den", "let me in", 2);
    assert_eq!(alone.code, Some(6), "{alone:?}");
    assert_eq!(carol.room()["connected"], 0);
    assert_eq!(carol.texts("#den"), ["let me in"]);
    assert_eq!(alice.texts("#den"), ["between us"]);
    let short = secret(&carol, "short");
    assert_eq!(short.code, Some(2), "{short:?}");
}

#[test]
fn who_leaves_gets_no_more_and_may_come_back() {
    let members = three();
    let _daemons = members.each_ref().map(Member::start);
    members.iter().for_each(|member| member.join("lobby"));
    let [alice, bob, carol] = &members;
    members
        .iter()
        .for_each(|member| member.wait_for_neighbours(2));
    alice.say("#lobby", "1");
    bob.wait_for_texts("#lobby", &["1"]);
    output(&mut bob.verb(&["room", "leave", "lobby"]));
    assert_eq!(output(&mut bob.verb(&["room", "list", "--json"])), "");
    carol.say("#lobby", "2");
    alice.wait_for_texts("#lobby", &["1", "2"]);
    eventually("Bob is gone", || alice.room()["connected"] == 1);
    assert_eq!(bob.texts("#lobby"), ["1"]);
    let refused = run(&mut bob.verb(&["send", "#lobby", "still here?"]));
    assert_eq!(refused.code, Some(4), "{refused:?}");
    bob.join("lobby");
    bob.wait_for_texts("#lobby", &["1", "2"]);
}

#[test]
fn two_halves_that_talked_apart_end_with_what_both_said() {
    let (alice, carol) = (Member::new("Alice", &[]), Member::new("Carol", &[]));
    let mut bob = Member::new("Bob", &[&alice]);
    let dave = Member::new("Dave", &[&carol]);
    let members = [&alice, &bob, &carol, &dave];
    let mut daemons: Vec<_> = members.iter().map(|member| member.start()).collect();
    for member in members {
        member.join("lobby");
    }
    for member in members {
        member.wait_for_neighbours(1);
    }
    alice.say("#lobby", "1 of one half");
    bob.say("#lobby", "2 of one half");
    carol.say("#lobby", "1 of the other");
    dave.say("#lobby", "2 of the other");
    assert_eq!(alice.texts("#lobby").len() + dave.texts("#lobby").len(), 4);
    // Bob learns where Carol is.
    daemons.remove(1).stop();
    bob.dials.push(carol.addr.clone());
    let _bob = bob.start();
    let all = [
        "1 of one half",
        "1 of the other",
        "2 of one half",
        "2 of the other",
    ];
    let members = [&alice, &bob, &carol, &dave];
    for member in members {
        member.wait_for_texts("#lobby", &all);
    }
    let ids = |member: &Member| -> Vec<String> {
        let history = member.history("#lobby").into_iter();
        history.map(|message| message.id).collect()
    };
    for member in members {
        assert_eq!(ids(member), ids(&alice));
    }
}

#[test]
fn names_that_are_none_and_rooms_one_is_not_in_are_refused() {
    let alice = Member::new("Alice", &[]);
    for (args, word) in [
        (&["room", "join", "two words"][..], "spaces"),
        (&["room", "join", "#"], "empty"),
        (&["room", "join", "a#b"], "#"),
        (&["room", "leave", "lobby"], "room join lobby"),
        (&["send", "#lobby", "hi"], "room join lobby"),
        (&["history", "#lobby"], "room join lobby"),
        (
            &["room", "join", "den", "--secret-file", "/nowhere"],
            "/nowhere",
        ),
    ] {
        let ended = run(&mut alice.verb(args));
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(ended.err.contains(word), "{args:?}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    }
}
