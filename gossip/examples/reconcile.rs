//! What it takes to find out what a member lacks: bytes of frames, headers included and items
//! excluded, and round trips until it is known which items to send.
//!
//! ```text
//! cargo run -p dchat-gossip --example reconcile -- [authors] [items] [seeds]
//! ```
#![allow(clippy::print_stdout, reason = "prints a table")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement")]

use dchat_gossip::frontier::{Digest, LinkSalt};
use dchat_gossip::sketch::{Decoded, Decoder, Snapshot, first_cells};
use dchat_gossip::{Frontier, Log, LogId};
use dchat_wire::codec::{Bytes, List};
use dchat_wire::extension::Extensions;
use dchat_wire::gossip::{GossipDigest, GossipMore, GossipSketch, Sketched};
use dchat_wire::{Frame, limits};

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let hash = blake3::hash(&self.0.to_le_bytes());
        u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap()) % end
    }
}

fn full(authors: u32, items: u32) -> Frontier {
    let mut frontier = Frontier::new();
    for author in 0..authors {
        let log = frontier
            .enter(LogId::of(
                &[0; 32],
                blake3::hash(&author.to_le_bytes()).as_bytes(),
                &[0; 16],
            ))
            .unwrap();
        frontier.update(log, |tip| {
            tip.seq = items / authors;
            tip.hash = [author as u8; 32];
        });
    }
    frontier
}

fn digest(frontier: &mut Frontier, salt: LinkSalt) -> (Digest, usize) {
    let digest = Digest::of(frontier, 0, salt);
    let frame = Frame::GossipDigest(GossipDigest {
        root: digest.root,
        total: digest.total,
        horizon: digest.horizon,
    });
    (digest, frame.to_bytes().len())
}

fn lacking(frontier: &Frontier, missing: u32, random: &mut Random) -> Frontier {
    let mut less = frontier.clone();
    for _ in 0..missing {
        let log = Log(random.below(frontier.len() as u64) as u32);
        less.update(log, |tip| {
            tip.seq = tip.seq.saturating_sub(1);
            tip.hash[31] ^= 1;
        });
    }
    less
}

/// Bytes, and one-way messages. The member that lacks begins, which is the longer way.
fn reconcile(ours: &mut Frontier, theirs: &mut Frontier, seed: u64) -> (usize, usize) {
    let salt = LinkSalt::of(seed, 7);
    let (begun, mut bytes) = digest(ours, salt);
    let (held, len) = digest(theirs, salt);
    if begun == held {
        return (bytes, 1);
    }
    // They hold more, so they answer with their digest and read our sketch.
    bytes += len;
    let mut messages = 2;
    let sketch_salt = seed as u32;
    let sketched = Snapshot::of(ours, 0, sketch_salt, Sketched::Sequences);
    let mut decoder = Decoder::new(Snapshot::of(theirs, 0, sketch_salt, Sketched::Sequences));
    let mut want = first_cells(held.total.wrapping_sub(begun.total) as usize);
    loop {
        while want > 0 {
            let part = want.min(limits::GOSSIP_CELLS);
            let first = decoder.have();
            let cells = sketched.cells(first, first + part);
            decoder.push(first, &cells).unwrap();
            let frame = Frame::GossipSketch(GossipSketch {
                salt: sketch_salt,
                of: Sketched::Sequences,
                horizon: 0,
                first: first as u32,
                cells: Bytes::new(cells).unwrap(),
                extensions: Extensions::default(),
            });
            bytes += frame.to_bytes().len();
            want -= part;
        }
        messages += 1;
        match decoder.decode() {
            Decoded::All(_) => return (bytes, messages),
            Decoded::Hopeless => panic!("hopeless"),
            Decoded::More(more) => {
                let frame = Frame::GossipMore(GossipMore {
                    salt: sketch_salt,
                    have: decoder.have() as u32,
                    want: more as u32,
                    unknown: List::default(),
                    extensions: Extensions::default(),
                });
                bytes += frame.to_bytes().len();
                messages += 1;
                want = more;
            }
        }
    }
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u32>().unwrap());
    let authors = arguments.next().unwrap_or(10_000);
    let items = arguments.next().unwrap_or(100_000);
    let seeds = arguments.next().unwrap_or(200);
    println!("{authors} authors, {items} items, {seeds} seeds");
    println!("missing  bytes p50    p99    max   round trips mean   p99");
    let full = full(authors, items);
    for missing in [0, 1, 10, 100, 1000] {
        let mut taken: Vec<(usize, usize)> = (0..seeds)
            .map(|seed| {
                let seed = u64::from(seed) << 20 | u64::from(missing);
                let mut random = Random(seed);
                let mut ours = lacking(&full, missing, &mut random);
                reconcile(&mut ours, &mut full.clone(), blake3_of(seed))
            })
            .collect();
        let mean = taken.iter().map(|one| one.1).sum::<usize>() as f64 / taken.len() as f64 / 2.0;
        let at = |part: f64, len: usize| ((len - 1) as f64 * part).round() as usize;
        taken.sort_unstable_by_key(|one| one.1);
        let trips = taken[at(0.99, taken.len())].1 as f64 / 2.0;
        taken.sort_unstable();
        let bytes = |part| taken[at(part, taken.len())].0;
        println!(
            "{missing:7} {:10} {:6} {:6} {mean:18.2} {trips:5.1}",
            bytes(0.5),
            bytes(0.99),
            bytes(1.0)
        );
    }
}

fn blake3_of(seed: u64) -> u64 {
    Random(seed ^ 0x55).below(u64::MAX)
}
