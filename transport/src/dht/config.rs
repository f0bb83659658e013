//! What a node of the DHT is made from.

use std::net::SocketAddr;
use std::time::Duration;

use dchat_wire::{Address, PeerId};

/// Settings of an endpoint's part in the DHT.
#[derive(Clone, Debug)]
pub struct DhtConfig {
    /// Where to begin: direct addresses, with or without the peer. Tried again, ever more rarely,
    /// until somebody is known. When all of them are private, so is the network, whatever addresses
    /// we have. Default: none.
    pub bootstrap: Vec<Address>,
    /// What [`Dht::known`](super::Dht::known) gave before the last shutdown; nodes not heard of for
    /// longer than [`STALE`](super::STALE) are left out. Default: none.
    pub known: Vec<KnownNode>,
    /// The nonce of our own puzzle, when it was solved before; one that does not solve it is
    /// replaced. Default: none, and the puzzle is solved in the background when we are about to
    /// serve.
    pub nonce: Option<u64>,
    /// Zero bits that the network asks of the puzzles of nodes that serve. Nodes without any public
    /// address ask for none. Default 12: about a second of one core.
    pub difficulty: u8,
    /// Whether to answer others. Default: when we can be reached.
    pub serve: Serve,
    /// Whether private and loopback addresses are exempt from the puzzle and from the limits on
    /// subnets as long as we have no public address. Default yes: a network at home has one subnet.
    /// Without, they count like any other.
    pub exempt_private: bool,
    /// How the table, lookups and the store behave.
    pub core: dchat_kademlia::Config,
    /// How much of our memory and processor it may take.
    pub limits: DhtLimits,
}

impl Default for DhtConfig {
    fn default() -> Self {
        Self {
            bootstrap: Vec::new(),
            known: Vec::new(),
            nonce: None,
            difficulty: dchat_kademlia::puzzle::DIFFICULTY,
            serve: Serve::default(),
            exempt_private: true,
            core: dchat_kademlia::Config::default(),
            limits: DhtLimits::default(),
        }
    }
}

/// Whether to answer others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serve {
    /// When strangers can reach us, or, on a private network, when a peer sees us at an address of
    /// our own.
    #[default]
    Auto,
    /// From the start: a node whose operator knows that it can be reached.
    Always,
    /// Only ask.
    Never,
}

/// Bounds of the driver; those of the table and the store are the core's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhtLimits {
    /// Nodes whose names and addresses are remembered, about 200 bytes each. Default 8,192; those of
    /// the table and of running lookups are a few hundred of them.
    pub book: usize,
    /// Connections made for the DHT alone at a time. Default 16, so that a lookup does not flood the
    /// line with handshakes of 7 KiB.
    pub dials: usize,
    /// For how long such a connection is kept without a question. Default 60 s.
    pub idle: Duration,
    /// Keys of pulses remembered, about 150 bytes each. Default 4,096.
    pub pulses: usize,
    /// Operations of the application at a time. Default 256.
    pub operations: usize,
    /// Claims whose puzzles are checked at a time, each 1 MiB and 1 ms. Default 2. Who claims
    /// to serve while all are taken is answered, and believed another time.
    pub puzzles: usize,
}

impl Default for DhtLimits {
    fn default() -> Self {
        Self {
            book: 8_192,
            dials: 16,
            idle: Duration::from_secs(60),
            pulses: 4_096,
            operations: 256,
            puzzles: 2,
        }
    }
}

/// A node that answered, to begin with after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownNode {
    /// Its key.
    pub peer: PeerId,
    /// The nonce of its puzzle.
    pub nonce: u64,
    /// Where it listens.
    pub socket: SocketAddr,
    /// Where it listens in the other family.
    pub other: Option<SocketAddr>,
    /// When it last answered, in milliseconds since 1970.
    pub last_seen: u64,
    /// How long that took.
    pub rtt: Option<Duration>,
}
