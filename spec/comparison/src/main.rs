//! The k-bucket table beside discv5's and libp2p-kad's: the same random contacts offered to each, and
//! the same keys looked for.
//!
//! `cargo run --release --manifest-path spec/comparison/Cargo.toml`. Each figure is the least of
//! several interleaved rounds, which is what a shared machine disturbs least.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dchat_kademlia::table::Table;
use dchat_kademlia::{Config, Contact, Key, Subnet, Time};
use discv5::enr::NodeId;
use discv5::kbucket::{self, ConnectionDirection, ConnectionState, KBucketsTable, NodeStatus};
use libp2p::kad::{self, store::MemoryStore};
use libp2p::{Multiaddr, PeerId};

/// Contacts offered: most find their bucket full, as in a large network.
const OFFERED: usize = 100_000;
/// Contacts of a table that is filled anew: nearly all are taken in.
const FEW: usize = 200;
const ROUNDS: usize = 7;
const WANTED: usize = 20;
const NOW: Time = Time(1_800_000_000_000);

/// What can be done with a table of contacts.
trait Candidate {
    fn insert(&mut self, index: usize);
    fn closest(&mut self, index: usize) -> usize;
}

struct Ours(Table<u32>, Arc<[[u8; 32]]>);

impl Candidate for Ours {
    fn insert(&mut self, index: usize) {
        let contact = Contact {
            at: Key(self.1[index]),
            subnet: Subnet::EXEMPT,
            handle: index as u32,
        };
        black_box(self.0.admit(&contact, None, NOW));
    }

    fn closest(&mut self, index: usize) -> usize {
        self.0.closest(&Key(self.1[index]), WANTED, |_| true).len()
    }
}

struct Discv5(KBucketsTable<NodeId, u32>, Arc<[[u8; 32]]>);

impl Candidate for Discv5 {
    fn insert(&mut self, index: usize) {
        let connected = NodeStatus {
            state: ConnectionState::Connected,
            direction: ConnectionDirection::Outgoing,
        };
        let key = kbucket::Key::from(NodeId::new(&self.1[index]));
        let _ = black_box(self.0.insert_or_update(&key, index as u32, connected));
    }

    fn closest(&mut self, index: usize) -> usize {
        let key = kbucket::Key::from(NodeId::new(&self.1[index]));
        self.0.closest_keys(&key).take(WANTED).count()
    }
}

struct Libp2p(kad::Behaviour<MemoryStore>, Arc<[PeerId]>, Multiaddr);

impl Candidate for Libp2p {
    fn insert(&mut self, index: usize) {
        let address = self.2.clone();
        black_box(self.0.add_address(&self.1[index], address));
    }

    fn closest(&mut self, index: usize) -> usize {
        let key = self.1[index].into();
        self.0.get_closest_local_peers(&key).take(WANTED).count()
    }
}

/// Nanoseconds of each: an offer to a table that fills up, one to a table that is full, one to a table
/// with room, and the twenty nearest to a key.
fn measure(make: &dyn Fn() -> Box<dyn Candidate>) -> [f64; 4] {
    let each = |took: Duration, count: usize| took.as_nanos() as f64 / count as f64;
    let mut table = make();
    let begun = Instant::now();
    (0..OFFERED).for_each(|index| table.insert(index));
    let filling = each(begun.elapsed(), OFFERED);
    let begun = Instant::now();
    (OFFERED..2 * OFFERED).for_each(|index| table.insert(index));
    let full = each(begun.elapsed(), OFFERED);
    let begun = Instant::now();
    let found: usize = (0..OFFERED).map(|index| table.closest(index)).sum();
    let closest = each(begun.elapsed(), OFFERED);
    assert_eq!(
        found,
        OFFERED * WANTED,
        "a full table knows twenty for any key"
    );
    let mut tables: Vec<_> = (0..100).map(|_| make()).collect();
    let begun = Instant::now();
    for table in &mut tables {
        (0..FEW).for_each(|index| table.insert(index));
    }
    let room = each(begun.elapsed(), FEW * tables.len());
    [filling, full, room, closest]
}

/// SplitMix64.
fn keys(seed: u64, count: usize) -> Vec<[u8; 32]> {
    let mut state = seed;
    let mut word = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let mut key = || {
        let mut key = [0; 32];
        let words = key.as_chunks_mut::<8>().0;
        words
            .iter_mut()
            .for_each(|bytes| *bytes = word().to_be_bytes());
        key
    };
    (0..count).map(|_| key()).collect()
}

fn main() {
    let at = keys(1, 1)[0];
    let others: Arc<[[u8; 32]]> = keys(2, 2 * OFFERED).into();
    let sha256 = |key: &[u8; 32]| [&[0x12, 32][..], key].concat();
    let peer = |key| PeerId::from_bytes(&sha256(key)).expect("a multihash of 32 bytes");
    let peers: Arc<[PeerId]> = others.iter().map(peer).collect();
    let address: Multiaddr = "/ip4/192.0.2.1/udp/4001/quic-v1"
        .parse()
        .expect("an address");

    let config = Arc::new(Config::default());
    let ours = || -> Box<dyn Candidate> {
        Box::new(Ours(Table::new(config.clone(), Key(at)), others.clone()))
    };
    let discv5 = || -> Box<dyn Candidate> {
        let minute = Duration::from_secs(60);
        let key = kbucket::Key::from(NodeId::new(&at));
        Box::new(Discv5(
            KBucketsTable::new(key, minute, 16, None, None),
            others.clone(),
        ))
    };
    let libp2p = || -> Box<dyn Candidate> {
        let local = peer(&at);
        let behaviour = kad::Behaviour::new(local, MemoryStore::new(local));
        Box::new(Libp2p(behaviour, peers.clone(), address.clone()))
    };
    let makers: [(&str, &dyn Fn() -> Box<dyn Candidate>); 3] = [
        ("dchat", &ours),
        ("discv5", &discv5),
        ("libp2p-kad", &libp2p),
    ];

    let mut least = [[f64::MAX; 4]; 3];
    for _ in 0..ROUNDS {
        for (best, (_, make)) in least.iter_mut().zip(&makers) {
            for (best, took) in best.iter_mut().zip(measure(*make)) {
                *best = best.min(took);
            }
        }
    }
    println!("| ns each | insert, filling up | insert, full | insert, room | closest {WANTED} |");
    println!("|---|---|---|---|---|");
    for ([filling, full, room, closest], (name, _)) in least.iter().zip(&makers) {
        println!("| {name} | {filling:.0} | {full:.0} | {room:.0} | {closest:.0} |");
    }
}
