//! Members of a group that are no contacts of each other, and what they write to one alone.

use super::*;

/// Checks DC-GROUP-015 (positive, negative).
#[test]
fn members_that_are_no_contacts_of_each_other_are_told_keys_and_bother_nobody() {
    let mut world = World::acquainted(&["Ann", "Ben", "Cem"], |one, _| one == 0);
    world.gather();
    world.says(1, "from Ben");
    world.says(2, "from Cem");
    world.run(5_000);
    for home in 0..3 {
        assert_eq!(world.shown(home), ["from Ben", "from Cem"]);
        let events = world.homes[home].events();
        let asked = events
            .iter()
            .any(|event| matches!(event, Event::Request(_)));
        assert!(!asked, "nobody asks to be a contact");
    }
    let contacts = world.homes[1].call(Request::Contacts);
    assert!(matches!(contacts, Ok(Reply::Contacts(contacts)) if contacts.len() == 1));
}

/// Ann, Ben and Cem in one group, where only Ann is a contact of the others, and Cem adds Ben.
fn three_of_whom_one_adds_another() -> World {
    let mut world = World::acquainted(&["Ann", "Ben", "Cem"], |one, _| one == 0);
    world.gather();
    let target = world.homes[1].peer.to_string();
    let name = Some("Ben".to_owned());
    world.done(2, Request::Add { target, name });
    world
}

impl World {
    /// The third writes to the second alone.
    fn writes(&mut self, text: &str) -> String {
        let sent = self.homes[2].call(Request::Send {
            to: "Ben".to_owned(),
            text: text.to_owned(),
            ttl_s: None,
            token: None,
        });
        let Ok(Reply::Sent(sent)) = sent else {
            panic!("{sent:?}");
        };
        self.run(2_000);
        sent.id
    }

    fn asked(&mut self, home: usize) -> Vec<String> {
        let events = self.homes[home].events();
        let asked = events.into_iter().filter_map(|event| match event {
            Event::Request(request) => Some(request.name),
            _ => None,
        });
        asked.collect()
    }
}

/// Checks DC-CHAT-067 (positive, negative).
#[test]
fn a_text_of_a_member_that_is_no_contact_waits_to_be_accepted() {
    let mut world = three_of_whom_one_adds_another();
    world.run(5_000);
    assert_eq!(world.asked(1), [""; 0], "keys of the group are no request");
    world.writes("hello Ben");
    world.writes("are you there");
    assert_eq!(
        world.asked(1),
        ["Cem"],
        "one request, however much is written"
    );
    assert_eq!(world.closed, []);
    let peer = "Cem".to_owned();
    let accepted = world.homes[1].call(Request::Accept { peer, name: None });
    assert!(matches!(accepted, Ok(Reply::Contact(_))), "{accepted:?}");
    let said = ["hello Ben", "are you there"];
    assert_eq!(
        world.read(1, history("Cem")),
        Some(said.map(String::from).to_vec())
    );
}

fn history(with: &str) -> Request {
    Request::History {
        to: with.to_owned(),
        limit: 10,
        before: None,
    }
}

fn unread() -> Request {
    Request::Unread {
        from: None,
        limit: 10,
    }
}

fn search(words: &str) -> Request {
    Request::Search {
        words: words.to_owned(),
        to: None,
        limit: 10,
    }
}

impl World {
    /// The texts that a home is shown, or `None` when it is refused.
    fn read(&mut self, home: usize, request: Request) -> Option<Vec<String>> {
        match self.homes[home].call(request) {
            Ok(Reply::Messages(messages)) => {
                Some(messages.into_iter().map(|message| message.text).collect())
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    }

    /// Texts that a home told its user of since the last look.
    fn heard(&mut self, home: usize) -> Vec<String> {
        let events = self.homes[home].events();
        let heard = events.into_iter().filter_map(|event| match event {
            Event::Message(message) => Some(message.text),
            _ => None,
        });
        heard.collect()
    }
}

/// Checks DC-CHAT-067 (negative).
#[test]
fn a_text_that_waits_is_shown_nowhere_until_it_is_accepted_and_everywhere_then() {
    let mut world = three_of_whom_one_adds_another();
    world.run(5_000);
    world.says(2, "hello all");
    world.writes("hello Ben");
    assert_eq!(
        world.heard(1),
        ["hello all"],
        "what is said in the group is no request"
    );
    assert_eq!(world.read(1, unread()).unwrap(), ["hello all"]);
    assert_eq!(world.read(1, search("hello")).unwrap(), ["hello all"]);
    assert_eq!(world.read(1, history("Cem")), None);
    let peer = "Cem".to_owned();
    world.done(1, Request::Accept { peer, name: None });
    assert_eq!(world.heard(1), ["hello Ben"]);
    assert_eq!(world.read(1, unread()).unwrap(), ["hello all", "hello Ben"]);
    assert_eq!(
        world.read(1, search("hello")).unwrap(),
        ["hello all", "hello Ben"]
    );
    world.writes("good to hear");
    assert_eq!(world.heard(1), ["good to hear"]);
    assert_eq!(
        world.read(1, history("Cem")).unwrap(),
        ["hello Ben", "good to hear"]
    );
}

#[test]
fn a_text_that_was_refused_is_never_shown() {
    let mut world = three_of_whom_one_adds_another();
    world.run(5_000);
    world.writes("hello Ben");
    let peer = world.homes[2].peer.to_string();
    world.done(1, Request::Refuse { peer: peer.clone() });
    assert_eq!(world.heard(1), [""; 0]);
    assert_eq!(world.read(1, unread()).unwrap(), [""; 0]);
    assert_eq!(world.read(1, search("hello")).unwrap(), [""; 0]);
    assert_eq!(world.read(1, history(&peer)), None);
}

/// Checks DC-CHAT-067 (negative), DC-CHAT-003 (negative).
#[test]
fn a_text_of_a_member_is_not_taken_where_no_request_can_be_kept() {
    let mut world = three_of_whom_one_adds_another();
    let filled = world.homes[1].engine.store.transaction("fill", |tx| {
        for number in 0..MAX_REQUESTS {
            tx.file_request(&[number as u8; 32], None, now())?;
        }
        Ok::<_, StoreError>(())
    });
    assert!(filled.is_ok(), "{filled:?}");
    let id = world.writes("hello Ben");
    assert_eq!(world.closed, [(1, Code::Limit)]);
    assert_eq!(world.asked(1), [""; 0]);
    let unread = world.homes[1].call(Request::Unread {
        from: None,
        limit: 10,
    });
    assert!(
        matches!(&unread, Ok(Reply::Messages(none)) if none.is_empty()),
        "{unread:?}"
    );
    let sent = world.homes[2].call(Request::Wait {
        id,
        state: MessageState::Delivered,
        timeout_ms: 0,
    });
    assert!(
        matches!(&sent, Ok(Reply::Sent(sent)) if sent.state == MessageState::Queued),
        "{sent:?}"
    );
}
