//! The logs of a room.

use super::id::LogId;
use super::root::Parts;

/// Logs in one room: its size, and room for authors that begin anew.
pub const MAX_LOGS: usize = 16_384;
/// Items in one log; an author who has written more begins a new incarnation. Sketches carry
/// differences of sequences in three bytes (spec `80-gossip` §6).
pub const MAX_SEQ: u32 = (1 << 22) - 1;

/// What stands for the sequence of a closed log in digests and sketches.
pub const CLOSED: u32 = MAX_SEQ + 1;

/// A log of this room, by the order in which they became known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Log(pub u32);

impl Log {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// How far one log is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Which log.
    pub id: LogId,
    /// Hash of the newest item; zeros when there is none or the log is closed.
    pub hash: [u8; 32],
    /// Sequence of the newest item; 0 when there is none or the log is closed.
    pub seq: u32,
    /// Hour since 1970 in which the newest item was sent.
    pub hour: u32,
    /// Its author contradicted itself: nothing of the log counts any more.
    pub closed: bool,
    /// Lamport time of the newest item.
    pub lamport: u64,
    /// When it was sent, in milliseconds since 1970.
    pub sent_at: u64,
}

const _: () = assert!(size_of::<Tip>() <= 80, "a room has ten thousand of them");

impl Tip {
    /// A log of which nothing is held.
    #[must_use]
    pub fn empty(id: LogId) -> Self {
        Self {
            id,
            hash: [0; 32],
            seq: 0,
            hour: 0,
            closed: false,
            lamport: 0,
            sent_at: 0,
        }
    }

    /// Whether a digest as of `horizon` covers it.
    #[must_use]
    pub fn counts(&self, horizon: u32) -> bool {
        (self.seq > 0 || self.closed) && self.hour >= horizon
    }

    /// The number a sketch of sequences adds up: the sequence, or [`CLOSED`] of a closed log.
    #[must_use]
    pub fn value(&self) -> u32 {
        if self.closed { CLOSED } else { self.seq }
    }
}

/// No room for another log. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the room has {MAX_LOGS} logs already")]
pub struct Full;

/// All logs of a room; see the [module](super).
#[derive(Clone, Debug, Default)]
pub struct Frontier {
    tips: Vec<Tip>,
    /// Sorted; parallel to it, the logs.
    order: Vec<(LogId, Log)>,
    free: Vec<Log>,
    parts: Parts,
}

impl Frontier {
    /// No logs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many logs are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The log `id`.
    #[must_use]
    pub fn find(&self, id: &LogId) -> Option<Log> {
        let at = self
            .order
            .binary_search_by(|(other, _)| other.cmp(id))
            .ok()?;
        self.order.get(at).map(|(_, log)| *log)
    }

    /// The log whose name begins with `prefix`; the first of several.
    #[must_use]
    pub fn find_prefix(&self, prefix: u64) -> Option<Log> {
        let bytes = prefix.to_le_bytes();
        let at = self.order.partition_point(|(id, _)| id.0[..8] < bytes[..]);
        let (id, log) = self.order.get(at)?;
        (id.prefix() == prefix).then_some(*log)
    }

    /// The log `id`, new and empty when it was not known.
    ///
    /// # Errors
    /// [`Full`]: it was not known, and is not now.
    pub fn enter(&mut self, id: LogId) -> Result<Log, Full> {
        let at = match self.order.binary_search_by(|(other, _)| other.cmp(&id)) {
            Ok(at) => return self.order.get(at).map(|(_, log)| *log).ok_or(Full),
            Err(at) => at,
        };
        if self.order.len() >= MAX_LOGS {
            return Err(Full);
        }
        let log = match self.free.pop() {
            Some(log) => log,
            None => {
                let log = Log(u32::try_from(self.tips.len()).map_err(|_| Full)?);
                self.tips.push(Tip::empty(id));
                log
            }
        };
        if let Some(tip) = self.tips.get_mut(log.index()) {
            *tip = Tip::empty(id);
        }
        self.order.insert(at, (id, log));
        Ok(log)
    }

    /// Forgets every log whose newest item was sent before hour `before`, and gives them to
    /// `forgotten`; their numbers will name other logs.
    pub fn forget(&mut self, before: u32, mut forgotten: impl FnMut(Log)) {
        let (tips, parts, free) = (&self.tips, &mut self.parts, &mut self.free);
        self.order.retain(|(id, log)| {
            let keep = tips.get(log.index()).is_some_and(|tip| tip.hour >= before);
            if !keep {
                parts.touch(*id);
                free.push(*log);
                forgotten(*log);
            }
            keep
        });
    }

    /// How far `log` is held.
    #[must_use]
    pub fn tip(&self, log: Log) -> Option<&Tip> {
        self.tips.get(log.index())
    }

    /// Changes how far `log` is held.
    pub fn update(&mut self, log: Log, change: impl FnOnce(&mut Tip)) {
        if let Some(tip) = self.tips.get_mut(log.index()) {
            change(tip);
            self.parts.touch(tip.id);
        }
    }

    /// All logs, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (Log, &Tip)> {
        self.order
            .iter()
            .filter_map(|(_, log)| Some((*log, self.tips.get(log.index())?)))
    }

    /// A digest of all tips as of `horizon`: equal for two members exactly when they hold the same.
    #[must_use]
    pub fn root(&mut self, horizon: u32) -> [u8; 32] {
        self.parts.refresh(horizon, &self.order, &self.tips);
        self.parts.root()
    }

    /// The sum of all sequences as of `horizon`, modulo 2^32.
    #[must_use]
    pub fn total(&mut self, horizon: u32) -> u32 {
        self.parts.refresh(horizon, &self.order, &self.tips);
        self.parts.total()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn id(number: u32) -> LogId {
        let hash = blake3::hash(&number.to_le_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        LogId(id)
    }

    fn set(frontier: &mut Frontier, number: u32, seq: u32) {
        let log = frontier.enter(id(number)).unwrap();
        frontier.update(log, |tip| {
            tip.seq = seq;
            tip.hour = 100;
            tip.hash = *blake3::hash(&seq.to_le_bytes()).as_bytes();
        });
    }

    #[test]
    fn the_root_depends_on_what_is_held_and_on_nothing_else() {
        let (mut one, mut other) = (Frontier::new(), Frontier::new());
        for number in 0..500 {
            set(&mut one, number, 3);
        }
        for number in (0..500).rev() {
            set(&mut other, number, 2);
            if number % 7 == 0 {
                let _ = other.root(0);
            }
            set(&mut other, number, 3);
        }
        assert_eq!((one.root(0), one.total(0)), (other.root(0), 1500));
        set(&mut one, 250, 4);
        assert_ne!(one.root(0), other.root(0));
        set(&mut other, 250, 4);
        assert_eq!(one.root(0), other.root(0));
    }

    #[test]
    fn logs_older_than_the_horizon_do_not_count() {
        let (mut one, mut other) = (Frontier::new(), Frontier::new());
        set(&mut one, 1, 3);
        set(&mut other, 1, 3);
        set(&mut other, 2, 9);
        let old = other.find(&id(2)).unwrap();
        other.update(old, |tip| tip.hour = 50);
        assert_ne!(one.root(50), other.root(50));
        assert_eq!(one.root(51), other.root(51));
        assert_eq!(other.total(51), 3);
    }

    #[test]
    fn logs_are_found_by_name_and_by_its_beginning() {
        let mut frontier = Frontier::new();
        for number in 0..100 {
            set(&mut frontier, number, 1);
        }
        for number in 0..100 {
            let log = frontier.find(&id(number));
            assert_eq!(log, Some(Log(number)));
            assert_eq!(frontier.find_prefix(id(number).prefix()), log);
        }
        assert_eq!(frontier.find(&id(100)), None);
        assert_eq!(frontier.find_prefix(id(100).prefix()), None);
    }

    #[test]
    fn a_forgotten_log_is_as_if_it_had_never_been() {
        let mut frontier = Frontier::new();
        set(&mut frontier, 1, 3);
        let root = frontier.root(0);
        set(&mut frontier, 2, 9);
        frontier.update(Log(1), |tip| tip.hour = 50);
        let mut forgotten = Vec::new();
        frontier.forget(51, |log| forgotten.push(log));
        assert_eq!((forgotten, frontier.len()), (vec![Log(1)], 1));
        assert_eq!((frontier.root(0), frontier.find(&id(2))), (root, None));
        assert_eq!(frontier.enter(id(3)), Ok(Log(1)));
        assert_eq!(frontier.tip(Log(1)), Some(&Tip::empty(id(3))));
    }

    /// Checks DC-GOSSIP-048 (positive, negative).
    #[test]
    fn no_more_logs_than_there_may_be() {
        let mut frontier = Frontier::new();
        for number in 0..MAX_LOGS as u32 {
            frontier.enter(id(number)).unwrap();
        }
        assert_eq!(frontier.enter(id(0)), Ok(Log(0)));
        assert_eq!(frontier.enter(id(MAX_LOGS as u32)), Err(Full));
    }
}
