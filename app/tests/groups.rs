//! Private groups with real daemons: they come together, talk, part, and nobody reads what is not
//! theirs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use support::command::run;
use support::group::{Person, befriend, gather};
use support::room::eventually;

/// Checks DC-GROUP-001 (positive), DC-GROUP-009 (positive), DC-GROUP-013 (positive).
#[test]
fn three_people_talk_in_a_group_and_who_is_removed_reads_nothing_later() {
    let mut alice = Person::new("Alice", &[]);
    let mut bob = Person::new("Bob", &[&alice]);
    let mut carol = Person::new("Carol", &[&alice]);
    befriend(&mut alice, &mut bob);
    befriend(&mut alice, &mut carol);
    gather("friends", &alice, &[&bob, &carol]);

    alice.member.say("@friends", "one from Alice");
    bob.member.say("@friends", "two from Bob");
    carol.member.say("@friends", "three from Carol");
    let all = ["one from Alice", "three from Carol", "two from Bob"];
    for person in [&alice, &bob, &carol] {
        person.member.wait_for_texts("@friends", &all);
    }
    let received = bob
        .daemon
        .wait_for("message", |event| event["text"] == "three from Carol");
    assert_eq!(received["conversation"], "@friends");
    assert_eq!(received["from"], carol.member.peer.as_str());
    assert_eq!(received["name"], "Carol");
    let found = run(&mut bob.member.verb(&["search", "Carol", "--json"])).objects();
    assert_eq!(found.len(), 1);
    let unread = run(&mut carol.member.verb(&["recv", "--from", "@friends", "--json"])).objects();
    assert_eq!(unread.len(), 2);

    alice.group(&["remove", "friends", "Carol"]);
    carol.daemon.wait_for("group", |event| {
        event["change"] == "removed" && event["peer_id"] == carol.member.peer.as_str()
    });
    bob.wait_for_members("friends", 2);
    alice.member.say("@friends", "four without Carol");
    bob.member.say("@friends", "five without Carol");
    let four = [
        "five without Carol",
        "four without Carol",
        "one from Alice",
        "three from Carol",
        "two from Bob",
    ];
    alice.member.wait_for_texts("@friends", &four);
    bob.member.wait_for_texts("@friends", &four);
    let mut kept = carol.member.texts("@friends");
    kept.sort();
    assert_eq!(kept, all, "what was there stays");
    let refused = carol.member.try_to_say("@friends", "am I heard?", 1);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert_eq!(carol.standing("friends"), None);
}

#[test]
fn newcomers_read_what_the_policy_of_the_invitation_says() {
    let mut alice = Person::new("Alice", &[]);
    let mut bob = Person::new("Bob", &[&alice]);
    befriend(&mut alice, &mut bob);
    for (name, setting, read) in [
        ("closed", "late=none", vec![]),
        ("some", "late=2", vec!["three", "two"]),
        ("open", "late=all", vec!["one", "three", "two"]),
    ] {
        alice.group(&["create", name]);
        alice.group(&["policy", name, setting]);
        let group = format!("@{name}");
        for text in ["one", "two", "three"] {
            let sent = alice.member.try_to_say(&group, text, 0);
            assert_eq!(sent.code, Some(6), "nobody is there to take it: {sent:?}");
        }
        alice.group(&["invite", name, "Bob"]);
        bob.wait_for_invitation(name);
        let (_, value) = setting.split_once('=').unwrap();
        let invitation = bob.listed(name).unwrap();
        assert_eq!(invitation["policy"]["late"], value);
        assert_eq!(invitation["invited_by"], alice.member.peer.as_str());
        bob.group(&["accept", name]);
        alice.wait_for_members(name, 2);
        alice.member.say(&group, "welcome");
        let mut texts = read;
        texts.push("welcome");
        bob.member.wait_for_texts(&group, &texts);
    }
}

#[test]
fn a_group_survives_the_death_of_its_members_at_any_moment() {
    let mut alice = Person::new("Alice", &[]);
    let mut bob = Person::new("Bob", &[&alice]);
    befriend(&mut alice, &mut bob);
    alice.group(&["create", "firm"]);
    alice.group(&["invite", "firm", "Bob"]);
    alice.restart();
    bob.wait_for_invitation("firm");
    bob.restart();
    bob.group(&["accept", "firm"]);
    bob.restart();
    alice.wait_for_members("firm", 2);
    bob.member.say("@firm", "after three deaths");
    alice.restart();
    alice.member.say("@firm", "and a fourth");
    bob.restart();
    let all = ["after three deaths", "and a fourth"];
    for person in [&alice, &bob] {
        person.member.wait_for_texts("@firm", &all);
    }
    // Who is away when it is removed hears of it later.
    bob.daemon.kill();
    alice.group(&["remove", "firm", "Bob"]);
    bob.daemon = bob.member.start();
    eventually("Bob knows", || bob.standing("firm").is_none());
}

#[test]
fn names_standings_and_turning_an_invitation_down() {
    let mut alice = Person::new("Alice", &[]);
    let mut bob = Person::new("Bob", &[&alice]);
    befriend(&mut alice, &mut bob);
    bob.group(&["create", "team"]);
    alice.group(&["create", "team"]);
    let again = run(&mut alice.member.verb(&["group", "create", "@TEAM"]));
    assert_eq!(again.code, Some(2), "{again:?}");
    alice.group(&["invite", "team", "Bob"]);
    bob.wait_for_invitation("team-2");
    bob.group(&["accept", "team-2"]);
    alice.wait_for_members("team", 2);
    let refused = run(&mut bob.member.verb(&["group", "rename", "team-2", "ours"]));
    assert_eq!(refused.code, Some(4), "{refused:?}");
    alice.group(&["promote", "team", "Bob"]);
    eventually("Bob is an administrator", || {
        bob.standing("team-2").as_deref() == Some("admin")
    });
    bob.group(&["rename", "team-2", "ours"]);
    eventually("the new name", || alice.listed("ours").is_some());
    alice.member.say("@ours", "under the new name");
    bob.member.wait_for_texts("@ours", &["under the new name"]);

    let about_bob = || {
        let members = alice.members("ours");
        let bob = members
            .into_iter()
            .find(|one| one["peer_id"] == bob.member.peer.as_str());
        bob.unwrap()
    };
    eventually("Bob has the message", || about_bob()["delivered"] == 1);
    assert_eq!(about_bob()["lag"], 0);
    assert_eq!(about_bob()["name"], "Bob");

    bob.group(&["leave", "ours"]);
    alice.wait_for_members("ours", 1);
    assert!(bob.listed("ours").is_none());
    bob.group(&["list"]);
    alice.group(&["invite", "ours", "Bob"]);
    bob.wait_for_invitation("ours");
    bob.group(&["leave", "ours"]);
    eventually("the offer is off", || alice.members("ours").len() == 1);
}

#[test]
fn what_is_typed_wrongly_is_refused_with_a_word_of_help() {
    let alice = Person::new("Alice", &[]);
    for (args, code) in [
        (vec!["group", "members", "nowhere"], 2),
        (vec!["group", "create", "#room"], 2),
        (vec!["group", "policy", "x", "late=never"], 2),
        (vec!["send", "@nowhere", "hi"], 2),
        (vec!["history", "@nowhere"], 2),
    ] {
        let ended = run(&mut alice.member.verb(&args));
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
        assert!(!ended.err.is_empty(), "{args:?}: {ended:?}");
    }
}
