//! What is sketched, held still while a sketch is under way.

use dchat_wire::gossip::Sketched;

use super::cell::{CELL, Cell, HASH_PRIME};
use super::mapping::Cells;
use crate::frontier::{Frontier, Log, Tip};
use crate::siphash::{halves, siphash};

/// Cells of one sketch, all parts together: enough for some 12,000 logs that differ. Where more do,
/// announcing every log costs no more.
pub const MAX_CELLS: usize = 16_384;

/// Hash and number of every log under one salt: 12 bytes a log.
#[derive(Clone, Debug)]
pub struct Snapshot {
    salt: u32,
    /// Sorted by hash.
    logs: Vec<(u32, u32, Log)>,
}

impl Snapshot {
    /// What `frontier` holds as of `horizon`, under `salt`.
    #[must_use]
    pub fn of(frontier: &Frontier, horizon: u32, salt: u32, of: Sketched) -> Self {
        let key = (u64::from(salt), 0x6463_6861_7420_736b);
        let mut logs: Vec<_> = frontier
            .iter()
            .filter(|(_, tip)| tip.counts(horizon))
            .map(|(log, tip)| {
                let hash = siphash(key, halves(&tip.id.0)) % (HASH_PRIME - 1) + 1;
                (hash as u32, number(tip, of), log)
            })
            .collect();
        logs.sort_unstable();
        Self { salt, logs }
    }

    /// Its salt.
    #[must_use]
    pub fn salt(&self) -> u32 {
        self.salt
    }

    /// How many logs are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.logs.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// The bytes of cells `from` up to and without `to`.
    #[must_use]
    pub fn cells(&self, from: usize, to: usize) -> Vec<u8> {
        let to = to.min(MAX_CELLS);
        let mut cells = vec![Cell::default(); to.saturating_sub(from)];
        self.add_to(&mut cells, from);
        let mut bytes = Vec::with_capacity(cells.len() * CELL);
        for cell in cells {
            bytes.extend_from_slice(&cell.to_bytes());
        }
        bytes
    }

    /// Adds every log to `cells`, of which the first has the number `from`.
    pub(super) fn add_to(&self, cells: &mut [Cell], from: usize) {
        let end = from + cells.len();
        for (hash, value, _) in &self.logs {
            // Numbers are below 2^23.
            let value = *value as i32;
            for at in Cells::of(*hash, self.salt).below(end) {
                if let Some(cell) = at.checked_sub(from).and_then(|at| cells.get_mut(at)) {
                    cell.add(value, *hash);
                }
            }
        }
    }

    /// The hash of `log`.
    #[must_use]
    pub fn hash_of(&self, log: Log) -> Option<u32> {
        let found = self.logs.iter().find(|(_, _, other)| *other == log);
        found.map(|(hash, _, _)| *hash)
    }

    /// The hashes of all logs, ascending.
    pub(super) fn hashes(&self) -> impl Iterator<Item = u32> {
        self.logs.iter().map(|(hash, _, _)| *hash)
    }

    /// The logs that hash to `hash`: none, one, or rarely more.
    pub fn with_hash(&self, hash: u32) -> impl Iterator<Item = (Log, u32)> {
        let from = self.logs.partition_point(|(other, _, _)| *other < hash);
        self.logs
            .iter()
            .skip(from)
            .take_while(move |(other, _, _)| *other == hash)
            .map(|(_, value, log)| (*log, *value))
    }
}

fn number(tip: &Tip, of: Sketched) -> u32 {
    match of {
        Sketched::Sequences => tip.value(),
        Sketched::Tips => {
            let [a, b, c, ..] = tip.hash;
            u32::from_le_bytes([a, b, c & 0x3f, 0])
        }
    }
}
