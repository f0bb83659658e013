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

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use dchat::api::Message;
use support::agreement::{are_equal, assert_equal, by_author, settled};
use support::dice::size;
use support::group::{Person, befriend, gather};
use support::kills;
use support::room::{Member, eventually};
use support::talk::{self, Talk};

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
    kills::at_random(kills, &sent, stay * messages, count, |kill, victim| {
        people[victim].restart();
        if kill == kills / 2 {
            people[0].group(&["remove", "firm", &removed]);
        }
    });
    for talk in talks {
        runtime.block_on(talk).unwrap();
    }
    let said = begun.elapsed();
    let staying: Vec<&Member> = people[..stay].iter().map(|one| &one.member).collect();
    let wanted = |peer: &str| -> Vec<String> {
        let mut texts = vec![format!("hello from {peer}")];
        texts.extend(talk::texts(&format!("from {peer}"), messages));
        texts
    };
    let is_complete = |history: &[Message]| {
        let stayed = history.iter().filter(|message| message.from != removed);
        stayed.count() == stay * (messages + 1)
    };
    let histories = settled(&staying, "@firm", |histories| {
        let mut all = histories.iter();
        all.all(|history| is_complete(history) && are_equal(history, &histories[0]))
    });
    let all = begun.elapsed();
    for (member, history) in staying.iter().zip(&histories) {
        let mut said = by_author(history);
        for author in &staying {
            assert_eq!(
                said.remove(author.peer.as_str()).unwrap_or_default(),
                wanted(&author.peer),
                "what {} has of {}",
                member.peer,
                author.peer
            );
        }
        // What the removed wrote counts up to one place, the same for all.
        let texts = said.remove(removed.as_str()).unwrap_or_default();
        assert_eq!(texts, wanted(&removed)[..texts.len()], "of the removed");
        assert!(said.is_empty(), "{said:?}");
    }
    assert_equal(&staying, &histories);
    for person in &people[..stay] {
        person.wait_for_members("firm", stay);
    }
    eprintln!(
        "{count} members, {} messages, {kills} kills, one removed: said in {said:.1?}, all histories \
         equal and complete after {all:.1?}",
        stay * messages
    );
}
