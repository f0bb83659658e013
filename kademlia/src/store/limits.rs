//! How much a store takes, and from whom.

/// The bounds of a [`Store`](super::Store) (spec `70-dht` §7, table 2). Bytes count a record's body
/// and signature and [`OVERHEAD`] more for what is kept about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all records. Default 8 MiB: with 100,000 nodes and ten users for each of them, who
    /// all publish a kibibyte or so, a node is asked to hold a few hundred kibibytes.
    pub bytes: u32,
    /// Of them, bytes of records whose key is not near the node. Default 512 KiB: the rest is
    /// reserved for the node's own region, in which an attacker has to place keys first.
    pub far_bytes: u32,
    /// Records one writer, a public key, may have here. Default 128: a writer is also a neighbour
    /// that hands over what it holds, of which it is the nearest holder for a twentieth or so.
    pub writer_records: u16,
    /// Bytes of them. Default 128 KiB.
    pub writer_bytes: u32,
    /// Records the writers of one subnet may have here. Default 256.
    pub subnet_records: u16,
    /// Bytes of them. Default 256 KiB, so that a flood from four subnets costs no more than a
    /// mebibyte.
    pub subnet_bytes: u32,
    /// Records the writers of one subnet may have under one topic. Default 4: relays of one data
    /// centre, not a key of which nothing is left for others.
    pub topic_subnet: u16,
    /// Records that a subnet may put at once, new ones or such that replace others. Default 256.
    pub burst: u16,
    /// How many more per second. Default 2: a signature check takes 50 µs, so that thousands of
    /// subnets do not keep a core busy.
    pub per_second: u16,
    /// Most seconds a record is kept whose key is not near. Default 3,600: who looks for it asks
    /// the nodes near the key.
    pub far_seconds: u32,
}

/// Bytes that are kept about a record: what the store knows, its place in two indices, and the
/// allocation itself.
pub const OVERHEAD: u32 = 256;

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 8 * 1024 * 1024,
            far_bytes: 512 * 1024,
            writer_records: 128,
            writer_bytes: 128 * 1024,
            subnet_records: 256,
            subnet_bytes: 256 * 1024,
            topic_subnet: 4,
            burst: 256,
            per_second: 2,
            far_seconds: 3600,
        }
    }
}
