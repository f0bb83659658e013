//! Engines with rooms, on virtual time and without a network.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod chats;
mod groups;

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};

use dchat_wire::close::Code;
use dchat_wire::gossip::{GossipOpen, GossipPush, ItemHeader, Parting, SignedItem};
use dchat_wire::room::{RoomBody, RoomKey, RoomName, author};
use dchat_wire::sign::{Identity, Purpose};
use dchat_wire::{Bytes, Frame, List, PeerId, Text};
use tokio::sync::{mpsc, oneshot, watch};

use super::super::passphrase::Keyring;
use super::super::{Command, Effect, Effects, Engine, Input, LinkId, Outlets, StreamId};
use crate::api::{ApiError, Event, MessageState, Reply, Request};
use crate::node::hub::Hub;
use crate::node::profile::Profile;
use crate::seam::Subscription;
use crate::store::{StoreError, UnixMillis};

const HOUR: i64 = 3_600_000;

thread_local! {
    static NOW: Cell<UnixMillis> = const { Cell::new(1_800_000_000_000) };
}

fn now() -> UnixMillis {
    NOW.get()
}

/// A home with its engine, which the test gives its batches.
struct Home {
    engine: Engine,
    peer: PeerId,
    effects: mpsc::UnboundedReceiver<Effect>,
    deadline: watch::Receiver<Option<UnixMillis>>,
    events: Subscription,
    _inputs: mpsc::Sender<Input>,
    dir: tempfile::TempDir,
}

impl Home {
    fn new(name: &str) -> Self {
        Self::open(tempfile::tempdir().unwrap(), name)
    }

    fn open(dir: tempfile::TempDir, name: &str) -> Self {
        let profile = Profile::open(dir.path(), None, Some(name), now())
            .unwrap_or_else(|error| panic!("{error}"));
        let peer = profile.identity.peer_id();
        let hub = Hub::new();
        let events = hub.subscribe();
        let (effects, effect_queue) = mpsc::unbounded_channel();
        let (deadline, deadlines) = watch::channel(None);
        let (inputs, queue) = mpsc::channel(1);
        let outlets = Outlets {
            hub,
            effects,
            clock: now,
            deadline,
        };
        let mut engine = Engine::new(profile, Vec::new(), queue, outlets);
        engine.batch(Vec::new(), true);
        Self {
            engine,
            peer,
            effects: effect_queue,
            deadline: deadlines,
            events,
            _inputs: inputs,
            dir,
        }
    }

    fn restart(self, name: &str) -> Self {
        let Self { engine, dir, .. } = self;
        drop(engine);
        Self::open(dir, name)
    }

    fn call(&mut self, request: Request) -> Result<Reply, ApiError> {
        let (to, mut reply) = oneshot::channel();
        self.engine
            .batch(vec![Input::Call(Box::new(request), to)], false);
        reply.try_recv().unwrap()
    }

    fn join(&mut self, name: &str) {
        let name = name.to_owned();
        let secret = None;
        let joined = self.call(Request::JoinRoom { name, secret });
        assert!(matches!(joined, Ok(Reply::Room(_))), "{joined:?}");
    }

    fn say(&mut self, text: &str) -> String {
        let sent = self.call(Request::Send {
            to: "#lobby".to_owned(),
            text: text.to_owned(),
            ttl_s: None,
            token: None,
        });
        match sent {
            Ok(Reply::Sent(sent)) => sent.id,
            other => panic!("{other:?}"),
        }
    }

    fn texts(&mut self) -> Vec<String> {
        let history = self.call(Request::History {
            to: "#lobby".to_owned(),
            limit: 1000,
            before: None,
        });
        match history {
            Ok(Reply::Messages(messages)) => {
                messages.into_iter().map(|message| message.text).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Events since the last look.
    fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let waker = core::task::Waker::noop();
        let mut context = core::task::Context::from_waker(waker);
        loop {
            let next = core::pin::pin!(self.events.next()).poll(&mut context);
            match next {
                core::task::Poll::Ready(Some(event)) => events.push(event),
                _ => return events,
            }
        }
    }

    /// A batch that is undone.
    fn fail(&mut self, inputs: Vec<Input>) {
        let mut effects = Effects::default();
        let Engine {
            home,
            key,
            store,
            session,
            ..
        } = &mut self.engine;
        let vault = Keyring { home, key };
        let done: Result<(), StoreError> = store.transaction("fails", |tx| {
            for input in inputs {
                session.apply(tx, &vault, input, now(), &mut effects)?;
            }
            session.finish(tx, now(), &mut effects)?;
            Err(StoreError::Aborted)
        });
        let error = ApiError::from(done.unwrap_err());
        self.engine.fail(effects, std::iter::empty(), &error);
    }
}

/// Homes that are connected, and streams between them.
struct World {
    homes: Vec<Home>,
    /// The other end of each stream.
    streams: BTreeMap<(usize, StreamId), (usize, StreamId)>,
    next_stream: StreamId,
    /// Chat streams a home opened on a link.
    chats: BTreeMap<(usize, LinkId), u64>,
    waiting: VecDeque<(usize, Input)>,
    /// How a home opened its chat on a link last.
    opened: BTreeMap<(usize, LinkId), Box<Frame>>,
    /// Connections that homes closed, and why.
    closed: Vec<(usize, Code)>,
    /// Frames that were sent: from whom, and what.
    sent: Vec<(usize, Frame)>,
    /// Bytes of items sent in one batch, at most.
    most_bytes: usize,
}

impl World {
    fn new(names: &[&str]) -> Self {
        Self {
            homes: names.iter().map(|name| Home::new(name)).collect(),
            streams: BTreeMap::new(),
            next_stream: 0,
            chats: BTreeMap::new(),
            opened: BTreeMap::new(),
            closed: Vec::new(),
            waiting: VecDeque::new(),
            sent: Vec::new(),
            most_bytes: 0,
        }
    }

    /// The link between two homes has one number at both.
    fn link(one: usize, other: usize) -> LinkId {
        (100 * one.min(other) + one.max(other)) as LinkId
    }

    fn connect(&mut self, one: usize, other: usize) {
        for (here, there) in [(one, other), (other, one)] {
            let up = Input::Up {
                link: Self::link(one, other),
                peer: self.homes[there].peer,
                rooms: Some("/ip4/192.0.2.1/udp/1/quic-v1".parse().unwrap()),
            };
            self.waiting.push_back((here, up));
        }
    }

    fn disconnect(&mut self, one: usize, other: usize) {
        let link = Self::link(one, other);
        for here in [one, other] {
            self.waiting.push_back((here, Input::Down { link }));
        }
        self.streams
            .retain(|(here, _), (there, _)| Self::link(*here, *there) != link);
    }

    /// Does what homes want of the network; true when there was something.
    fn carry(&mut self) -> bool {
        let mut busy = false;
        for here in 0..self.homes.len() {
            let mut bytes = 0;
            while let Ok(effect) = self.homes[here].effects.try_recv() {
                busy = true;
                if let Effect::RoomFrame { frame, .. } = &effect {
                    bytes += frame.to_bytes().len();
                }
                self.effect(here, effect);
            }
            self.most_bytes = self.most_bytes.max(bytes);
        }
        busy
    }

    fn effect(&mut self, here: usize, effect: Effect) {
        match effect {
            Effect::RoomFrame {
                link,
                stream,
                frame,
            } => {
                self.sent.push((here, frame.clone()));
                let link_to = |there: &usize| *there != here && Self::link(here, *there) == link;
                let there = (0..self.homes.len()).find(link_to);
                let Some(there) = there else { return };
                let end = match self.streams.get(&(here, stream)) {
                    Some((_, end)) => *end,
                    None if stream % 2 == 1 => {
                        self.next_stream += 2;
                        let end = self.next_stream;
                        self.streams.insert((here, stream), (there, end));
                        self.streams.insert((there, end), (here, stream));
                        end
                    }
                    None => return,
                };
                let frame = Input::RoomFrame {
                    link,
                    stream: end,
                    frame: Box::new(frame),
                };
                self.waiting.push_back((there, frame));
            }
            Effect::Frame { link, frame } => {
                let link_to = |there: &usize| *there != here && Self::link(here, *there) == link;
                if let Some(there) = (0..self.homes.len()).find(link_to) {
                    let opened = self.chats.entry((here, link)).or_default();
                    let frame = Box::new(frame);
                    if matches!(*frame, Frame::ChatOpen(_)) {
                        *opened += 1;
                        self.opened.insert((here, link), frame.clone());
                    }
                    let stream = *opened;
                    let frame = Input::Frame {
                        link,
                        stream,
                        frame,
                    };
                    self.waiting.push_back((there, frame));
                }
            }
            Effect::Command(Command::EndStream { stream, .. }) => self.end(here, stream),
            Effect::Command(Command::ResetRooms) => {
                let ours = self.streams.keys().filter(|(home, _)| *home == here);
                for (_, stream) in ours.copied().collect::<Vec<_>>() {
                    self.end(here, stream);
                }
            }
            Effect::Command(Command::TellRoom { stream, .. }) => {
                let congested = false;
                let told = Input::StreamCongested { stream, congested };
                self.waiting.push_back((here, told));
            }
            Effect::Command(Command::Drop { code, .. }) => self.closed.push((here, code)),
            Effect::Command(Command::Reach { peer, .. }) => {
                self.waiting.push_back((here, Input::Unreachable { peer }));
            }
            _ => {}
        }
    }

    fn end(&mut self, here: usize, stream: StreamId) {
        if let Some((there, end)) = self.streams.remove(&(here, stream)) {
            self.waiting
                .push_back((there, Input::StreamEnded { stream: end }));
        }
    }

    /// Lets time pass in steps of 20 ms, in which everything that was sent arrives.
    fn run(&mut self, ms: i64) {
        let end = now() + ms;
        loop {
            while self.carry() || !self.waiting.is_empty() {
                while let Some((home, input)) = self.waiting.pop_front() {
                    self.homes[home].engine.batch(vec![input], false);
                }
            }
            if now() >= end {
                return;
            }
            NOW.set(now() + 20);
            for home in &mut self.homes {
                if home.deadline.borrow().is_some_and(|due| due <= now()) {
                    home.engine.batch(vec![Input::Tick], false);
                }
            }
        }
    }

    fn opens(&self, from: usize) -> usize {
        let opens = |(home, frame): &&(usize, Frame)| {
            *home == from && matches!(frame, Frame::GossipOpen(open) if !open.answer)
        };
        self.sent.iter().filter(opens).count()
    }
}

fn delivered(events: &[Event], id: &str) -> bool {
    let wanted = Event::MessageState {
        id: id.to_owned(),
        state: MessageState::Delivered,
    };
    events.contains(&wanted)
}

fn said(events: &[Event]) -> Vec<&str> {
    let said = events.iter().filter_map(|event| match event {
        Event::Message(message) => Some(message.text.as_str()),
        _ => None,
    });
    said.collect()
}

/// Checks DC-GOSSIP-050 (positive).
#[test]
fn a_message_is_delivered_when_another_member_has_stored_it() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    let alone = world.homes[0].say("alone");
    world.run(1000);
    assert!(!delivered(&world.homes[0].events(), &alone));
    world.connect(0, 1);
    world.run(2000);
    assert!(delivered(&world.homes[0].events(), &alone));
    let together = world.homes[0].say("together");
    world.run(100);
    assert!(delivered(&world.homes[0].events(), &together));
    assert_eq!(said(&world.homes[1].events()), ["alone", "together"]);
}

/// Checks DC-GOSSIP-013 (positive), DC-GOSSIP-016 (positive).
#[test]
fn what_is_written_follows_what_was_written_before_also_when_the_clock_went_back() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.connect(0, 1);
    world.run(2000);
    for text in ["1", "2", "3"] {
        world.homes[0].say(text);
        world.run(500);
    }
    NOW.set(now() - HOUR);
    world.homes[0].say("4");
    world.run(2000);
    let pushed = world.sent.iter().filter_map(|(from, frame)| match frame {
        Frame::GossipPush(push) if *from == 0 => Some(&push.item.header),
        _ => None,
    });
    let headers: Vec<&ItemHeader> = pushed.collect();
    assert_eq!(headers.len(), 4);
    let room = RoomKey::derive(&RoomName::new("lobby").unwrap(), None).unwrap();
    for pair in headers.windows(2) {
        let (one, next) = (pair[0], pair[1]);
        assert_eq!(next.seq, one.seq + 1);
        assert_eq!(next.prev, dchat_wire::gossip::item_hash(&room.room(), one));
        assert!(next.lamport > one.lamport && next.sent_at >= one.sent_at);
        assert!(next.floor >= one.floor && next.floor <= next.seq);
    }
}

/// Checks DC-GOSSIP-014 (negative).
#[test]
fn what_could_not_be_stored_is_sent_to_nobody() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.connect(0, 1);
    world.run(2000);
    world.sent.clear();
    let (to, _reply) = oneshot::channel();
    let say = Request::Send {
        to: "#lobby".to_owned(),
        text: "never said".to_owned(),
        ttl_s: None,
        token: None,
    };
    world.homes[0].fail(vec![Input::Call(Box::new(say), to)]);
    world.run(5000);
    let pushed = |(_, frame): &(usize, Frame)| matches!(frame, Frame::GossipPush(_));
    assert!(!world.sent.iter().any(pushed));
    world.homes[0].say("said");
    world.run(2000);
    for home in &mut world.homes {
        assert_eq!(home.texts(), ["said"]);
    }
}

#[test]
fn what_a_failed_batch_did_never_happened_and_is_made_up_for() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.connect(0, 1);
    world.run(2000);
    let id = world.homes[0].say("hello");
    assert!(world.carry());
    let lost: Vec<Input> = core::mem::take(&mut world.waiting)
        .into_iter()
        .map(|(home, input)| {
            assert_eq!(home, 1);
            input
        })
        .collect();
    assert!(!lost.is_empty());
    world.homes[1].fail(lost);
    assert!(said(&world.homes[1].events()).is_empty());
    assert!(world.homes[1].texts().is_empty());
    assert!(!delivered(&world.homes[0].events(), &id));
    world.run(20_000);
    assert_eq!(said(&world.homes[1].events()), ["hello"]);
    assert!(delivered(&world.homes[0].events(), &id));
}

/// Checks DC-GOSSIP-013 (positive), DC-GOSSIP-014 (positive).
#[test]
fn who_restarts_goes_on_where_it_was() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.connect(0, 1);
    world.run(2000);
    world.homes[0].say("1");
    world.run(500);
    world.homes[1].say("2");
    world.run(500);
    world.disconnect(0, 1);
    world.run(100);
    world.homes[1].say("3");
    let bob = world.homes.remove(1);
    world.homes.push(bob.restart("Bob"));
    assert_eq!(world.homes[1].texts(), ["1", "2", "3"]);
    world.homes[1].say("4");
    world.connect(0, 1);
    world.run(5000);
    assert_eq!(world.homes[0].texts(), ["1", "2", "3", "4"]);
}

/// Checks DC-GOSSIP-009 (positive, negative).
#[test]
fn who_is_not_in_the_room_says_so_and_is_not_asked_again_for_a_while() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes[0].join("lobby");
    world.homes[1].join("den");
    world.connect(0, 1);
    world.run(120_000);
    assert_eq!((world.opens(0), world.opens(1)), (1, 1));
    let unknown = world.sent.iter().filter(|(_, frame)| {
        matches!(frame, Frame::GossipLeave(leave) if leave.reason == Parting::UnknownRoom)
    });
    assert_eq!(unknown.count(), 2);
    // Whoever joins later asks by itself.
    world.homes[1].join("lobby");
    world.homes[0].say("hello");
    world.run(2000);
    assert_eq!(world.homes[1].texts(), ["hello"]);
}

/// Checks DC-GOSSIP-043 (positive).
#[test]
fn much_that_is_asked_for_is_sent_in_parts() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    let long = "x".repeat(20_000);
    for number in 0..150 {
        world.homes[0].say(&format!("{number} {long}"));
    }
    world.run(100);
    world.connect(0, 1);
    world.run(60_000);
    assert_eq!(world.homes[1].texts().len(), 150);
    // What counts as much, and what was loaded at once beyond it.
    assert!(world.most_bytes < 512 * 1024, "{}", world.most_bytes);
}

/// Checks DC-GOSSIP-022 (positive).
#[test]
fn what_is_beyond_the_window_is_gone_and_the_room_goes_on() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.connect(0, 1);
    world.run(2000);
    world.homes[0].say("yesterday");
    world.run(500);
    for _ in 0..28 {
        NOW.set(now() + HOUR);
        world.run(100);
    }
    for home in &mut world.homes {
        assert!(home.texts().is_empty());
    }
    world.homes[0].say("today");
    world.run(2000);
    assert_eq!(world.homes[1].texts(), ["today"]);
    let logs = |home: &Home| {
        let room = home.engine.session.rooms.rooms.values().next().unwrap();
        (room.node.frontier().len(), room.authors.len())
    };
    assert_eq!(logs(&world.homes[0]), (1, 1));
    assert_eq!(logs(&world.homes[1]), (1, 1));
}

/// A peer that says whatever the test wants.
struct Stranger {
    person: Identity,
    key: RoomKey,
}

impl Stranger {
    fn new() -> Self {
        let name = RoomName::new("lobby").unwrap();
        Self {
            person: Identity::from_seed(&[66; 32]),
            key: RoomKey::derive(&name, None).unwrap(),
        }
    }

    fn arrive(&self, home: &mut Home, tag: [u8; 32]) {
        let up = Input::Up {
            link: 9,
            peer: self.person.peer_id(),
            rooms: Some("/ip4/192.0.2.6/udp/6/quic-v1".parse().unwrap()),
        };
        home.engine.batch(vec![up], false);
        self.open(home, 2, tag);
    }

    fn open(&self, home: &mut Home, stream: StreamId, tag: [u8; 32]) {
        let frame = Frame::GossipOpen(GossipOpen {
            room: tag,
            nonce: 1,
            answer: false,
            alone: true,
            extensions: Default::default(),
        });
        self.send_on(home, stream, frame);
    }

    fn send(&self, home: &mut Home, frame: Frame) {
        self.send_on(home, 2, frame);
    }

    fn send_on(&self, home: &mut Home, stream: StreamId, frame: Frame) {
        let input = Input::RoomFrame {
            link: 9,
            stream,
            frame: Box::new(frame),
        };
        home.engine.batch(vec![input], false);
    }

    fn push(&self, home: &mut Home, item: SignedItem) {
        self.send(
            home,
            Frame::GossipPush(GossipPush {
                hops: 0,
                item: Box::new(item),
            }),
        );
    }

    fn header(&self, seq: u32, prev: [u8; 32]) -> ItemHeader {
        ItemHeader {
            author: [0; 32],
            incarnation: [6; 16],
            seq,
            prev,
            lamport: now().unsigned_abs() + u64::from(seq),
            sent_at: now().unsigned_abs(),
            keep_s: 0,
            floor: 0,
            heads: List::default(),
            kind: 1,
            body_len: 0,
            body_hash: [0; 32],
            extensions: Default::default(),
        }
    }

    fn body(&self, text: &str) -> RoomBody {
        let room = self.key.room();
        let content = Bytes::new(text.as_bytes().to_vec()).unwrap();
        let name = Text::new("Mallory".to_owned()).unwrap();
        RoomBody::new(&self.person, &room, name, content)
    }

    fn seal(&self, header: ItemHeader, body: &RoomBody) -> SignedItem {
        let key = author(&self.person, &self.key.room());
        self.key.seal(&key, header, body)
    }
}

#[test]
fn streams_that_are_over_are_forgotten() {
    let mut alice = Home::new("Alice");
    alice.join("lobby");
    let stranger = Stranger::new();
    let tag = stranger
        .key
        .open_tag(&stranger.person.peer_id(), &alice.peer);
    stranger.arrive(&mut alice, tag);
    for stream in (4..400).step_by(2) {
        stranger.open(&mut alice, stream, tag);
        let stream = stream - 2;
        let ended = Input::StreamEnded { stream };
        alice.engine.batch(vec![ended], false);
    }
    let rooms = &alice.engine.session.rooms;
    // The one Alice opened herself, and the newest.
    assert_eq!(rooms.streams.len(), 2);
    let room = rooms.rooms.values().next().unwrap();
    assert_eq!(room.node.neighbours().count(), 1);
}

/// Checks DC-GOSSIP-007 (negative), DC-GOSSIP-009 (negative).
#[test]
fn nobody_is_let_in_with_a_tag_that_was_made_for_another() {
    let mut alice = Home::new("Alice");
    alice.join("lobby");
    let stranger = Stranger::new();
    let bob = Identity::from_seed(&[7; 32]).peer_id();
    let tag = stranger.key.open_tag(&bob, &alice.peer);
    stranger.arrive(&mut alice, tag);
    let mut left = false;
    while let Ok(effect) = alice.effects.try_recv() {
        if let Effect::RoomFrame {
            stream: 2, frame, ..
        } = effect
        {
            assert!(matches!(frame, Frame::GossipLeave(_)), "{frame:?}");
            left = true;
        }
    }
    assert!(left);
    stranger.push(
        &mut alice,
        stranger.seal(stranger.header(1, [0; 32]), &stranger.body("hi")),
    );
    assert!(alice.texts().is_empty());
}

/// Checks DC-GOSSIP-028 (negative).
#[test]
fn an_item_speaks_for_the_person_it_names_alone() {
    let mut alice = Home::new("Alice");
    alice.join("lobby");
    let stranger = Stranger::new();
    let tag = stranger
        .key
        .open_tag(&stranger.person.peer_id(), &alice.peer);
    stranger.arrive(&mut alice, tag);
    let bob = Identity::from_seed(&[7; 32]).peer_id();
    let mut lie = stranger.body("I am Bob");
    lie.author = bob;
    let first = stranger.seal(stranger.header(1, [0; 32]), &lie);
    let prev = dchat_wire::gossip::item_hash(&stranger.key.room(), &first.header);
    stranger.push(&mut alice, first);
    // Kept, so that all have the same, and shown to nobody.
    assert!(alice.texts().is_empty());
    let second = stranger.seal(stranger.header(2, prev), &stranger.body("I am myself"));
    let prev = dchat_wire::gossip::item_hash(&stranger.key.room(), &second.header);
    stranger.push(&mut alice, second);
    let mut third = stranger.seal(stranger.header(3, prev), &stranger.body("changed"));
    third.signature[0] ^= 1;
    stranger.push(&mut alice, third);
    let events = alice.events();
    let messages: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Message(message) => Some((message.from.clone(), message.text.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        messages,
        [(stranger.person.peer_id().to_string(), "I am myself")]
    );
    assert_eq!(alice.texts(), ["I am myself"]);
}

#[test]
fn a_log_that_two_identities_share_is_the_first_ones() {
    let mut alice = Home::new("Alice");
    alice.join("lobby");
    let stranger = Stranger::new();
    let room = stranger.key.room();
    let tag = stranger
        .key
        .open_tag(&stranger.person.peer_id(), &alice.peer);
    stranger.arrive(&mut alice, tag);
    let first = stranger.seal(stranger.header(1, [0; 32]), &stranger.body("mine"));
    let prev = dchat_wire::gossip::item_hash(&room, &first.header);
    stranger.push(&mut alice, first);
    // Another identity vouches for the same key.
    let other = Identity::from_seed(&[7; 32]);
    let key = author(&stranger.person, &room).peer_id();
    let mut body = stranger.body("mine too");
    body.author = other.peer_id();
    body.statement = other.sign(Purpose::RoomAuthor, &[room, *key.public_key()].concat());
    assert!(body.verify(&room, key.public_key()).is_ok());
    let second = stranger.seal(stranger.header(2, prev), &body);
    let prev = dchat_wire::gossip::item_hash(&room, &second.header);
    stranger.push(&mut alice, second);
    let third = stranger.seal(stranger.header(3, prev), &stranger.body("still mine"));
    stranger.push(&mut alice, third);
    assert_eq!(alice.texts(), ["mine", "still mine"]);
    let mut alice = alice.restart("Alice");
    assert_eq!(alice.texts(), ["mine", "still mine"]);
    assert_eq!(
        alice
            .engine
            .session
            .rooms
            .rooms
            .values()
            .next()
            .unwrap()
            .authors
            .len(),
        1
    );
}

/// Checks DC-GOSSIP-023 (negative), DC-GOSSIP-024 (positive).
#[test]
fn who_contradicts_itself_is_heard_no_more_and_others_are() {
    let mut alice = Home::new("Alice");
    alice.join("lobby");
    alice.say("mine");
    let stranger = Stranger::new();
    let tag = stranger
        .key
        .open_tag(&stranger.person.peer_id(), &alice.peer);
    stranger.arrive(&mut alice, tag);
    for text in ["one thing", "another"] {
        let item = stranger.seal(stranger.header(1, [0; 32]), &stranger.body(text));
        stranger.push(&mut alice, item);
    }
    assert_eq!(alice.texts(), ["mine"]);
    let told = alice.events().into_iter().any(
        |event| matches!(event, Event::Error { message, .. } if message.contains("one place")),
    );
    assert!(told);
    let alice = alice.restart("Alice");
    let room = alice.engine.session.rooms.rooms.values().next().unwrap();
    let closed = room.node.frontier().iter().filter(|(_, tip)| tip.closed);
    assert_eq!(closed.count(), 1);
}

/// Checks DC-GOSSIP-006 (positive, negative), DC-GOSSIP-051 (positive, negative).
#[test]
fn a_home_that_was_copied_writes_another_log() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.homes[0].say("1");
    let alice = world.homes.remove(0);
    // A copy of the home as it is now.
    let copy = tempfile::tempdir().unwrap();
    let Home { engine, dir, .. } = alice;
    engine.store.close().unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    drop((engine.home, engine.session));
    world.homes.insert(0, Home::open(dir, "Alice"));
    world.connect(0, 1);
    world.run(2000);
    world.homes[0].say("2");
    world.run(2000);
    assert_eq!(world.homes[1].texts(), ["1", "2"]);
    world.disconnect(0, 1);
    world.run(100);
    // The copy comes instead.
    world.homes[0] = Home::open(copy, "Alice");
    world.connect(0, 1);
    world.run(5000);
    world.homes[0].say("3");
    world.run(2000);
    for home in &mut world.homes {
        assert_eq!(home.texts(), ["1", "2", "3"]);
    }
}

#[test]
fn who_is_named_in_a_room_is_told_by_the_name_it_has_then() {
    let mut world = World::new(&["Alice", "Bob"]);
    world.homes.iter_mut().for_each(|home| home.join("lobby"));
    world.connect(0, 1);
    world.run(2000);
    world.homes[0].say("@bob one");
    world.run(500);
    let name = "Robert".to_owned();
    assert!(world.homes[1].call(Request::SetName { name }).is_ok());
    world.homes[0].say("@bob two");
    world.homes[0].say("@robert three");
    world.run(500);
    let rooms = world.homes[1].call(Request::Rooms);
    let Ok(Reply::Rooms(rooms)) = rooms else {
        panic!("{rooms:?}");
    };
    assert_eq!((rooms[0].unread, rooms[0].mentions), (3, 2));
    let status = world.homes[1].call(Request::Status);
    assert!(
        matches!(&status, Ok(Reply::Status(status)) if status.mentions == 2),
        "{status:?}"
    );
}
