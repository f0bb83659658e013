//! What a member says of its row.

use dchat_wire::gossip::Span;
use dchat_wire::limits;

use super::archive::{Archive, Key};

/// Items of a range that is sent whole: some 60 KiB.
const WHOLE: u32 = 128;
/// Parts a range is cut into.
const PARTS: usize = 16;

/// Which parts of the ranges asked about differ, in their order. Ranges that are empty or too many for
/// one answer are left for another question, and so are those that overlap others: each item is
/// summed twice at most, whatever is asked.
#[must_use]
pub fn answer(archive: &Archive, salt: u64, asked: &[Span]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut left = archive.len();
    for asked in asked {
        let (from, to) = (Key::from(&asked.from), Key::from(&asked.to));
        let items = archive.range(from, to).len();
        if from >= to || items > left || spans.len() + PARTS > limits::GOSSIP_SPANS {
            continue;
        }
        left -= items;
        let ours = archive.span(salt, from, to);
        if (ours.count, ours.sum) == (asked.count, asked.sum) {
            continue;
        }
        if ours.count <= WHOLE {
            spans.push(ours);
            continue;
        }
        let cuts = archive.cuts(from, to, PARTS);
        let parts = cuts.iter().zip(cuts.iter().skip(1));
        spans.extend(parts.map(|(from, to)| archive.span(salt, *from, *to)));
    }
    spans
}
