//! Engines with rooms, on virtual time and without a network.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod chats;
mod groups;
mod members;
mod people;
mod strangers;

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};

use dchat_wire::close::Code;
use dchat_wire::sign::Identity;
use dchat_wire::{Bytes, Frame, PeerId};
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

    /// The home, and a copy of it as it is now.
    fn copied(self, name: &str) -> [Self; 2] {
        let Self { engine, dir, .. } = self;
        let copy = tempfile::tempdir().unwrap();
        engine.store.close().unwrap();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
        }
        drop((engine.home, engine.session));
        [dir, copy].map(|dir| Self::open(dir, name))
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
    /// Rooms that homes are to be found in by who knows the secret.
    met: Vec<(usize, [u8; 32])>,
    /// Whom homes wanted connected for rooms and groups.
    reached: Vec<(usize, PeerId)>,
    /// Nobody says yet that who was wanted is not to be had.
    is_reaching: bool,
    /// The home whose operations of groups are kept back, and they.
    kept_back: (Option<usize>, Vec<Input>),
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
            met: Vec::new(),
            reached: Vec::new(),
            is_reaching: false,
            kept_back: (None, Vec::new()),
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
                let is_kept =
                    self.kept_back.0 == Some(there) && matches!(frame, Frame::GroupOperations(_));
                let frame = Input::RoomFrame {
                    link,
                    stream: end,
                    frame: Box::new(frame),
                };
                match is_kept {
                    true => self.kept_back.1.push(frame),
                    false => self.waiting.push_back((there, frame)),
                }
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
            Effect::Command(Command::Meet { topic, .. }) => self.met.push((here, topic)),
            Effect::Command(Command::Reach { peer, .. }) => {
                self.reached.push((here, peer));
                if !self.is_reaching {
                    self.waiting.push_back((here, Input::Unreachable { peer }));
                }
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
