//! Reading the other's sketch.

use super::cell::{CELL, Cell};
use super::mapping::Cells;
use super::snapshot::{MAX_CELLS, Snapshot};
use crate::frontier::Log;

/// Which log differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// This one; the other's number for it.
    Known(Log, u32),
    /// One not known here (or two that hash to the same): its hash in the sketch.
    Unknown(u32),
}

/// One log that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Which.
    pub log: Named,
    /// The other's number less ours.
    pub by: i32,
}

/// What came of the cells so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Everything that differs.
    All(Vec<Difference>),
    /// Too few cells: about so many more are needed.
    More(usize),
    /// Cells without end would not do: let each side announce all it holds.
    Hopeless,
}

/// Cells that cannot be part of the sketch. They are dropped, and the sketch with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cells are no part of the sketch")]
pub struct BadCells;

/// A sketch of the other's that is being read.
///
/// State: what we hold, and the cells received less ours; at most [`MAX_CELLS`]. A sketch made to
/// mislead yields at most as many differences as it has cells; what follows from them is for the
/// reader to check.
#[derive(Clone, Debug)]
pub struct Decoder {
    ours: Snapshot,
    cells: Vec<Cell>,
}

impl Decoder {
    /// Begins to read a sketch with the salt of `ours`.
    #[must_use]
    pub fn new(ours: Snapshot) -> Self {
        Self {
            ours,
            cells: Vec::new(),
        }
    }

    /// The sketch's salt.
    #[must_use]
    pub fn salt(&self) -> u32 {
        self.ours.salt()
    }

    /// The hash of a log of ours in this sketch.
    #[must_use]
    pub fn hash_of(&self, log: Log) -> Option<u32> {
        self.ours.hash_of(log)
    }

    /// How many cells have come.
    #[must_use]
    pub fn have(&self) -> usize {
        self.cells.len()
    }

    /// Takes the next cells, the first of which has the number `first`.
    ///
    /// # Errors
    /// [`BadCells`] when they do not follow those that came, are too many, or are no cells.
    pub fn push(&mut self, first: usize, bytes: &[u8]) -> Result<(), BadCells> {
        let count = bytes.len() / CELL;
        if first != self.cells.len()
            || count == 0
            || !bytes.len().is_multiple_of(CELL)
            || first + count > MAX_CELLS
        {
            return Err(BadCells);
        }
        let theirs: Option<Vec<_>> = bytes.chunks_exact(CELL).map(Cell::from_bytes).collect();
        let mut ours = vec![Cell::default(); count];
        self.ours.add_to(&mut ours, first);
        let differences = theirs.ok_or(BadCells)?.into_iter().zip(ours);
        self.cells
            .extend(differences.map(|(theirs, ours)| theirs.minus(ours)));
        Ok(())
    }

    /// Reads what can be read.
    #[must_use]
    pub fn decode(&self) -> Decoded {
        let mut reading = Reading {
            ours: &self.ours,
            cells: self.cells.clone(),
            found: Vec::new(),
        };
        let mut doubtful: Vec<usize> = (0..reading.cells.len()).collect();
        let mut pairs_left = MAX_PAIRS;
        loop {
            while let Some(at) = doubtful.pop() {
                if let Some((log, by, hash)) = reading.single(at) {
                    reading.take_out(log, by, hash, &mut doubtful);
                }
                // Every one leaves a cell zero, so only a misleading sketch yields more than cells.
                if reading.found.len() > reading.cells.len() {
                    return self.more();
                }
            }
            if reading.cells.iter().all(|cell| cell.is_zero()) {
                reading.found.sort_unstable();
                return Decoded::All(reading.found);
            }
            let Some((log, by, hash)) = reading.one_of_a_pair(&mut pairs_left) else {
                return self.more();
            };
            reading.take_out(log, by, hash, &mut doubtful);
        }
    }

    /// How many more cells to ask for, from how much those at hand vary.
    ///
    /// A log that differs by `d` is in cell `i` with probability `p = 1/(1+i/2)`, which adds
    /// `p(1-p)·d²` to the variance of the cell's amount; all cells together so estimate the sum of
    /// `d²`, which is the number of logs when each lacks one item and more otherwise.
    fn more(&self) -> Decoded {
        let have = self.cells.len();
        let total = self
            .cells
            .first()
            .map_or(0.0, |cell| f64::from(cell.amount()));
        let (mut squares, mut weight) = (0.0, 0.0);
        for (at, cell) in self.cells.iter().enumerate().skip(1) {
            let share = 2.0 / (2.0 + at as f64);
            squares += (f64::from(cell.amount()) - share * total).powi(2);
            weight += share * (1.0 - share);
        }
        let differing = if weight > 0.0 { squares / weight } else { 0.0 };
        // At least half as many again: an estimate from a few cells is a rough one. At most eight
        // times: where logs lack many items each, it is far too high.
        let wanted = (1.45 * differing) as usize;
        let wanted = wanted.clamp(have + have.div_ceil(3) + 4, have * 8);
        if have >= MAX_CELLS {
            Decoded::Hopeless
        } else {
            Decoded::More(wanted.min(MAX_CELLS) - have)
        }
    }
}

/// Cells in which two known logs are looked for when there is none of one: each costs a walk over
/// all logs.
const MAX_PAIRS: u32 = 12;
/// With more cells than this unread, reading one pair more would not finish the sketch.
const FEW_CELLS: usize = 64;

/// A sketch while it is taken apart.
struct Reading<'a> {
    ours: &'a Snapshot,
    cells: Vec<Cell>,
    found: Vec<Difference>,
}

impl Reading<'_> {
    /// The log of a cell of one.
    fn single(&self, at: usize) -> Option<(Named, i32, u32)> {
        let (by, hash) = self.cells.get(at)?.single()?;
        Some((self.names(at, by, hash)?, by, hash))
    }

    /// One of the two logs of a cell of two that are both known here and differ by little: the last
    /// such cell, since later cells hold fewer logs.
    fn one_of_a_pair(&self, left: &mut u32) -> Option<(Named, i32, u32)> {
        if self.cells.iter().filter(|cell| !cell.is_zero()).count() > FEW_CELLS {
            return None;
        }
        for (at, cell) in self.cells.iter().enumerate().skip(1).rev() {
            if cell.is_zero() {
                continue;
            }
            *left = left.checked_sub(1)?;
            let here = |hash| {
                let mut cells = Cells::of(hash, self.ours.salt()).below(at + 1);
                cells.any(|other| other == at)
            };
            for hash in self.ours.hashes().filter(|hash| here(*hash)) {
                for by in [1, -1, 2, -2] {
                    let mut rest = *cell;
                    rest.add(-by, hash);
                    let other = rest.single().filter(|(_, other)| *other != hash);
                    let Some((other_by, other)) = other else {
                        continue;
                    };
                    let pair = (self.names(at, by, hash), self.names(at, other_by, other));
                    if let (Some(log @ Named::Known(..)), Some(Named::Known(..))) = pair {
                        return Some((log, by, hash));
                    }
                }
            }
        }
        None
    }

    /// Notes a log and takes it out of its cells, which may then be cells of one.
    fn take_out(&mut self, log: Named, by: i32, hash: u32, doubtful: &mut Vec<usize>) {
        self.found.push(Difference { log, by });
        for other in Cells::of(hash, self.ours.salt()).below(self.cells.len()) {
            if let Some(cell) = self.cells.get_mut(other) {
                cell.add(-by, hash);
                doubtful.push(other);
            }
        }
    }

    /// The log that hashes to `hash`, if a cell numbered `at` can hold it and it can differ by `by`.
    fn names(&self, at: usize, by: i32, hash: u32) -> Option<Named> {
        let is_its_cell = Cells::of(hash, self.ours.salt())
            .below(at + 1)
            .any(|cell| cell == at);
        if !is_its_cell {
            return None;
        }
        let mut logs = self.ours.with_hash(hash);
        match (logs.next(), logs.next()) {
            (Some((log, value)), None) => {
                let theirs = i64::from(value) + i64::from(by);
                let theirs = u32::try_from(theirs)
                    .ok()
                    .filter(|theirs| *theirs < 1 << 23)?;
                Some(Named::Known(log, theirs))
            }
            (None, _) if by < 0 => None,
            _ => Some(Named::Unknown(hash)),
        }
    }
}

/// How many cells to send first when about `differing` logs differ: read in nine cases of ten.
#[must_use]
pub fn first_cells(differing: usize) -> usize {
    let slack = 6.0 + 1.2 * (differing as f64).sqrt();
    ((1.36 * differing as f64 + slack) as usize).clamp(9, MAX_CELLS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use dchat_wire::gossip::Sketched;

    use super::*;
    use crate::frontier::{Frontier, LogId};

    fn frontier(seqs: &[u32]) -> Frontier {
        let mut frontier = Frontier::new();
        for (number, seq) in seqs.iter().enumerate() {
            let hash = blake3::hash(&number.to_le_bytes());
            let mut id = [0; 16];
            id.copy_from_slice(&hash.as_bytes()[..16]);
            let log = frontier.enter(LogId(id)).unwrap();
            frontier.update(log, |tip| tip.seq = *seq);
        }
        frontier
    }

    fn snapshot(seqs: &[u32], salt: u32) -> Snapshot {
        Snapshot::of(&frontier(seqs), 0, salt, Sketched::Sequences)
    }

    fn read(ours: &[u32], theirs: &[u32], salt: u32, cells: usize) -> Decoded {
        let mut decoder = Decoder::new(snapshot(ours, salt));
        decoder
            .push(0, &snapshot(theirs, salt).cells(0, cells))
            .unwrap();
        decoder.decode()
    }

    #[test]
    fn equal_logs_differ_in_nothing() {
        assert_eq!(read(&[3; 1000], &[3; 1000], 1, 1), Decoded::All(vec![]));
    }

    /// Checks DC-GOSSIP-034 (positive).
    #[test]
    fn both_directions_are_found_with_their_amounts() {
        let ours = [9; 200];
        let mut theirs = ours;
        theirs[3] = 4;
        theirs[50] = 12;
        theirs[199] = 8;
        let found = vec![
            (Named::Known(Log(3), 4), -5),
            (Named::Known(Log(50), 12), 3),
            (Named::Known(Log(199), 8), -1),
        ];
        let Decoded::All(differences) = read(&ours, &theirs, 5, 24) else {
            panic!("not read");
        };
        let differences: Vec<_> = differences.iter().map(|one| (one.log, one.by)).collect();
        assert_eq!(differences, found);
    }

    #[test]
    fn a_log_not_known_here_is_named_by_its_hash() {
        let theirs = [2; 101];
        let Decoded::All(found) = read(&theirs[..100], &theirs, 5, 12) else {
            panic!("not read");
        };
        let hash = match found[..] {
            [
                Difference {
                    log: Named::Unknown(hash),
                    by: 2,
                },
            ] => hash,
            _ => panic!("{found:?}"),
        };
        let logs: Vec<_> = snapshot(&theirs, 5).with_hash(hash).collect();
        assert_eq!(logs, [(Log(100), 2)]);
    }

    #[test]
    fn forks_are_found_by_tips() {
        let (mut one, mut other) = (frontier(&[5; 300]), frontier(&[5; 300]));
        one.update(Log(7), |tip| tip.hash = [1; 32]);
        other.update(Log(7), |tip| tip.hash = [2; 32]);
        let sketch = |frontier: &Frontier| Snapshot::of(frontier, 0, 1, Sketched::Tips);
        let mut decoder = Decoder::new(sketch(&one));
        decoder.push(0, &sketch(&other).cells(0, 8)).unwrap();
        let Decoded::All(found) = decoder.decode() else {
            panic!("not read");
        };
        assert!(matches!(
            found[..],
            [Difference {
                log: Named::Known(Log(7), _),
                ..
            }]
        ));
    }

    #[test]
    fn too_few_cells_ask_for_enough() {
        let ours = [1; 10_000];
        let mut theirs = ours;
        for at in 0..2000 {
            theirs[at * 5] = if at % 2 == 0 { 0 } else { 2 };
        }
        let theirs = snapshot(&theirs, 3);
        let mut decoder = Decoder::new(snapshot(&ours, 3));
        let mut parts = vec![24];
        decoder.push(0, &theirs.cells(0, 24)).unwrap();
        while let Decoded::More(more) = decoder.decode() {
            let have = decoder.have();
            decoder
                .push(have, &theirs.cells(have, have + more))
                .unwrap();
            parts.push(more);
        }
        assert!(matches!(decoder.decode(), Decoded::All(found) if found.len() == 2000));
        assert!(parts.len() <= 6 && decoder.have() <= 4500, "{parts:?}");
    }

    #[test]
    fn cells_that_do_not_follow_are_refused() {
        let mut decoder = Decoder::new(snapshot(&[1; 10], 0));
        assert_eq!(decoder.push(1, &[0; 9]), Err(BadCells));
        assert_eq!(decoder.push(0, &[0; 10]), Err(BadCells));
        assert_eq!(decoder.push(0, &[]), Err(BadCells));
        assert_eq!(decoder.push(0, &[0xff; 9]), Err(BadCells));
        assert_eq!(
            decoder.push(0, &vec![0; 9 * (MAX_CELLS + 1)]),
            Err(BadCells)
        );
        assert_eq!(decoder.push(0, &[0; 9]), Ok(()));
    }

    /// Checks DC-GOSSIP-034 (negative).
    #[test]
    fn noise_ends_as_hopeless() {
        let mut rng = crate::rng::Rng::new((1, 2));
        let mut decoder = Decoder::new(snapshot(&[1; 100], 0));
        loop {
            match decoder.decode() {
                Decoded::Hopeless => break,
                Decoded::All(found) if decoder.have() > 0 => panic!("{found:?}"),
                _ => {}
            }
            let have = decoder.have();
            let noise: Vec<u8> = (0..2048)
                .flat_map(|_| {
                    let [a, b, c, d, e, f, g, h] = rng.number().to_le_bytes();
                    [a, b, c & 0x7f, d, e, f, g & 0x7f, h, c & 0x7f]
                })
                .collect();
            decoder.push(have, &noise).unwrap();
        }
    }
}
