//! `kill -9` of members at random while a room talks: all histories end equal and complete.
//!
//! `DCHAT_ROOM_MEMBERS`, `DCHAT_ROOM_MESSAGES` (of all together) and `DCHAT_ROOM_KILLS` set the size;
//! CI runs a small one. The promise is made for 10, 10,000 and 40.
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
use std::time::Instant;

use support::agreement::{assert_equal, by_author, settled};
use support::dice::size;
use support::kills;
use support::room::Member;
use support::talk::{self, Talk};

#[test]
fn members_killed_at_random_end_with_equal_and_complete_histories() {
    let count = size("DCHAT_ROOM_MEMBERS", 5);
    let messages = size("DCHAT_ROOM_MESSAGES", 250) / count;
    let kills = size("DCHAT_ROOM_KILLS", 6);
    let mut members: Vec<Member> = Vec::new();
    for number in 0..count {
        // Each knows the first, and the one before it.
        let mut known: Vec<&Member> = members.first().into_iter().collect();
        known.extend(members.iter().skip(1).next_back());
        members.push(Member::new(&format!("Member {number}"), &known));
    }
    members.iter().for_each(|member| member.join("lobby"));
    let mut daemons: Vec<_> = members.iter().map(Member::start).collect();

    let runtime = talk::runtime();
    let sent = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let talks: Vec<_> = members
        .iter()
        .map(|member| {
            let prefix = format!("from {}", member.peer);
            let talk = Talk {
                sent: Arc::clone(&sent),
                ..Talk::new(member.path(), "#lobby", &prefix, messages)
            };
            runtime.spawn(talk.run())
        })
        .collect();
    kills::at_random(kills, &sent, count * messages, count, |_, victim| {
        daemons[victim].kill();
        daemons[victim] = members[victim].start();
    });
    for talk in talks {
        runtime.block_on(talk).unwrap();
    }
    let said = begun.elapsed();
    let members: Vec<&Member> = members.iter().collect();
    let histories = settled(&members, "#lobby", |histories| {
        let mut lengths = histories.iter().map(Vec::len);
        lengths.all(|length| length >= count * messages)
    });
    let all = begun.elapsed();

    for (member, history) in members.iter().zip(&histories) {
        let mut said = by_author(history);
        for author in &members {
            assert_eq!(
                said.remove(author.peer.as_str()).unwrap_or_default(),
                talk::texts(&format!("from {}", author.peer), messages),
                "what {} has of {}",
                member.peer,
                author.peer
            );
        }
    }
    assert_equal(&members, &histories);
    eprintln!(
        "{count} members, {} messages, {kills} kills: said in {said:.1?}, all histories equal and \
         complete after {all:.1?}",
        count * messages
    );
    daemons.into_iter().for_each(support::daemon::Daemon::stop);
}
