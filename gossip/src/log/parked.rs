//! Items that came before those they follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::item::Item;
use crate::frontier::Log;

/// Items kept until what is missing before them comes: at most 2,048, and half a mebibyte. When there is
/// no room one goes, and will be pulled like any other: of a log that takes half of the room the
/// farthest ahead, else the farthest ahead of the log that became known last.
#[derive(Clone, Debug, Default)]
pub struct Parked {
    items: BTreeMap<(Log, u32), Arc<Item>>,
    bytes: usize,
}

const MOST: usize = 2048;
const MOST_BYTES: usize = 512 * 1024;

impl Parked {
    /// Keeps `item`, unless it is kept already.
    pub fn park(&mut self, log: Log, item: Arc<Item>) {
        if self.has(log, item.seq()) {
            return;
        }
        self.bytes += item.encoded_len();
        self.items.insert((log, item.seq()), item);
        while self.items.len() > MOST || self.bytes > MOST_BYTES {
            let of_log = self.of_log(log).rev();
            let farthest = of_log.clone().next();
            let crowds = of_log.count() > MOST / 2;
            let last = self.items.keys().next_back().copied();
            let gone = farthest.map(|seq| (log, seq)).filter(|_| crowds).or(last);
            let Some(gone) = gone.and_then(|gone| self.items.remove(&gone)) else {
                break;
            };
            self.bytes -= gone.encoded_len();
        }
    }

    /// Whether item `seq` of `log` is kept.
    #[must_use]
    pub fn has(&self, log: Log, seq: u32) -> bool {
        self.items.contains_key(&(log, seq))
    }

    /// Sequences of the items of `log` that are kept, in order.
    pub fn of_log(&self, log: Log) -> impl DoubleEndedIterator<Item = u32> + Clone + '_ {
        let all = self.items.range((log, 0)..=(log, u32::MAX));
        all.map(|((_, seq), _)| *seq)
    }

    /// Takes item `seq` of `log`.
    pub fn take(&mut self, log: Log, seq: u32) -> Option<Arc<Item>> {
        let item = self.items.remove(&(log, seq))?;
        self.bytes -= item.encoded_len();
        Some(item)
    }

    /// Drops all of `log`, and all up to `seq` of it when that is given.
    pub fn drop_log(&mut self, log: Log, upto: Option<u32>) {
        let upto = upto.unwrap_or(u32::MAX);
        let gone: Vec<u32> = self.of_log(log).take_while(|seq| *seq <= upto).collect();
        for seq in gone {
            self.take(log, seq);
        }
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
