//! Items that came lately, for those who ask at once.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::frontier::LogId;
use crate::log::Item;

/// At most 128 items and a quarter of a mebibyte: what the driver would have to load otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    items: VecDeque<Arc<Item>>,
    bytes: usize,
}

const MOST: usize = 128;
const MOST_BYTES: usize = 256 * 1024;

impl Recent {
    pub(crate) fn add(&mut self, item: Arc<Item>) {
        self.bytes += item.encoded_len();
        self.items.push_back(item);
        while self.items.len() > MOST || self.bytes > MOST_BYTES {
            let Some(gone) = self.items.pop_front() else {
                break;
            };
            self.bytes -= gone.encoded_len();
        }
    }

    pub(crate) fn find(&self, log: LogId, seq: u32) -> Option<&Arc<Item>> {
        let mut newest_first = self.items.iter().rev();
        newest_first.find(|item| item.seq() == seq && item.log() == log)
    }
}
