//! `kill -9` at random moments loses nothing and doubles nothing.
//!
//! `DCHAT_KILL_MESSAGES` (each way) and `DCHAT_KILLS` set the size; CI runs a small one.
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

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use support::dice::size;
use support::talk::{self, Talk};
use support::{history, kills, pair};

/// Checks DC-CHAT-051 (positive), DC-CONN-042 (positive).
#[test]
fn numbered_messages_each_way_arrive_once_and_in_order_through_kills_of_either_side() {
    let messages = size("DCHAT_KILL_MESSAGES", 600);
    let kills = size("DCHAT_KILLS", 8);
    let ((alice, alice_daemon), (bob, bob_daemon)) = pair::contacts();
    let runtime = talk::runtime();
    let sent = Arc::new(AtomicUsize::new(0));
    let talks = [
        (alice.path(), &bob.peer, "from Alice"),
        (bob.path(), &alice.peer, "from Bob"),
    ]
    .map(|(home, to, prefix)| {
        let talk = Talk {
            sent: sent.clone(),
            ..Talk::new(&home, to, prefix, messages)
        };
        runtime.spawn(talk.run())
    });

    let mut daemons = [alice_daemon, bob_daemon];
    let sides = [&alice, &bob];
    kills::at_random(kills, &sent, 2 * messages, 2, |_, victim| {
        daemons[victim].kill();
        daemons[victim] = sides[victim].start();
    });
    for talk in talks {
        runtime.block_on(talk).unwrap();
    }
    for side in sides {
        runtime.block_on(talk::delivered(&side.path()));
    }
    for daemon in daemons {
        daemon.stop();
    }

    for (me, other) in [(&alice, &bob), (&bob, &alice)] {
        let entries = history::of(&me.path(), &me.peer, &other.peer);
        history::assert_said(&entries, &alice.peer, "from Alice", messages);
        history::assert_said(&entries, &bob.peer, "from Bob", messages);
        history::assert_delivered(&entries);
    }
    eprintln!("{messages} messages each way, {kills} kills: each arrived once, in order");
}
