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

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dchat::api::Message;
use support::dice::{random, size};
use support::room::Member;
use support::talk::{self, Talk};

/// Without a new message anywhere for so long, nothing more will come.
const STUCK: Duration = Duration::from_secs(90);

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
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    for kill in 0..kills {
        let share = count * messages / kills;
        let place = kill * share + (random(&mut dice) as usize) % share.max(1);
        talk::until("the messages do not get on", || {
            sent.load(Ordering::Relaxed) >= place
        });
        let victim = (random(&mut dice) as usize) % count;
        daemons[victim].kill();
        daemons[victim] = members[victim].start();
    }
    for talk in talks {
        runtime.block_on(talk).unwrap();
    }
    let said = begun.elapsed();
    let histories = settled(&members, count * messages);
    let all = begun.elapsed();

    for (member, history) in members.iter().zip(&histories) {
        let mut by_author: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for message in history {
            let texts = by_author.entry(&message.from).or_default();
            texts.push(&message.text);
        }
        for author in &members {
            let wanted: Vec<String> = (1..=messages)
                .map(|number| format!("from {} {number}", author.peer))
                .collect();
            assert_eq!(
                by_author
                    .get(author.peer.as_str())
                    .map_or(&[][..], Vec::as_slice),
                wanted,
                "what {} has of {}",
                member.peer,
                author.peer
            );
        }
    }
    let order = |history: &[Message]| -> Vec<String> {
        history.iter().map(|message| message.id.clone()).collect()
    };
    for (member, history) in members.iter().zip(&histories) {
        assert!(
            order(history) == order(&histories[0]),
            "{} shows another order",
            member.peer
        );
    }
    eprintln!(
        "{count} members, {} messages, {kills} kills: said in {said:.1?}, all histories equal and \
         complete after {all:.1?}",
        count * messages
    );
    daemons.into_iter().for_each(support::daemon::Daemon::stop);
}

/// All histories, once each has `wanted` messages or nothing more comes.
fn settled(members: &[Member], wanted: usize) -> Vec<Vec<Message>> {
    let mut last = (0, Instant::now());
    loop {
        let histories: Vec<_> = members
            .iter()
            .map(|member| member.history("#lobby"))
            .collect();
        let total: usize = histories.iter().map(Vec::len).sum();
        if histories.iter().all(|history| history.len() >= wanted) {
            return histories;
        }
        if total > last.0 {
            last = (total, Instant::now());
        }
        if last.1.elapsed() > STUCK {
            return histories;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}
