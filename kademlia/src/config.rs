//! The parameters of a node (spec `70-dht` §3). The defaults are the spec's, and say why.

use core::time::Duration;

use crate::call::K;

/// How a node keeps its table, looks things up and serves others. Share one among many nodes in an
/// [`Arc`](std::sync::Arc): nothing in it changes.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether the table is kept fresh: contacts pinged, buckets refreshed, siblings asked. Without,
    /// every contact is served however long ago it was heard of: for a world where nobody leaves.
    pub maintain: bool,
    /// Nodes in a bucket and in a replica set, 1 to [`K`].
    pub k: usize,
    /// Capacities of the buckets farthest from us, half the space first. Each step of a lookup gains
    /// the logarithm of a bucket's capacity; the first, which starts here, gains three bits more than
    /// with buckets of k throughout, at a sixth more memory.
    pub wide: [u8; 3],
    /// Contacts a full bucket remembers for when one of its own dies.
    pub spares: usize,
    /// Nearest nodes that are all kept, at most 64: twice k, so that of any k nearest to a key near
    /// us none is missing although the key is not our position.
    pub siblings: usize,

    /// Contacts of one subnet in the whole table, in a bucket of [`K`] (in proportion in wider
    /// ones), among the siblings, and among the nodes a lookup finds. Addresses of one subnet are
    /// cheap, and many subnets are not.
    pub subnet_table: usize,
    /// See [`subnet_table`](Self::subnet_table).
    pub subnet_bucket: usize,
    /// See [`subnet_table`](Self::subnet_table).
    pub subnet_siblings: usize,
    /// See [`subnet_table`](Self::subnet_table).
    pub subnet_lookup: usize,

    /// Questions of a lookup under way at once while it closes in: the paper's.
    pub alpha: usize,
    /// Disjoint paths a lookup may take when its first result is implausible, at most 8. S/Kademlia
    /// (2007) finds little to gain beyond four.
    pub paths: u8,
    /// How long a peer whose round trip is not known may take before another one is asked beside
    /// it, until answers have been seen: two round trips at the 90th percentile.
    pub soft: Duration,
    /// How long a peer may take at all: a handshake and a question with a peer one second away, of
    /// which one packet is lost and repeated after about one more (RFC 9002 §6.2.2).
    pub hard: Duration,
    /// How long a lookup may take; then it ends with what it has.
    pub deadline: Duration,
    /// Answers with the newest record that end a get before all the nearest nodes were asked.
    pub quorum: usize,
    /// Nodes asked at most where the nodes near a key are suspiciously dense.
    pub region: usize,
    /// Nodes near a key are suspiciously dense at so many times the estimate, or suspiciously thin
    /// at the inverse: with k = 20 chance does that in one lookup of 300.
    pub odd: f32,

    /// Questions under way at once for all lookups.
    pub in_flight: usize,
    /// Lookups under way at once.
    pub searches: usize,
    /// Lookups waiting for their turn.
    pub queued: usize,

    /// Seconds between two signs of life that a sibling may let pass before it is pinged.
    pub ping_sibling: Duration,
    /// The same for other contacts, at an age of one hour; it grows with the age to the power of
    /// 0.4, as the hazard of leaving falls (Weibull with shape 0.6, which fits measured sessions).
    pub ping_far: Duration,
    /// Bounds of the latter, at most 68 minutes.
    pub ping_bounds: (Duration, Duration),
    /// Least and most time between two questions to siblings who else is near: the former after
    /// news, doubled as long as there are none.
    pub sibling_refresh: (Duration, Duration),
    /// Time after which a bucket that holds fewer than [`fill`](Self::fill) is refreshed.
    pub bucket_refresh: Duration,
    /// Contacts below which a bucket is actively refilled. More come by themselves, from lookups.
    pub fill: usize,
    /// Time between two attempts to find a contact again that was lost.
    pub revive: Duration,
    /// Contacts remembered after they were lost, so that a partition heals.
    pub lost: usize,
    /// Bytes a second the upkeep of the table may cost, both ways and with both ends' packets, as a
    /// client a quarter of it.
    pub budget_bytes_per_s: u32,
    /// Bytes a ping costs by pulse: 33 and 28 of headers each way.
    pub ping_cost: u32,
    /// Bytes a question costs that needs a new connection: 7,300 as measured for the handshake
    /// without MTU discovery, and the question and its answer.
    pub call_cost: u32,

    /// Questions a second answered to one asker, and how many at once after a rest.
    pub asker_rate: (u16, u16),
    /// Questions a second answered to one subnet, and how many at once after a rest.
    pub subnet_rate: (u16, u16),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            maintain: true,
            k: K,
            wide: [128, 64, 40],
            spares: 3,
            siblings: 2 * K,
            subnet_table: 10,
            subnet_bucket: 2,
            subnet_siblings: 2,
            subnet_lookup: 3,
            alpha: 3,
            paths: 4,
            soft: Duration::from_millis(750),
            hard: Duration::from_secs(4),
            deadline: Duration::from_secs(10),
            quorum: 3,
            region: 256,
            odd: 2.0,
            in_flight: 64,
            searches: 8,
            queued: 256,
            ping_sibling: Duration::from_secs(150),
            ping_far: Duration::from_secs(8 * 60),
            ping_bounds: (Duration::from_secs(3 * 60), Duration::from_secs(45 * 60)),
            sibling_refresh: (Duration::from_secs(120), Duration::from_secs(1200)),
            bucket_refresh: Duration::from_secs(10 * 60),
            fill: 8,
            revive: Duration::from_secs(30),
            lost: 24,
            budget_bytes_per_s: 130,
            ping_cost: 122,
            call_cost: 8_500,
            asker_rate: (20, 200),
            subnet_rate: (100, 1_000),
        }
    }
}

impl Config {
    /// Capacity of the bucket that shares `depth` bits with us.
    #[must_use]
    pub fn capacity(&self, depth: usize) -> usize {
        let wide = self.wide.get(depth).map_or(0, |w| usize::from(*w));
        wide.max(self.k)
    }
}
