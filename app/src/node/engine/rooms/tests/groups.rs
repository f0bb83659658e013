//! Groups over the same homes.

mod unacquainted;

use dchat_wire::gossip::{GossipLeave, GossipOpen, Parting};
use dchat_wire::group::GroupOperations;
use dchat_wire::parcel::entry_kind;
use dchat_wire::room::open_tag;
use dchat_wire::{List, codec};

use super::*;
use crate::api::{GroupChange, GroupStanding};
use crate::conversation::Notice;
use crate::group::Group;
use crate::store::limits::MAX_REQUESTS;

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

/// Checks DC-GROUP-001 (negative).
#[test]
fn a_member_that_was_removed_while_it_was_looked_for_is_not_linked_with() {
    let mut world = World::acquainted(&["Ann", "Ben", "Cem"], |_, _| true);
    world.gather();
    let cem = world.homes[2].peer;
    world.is_reaching = true;
    world.reached.clear();
    world.disconnect(1, 2);
    // It is looked for once the room is healed.
    for _ in 0..200 {
        if world.reached.contains(&(1, cem)) {
            break;
        }
        world.run(100);
    }
    assert!(world.reached.contains(&(1, cem)), "{:?}", world.reached);
    world.removes(0, 2);
    assert_eq!(world.members(1), 2);
    world.sent.clear();
    world.connect(1, 2);
    world.run(500);
    assert_eq!(world.opens(1), 0);
}

#[test]
fn a_group_whose_name_is_too_long_here_is_called_by_another_and_fails_nothing() {
    let mut world = World::acquainted(&["Ann", "Ben"], |_, _| true);
    let [ann, ben] = &mut world.homes[..] else {
        panic!("two homes");
    };
    let identity = &ann.engine.session.identity;
    let (time, name) = (now().unsigned_abs(), "long".repeat(50));
    let (group, made) = Group::create(identity, &name, "Ann", &[5; 32], time).unwrap();
    let word = GroupOperations {
        group: *group.id(),
        heads: Default::default(),
        lacking: Default::default(),
        operations: List::first_of([made]),
        extensions: Default::default(),
    };
    let notice = Notice {
        kind: entry_kind::GROUP_OPERATIONS,
        body: codec::encode(&word),
    };
    let Engine { store, session, .. } = &mut ben.engine;
    let mut effects = Effects::default();
    let called = store.transaction("test", |tx| {
        let heard = session.noticed(tx, &ann.peer, &notice, now(), &mut effects);
        assert!(heard.is_ok(), "{heard:?}");
        tx.room(group.id())
    });
    let called = called.unwrap().unwrap().name;
    assert!(called.starts_with("group-"), "{called}");
    let told = effects.take();
    let failed = told
        .iter()
        .any(|effect| matches!(effect, Effect::Event(Event::Error { .. })));
    assert!(!failed, "{told:?}");
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
    let (to, _reply) = oneshot::channel();
    let say = Request::Send {
        to: "@team".to_owned(),
        text: "never said".to_owned(),
        ttl_s: None,
        token: None,
    };
    world.homes[0].fail(vec![Input::Call(Box::new(say), to)]);
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

/// Checks DC-GROUP-008 (positive), DC-GROUP-009 (negative).
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

/// Checks DC-GROUP-002 (positive).
#[test]
fn members_are_looked_for_by_their_peer_ids_and_not_by_a_secret_of_the_group() {
    let mut world = World::acquainted(&["Ann", "Ben"], |_, _| true);
    world.gather();
    world.disconnect(0, 1);
    world.run(120_000);
    let ben = world.homes[1].peer;
    assert!(world.reached.contains(&(0, ben)));
    assert_eq!(world.met, []);
}

/// Checks DC-GROUP-002 (negative).
#[test]
fn a_member_that_is_met_in_a_room_and_alone_in_a_group_is_met_in_the_room_alone() {
    let mut world = World::acquainted(&["Ann", "Ben"], |_, _| true);
    world.gather();
    world.homes[0].join("lobby");
    world.run(1_000);
    let room = world.met.first().unwrap().1;
    world.disconnect(0, 1);
    world.run(1_000);
    world.met.clear();
    let ann = world.homes.remove(0);
    world.homes.insert(0, ann.restart("Ann"));
    world.run(120_000);
    assert!(world.met.contains(&(0, room)), "it is as it was before");
    assert!(
        world.met.iter().all(|met| *met == (0, room)),
        "{:?}",
        world.met
    );
}

impl World {
    /// How many frames with operations a home sent, and how many operations were in them.
    fn told(&self, home: usize) -> (usize, usize) {
        let told = self.sent.iter().filter_map(|(from, frame)| match frame {
            Frame::GroupOperations(told) if *from == home => Some(told.operations.len()),
            _ => None,
        });
        let told: Vec<usize> = told.collect();
        (told.len(), told.iter().sum())
    }

    /// What the group is called.
    fn title(&mut self, home: usize) -> String {
        match self.homes[home].call(Request::Groups) {
            Ok(Reply::Groups(groups)) => groups[0].name.clone(),
            other => panic!("{other:?}"),
        }
    }
}

/// Checks DC-GROUP-010 (positive, negative).
#[test]
fn what_a_member_learns_it_passes_on_and_what_it_knew_it_does_not() {
    // Ann and Cem have Ben between them.
    let mut world = World::acquainted(&["Ann", "Ben", "Cem"], |one, _| one == 0);
    world.gather();
    world.disconnect(0, 2);
    world.disconnect(0, 1);
    world.run(1_000);
    let (frames, operations) = world.told(1);
    world.connect(0, 1);
    world.run(5_000);
    let began = world.told(1);
    assert!(began.0 > frames, "a link begins with heads");
    assert_eq!(began.1, operations, "of which all are known");
    let (group, name) = ("team".to_owned(), "crew".to_owned());
    assert!(
        world.homes[0]
            .call(Request::RenameGroup { group, name })
            .is_ok()
    );
    assert!(world.carry());
    let told = world.waiting.iter().find_map(|(home, input)| match input {
        Input::RoomFrame {
            link,
            stream,
            frame,
        } if *home == 1 && matches!(**frame, Frame::GroupOperations(_)) => {
            Some((*link, *stream, frame.clone()))
        }
        _ => None,
    });
    let (link, stream, frame) = told.unwrap();
    world.run(5_000);
    assert_eq!(world.title(2), "crew");
    let passed_on = world.told(1);
    assert_eq!(passed_on.1, operations + 1, "to Cem, and not back to Ann");
    let again = Input::RoomFrame {
        link,
        stream,
        frame,
    };
    world.waiting.push_back((1, again));
    world.run(5_000);
    assert_eq!(world.told(1), passed_on);
    assert_eq!(world.closed, []);
}

/// Checks DC-GROUP-012 (negative).
#[test]
fn an_item_that_comes_before_its_author_is_known_is_had_again_and_nobody_is_at_fault() {
    let mut world = World::acquainted(&["Ann", "Ben", "Cem"], |_, _| true);
    let (peer, away) = (world.homes[2].peer.to_string(), 2);
    world.disconnect(0, away);
    world.disconnect(1, away);
    world.done(
        0,
        Request::CreateGroup {
            name: "team".to_owned(),
        },
    );
    world.invites(0, 1);
    let group = "team".to_owned();
    world.done(1, Request::AcceptGroup { group });
    world.run(5_000);
    world.kept_back.0 = Some(1);
    world.connect(0, away);
    world.run(1_000);
    let group = "team".to_owned();
    world.done(0, Request::InviteMember { group, peer });
    let group = "team".to_owned();
    world.done(away, Request::AcceptGroup { group });
    world.says(away, "hello");
    world.run(5_000);
    assert_eq!(world.shown(0), ["hello"]);
    let push = |(home, frame): &(usize, Frame)| *home == 0 && matches!(frame, Frame::GossipPush(_));
    let pushed = world.sent.iter().any(push);
    assert!(pushed, "Ben has been given the item");
    assert!(world.shown(1).is_empty());
    assert!(!world.kept_back.1.is_empty());
    world.kept_back.0 = None;
    for told in core::mem::take(&mut world.kept_back.1) {
        world.waiting.push_back((1, told));
    }
    // Who tells Ben the key.
    world.connect(1, away);
    world.run(60_000);
    assert_eq!(world.members(1), 3);
    assert_eq!(world.shown(1), ["hello"]);
    assert_eq!(world.closed, []);
}

/// Checks DC-GROUP-001 (negative), DC-GROUP-023 (positive, negative).
#[test]
fn a_link_with_who_was_removed_ends_and_none_begins_again() {
    let mut world = World::acquainted(&["Ann", "Ben"], |_, _| true);
    world.gather();
    world.says(1, "while it may");
    world.run(2_000);
    let group = world.sent.iter().find_map(|(_, frame)| match frame {
        Frame::GroupOperations(said) => Some(said.group),
        _ => None,
    });
    let group = group.unwrap();
    let refused = |(from, frame): &(usize, Frame)| {
        let unknown = |leave: &GossipLeave| leave.reason == Parting::UnknownRoom;
        *from == 0 && matches!(frame, Frame::GossipLeave(leave) if unknown(leave))
    };
    world.sent.clear();
    world.removes(0, 1);
    world.run(2_000);
    assert!(world.sent.iter().any(refused), "{:?}", world.sent);
    // Nothing of the group goes to it any more, whatever happens there.
    world.sent.clear();
    world.disconnect(0, 1);
    world.run(100);
    world.connect(0, 1);
    world.says(0, "to nobody");
    world.run(60_000);
    let of_the_group = |(from, frame): &(usize, Frame)| {
        let parting = matches!(frame, Frame::GossipLeave(_) | Frame::GroupOperations(_));
        *from == 0 && !parting
    };
    assert!(!world.sent.iter().any(of_the_group), "{:?}", world.sent);
    // And when it opens a stream with the right tag, that is refused.
    world.sent.clear();
    let open = Frame::GossipOpen(GossipOpen {
        room: open_tag(&group, &world.homes[1].peer, &world.homes[0].peer),
        nonce: 1,
        answer: false,
        alone: true,
        extensions: Default::default(),
    });
    let input = Input::RoomFrame {
        link: World::link(0, 1),
        stream: 1_000,
        frame: Box::new(open),
    };
    world.waiting.push_back((0, input));
    world.run(2_000);
    assert!(world.sent.iter().any(refused), "{:?}", world.sent);
    assert!(!world.sent.iter().any(of_the_group), "{:?}", world.sent);
}
