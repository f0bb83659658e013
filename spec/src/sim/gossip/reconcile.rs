//! Two members that compare what they hold: ten thousand authors, and one member lacks something.
//!
//! The frames are those that [cores](dchat_gossip::Node) send, their bytes counted with headers and
//! without the items they are about. A round trip is two frames; the comparison is over when the
//! member that holds more knows which items to send.

use dchat_gossip::frontier::{Digest, LinkSalt};
use dchat_gossip::sketch::{Decoded, Decoder, Snapshot, first_cells};
use dchat_gossip::{Frontier, Log, LogId, Message};
use dchat_wire::gossip::Sketched;
use dchat_wire::limits;

use crate::sim::Rng;

/// Authors in the room.
pub const AUTHORS: u32 = 10_000;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// Items that one member holds, spread over all authors.
    pub log: u32,
    /// Of these, how many the other lacks, of authors at random.
    pub missing: u32,
    /// Of everything random.
    pub seed: u64,
}

/// What it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Bytes of frames.
    pub bytes: usize,
    /// Frames one after another, each half a round trip.
    pub flights: u32,
    /// Items found to be missing: as many as are.
    pub found: u32,
}

/// What both hold apart from the gap; it takes a while to make, so several gaps may share one.
#[must_use]
pub fn full(log: u32) -> Frontier {
    let mut frontier = Frontier::new();
    for author in 0..AUTHORS.min(log.max(1)) {
        let key = blake3::hash(&author.to_le_bytes());
        let Ok(entry) = frontier.enter(LogId::of(&[7; 32], key.as_bytes(), &[0; 16])) else {
            break;
        };
        let seq = log / AUTHORS + u32::from(author < log % AUTHORS);
        frontier.update(entry, |tip| (tip.seq, tip.hash) = (seq, *key.as_bytes()));
    }
    frontier
}

/// Compares `full` with a copy that has the gap.
pub fn reconcile(full: &mut Frontier, gap: Gap) -> Reconciled {
    let mut rng = Rng::new(gap.seed, "gossip gap", u64::from(gap.missing));
    let mut less = full.clone();
    let mut missing = gap.missing;
    while missing > 0 && less.total(0) > 0 {
        let log = Log(rng.below(full.len() as u64) as u32);
        if less.tip(log).is_some_and(|tip| tip.seq > 0) {
            less.update(log, |tip| {
                tip.seq -= 1;
                rng.fill(&mut tip.hash);
            });
            missing -= 1;
        }
    }
    let salt = LinkSalt::of(rng.next_u64(), rng.next_u64());
    exchange(&mut less, full, salt, rng.next_u64() as u32)
}

/// The member that lacks begins, which takes one flight more than if the other did.
fn exchange(less: &mut Frontier, full: &mut Frontier, link: LinkSalt, salt: u32) -> Reconciled {
    let mut done = Reconciled::default();
    let (begun, held) = (Digest::of(less, 0, link), Digest::of(full, 0, link));
    done.say(&Message::Digest(begun));
    if begun == held {
        return done;
    }
    done.say(&Message::Digest(held));
    let of = Sketched::Sequences;
    let snapshot = Snapshot::of(less, 0, salt, of);
    let mut decoder = Decoder::new(Snapshot::of(full, 0, salt, of));
    let mut want = first_cells(held.total.wrapping_sub(begun.total) as usize);
    loop {
        // Frames that follow one another without an answer are one flight.
        done.flights += 1;
        while want > 0 {
            let part = want.min(limits::GOSSIP_CELLS);
            let first = decoder.have();
            let cells = snapshot.cells(first, first + part);
            let pushed = decoder.push(first, &cells);
            let (horizon, first) = (0, first as u32);
            done.count(&Message::Sketch {
                salt,
                of,
                horizon,
                first,
                cells,
            });
            if pushed.is_err() {
                return done;
            }
            want -= part;
        }
        match decoder.decode() {
            Decoded::All(found) => {
                for difference in &found {
                    done.found += lacking(difference, full);
                }
                return done;
            }
            Decoded::Hopeless => return done,
            Decoded::More(more) => {
                let (have, want_more) = (decoder.have() as u32, more as u32);
                let unknown = Vec::new();
                done.say(&Message::More {
                    salt,
                    have,
                    want: want_more,
                    unknown,
                });
                want = more;
            }
        }
    }
}

fn lacking(difference: &dchat_gossip::sketch::Difference, full: &Frontier) -> u32 {
    match difference.log {
        dchat_gossip::sketch::Named::Known(log, theirs) => full
            .tip(log)
            .map_or(0, |tip| tip.seq.saturating_sub(theirs)),
        dchat_gossip::sketch::Named::Unknown(_) => 0,
    }
}

impl Reconciled {
    fn say(&mut self, message: &Message<u32>) {
        self.flights += 1;
        self.count(message);
    }

    fn count(&mut self, message: &Message<u32>) {
        self.bytes += message.frame_len();
    }

    /// Round trips: two flights each.
    #[must_use]
    pub fn round_trips(&self) -> f64 {
        f64::from(self.flights) / 2.0
    }
}
