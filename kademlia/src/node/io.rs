//! What goes into a node and what comes out.

use core::time::Duration;
use std::sync::Arc;

use dchat_wire::dht::Refusal;
use dchat_wire::record::SignedRecord;

use crate::call::{Answer, Nodes, Question};
use crate::contact::{Contact, Subnet};

/// Names a lookup of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Search(pub u32);

/// Names a question of ours that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// Who asks us.
#[derive(Clone, Copy, Debug)]
pub struct Asker<H> {
    /// Where it asks from.
    pub subnet: Subnet,
    /// Its public key, as authenticated by the connection.
    pub id: [u8; 32],
    /// It, if it says that it serves and the driver has verified so: the puzzle is solved, and the
    /// address is the one it asks from. It is a contact only after it has answered us as well.
    pub contact: Option<Contact<H>>,
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection, or no answer on it.
    Unreachable,
    /// We ourselves have no room for a connection now; it says nothing about the peer.
    Busy,
    /// It answered something that is no answer, or is not who it should be.
    Misbehaved,
}

/// What a driver tells a node.
#[derive(Clone, Debug)]
pub enum Input<H> {
    /// The answer to a question of ours. It comes from the very peer the question went to.
    Answered {
        /// Which question.
        call: CallId,
        /// What it says.
        answer: Answer<H>,
    },
    /// There is no answer to a question of ours.
    Failed {
        /// Which question.
        call: CallId,
        /// Why.
        fault: Fault,
    },
    /// A server was heard of, apart from questions of ours.
    Seen {
        /// It.
        contact: Contact<H>,
        /// Its round trip, if measured.
        rtt: Option<Duration>,
        /// Whether something authenticated was exchanged with it at an address we chose. If not it
        /// is pinged before it is admitted.
        ours: bool,
    },
    /// It is not there any more: it said so, or its port is closed.
    Gone {
        /// The driver's name for it.
        handle: H,
    },
    /// It may be there: from a list of ours, or found in the local network. A node that knows nobody
    /// does nothing until it is told of somebody: to be repeated as long as that is so.
    Seed {
        /// It.
        contact: Contact<H>,
    },
    /// Whether others can reach us, and so we may serve.
    Serving(bool),
    /// We slept, or the network changed: nothing heard so far says much.
    Resumed,
}

/// What a node asks of its driver.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every output is a call, and boxing it would put each question on the heap"
)]
pub enum Output<H> {
    /// Ask this. Timeouts are the node's business: report the answer or the failure whenever it
    /// comes, or never.
    Call {
        /// To be named in the report.
        call: CallId,
        /// Whom.
        to: Contact<H>,
        /// What.
        question: Question,
    },
    /// A lookup has ended.
    Done {
        /// Which.
        search: Search,
        /// With what.
        outcome: Box<Outcome<H>>,
    },
}

/// The result of a lookup, as far as it got.
#[derive(Clone, Debug)]
pub struct Outcome<H> {
    /// The nearest nodes that answered themselves, nearest first.
    pub nodes: Nodes<H>,
    /// Valid records, the newest of each signer.
    pub records: Vec<Arc<SignedRecord>>,
    /// Nodes that keep the record that was put.
    pub stored: u16,
    /// Nodes that refused it, by reason.
    pub refused: Vec<(Refusal, u16)>,
    /// How far the result can be trusted.
    pub evidence: Evidence,
    /// Whether all that should have answered did; otherwise time ran out.
    pub complete: bool,
    /// Answers in the chain that led to the nearest node.
    pub hops: u8,
    /// Questions asked.
    pub calls: u16,
}

impl<H: Copy> Outcome<H> {
    /// Nothing was done.
    pub(super) fn nothing() -> Self {
        Self {
            nodes: Nodes::default(),
            records: Vec::new(),
            stored: 0,
            refused: Vec::new(),
            evidence: Evidence::default(),
            complete: false,
            hops: 0,
            calls: 0,
        }
    }
}

/// What speaks for and against a result.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Disjoint paths that named the nearest node.
    pub paths_agreed: u8,
    /// Disjoint paths taken.
    pub paths: u8,
    /// Different subnets among the nodes.
    pub subnets: u8,
    /// How dense the nodes lie, as a multiple of what the size estimate lets expect.
    pub density_ratio: f32,
    /// Nodes in the network, as estimated.
    pub size_estimate: f32,
    /// Digests of records that contradict each other: same signer, slot and sequence.
    pub conflicts: Vec<([u8; 32], [u8; 32])>,
}

/// Counts, for people and for worlds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stat {
    /// Contacts.
    pub contacts: usize,
    /// Of them, those that would be told to others now.
    pub fresh: usize,
    /// Buckets.
    pub buckets: usize,
    /// Nodes in the network, as estimated; 0 when not known.
    pub size_estimate: f64,
    /// Whether we serve.
    pub serving: bool,
    /// Lookups under way.
    pub searches: usize,
    /// Lookups waiting.
    pub queued: usize,
    /// Questions under way.
    pub in_flight: usize,
    /// Questions asked so far.
    pub asked: u64,
    /// Questions answered so far.
    pub answered: u64,
    /// Questions refused so far, as too many.
    pub refused: u64,
    /// Records held.
    pub records: usize,
}
