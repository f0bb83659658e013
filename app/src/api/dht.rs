//! The distributed hash table as the interface shows it.

use serde::{Deserialize, Serialize};

/// What a record says. Those that only who shares a secret can find have no word here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// Where somebody can be reached.
    #[default]
    Address,
    /// The keys with which a conversation with somebody begins.
    Device,
    /// A relay for everybody.
    Relay,
    /// Somebody offers a service.
    Service,
    /// Where messages to somebody can be left.
    Mailbox,
}

/// Whether and how a node takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DhtMode {
    /// Not at all: it is turned off, or no node is running.
    #[default]
    Off,
    /// It knows nobody there yet.
    Alone,
    /// It asks, and answers nobody: others cannot reach it, or that is not known yet.
    Client,
    /// It asks and answers.
    Server,
}

/// The table in `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhtStatus {
    /// Whether and how the node takes part.
    pub mode: DhtMode,
    /// Own position, 64 hexadecimal digits; null while it is not known or needed.
    pub position: Option<String>,
    /// Nodes in the routing table.
    pub nodes: u64,
    /// How many nodes there seem to be in all.
    pub size_estimate: u64,
}

/// All that is known of the table here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DhtStat {
    /// As in `status`.
    #[serde(flatten)]
    pub status: DhtStatus,
    /// The nonce of the own puzzle, as text: it has 64 bits.
    pub nonce: Option<String>,
    /// Leading zero bits that are asked of a puzzle here.
    pub difficulty: u8,
    /// Nearest nodes that are followed closely.
    pub siblings: u64,
    /// Records of others kept here.
    pub records: u64,
    /// Their bytes.
    pub record_bytes: u64,
    /// Lookups under way.
    pub searches: u64,
    /// Connections that only the table uses.
    pub connections: u64,
    /// Nodes remembered in the home, to find back in by.
    pub remembered: u64,
    /// Own records that were put.
    pub published: Vec<DhtPublished>,
}

/// An own record in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhtPublished {
    /// What it says.
    pub kind: RecordKind,
    /// Where it is, 64 hexadecimal digits.
    pub key: String,
    /// A later one has a higher sequence.
    pub sequence: u64,
    /// Nodes that took it.
    pub stored: u64,
    /// When it was put, RFC 3339.
    pub put_at: String,
    /// When it ends unless it is put again, RFC 3339.
    pub expires_at: String,
    /// Addresses it names.
    pub addresses: Vec<String>,
}

/// The nodes nearest to a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DhtFound {
    /// The key, 64 hexadecimal digits.
    pub key: String,
    /// Nodes that answered, nearest first.
    pub nodes: Vec<DhtNode>,
    /// What it took.
    #[serde(flatten)]
    pub effort: DhtEffort,
}

/// A node of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhtNode {
    /// `12D3KooW…`
    pub peer_id: String,
    /// Its position, 64 hexadecimal digits.
    pub position: String,
    /// Multiaddr.
    pub addr: String,
}

/// What is stored under a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DhtRecords {
    /// The key, 64 hexadecimal digits.
    pub key: String,
    /// What was asked for.
    pub kind: RecordKind,
    /// What was found: checked, the newest of each signer.
    pub records: Vec<DhtRecord>,
    /// What it took.
    #[serde(flatten)]
    pub effort: DhtEffort,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhtRecord {
    /// What it says.
    pub kind: RecordKind,
    /// Who says it: a PeerId.
    pub signer: String,
    /// A later one has a higher sequence.
    pub sequence: u64,
    /// RFC 3339.
    pub issued_at: String,
    /// RFC 3339.
    pub expires_at: String,
    /// Multiaddrs it names; none for a device.
    pub addresses: Vec<String>,
}

/// Where an own record was put.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DhtStored {
    /// The key, 64 hexadecimal digits.
    pub key: String,
    /// What was put.
    pub kind: RecordKind,
    /// Its sequence.
    pub sequence: u64,
    /// When it ends unless it is put again, RFC 3339. While the node runs it is.
    pub expires_at: String,
    /// Addresses it names.
    pub addresses: Vec<String>,
    /// Nodes that took it.
    pub stored: u64,
    /// Nodes that did not, with their reasons.
    pub refused: Vec<DhtRefused>,
    /// Milliseconds it took.
    pub took_ms: f64,
}

/// Nodes that did not take a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhtRefused {
    /// Why not, in words.
    pub reason: String,
    /// How many.
    pub nodes: u64,
}

/// What a lookup took, and how far its result can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DhtEffort {
    /// Whether all of the nearest nodes answered before the time was over.
    pub complete: bool,
    /// Longest chain of answers that led to the result.
    pub hops: u64,
    /// Questions asked.
    pub calls: u64,
    /// Milliseconds it took.
    pub took_ms: f64,
    /// Disjoint paths that were taken, and how many of them agreed.
    pub paths: u64,
    /// See `paths`.
    pub paths_agreed: u64,
    /// Different subnets among the nodes of the result.
    pub subnets: u64,
    /// How much denser the nodes lie than the size of the network explains: about 1 where nobody
    /// has crowded the place.
    pub density_ratio: f64,
    /// How many nodes there seem to be in all.
    pub size_estimate: u64,
    /// Signers who contradict themselves here.
    pub conflicts: u64,
}
