//! A room of five on real networks that parts and comes together again.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod support;

use support::split::{Lab, NAMES, eventually};

const ROOM: &str = "#five";

#[test]
fn both_sides_of_a_room_that_parted_talk_and_all_end_alike() {
    let Some(mut lab) = Lab::new(ROOM) else {
        return;
    };
    // All know the first; the others find each other in the room.
    for other in 1..5 {
        lab.befriend(0, other);
    }
    for who in 0..5 {
        lab.does(who, &["room", "join", "five"]);
    }
    let neighbours = |lab: &Lab, who: usize| {
        let rooms = lab.verb(who, &["room", "list", "--json"]);
        rooms[0]["connected"].as_u64().unwrap()
    };
    eventually("all are neighbours of all", || {
        (0..5).all(|who| neighbours(&lab, who) == 4)
    });
    let mut all: Vec<String> = Vec::new();
    for (who, name) in NAMES.iter().enumerate() {
        all.push(format!("{name} before"));
        lab.says(who, &format!("{name} before"));
    }
    let has = |lab: &Lab, who: usize, texts: &[String]| {
        lab.has(who, &texts.iter().map(String::as_str).collect::<Vec<_>>())
    };
    eventually("the first words everywhere", || {
        (0..5).all(|who| has(&lab, who, &all))
    });

    lab.split();
    let (mut left, mut right) = (all.clone(), all.clone());
    for number in 1..=3 {
        for (who, name) in NAMES.iter().enumerate() {
            let text = format!("{name} parted {number}");
            lab.says(who, &text);
            all.push(text.clone());
            let side = if who < 2 { &mut left } else { &mut right };
            side.push(text);
        }
    }
    eventually("each side has its own", || {
        (0..2).all(|who| has(&lab, who, &left)) && (2..5).all(|who| has(&lab, who, &right))
    });

    lab.heal();
    eventually("one history", || (0..5).all(|who| has(&lab, who, &all)));
    for (who, name) in NAMES.iter().enumerate().skip(1) {
        assert_eq!(
            lab.history(who),
            lab.history(0),
            "{name} shows another order"
        );
    }
    for (_, daemon) in core::mem::take(&mut lab.people) {
        daemon.stop();
    }
}
