//! A crash at every commit of a conversation loses nothing and doubles nothing.
//!
//! Needs the feature `crash-points`, which makes the daemon die at the commit that an environment
//! variable names: once right before COMMIT, once right after.
#![cfg(feature = "crash-points")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]
#![allow(
    clippy::print_stderr,
    reason = "the figures of a run are worth reading"
)]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use support::command::{object, output, run};
use support::daemon::{Daemon, PATIENCE};
use support::history;
use support::pair::Side;

/// Messages each way in one conversation.
const MESSAGES: usize = 3;
/// Far more events than a conversation of that size has; reached only if the count never ends.
const MOST_EVENTS: u64 = 400;
/// Conversations held at a time: they mostly wait, for a connection to be tried again.
const AT_A_TIME: usize = 4;

/// Checks DC-CHAT-016 (negative), DC-CHAT-025 (positive), DC-CHAT-033 (positive).
#[test]
fn the_sender_may_crash_at_any_commit() {
    crash_everywhere(0);
}

/// Checks DC-CHAT-047 (positive).
#[test]
fn the_receiver_may_crash_at_any_commit() {
    crash_everywhere(1);
}

/// Holds the same conversation again and again, and kills one side one commit event later each
/// time, until it lives through the whole conversation.
fn crash_everywhere(victim: usize) {
    let (next, lived) = (AtomicU64::new(1), AtomicU64::new(MOST_EVENTS));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let event = next.fetch_add(1, Ordering::Relaxed);
                    if event >= lived.load(Ordering::Relaxed) {
                        return;
                    }
                    if !converse(victim, event) {
                        lived.fetch_min(event, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let lived = lived.into_inner();
    assert!(lived < MOST_EVENTS, "the conversation never ended");
    eprintln!("crashed at each of {} commit events", lived - 1);
    assert!(lived > 11, "a conversation has more commits than that");
}

/// Whether the victim met its end.
fn converse(victim: usize, event: u64) -> bool {
    let sides = [Side::new("Alice"), Side::new("Bob")];
    let start = |index: usize, crash: bool| {
        let side: &Side = &sides[index];
        let mut command = side.daemon_command();
        let other = &sides[1 - index];
        command.args(["--dial", &format!("{}/p2p/{}", other.addr, other.peer)]);
        if crash {
            command.env("DCHAT_CRASH_AT_COMMIT", event.to_string());
        }
        Daemon::spawn(&side.path(), &mut command)
    };
    let mut daemons = [start(0, victim == 0), start(1, victim == 1)];
    let mut crashed = false;
    let mut revive = |daemons: &mut [Daemon; 2]| {
        if daemons[victim].has_ended() {
            crashed = true;
            daemons[victim] = start(victim, false);
        }
    };
    for (side, other, name) in [
        (&sides[0], &sides[1], "Bob"),
        (&sides[1], &sides[0], "Alice"),
    ] {
        // Repeating an add is harmless, so whatever a crash swallowed is simply asked for again.
        while !run(&mut side.verb(&["add", &other.peer, "--name", name])).well() {
            revive(&mut daemons);
        }
    }
    for number in 1..=MESSAGES {
        for (side, to, prefix) in [(&sides[0], "Bob", "Alice"), (&sides[1], "Alice", "Bob")] {
            let text = format!("{prefix} {number}");
            // Queued is enough, and the verb itself asks again when the daemon dies under it.
            let mut send = side.verb(&["send", to, &text, "--wait", "queued"]);
            while !run(&mut send).well() {
                revive(&mut daemons);
                let said = output(&mut side.verb(&["history", to]));
                if said.contains(&text) {
                    break;
                }
            }
        }
    }
    loop {
        revive(&mut daemons);
        let queued = |side: &Side| {
            let status = run(&mut side.verb(&["status", "--json"]));
            let status: serde_json::Value = serde_json::from_str(&status.out).ok()?;
            status["queued"].as_u64()
        };
        if queued(&sides[0]) == Some(0) && queued(&sides[1]) == Some(0) {
            break;
        }
    }
    revive(&mut daemons);
    drop(daemons);
    for (me, other) in [(&sides[0], &sides[1]), (&sides[1], &sides[0])] {
        let entries = history::of(&me.path(), &me.peer, &other.peer);
        history::assert_said(&entries, &sides[0].peer, "Alice", MESSAGES);
        history::assert_said(&entries, &sides[1].peer, "Bob", MESSAGES);
        history::assert_delivered(&entries);
    }
    crashed
}

/// Checks DC-CHAT-005 (negative).
#[test]
fn the_inviter_may_crash_at_any_commit_and_one_person_has_the_invite() {
    let (mut event, mut before) = (1, 0);
    // How many commits come before the redemption differs a little from time to time.
    for _ in 1..MOST_EVENTS {
        match redeem(event) {
            Some(false) => {
                before += 1;
                event += 1;
            }
            None => event -= 1,
            Some(true) => {
                eprintln!("crashed {before} times before the redemption and then right after it");
                assert!(before > 2, "it begins with a few commits");
                return;
            }
        }
    }
    panic!("Alice never died right after the redemption");
}

/// Bob redeems an invite of Alice's, who dies at a commit event and finds Bob gone when she is back. Eve
/// has the invite as well. Whether Bob had used it when Alice died; `None` when she lived.
fn redeem(event: u64) -> Option<bool> {
    let [alice, bob, eve] = ["Alice", "Bob", "Eve"].map(Side::new);
    let link = object(&mut alice.verb(&["invite", "--json"]));
    let link = link["invite"].as_str().unwrap().to_owned();
    let mut command = alice.daemon_command();
    command.env("DCHAT_CRASH_AT_COMMIT", event.to_string());
    let mut alices = Daemon::spawn(&alice.path(), &mut command);
    let redeems = |side: &Side| {
        let mut command = side.daemon_command();
        command.args(["--dial", &format!("{}/p2p/{}", alice.addr, alice.peer)]);
        let daemon = Daemon::start(&side.path(), command);
        output(&mut side.verb(&["add", &link]));
        daemon
    };
    let bobs = redeems(&bob);
    let is_bob = |event: &serde_json::Value| event["peer_id"] == bob.peer.as_str();
    if alices.wait_at_most(PATIENCE, "contact", is_bob).is_some() {
        return None;
    }
    // Its output ends a moment before it does.
    let mut looks = std::iter::repeat_with(|| alices.has_ended()).take(1_000_000);
    assert!(
        looks.any(|ended| ended),
        "Bob is a contact in time, or Alice has died"
    );
    drop((alices, bobs));
    let _alices = alice.start();
    let _eves = redeems(&eve);
    let lists = |verb: &str, side: &Side| {
        let listed = output(&mut alice.verb(&[verb, "--json"]));
        listed.contains(&side.peer)
    };
    while !lists("contacts", &eve) && !lists("requests", &eve) {}
    let (bobs, eves) = (lists("contacts", &bob), lists("contacts", &eve));
    assert_ne!(bobs, eves, "the invite makes one contact, at event {event}");
    Some(bobs)
}
