//! `kill -9` of members at random while a group talks and one of them is removed: all who stay end with
//! equal and complete histories.
//!
//! `DCHAT_GROUP_MEMBERS`, `DCHAT_GROUP_MESSAGES` (of all together) and `DCHAT_GROUP_KILLS` set the size;
//! CI runs a small one.
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
use support::group::{Person, befriend, gather};
use support::room::eventually;
use support::talk::{self, Talk};

/// Without a change anywhere for so long, nothing more will come.
const STUCK: Duration = Duration::from_secs(90);

#[test]
fn members_killed_at_random_and_one_removed_end_with_equal_and_complete_histories() {
    let count = size("DCHAT_GROUP_MEMBERS", 5);
    let messages = size("DCHAT_GROUP_MESSAGES", 200) / count;
    let kills = size("DCHAT_GROUP_KILLS", 5);
    let mut people = vec![Person::new("Member 0", &[])];
    for number in 1..count {
        // Each knows the first, and the one before it.
        let mut known = vec![&people[0]];
        known.extend(people.iter().skip(1).next_back());
        let mut person = Person::new(&format!("Member {number}"), &known);
        befriend(&mut people[0], &mut person);
        people.push(person);
    }
    let others: Vec<&Person> = people.iter().skip(1).collect();
    gather("firm", &people[0], &others);
    // Each gives all its key while it is a member: nobody else can once it is removed.
    for person in &people {
        person
            .member
            .say("@firm", &format!("hello from {}", person.member.peer));
    }
    for person in &people {
        eventually("everybody is heard", || {
            person.member.history("@firm").len() == count
        });
    }

    let runtime = talk::runtime();
    let stay = count - 1;
    let sent = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut talks = Vec::new();
    for (number, person) in people.iter().enumerate() {
        let prefix = format!("from {}", person.member.peer);
        let mut talk = Talk::new(person.member.path(), "@firm", &prefix, messages);
        if number < stay {
            talk.sent = Arc::clone(&sent);
        } else {
            talk.may_be_refused = true;
        }
        talks.push(runtime.spawn(talk.run()));
    }
    let removed = people[stay].member.peer.clone();
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    for kill in 0..kills {
        let share = stay * messages / kills;
        let place = kill * share + (random(&mut dice) as usize) % share.max(1);
        talk::until("the messages do not get on", || {
            sent.load(Ordering::Relaxed) >= place
        });
        let victim = (random(&mut dice) as usize) % count;
        people[victim].restart();
        if kill == kills / 2 {
            people[0].group(&["remove", "firm", &removed]);
        }
    }
    for talk in talks {
        runtime.block_on(talk).unwrap();
    }
    let said = begun.elapsed();
    let peers: Vec<String> = people.iter().map(|one| one.member.peer.clone()).collect();
    let wanted = |peer: &str| -> Vec<String> {
        let numbers = (1..=messages).map(|number| format!("from {peer} {number}"));
        std::iter::once(format!("hello from {peer}"))
            .chain(numbers)
            .collect()
    };
    let ids = |history: &[Message]| -> Vec<String> {
        history.iter().map(|message| message.id.clone()).collect()
    };
    let is_complete = |history: &[Message]| {
        let stayed = history.iter().filter(|message| message.from != removed);
        stayed.count() == stay * (messages + 1)
    };
    let histories = settled(&people[..stay], |histories| {
        histories.iter().all(|history| is_complete(history))
            && histories
                .windows(2)
                .all(|pair| ids(&pair[0]) == ids(&pair[1]))
    });
    let all = begun.elapsed();
    for (person, history) in people.iter().zip(&histories) {
        let mut by_author: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for message in history {
            let texts = by_author.entry(&message.from).or_default();
            texts.push(&message.text);
        }
        for author in &peers[..stay] {
            let texts = by_author.remove(author.as_str()).unwrap_or_default();
            assert_eq!(
                texts,
                wanted(author),
                "what {} has of {author}",
                person.member.peer
            );
        }
        // What the removed wrote counts up to one place, the same for all.
        let texts = by_author.remove(removed.as_str()).unwrap_or_default();
        assert_eq!(texts, wanted(&removed)[..texts.len()], "of the removed");
        assert!(by_author.is_empty(), "{by_author:?}");
        assert!(
            ids(history) == ids(&histories[0]),
            "{} shows another order",
            person.member.peer
        );
    }
    for person in &people[..stay] {
        person.wait_for_members("firm", stay);
    }
    eprintln!(
        "{count} members, {} messages, {kills} kills, one removed: said in {said:.1?}, all histories \
         equal and complete after {all:.1?}",
        stay * messages
    );
}

/// All histories, once they are as wanted or nothing more comes.
fn settled(people: &[Person], is_so: impl Fn(&[Vec<Message>]) -> bool) -> Vec<Vec<Message>> {
    let mut last = (0, Instant::now());
    loop {
        let histories: Vec<_> = people
            .iter()
            .map(|person| person.member.history("@firm"))
            .collect();
        if is_so(&histories) {
            return histories;
        }
        let total: usize = histories.iter().map(Vec::len).sum();
        if total != last.0 {
            last = (total, Instant::now());
        }
        if last.1.elapsed() > STUCK {
            return histories;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}
