//! Two homes, a connection between them that can break at any point, and a clock.

use std::collections::VecDeque;
use std::convert::Infallible;

use dchat_wire::Frame;
use dchat_wire::chat::{ChatOpen, Envelope};
use dchat_wire::codec::{Bytes, List, Text, decode, encode};
use dchat_wire::extension::Extensions;
use dchat_wire::parcel::{Content, Entry, Frontier, Parcel, entry_hash, entry_kind};
use dchat_wire::sign::Identity;

use super::memory::Memory;
use crate::conversation::{
    Author, Composed, Conversation, Draft, Error, Input, Output, Pair, Warning, compose,
    publish_device,
};
use crate::e2ee::{Device, OlmSession, PairwiseSession as _};

pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

/// Where a transaction may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    No,
    BeforeCommit,
    AfterCommit,
}

pub(super) struct Side {
    pub(super) identity: Identity,
    pub(super) pair: Pair,
    pub(super) ledger: Memory,
    pub(super) chat: Option<Conversation>,
    /// Frames on the way to this side.
    pub(super) inbox: VecDeque<Frame>,
    /// All outputs but frames.
    pub(super) events: Vec<Output>,
}

pub(super) struct World {
    pub(super) sides: [Side; 2],
    pub(super) now: u64,
    drawn: u128,
}

impl World {
    /// A has the smaller PeerId.
    pub(super) fn new() -> Self {
        let mut identities = [1, 2].map(|seed| Identity::from_seed(&[seed; 32]));
        identities.sort_by_key(Identity::peer_id);
        let [a, b] = identities;
        let side = |own: &Identity, peer: &Identity| Side {
            identity: own.clone(),
            pair: Pair::new(own.peer_id(), peer.peer_id()),
            ledger: Memory::default(),
            chat: None,
            inbox: VecDeque::new(),
            events: Vec::new(),
        };
        Self {
            sides: [side(&a, &b), side(&b, &a)],
            now: 1_800_000_000_000,
            drawn: 0,
        }
    }

    pub(super) fn connected() -> Self {
        let mut world = Self::new();
        world.connect();
        world.run();
        world
    }

    /// Bytes that were not drawn before.
    fn draw(&mut self) -> [u8; 16] {
        self.drawn += 1;
        self.drawn.to_be_bytes()
    }

    pub(super) fn disconnect(&mut self) {
        for side in &mut self.sides {
            side.chat = None;
            side.inbox.clear();
        }
    }

    pub(super) fn connect(&mut self) {
        self.disconnect();
        for side in [A, B] {
            self.open(side);
        }
    }

    /// A conversation that knows nothing opens the chat.
    fn open(&mut self, side: usize) {
        let fresh = self.draw();
        let chat = Conversation::new(self.sides[side].pair, fresh);
        self.sides[side].chat = Some(chat);
        let (identity, now) = (self.sides[side].identity.clone(), self.now);
        self.transact(side, Crash::No, |chat, ledger| {
            let device = publish_device(ledger, &identity, now).unwrap();
            let name = Text::new("name".to_owned()).unwrap();
            chat.handle_input(
                ledger,
                Input::Open {
                    name,
                    invite: None,
                    device,
                },
                now,
            )
            .unwrap();
        });
    }

    /// B begins again on a new chat stream of the same connection, knowing no more than how A opened the
    /// chat. What was on the way is lost.
    pub(super) fn reopen(&mut self) {
        let device = Device::from_state(&self.sides[A].ledger.device.clone().unwrap()).unwrap();
        let sessions = self.sides[A].ledger.sessions.values();
        let opened = Frame::ChatOpen(ChatOpen {
            name: Text::default(),
            invite: None,
            device: device.record().unwrap().clone(),
            sessions: List::first_of(sessions.map(|stored| stored.id.0)),
            extensions: Extensions::default(),
        });
        let now = self.now;
        self.sides[A].inbox.clear();
        self.transact(A, Crash::No, |chat, ledger| {
            chat.handle_input(ledger, Input::Replaced, now).unwrap();
        });
        self.sides[B].inbox = VecDeque::from([opened]);
        self.open(B);
    }

    /// One transaction of a connected side: `work`, settle, commit, output.
    pub(super) fn transact(
        &mut self,
        side: usize,
        crash: Crash,
        work: impl FnOnce(&mut Conversation, &mut Memory),
    ) {
        let Some(mut chat) = self.sides[side].chat.take() else {
            return;
        };
        let mut ledger = self.sides[side].ledger.clone();
        work(&mut chat, &mut ledger);
        chat.settle(&mut ledger, self.now).unwrap();
        assert!(chat.poll_output().is_none(), "output before the commit");
        if crash == Crash::BeforeCommit {
            return self.disconnect();
        }
        self.advance(side, ledger);
        if crash == Crash::AfterCommit {
            return self.disconnect();
        }
        chat.committed();
        while let Some(output) = chat.poll_output() {
            match output {
                // Over the wire format, as in life.
                Output::Send(Frame::Envelope(envelope)) => {
                    let bytes = encode(&envelope);
                    assert!(Frame::Envelope(envelope).to_bytes().len() < 160 * 1024);
                    let envelope = decode(&bytes).unwrap();
                    self.sides[1 - side]
                        .inbox
                        .push_back(Frame::Envelope(envelope));
                }
                Output::Send(frame) => self.sides[1 - side].inbox.push_back(frame),
                event => self.sides[side].events.push(event),
            }
        }
        self.sides[side].chat = Some(chat);
    }

    /// Commits, and checks that what is held and read of the peer's logs only grows.
    fn advance(&mut self, side: usize, next: Memory) {
        for before in &self.sides[side].ledger.logs {
            let mut logs = next.logs.iter();
            let after = logs
                .find(|log| (log.author, log.incarnation) == (before.author, before.incarnation));
            let after = after.expect("a log does not vanish");
            assert!(after.acked >= before.acked && after.read >= before.read);
            if before.author == Author::Peer {
                assert!(after.last_seq >= before.last_seq);
            }
        }
        self.sides[side].ledger = next;
    }

    /// Writes a message, with the connection if there is one.
    pub(super) fn write(&mut self, side: usize, text: &str, ttl: Option<u64>) -> Composed {
        let fresh = self.draw();
        let (pair, now) = (self.sides[side].pair, self.now);
        let draft = Draft {
            text,
            expires_at: ttl.map(|ttl| now + ttl),
        };
        if self.sides[side].chat.is_none() {
            let ledger = &mut self.sides[side].ledger;
            return compose(ledger, &pair, &draft, &fresh, now).unwrap();
        }
        let mut composed = None;
        self.transact(side, Crash::No, |_, ledger| {
            composed = Some(compose(ledger, &pair, &draft, &fresh, now).unwrap());
        });
        composed.unwrap()
    }

    /// Delivers up to `count` frames to a side in one transaction.
    pub(super) fn deliver(&mut self, side: usize, count: usize, crash: Crash) {
        let count = count.min(self.sides[side].inbox.len());
        let frames: Vec<Frame> = self.sides[side].inbox.drain(..count).collect();
        if frames.is_empty() {
            return;
        }
        let now = self.now;
        self.transact(side, crash, |chat, ledger| {
            for frame in frames {
                chat.handle_input(ledger, Input::Frame(frame), now).unwrap();
            }
        });
    }

    /// Marks everything read that a side holds.
    pub(super) fn read_all(&mut self, side: usize) {
        let now = self.now;
        let logs = self.sides[side].ledger.logs.clone();
        let peers = logs.into_iter().filter(|log| log.author == Author::Peer);
        let inputs: Vec<Input> = peers
            .map(|log| Input::Read {
                incarnation: log.incarnation,
                through: log.last_seq,
            })
            .collect();
        self.transact(side, Crash::No, |chat, ledger| {
            for input in inputs {
                chat.handle_input(ledger, input, now).unwrap();
            }
        });
    }

    /// Until nothing is on the way.
    pub(super) fn run(&mut self) {
        for _ in 0..10_000 {
            if self.sides.iter().all(|side| side.inbox.is_empty()) {
                return;
            }
            self.deliver(A, 3, Crash::No);
            self.deliver(B, 3, Crash::No);
        }
        panic!("the two never come to rest");
    }

    pub(super) fn shown(&self, side: usize) -> Vec<&str> {
        let shown = &self.sides[side].ledger.shown;
        shown.iter().map(String::as_str).collect()
    }

    pub(super) fn warnings(&self, side: usize) -> Vec<Warning> {
        let events = self.sides[side].events.iter();
        events
            .filter_map(|event| match event {
                Output::Warn(warning) => Some(*warning),
                _ => None,
            })
            .collect()
    }
}

/// A peer that sends what it likes, from B to A.
impl World {
    /// Gives one frame to A in a transaction that is committed only if it succeeds. After an error
    /// nothing may have changed.
    pub(super) fn feed(&mut self, frame: Frame) -> Result<(), Error<Infallible>> {
        let now = self.now;
        let side = &mut self.sides[A];
        let mut ledger = side.ledger.clone();
        let chat = side.chat.as_mut().unwrap();
        let fed = chat
            .handle_input(&mut ledger, Input::Frame(frame), now)
            .and_then(|()| chat.settle(&mut ledger, now));
        match fed {
            Ok(()) => {
                side.ledger = ledger;
                chat.committed();
                side.events
                    .extend(core::iter::from_fn(|| chat.poll_output()));
                Ok(())
            }
            Err(error) => {
                chat.committed();
                assert_eq!(chat.poll_output(), None, "nothing is output after an error");
                let again = chat.settle(&mut ledger, now);
                assert!(matches!(again, Err(Error::Misuse(_))));
                Err(error)
            }
        }
    }

    /// What B's identity would send with these bytes inside its ratchet.
    pub(super) fn sealed_by_b(&mut self, plaintext: &[u8]) -> Frame {
        let stored = self.sides[B].ledger.sessions.values_mut().next().unwrap();
        let mut session = OlmSession::from_state(&stored.state).unwrap();
        let sealed = session.encrypt(plaintext).unwrap();
        stored.state = session.to_state().unwrap();
        Frame::Envelope(Envelope {
            session: stored.id.0,
            stage: sealed.stage,
            message: Bytes::new(sealed.message).unwrap(),
            extensions: Extensions::default(),
        })
    }

    /// An envelope of B's with these frontiers and entries.
    pub(super) fn parcel_of_b(&mut self, frontiers: Vec<Frontier>, entries: Vec<Entry>) -> Frame {
        let frontiers = List::new(frontiers).unwrap();
        let parcel = Parcel::new(frontiers, List::new(entries).unwrap());
        self.sealed_by_b(&parcel.seal().unwrap())
    }

    /// A well-formed entry of `author` in the log `incarnation`.
    pub(super) fn entry_of(
        &self,
        author: usize,
        incarnation: [u8; 16],
        seq: u64,
        prev: [u8; 32],
        text: &[u8],
    ) -> Entry {
        let pair = self.sides[author].pair;
        let content = Content {
            sent_at: self.now,
            expires_at: None,
            heads: List::default(),
            kind: entry_kind::TEXT,
            body: Bytes::new(text.to_vec()).unwrap(),
            extensions: Extensions::default(),
        };
        let (conversation, own) = (pair.conversation(), pair.own());
        Entry {
            incarnation,
            seq,
            prev,
            hash: entry_hash(conversation, own, &incarnation, seq, &prev, &content),
            content: Some(content),
        }
    }
}
