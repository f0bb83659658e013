//! Putting a stream together from parts that come in any order.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};

/// The receiving side of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Assembly {
    next: u64,
    parts: BTreeMap<u64, Bytes>,
    end: Option<u64>,
    ended: bool,
}

impl Assembly {
    /// Takes a part.
    pub(super) fn insert(&mut self, offset: u64, mut bytes: Bytes, fin: bool) {
        let end = offset + bytes.len() as u64;
        if fin {
            self.end = Some(end);
        }
        if end <= self.next {
            return;
        }
        let known = usize::try_from(self.next.saturating_sub(offset)).unwrap_or_default();
        bytes.advance(known);
        let offset = offset.max(self.next);
        let longer = self
            .parts
            .get(&offset)
            .is_none_or(|part| part.len() < bytes.len());
        if longer && !bytes.is_empty() {
            self.parts.insert(offset, bytes);
        }
    }

    /// The next bytes in order.
    pub(super) fn read(&mut self) -> Option<Bytes> {
        while let Some((offset, mut bytes)) = self.parts.pop_first() {
            if offset > self.next {
                self.parts.insert(offset, bytes);
                return None;
            }
            let known = usize::try_from(self.next - offset).unwrap_or(usize::MAX);
            if known < bytes.len() {
                bytes.advance(known);
                self.next += bytes.len() as u64;
                return Some(bytes);
            }
        }
        None
    }

    /// Whether everything was read; said once.
    pub(super) fn finish(&mut self) -> bool {
        let done = self.end == Some(self.next);
        done && !std::mem::replace(&mut self.ended, true)
    }

    /// Bytes read so far.
    pub(super) fn len(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_in_any_order_and_overlapping_give_the_stream_once() {
        let text = Bytes::from_static(b"abcdefghij");
        let part = |from: usize, to: usize| (from as u64, text.slice(from..to), to == 10);
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let parts = [part(0, 4), part(2, 6), part(6, 8), part(5, 10)];
            let mut assembly = Assembly::default();
            let mut read = Vec::new();
            let mut ends = 0;
            for index in order {
                let (offset, bytes, fin) = parts[index].clone();
                assembly.insert(offset, bytes, fin);
                while let Some(bytes) = assembly.read() {
                    read.extend_from_slice(&bytes);
                }
                ends += u32::from(assembly.finish());
            }
            assert_eq!(read, b"abcdefghij", "{order:?}");
            assert_eq!(ends, 1);
        }
    }
}
