//! What the members of a room or group end with: equal and complete histories.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dchat::api::Message;

use super::room::Member;

/// Without a change anywhere for so long, nothing more will come.
const STUCK: Duration = Duration::from_secs(90);

/// The members' histories of `place`, once they are as wanted or nothing more comes.
pub fn settled(
    members: &[&Member],
    place: &str,
    is_so: impl Fn(&[Vec<Message>]) -> bool,
) -> Vec<Vec<Message>> {
    let mut last = (0, Instant::now());
    loop {
        let histories: Vec<_> = members.iter().map(|one| one.history(place)).collect();
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

/// What each author said, in order.
pub fn by_author(history: &[Message]) -> BTreeMap<&str, Vec<&str>> {
    let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for message in history {
        said.entry(&message.from).or_default().push(&message.text);
    }
    said
}

/// Whether both show the same messages in the same order.
pub fn are_equal(one: &[Message], other: &[Message]) -> bool {
    let ids = |history: &[Message]| -> Vec<String> {
        history.iter().map(|message| message.id.clone()).collect()
    };
    ids(one) == ids(other)
}

/// Asserts that all members show the same messages in the same order.
pub fn assert_equal(members: &[&Member], histories: &[Vec<Message>]) {
    for (member, history) in members.iter().zip(histories) {
        assert!(
            are_equal(history, &histories[0]),
            "{} shows another order",
            member.peer
        );
    }
}
