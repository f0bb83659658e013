//! Items that came before those they follow.

use std::sync::Arc;

use super::item::Item;
use crate::frontier::Log;

/// Items kept until what is missing before them comes: at most 128, and half a mebibyte. When there
/// is no room the oldest goes; it will be pulled like any other.
#[derive(Clone, Debug, Default)]
pub struct Parked {
    items: Vec<(Log, Arc<Item>)>,
    bytes: usize,
}

const MOST: usize = 128;
const MOST_BYTES: usize = 512 * 1024;

impl Parked {
    /// Keeps `item`, unless it is kept already.
    pub fn park(&mut self, log: Log, item: Arc<Item>) {
        if self.has(log, item.seq()) {
            return;
        }
        self.bytes += item.encoded_len();
        self.items.push((log, item));
        while self.items.len() > MOST || self.bytes > MOST_BYTES {
            let (_, gone) = self.items.remove(0);
            self.bytes -= gone.encoded_len();
        }
    }

    /// Whether item `seq` of `log` is kept.
    #[must_use]
    pub fn has(&self, log: Log, seq: u32) -> bool {
        self.items
            .iter()
            .any(|(other, item)| *other == log && item.seq() == seq)
    }

    /// Takes item `seq` of `log`.
    pub fn take(&mut self, log: Log, seq: u32) -> Option<Arc<Item>> {
        let at = self
            .items
            .iter()
            .position(|(other, item)| *other == log && item.seq() == seq)?;
        let (_, item) = self.items.swap_remove(at);
        self.bytes -= item.encoded_len();
        Some(item)
    }

    /// Drops all of `log`, and all up to `seq` of it when that is given.
    pub fn drop_log(&mut self, log: Log, upto: Option<u32>) {
        self.items
            .retain(|(other, item)| *other != log || upto.is_some_and(|upto| item.seq() > upto));
        self.bytes = self.items.iter().map(|(_, item)| item.encoded_len()).sum();
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
