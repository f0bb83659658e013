//! What the application gets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dchat_kademlia::Key;
use dchat_wire::PeerId;
use dchat_wire::dht::Refusal;
use dchat_wire::record::SignedRecord;

/// A node of the DHT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableNode {
    /// Its key, proven by TLS.
    pub peer: PeerId,
    /// Its position.
    pub at: Key,
    /// Where it was asked.
    pub socket: SocketAddr,
}

/// How far the result of a lookup can be trusted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Disjoint paths that were followed.
    pub paths: u8,
    /// Of these, those that led to the same nodes.
    pub paths_agreed: u8,
    /// Subnets of the nodes in the result.
    pub subnets: u8,
    /// How dense the nodes near the key are, as a multiple of what the size of the network lets
    /// expect: far above 1 when somebody made ids for the key.
    pub density: f64,
    /// Nodes that serve in the whole network, estimated.
    pub size: f64,
    /// Pairs of digests of records with the same sequence and different content: their signer
    /// contradicts itself.
    pub conflicts: Vec<([u8; 32], [u8; 32])>,
}

/// How a lookup went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effort {
    /// Whether it came to its end; otherwise time ran out, and this is what was known then.
    pub complete: bool,
    /// Steps of the longest chain of answers that led to the nearest node.
    pub hops: u8,
    /// Questions asked.
    pub calls: u16,
    /// How long it took.
    pub took: Duration,
}

/// The nodes nearest to a position.
#[derive(Clone, Debug)]
pub struct Found {
    /// Nearest first, all of which answered.
    pub nodes: Vec<TableNode>,
    /// How far it can be trusted.
    pub evidence: Evidence,
    /// How it went.
    pub effort: Effort,
}

/// What is stored under a key.
#[derive(Clone, Debug)]
pub struct Got {
    /// Valid records, of one signer and slot the newest.
    pub records: Vec<Arc<SignedRecord>>,
    /// The nodes nearest to the key, nearest first.
    pub nodes: Vec<TableNode>,
    /// How far it can be trusted.
    pub evidence: Evidence,
    /// How it went.
    pub effort: Effort,
}

/// Where a record is stored.
#[derive(Clone, Debug)]
pub struct Put {
    /// How many nodes keep it.
    pub stored: u16,
    /// Why others do not, and how many for each reason.
    pub refused: Vec<(Refusal, u16)>,
    /// The nodes nearest to the key, nearest first.
    pub nodes: Vec<TableNode>,
    /// How far it can be trusted.
    pub evidence: Evidence,
    /// How it went.
    pub effort: Effort,
}

/// The state of our part in the DHT.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DhtStat {
    /// Whether we answer others.
    pub serving: bool,
    /// Whether the network is a private one, as far as is known: none of our addresses is public,
    /// or all that we were told to begin with are private.
    pub private: bool,
    /// Where a peer saw us, if that is an address of our own: there is no NAT in between.
    pub seen: Option<SocketAddr>,
    /// Zero bits that we ask of a puzzle.
    pub difficulty: u8,
    /// Our position.
    pub position: Option<Key>,
    /// Nodes in the table.
    pub contacts: usize,
    /// Of these, those nearest to us.
    pub siblings: usize,
    /// Nodes that serve in the whole network, estimated.
    pub size: f64,
    /// Records stored here.
    pub records: usize,
    /// Their bytes.
    pub record_bytes: usize,
    /// Lookups under way.
    pub lookups: usize,
    /// Connections that serve the DHT alone.
    pub connections: usize,
    /// What was done since the start.
    pub counts: Counts,
}

/// What was done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Questions asked over connections.
    pub asked: u64,
    /// Of these, those that were answered.
    pub answers: u64,
    /// Questions of others, answered or refused.
    pub served: u64,
    /// Of these, those refused.
    pub refused: u64,
    /// Connections made.
    pub dials: u64,
    /// Dials that failed.
    pub dials_failed: u64,
    /// Pulses sent as questions.
    pub pulses: u64,
    /// Of these, those that were answered.
    pub pulse_answers: u64,
    /// Pulses of others that were answered.
    pub pulses_served: u64,
    /// Nodes that said they serve and did not prove it.
    pub claims_refused: u64,
}
