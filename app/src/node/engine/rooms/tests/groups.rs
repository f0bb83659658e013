//! Groups over the same homes.

use super::*;
use crate::api::{GroupChange, GroupStanding};

impl World {
    /// Homes that are connected and contacts, each with every other where `friends` says so.
    pub(super) fn acquainted(names: &[&str], friends: impl Fn(usize, usize) -> bool) -> Self {
        let mut world = Self::new(names);
        for one in 0..names.len() {
            for (other, name) in names.iter().enumerate() {
                if one != other && friends(one.min(other), one.max(other)) {
                    let target = world.homes[other].peer.to_string();
                    let name = Some((*name).to_owned());
                    let added = world.homes[one].call(Request::Add { target, name });
                    assert!(added.is_ok(), "{added:?}");
                }
            }
        }
        for one in 0..names.len() {
            for other in one + 1..names.len() {
                world.connect(one, other);
            }
        }
        world.run(200);
        world
    }

    fn done(&mut self, home: usize, request: Request) {
        let done = self.homes[home].call(request);
        assert!(done.is_ok(), "{done:?}");
        self.run(500);
    }

    /// The first makes the group `team`, and all are in it.
    fn gather(&mut self) {
        let group = "team".to_owned();
        self.done(
            0,
            Request::CreateGroup {
                name: group.clone(),
            },
        );
        for home in 1..self.homes.len() {
            self.invites(0, home);
            self.done(
                home,
                Request::AcceptGroup {
                    group: group.clone(),
                },
            );
        }
        self.run(5_000);
        for home in 0..self.homes.len() {
            assert_eq!(self.members(home), self.homes.len());
        }
    }

    fn invites(&mut self, home: usize, whom: usize) {
        let (group, peer) = ("team".to_owned(), self.homes[whom].peer.to_string());
        self.done(home, Request::InviteMember { group, peer });
    }

    fn removes(&mut self, home: usize, whom: usize) {
        let (group, peer) = ("team".to_owned(), self.homes[whom].peer.to_string());
        self.done(home, Request::RemoveMember { group, peer });
    }

    fn members(&mut self, home: usize) -> usize {
        let group = "team".to_owned();
        match self.homes[home].call(Request::GroupMembers { group }) {
            Ok(Reply::GroupMembers(members)) => {
                let inside = members.iter();
                inside
                    .filter(|one| one.standing > GroupStanding::Invited)
                    .count()
            }
            other => panic!("{other:?}"),
        }
    }

    fn says(&mut self, home: usize, text: &str) {
        let sent = self.homes[home].call(Request::Send {
            to: "@team".to_owned(),
            text: text.to_owned(),
            ttl_s: None,
            token: None,
        });
        assert!(sent.is_ok(), "{sent:?}");
        self.run(500);
    }

    /// What a home is shown of the group, sorted.
    fn shown(&mut self, home: usize) -> Vec<String> {
        let history = self.homes[home].call(Request::History {
            to: "@team".to_owned(),
            limit: 1000,
            before: None,
        });
        let Ok(Reply::Messages(messages)) = history else {
            panic!("{history:?}");
        };
        let mut texts: Vec<String> = messages.into_iter().map(|message| message.text).collect();
        texts.sort();
        texts
    }
}

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

/// Checks DC-GROUP-029 (positive, negative).
#[test]
fn a_member_that_is_no_contact_and_writes_a_text_is_a_request() {
    let mut world = World::acquainted(&["Ann", "Ben", "Cem"], |one, _| one == 0);
    world.gather();
    let (ben, cem) = (1, 2);
    let peers = [ben, cem].map(|home| world.homes[home].peer.to_string());
    world.homes[cem].events();
    let target = peers[1].clone();
    world.done(ben, Request::Add { target, name: None });
    let asked = |home: &mut Home| {
        let events = home.events();
        let asked = events
            .iter()
            .filter(|event| matches!(event, Event::Request(_)));
        asked.count()
    };
    assert_eq!(asked(&mut world.homes[cem]), 0, "nothing was said");
    for text in ["hello", "are you there?"] {
        let sent = world.homes[ben].call(Request::Send {
            to: peers[1].clone(),
            text: text.to_owned(),
            ttl_s: None,
            token: None,
        });
        assert!(sent.is_ok(), "{sent:?}");
        world.run(1_000);
    }
    assert_eq!(asked(&mut world.homes[cem]), 1);
    let (peer, name) = (peers[0].clone(), None);
    world.done(cem, Request::Accept { peer, name });
    let history = world.homes[cem].call(Request::History {
        to: peers[0].clone(),
        limit: 10,
        before: None,
    });
    let Ok(Reply::Messages(messages)) = history else {
        panic!("{history:?}");
    };
    let texts: Vec<String> = messages.into_iter().map(|one| one.text).collect();
    assert_eq!(texts, ["hello", "are you there?"]);
}

#[test]
fn an_invitation_there_is_no_room_for_is_not_dropped_without_a_word() {
    let mut world = World::acquainted(&["Ann", "Ben", "Cem"], |_, _| true);
    let ben = world.homes[1].peer.to_string();
    let refused = |home: &mut Home| {
        let events = home.events();
        let refused = events.iter().filter(
            |event| matches!(event, Event::Error { code, message } if code == "group" && message.contains("not kept")),
        );
        refused.count()
    };
    for number in 0..65 {
        assert_eq!(refused(&mut world.homes[1]), 0, "{number}");
        let group = format!("group{number}");
        let name = group.clone();
        let by = if number < 33 { 0 } else { 2 };
        world.done(by, Request::CreateGroup { name });
        let peer = ben.clone();
        world.done(by, Request::InviteMember { group, peer });
    }
    assert_eq!(refused(&mut world.homes[1]), 1);
    let known = match world.homes[1].call(Request::Groups) {
        Ok(Reply::Groups(groups)) => groups.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(known, 64);
}

/// Checks DC-GROUP-013 (negative).
#[test]
fn what_a_failed_batch_did_in_a_group_never_happened() {
    let mut world = World::acquainted(&["Ann", "Ben"], |_, _| true);
    world.gather();
    let peer = world.homes[1].peer.to_string();
    let (to, _reply) = oneshot::channel();
    let remove = Request::RemoveMember {
        group: "team".to_owned(),
        peer,
    };
    world.homes[0].fail(vec![Input::Call(Box::new(remove), to)]);
    world.disconnect(0, 1);
    world.run(100);
    world.connect(0, 1);
    world.run(5_000);
    assert_eq!((world.members(0), world.members(1)), (2, 2));
    world.says(0, "still together");
    world.says(1, "so we are");
    world.run(5_000);
    for home in 0..2 {
        assert_eq!(world.shown(home), ["so we are", "still together"]);
    }
}

/// Checks DC-GOSSIP-022 (negative).
#[test]
fn messages_are_kept_for_as_long_as_the_policy_says() {
    let mut world = World::acquainted(&["Ann", "Ben"], |_, _| true);
    world.gather();
    world.says(0, "for ever");
    world.run(2_000);
    let (group, setting) = ("team".to_owned(), "keep=1h".to_owned());
    world.done(0, Request::SetGroupPolicy { group, setting });
    world.run(5_000);
    world.says(1, "for an hour");
    world.run(2_000);
    for home in 0..2 {
        assert_eq!(world.shown(home), ["for an hour", "for ever"]);
    }
    NOW.set(now() + HOUR);
    world.run(2_000);
    for home in 0..2 {
        assert_eq!(world.shown(home), ["for ever"], "it was written before");
    }
}

/// Checks DC-GROUP-009 (positive).
#[test]
fn what_counts_after_all_is_shown_again() {
    // Ben and Dia are apart from Ann and Cem. Ben, an administrator, removes Cem; Ann removes Ben.
    let mut world = World::acquainted(&["Ann", "Ben", "Cem", "Dia"], |_, _| true);
    world.gather();
    let promote = Request::PromoteMember {
        group: "team".to_owned(),
        peer: world.homes[1].peer.to_string(),
    };
    world.done(0, promote);
    world.says(2, "Cem one");
    world.run(5_000);
    let pairs = [(0, 1), (0, 3), (1, 2), (1, 3)];
    for (one, other) in pairs {
        world.disconnect(one, other);
    }
    world.run(1_000);
    // Dia hears Cem, then Ben.
    world.says(2, "Cem two");
    world.run(5_000);
    assert_eq!(world.shown(3), ["Cem one", "Cem two"]);
    world.disconnect(0, 2);
    world.removes(1, 2);
    world.connect(1, 3);
    world.run(10_000);
    assert_eq!(world.shown(3), ["Cem one"]);
    assert_eq!(world.members(3), 3);
    world.removes(0, 1);
    for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 2)] {
        world.connect(one, other);
    }
    world.run(30_000);
    for home in [0, 2, 3] {
        assert_eq!(world.shown(home), ["Cem one", "Cem two"], "home {home}");
        assert_eq!(world.members(home), 3, "home {home}");
    }
}

/// Checks DC-GROUP-009 (negative).
#[test]
fn what_a_removed_member_wrote_unseen_is_hidden_from_those_who_had_it() {
    let mut world = World::acquainted(&["Ann", "Ben", "Cem"], |_, _| true);
    world.gather();
    world.says(2, "seen by all");
    world.run(5_000);
    world.disconnect(0, 1);
    world.disconnect(0, 2);
    world.run(1_000);
    world.says(2, "seen by Ben alone");
    world.run(5_000);
    assert_eq!(world.shown(1), ["seen by Ben alone", "seen by all"]);
    let found = |world: &mut World| {
        let found = world.homes[1].call(Request::Search {
            words: "alone".to_owned(),
            to: None,
            limit: 10,
        });
        match found {
            Ok(Reply::Messages(found)) => found.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(found(&mut world), 1);
    world.removes(0, 2);
    world.connect(0, 1);
    world.connect(0, 2);
    world.run(10_000);
    assert_eq!(world.shown(0), ["seen by all"]);
    assert_eq!(world.shown(1), ["seen by all"]);
    assert_eq!(found(&mut world), 0);
    let events = world.homes[2].events();
    let out = events
        .iter()
        .any(|event| matches!(event, Event::Group(news) if news.change == GroupChange::Removed));
    assert!(out, "Cem is told");
    world.says(1, "later");
    world.run(5_000);
    assert_eq!(world.shown(0), ["later", "seen by all"]);
    assert_eq!(world.shown(2), ["seen by all"], "void is void for all");
}

/// The messages of a conversation that a home is shown to name it.
fn naming(home: &mut Home, of: &str) -> Vec<String> {
    let history = home.call(Request::History {
        to: of.to_owned(),
        limit: 1000,
        before: None,
    });
    let Ok(Reply::Messages(messages)) = history else {
        panic!("{history:?}");
    };
    let naming = messages.into_iter().filter(|message| message.mention);
    naming.map(|message| message.text).collect()
}

#[test]
fn who_is_named_in_a_group_is_told_and_nobody_else() {
    let mut world = World::acquainted(&["Ann", "Ben", "Ann Lee"], |one, _| one == 0);
    world.gather();
    for home in &mut world.homes {
        home.events();
    }
    let ben = world.homes[1].peer.to_string();
    world.says(0, "@ben hello");
    world.says(0, "ben@example.org, @benjamin");
    world.says(2, "@ANN LEE is me, @Ann is not");
    world.says(2, "@ann lee alone");
    world.says(2, &format!("ask {ben}"));
    world.run(2_000);
    let told: Vec<Event> = world.homes[1].events();
    let told = told.iter().filter_map(|event| match event {
        Event::Message(message) => Some((message.text.as_str(), message.mention)),
        _ => None,
    });
    let told: BTreeMap<&str, bool> = told.collect();
    assert_eq!(told.get("@ben hello"), Some(&true));
    assert_eq!(told.get("ben@example.org, @benjamin"), Some(&false));
    let of_ben = naming(&mut world.homes[1], "@team");
    assert_eq!(of_ben, ["@ben hello".to_owned(), format!("ask {ben}")]);
    let of_ann = naming(&mut world.homes[0], "@team");
    assert_eq!(of_ann, ["@ANN LEE is me, @Ann is not"]);
    assert!(
        naming(&mut world.homes[2], "@team").is_empty(),
        "nobody names themselves"
    );
    let unread = |home: &mut Home| match home.call(Request::Groups) {
        Ok(Reply::Groups(groups)) => (groups[0].unread, groups[0].mentions),
        other => panic!("{other:?}"),
    };
    assert_eq!(unread(&mut world.homes[1]), (5, 2));
    let ids = match world.homes[1].call(Request::Unread {
        from: Some("@team".to_owned()),
        limit: 100,
    }) {
        Ok(Reply::Messages(messages)) => messages.into_iter().map(|one| one.id).collect(),
        other => panic!("{other:?}"),
    };
    let read = world.homes[1].call(Request::MarkRead { ids });
    assert!(read.is_ok(), "{read:?}");
    assert_eq!(unread(&mut world.homes[1]), (0, 0));
}

#[test]
fn who_was_away_is_told_of_being_named_when_the_keys_come() {
    let mut world = World::acquainted(&["Ann", "Ben"], |_, _| true);
    world.gather();
    world.disconnect(0, 1);
    world.run(100);
    world.says(0, "@ben where are you?");
    world.connect(0, 1);
    world.run(5_000);
    assert_eq!(
        naming(&mut world.homes[1], "@team"),
        ["@ben where are you?"]
    );
}

#[test]
fn what_a_member_that_is_no_neighbour_has_is_known_by_what_it_says() {
    let mut world = World::acquainted(&["Ann", "Ben", "Cem"], |_, _| true);
    world.gather();
    // With the key, which goes from one to the other alone.
    world.says(0, "one");
    world.disconnect(0, 2);
    world.run(100);
    let cem = world.homes[2].peer.to_string();
    let of_cem = |world: &mut World| {
        let group = "team".to_owned();
        match world.homes[0].call(Request::GroupMembers { group }) {
            Ok(Reply::GroupMembers(members)) => {
                let cem = members.into_iter().find(|one| one.peer_id == cem).unwrap();
                (cem.connected, cem.delivered, cem.lag)
            }
            other => panic!("{other:?}"),
        }
    };
    world.says(0, "two");
    world.run(2_000);
    assert_eq!(world.shown(2), ["one", "two"]);
    let before = of_cem(&mut world);
    assert_ne!(before, (false, Some(2), Some(0)), "nobody has said so");
    world.says(2, "three");
    world.run(2_000);
    assert_eq!(of_cem(&mut world), (false, Some(2), Some(0)));
    world.says(0, "four");
    assert_eq!(of_cem(&mut world), (false, Some(2), Some(1)));
    // What is known outlives a change that has the node begin anew.
    let (group, setting) = ("team".to_owned(), "keep=1d".to_owned());
    world.done(0, Request::SetGroupPolicy { group, setting });
    assert_eq!(of_cem(&mut world), (false, Some(2), Some(1)));
}
