//! What goes in and what comes out.

use std::sync::Arc;

use crate::frontier::LogId;
use crate::log::{Item, Proof};
use crate::message::Message;
use crate::range::Key;

/// What happened.
#[derive(Clone, Debug)]
pub enum Input<H> {
    /// Members the driver found: by mDNS, in the DHT, from a contact.
    Contacts(Vec<H>),
    /// The connection asked for is there.
    Up(H),
    /// It could not be made, or is gone.
    Down(H),
    /// A member sent this.
    Received {
        /// Who.
        from: H,
        /// What.
        message: Message<H>,
    },
    /// A member sent what is no item ([`ItemFault`](crate::log::ItemFault)): dropped, and held against it.
    NoItem(H),
    /// The driver's queue to a member is full, or has room again: while it is full, items are
    /// announced later instead of being pushed now.
    Congested {
        /// To whom.
        peer: H,
        /// Which of both.
        congested: bool,
    },
    /// An own item, made of a [`Draft`] and stored by the driver.
    Publish(Arc<Item>),
    /// What [`Load::Items`] asked for, in order; none when it is not to be had.
    Loaded {
        /// For whom.
        peer: H,
        /// The items, or stubs of those that have expired.
        items: Vec<Arc<Item>>,
    },
    /// What [`Load::Newest`] asked for, the newest first.
    LoadedNewest {
        /// For whom.
        peer: H,
        /// The items, or stubs of those that have expired.
        items: Vec<Arc<Item>>,
    },
    /// What [`Load::Row`] asked for, in any order: the places of all items that [`Load::Newest`] could
    /// bring; `None` when there are more than may be asked for, or when ranges are not to be compared.
    LoadedRow(Option<Vec<Key>>),
    /// What [`Load::Proof`] asked for.
    LoadedProof {
        /// For whom.
        peer: H,
        /// An item.
        one: Arc<Item>,
        /// One that contradicts it.
        other: Arc<Item>,
    },
    /// What [`Output::Clash`] told of, and the stored item it contradicts.
    Contradiction {
        /// The stored item.
        one: Arc<Item>,
        /// The other.
        other: Arc<Item>,
    },
    /// The member leaves the room; outputs say goodbye.
    Leave,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Output<H> {
    /// Send a message. The order of messages to one member has to be kept where it can be.
    Send {
        /// To whom.
        to: H,
        /// What.
        message: Message<H>,
    },
    /// A new item, after all before it in its log: store it and show it.
    Deliver {
        /// The item.
        item: Arc<Item>,
        /// Who brought it first.
        from: H,
    },
    /// One of the room's newest items, whose log lacks items before it: it may be shown already, and
    /// must not be stored. It is [delivered](Output::Deliver) in its turn, unless its log turns out to
    /// contradict itself.
    Early {
        /// The item.
        item: Arc<Item>,
        /// Who brought it.
        from: H,
    },
    /// Connect to a member; [`Input::Up`] or [`Input::Down`] follows.
    Connect(H),
    /// The room needs the connection to this member no longer.
    Release(H),
    /// Somebody asks for what is stored.
    Load(Load<H>),
    /// An item contradicts the stored item of `log` at `seq`: load that and give both back.
    Clash {
        /// Which log.
        log: LogId,
        /// Which stored item.
        seq: u32,
        /// The other.
        item: Arc<Item>,
    },
    /// An author contradicted itself: store the proof; nothing of the log counts any more.
    Evidence(Proof),
    /// A neighbour misbehaved and is not linked with for a while.
    Shunned(H),
}

/// What is to be loaded; the answer is an input. Answers come in the order of the questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load<H> {
    /// Items of a log, for a neighbour that lacks them.
    Items {
        /// For whom.
        peer: H,
        /// Which log.
        log: LogId,
        /// Those after this sequence.
        after: u32,
        /// Up to this one.
        upto: u32,
        /// About so many bytes of them; at least one item.
        most_bytes: usize,
    },
    /// The newest stored items of all logs together, for a member that holds little.
    Newest {
        /// For whom.
        peer: H,
        /// Not before this place.
        from: Key,
        /// Before this one.
        to: Key,
        /// At most so many.
        most: usize,
        /// About so many bytes of them; at least one item.
        most_bytes: usize,
    },
    /// Where all items stand that have a body and are of no closed log.
    Row {
        /// At most so many; when there are more, none.
        most: usize,
    },
    /// The proof that closed a log.
    Proof {
        /// For whom.
        peer: H,
        /// Which log.
        log: LogId,
    },
}

/// What the next item of an own log is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its sequence.
    pub seq: u32,
    /// The hash before it.
    pub prev: [u8; 32],
    /// When it is sent: now, or when the one before was if the clock went back.
    pub sent_at: u64,
    /// Its lamport time.
    pub lamport: u64,
    /// The newest items of up to four other logs: log, sequence, hash.
    pub heads: Vec<(LogId, u32, [u8; 32])>,
}

/// Counters since the start, and sizes now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Items delivered.
    pub delivered: u64,
    /// Items that came again.
    pub duplicates: u64,
    /// Items rejected.
    pub rejected: u64,
    /// Pulls sent.
    pub pulls: u64,
    /// Branches that moved to a faster path.
    pub moved: u64,
    /// Sketches of ours.
    pub sketches: u64,
    /// Faults held against neighbours.
    pub faults: u64,
    /// Logs known.
    pub logs: usize,
    /// Logs of which something is wanted.
    pub wanted: usize,
    /// Items waiting for those before them.
    pub parked: usize,
    /// Members in the cache.
    pub passive: usize,
}
