//! A group of more than are neighbours of each other at once, which people join and leave while messages
//! flow.
//!
//! `DCHAT_GROUP_GROWS` sets how many it comes to; CI runs a small one, and the promise is made for 16.
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

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use support::dice::size;
use support::group::{Person, befriend, gather};
use support::room::eventually;
use support::talk::{self, Talk};

/// Who is there from the beginning.
const FIRST: usize = 3;
/// From one message of a member to its next.
const PACE: Duration = Duration::from_millis(100);

#[test]
fn people_join_and_leave_while_messages_flow_and_who_stays_has_what_all_of_them_said() {
    let count = size("DCHAT_GROUP_GROWS", 8);
    let begun = Instant::now();
    let mut people = vec![Person::new("Member 0", &[])];
    for number in 1..count {
        let mut person = Person::new(&format!("Member {number}"), &[&people[0]]);
        befriend(&mut people[0], &mut person);
        people.push(person);
    }
    let first: Vec<&Person> = people[1..FIRST].iter().collect();
    gather("choir", &people[0], &first);
    people[0].group(&["policy", "choir", "late=all"]);

    let runtime = talk::runtime();
    let sings = |person: &Person| {
        let prefix = format!("from {}", person.member.peer);
        let mut talk = Talk::new(person.member.path(), "@choir", &prefix, usize::MAX);
        talk.pace = PACE;
        let song = talk.clone();
        (talk, runtime.spawn(song.run()))
    };
    let mut songs: Vec<_> = people[..FIRST].iter().map(&sings).collect();
    let mut gone = Vec::new();
    for (number, person) in people.iter().enumerate().skip(FIRST) {
        people[0].group(&["invite", "choir", &person.member.peer]);
        person.wait_for_invitation("choir");
        person.group(&["accept", "choir"]);
        songs.push(sings(person));
        // The second leaves when half are there, and the last but one of those soon after.
        let leaves = match number {
            at if at == count / 2 => 1,
            at if at == count / 2 + 1 => count / 2 - 1,
            _ => continue,
        };
        let (talk, song) = &mut songs[leaves];
        talk.end();
        runtime.block_on(song).unwrap();
        runtime.block_on(talk::delivered(people[leaves].member.path()));
        people[leaves].group(&["leave", "choir"]);
        gone.push(leaves);
    }
    for (number, (talk, song)) in songs.iter_mut().enumerate() {
        if !gone.contains(&number) {
            talk.end();
            runtime.block_on(song).unwrap();
        }
    }
    let stays: Vec<&Person> = (0..count)
        .filter(|number| !gone.contains(number))
        .map(|number| &people[number])
        .collect();
    let mut said: BTreeSet<String> = BTreeSet::new();
    for (number, (talk, _)) in songs.iter().enumerate() {
        if !gone.contains(&number) {
            said.extend(talk.taken.lock().unwrap().keys().cloned());
        }
    }
    for person in &stays {
        person.wait_for_members("choir", stays.len());
        // Of those who left, who came later may read less: they gave them no keys.
        let left: Vec<&str> = gone
            .iter()
            .map(|number| people[*number].member.peer.as_str())
            .collect();
        eventually("all that those who stay have said", || {
            let history = person.member.history("@choir").into_iter();
            let here = history.filter(|message| !left.contains(&message.from.as_str()));
            let here: Vec<String> = here.map(|message| message.text).collect();
            here.len() == said.len() && here.into_iter().collect::<BTreeSet<_>>() == said
        });
    }
    // What the first member has of who left the second has too: both were there all the time.
    let of_gone = |person: &Person| -> Vec<String> {
        let history = person.member.history("@choir").into_iter();
        let theirs = history.filter(|message| message.from == people[gone[0]].member.peer);
        theirs.map(|message| message.text).collect()
    };
    assert!(!of_gone(&people[0]).is_empty());
    assert_eq!(of_gone(&people[0]), of_gone(&people[2]));
    // The first knows of everybody connected what they have.
    people[0].member.say("@choir", "the end");
    eventually("all have it", || {
        let members = people[0].members("choir");
        let mut others = members.iter().filter(|one| one["connected"] == true);
        others.all(|one| one["lag"] == 0)
    });
    eprintln!(
        "{count} came and {} left; {} messages of those who stayed, everywhere after {:.1?}",
        gone.len(),
        said.len(),
        begun.elapsed()
    );
}
