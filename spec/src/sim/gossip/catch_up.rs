//! Somebody comes into a room with a long history, or comes back after a while.
//!
//! The others hold everything and link with each other first. Everybody's access carries the same rate,
//! either way, and a queue of a mebibyte to one neighbour is full. What is measured begins when the
//! newcomer has its first connection.

use std::collections::BTreeSet;
use std::sync::Arc;

use dchat_gossip::Config;
use dchat_gossip::log::Item;
use dchat_gossip::node::Draft;

use super::Manner;
use super::conduct::Conduct;
use super::library::{self, EVERYWHERE};
use super::world::{START, Setting, World};

/// The items that are to be had first.
const NEWEST: usize = 50;
/// Until those who were there have found each other.
const GATHER: u64 = 60_000;
/// Longest that catching up is waited for.
const PATIENCE: u64 = 600_000;
/// The history was written in so many milliseconds.
const HISTORY: u64 = 12 * 3_600_000;

/// What is caught up on.
#[derive(Clone, Copy, Debug)]
pub struct Absence {
    /// Members that hold everything.
    pub members: u32,
    /// Messages in the room.
    pub log: u32,
    /// Who wrote them, in turn.
    pub authors: u32,
    /// Of these messages, the oldest, how many the newcomer holds.
    pub held: u32,
    /// What everybody's access carries, in megabits a second.
    pub mbit: u32,
    /// Of everything random.
    pub seed: u64,
}

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CaughtUp {
    /// Whether everything came.
    pub whole: bool,
    /// Round trips of the first link from its connection until the newest 50 were there.
    pub newest_rtt: f64,
    /// The same in milliseconds.
    pub newest_ms: u64,
    /// Seconds from the connection until everything was there.
    pub whole_s: f64,
    /// Of what the access could have carried between these two moments, the part that was items.
    pub rate_part: f64,
    /// Bytes of all frames over those of the items that were missing.
    pub bytes_ratio: f64,
    /// Items that came again.
    pub duplicates: u64,
}

/// What a newcomer sees, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    node: u32,
    wanted: BTreeSet<[u8; 32]>,
    /// The first connection: with whom, and when.
    linked: Option<(u32, u64)>,
    /// When the last that was wanted came.
    seen: Option<u64>,
}

impl Watch {
    pub(super) fn linked(&mut self, node: u32, peer: u32, now: u64) {
        if node == self.node && self.linked.is_none() {
            self.linked = Some((peer, now));
        }
    }

    pub(super) fn saw(&mut self, node: u32, item: &Item, now: u64) {
        if node == self.node && self.wanted.remove(item.hash()) && self.wanted.is_empty() {
            self.seen = Some(now);
        }
    }
}

/// Has somebody catch up.
#[must_use]
pub fn catch_up(absence: &Absence) -> CaughtUp {
    let mut world = World::new(Setting {
        members: absence.members,
        seed: absence.seed,
        loss: 0.0,
        manner: Manner::Streams,
        hostile: 0.0,
        config: Config::default(),
    });
    let all = write(&mut world, absence);
    for node in 0..absence.members {
        world.stock(node, |_, count| count);
    }
    world.run(GATHER);
    let bytes_a_ms = u64::from(absence.mbit.max(1)) * 125;
    world.links.limit(bytes_a_ms);
    world.reset();
    let newest = all.iter().rev().take(NEWEST);
    let held = absence.held as usize;
    let missing = all.iter().skip(held);
    let mut bytes: u64 = missing.map(|item| item.encoded_len() as u64).sum();
    let newcomer = u32::try_from(world.nodes().len()).unwrap_or(u32::MAX);
    world.watch = Some(Watch {
        node: newcomer,
        wanted: newest.map(|item| *item.hash()).collect(),
        ..Watch::default()
    });
    let authors = absence.authors.max(1);
    let (turns, rest) = (absence.held / authors, absence.held % authors);
    world.add(Conduct::Honest);
    world.stock(newcomer, |author, _| turns + u32::from(author < rest));
    let began = world.now();
    let whole = loop {
        world.run(5);
        let member = &world.members()[newcomer as usize];
        if member.held == world.library().count() {
            break Some(member.whole);
        }
        if world.now() - began > PATIENCE {
            break None;
        }
    };
    let duplicates = world.tally().duplicates;
    let bytes_ratio = world.tally().bytes() as f64 / bytes.max(1) as f64;
    let watch = world.watch.take().unwrap_or_default();
    let (peer, linked) = watch.linked.unwrap_or((0, began));
    let rtt = 2 * world.links.delay(newcomer, peer);
    let seen = watch.seen.unwrap_or_else(|| world.now());
    let whole_at = whole.unwrap_or_else(|| world.now());
    let first = all.iter().rev().take(NEWEST).take(all.len() - held);
    bytes -= first.map(|item| item.encoded_len() as u64).sum::<u64>();
    let could = (whole_at.saturating_sub(seen) * bytes_a_ms).max(1);
    CaughtUp {
        whole: whole.is_some(),
        newest_rtt: (seen - linked) as f64 / rtt as f64,
        newest_ms: seen - linked,
        whole_s: (whole_at - linked) as f64 / 1000.0,
        rate_part: bytes as f64 / could as f64,
        bytes_ratio,
        duplicates,
    }
}

/// Puts the history on record: all authors in turn, in order.
fn write(world: &mut World, absence: &Absence) -> Vec<Arc<Item>> {
    let authors = absence.authors.max(1);
    let mut logs: Vec<(u32, [u8; 32])> = vec![(0, [0; 32]); authors as usize];
    let mut all = Vec::new();
    for turn in 0..absence.log {
        let author = turn % authors;
        let (seq, prev) = logs[author as usize];
        let ago = HISTORY - HISTORY * u64::from(turn) / u64::from(absence.log.max(1));
        let sent_at = START - ago;
        let draft = Draft {
            seq: seq + 1,
            prev,
            sent_at,
            lamport: sent_at + u64::from(turn),
            heads: Vec::new(),
        };
        let mut text = vec![b'x'; library::TEXT];
        text[..4].copy_from_slice(&turn.to_le_bytes());
        let Some(item) = library::compose(author, &draft, text) else {
            continue;
        };
        logs[author as usize] = (seq + 1, *item.hash());
        world
            .library_mut()
            .write(Arc::clone(&item), sent_at, EVERYWHERE);
        all.push(item);
    }
    all
}
