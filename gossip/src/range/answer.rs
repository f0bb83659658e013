//! What a member says of its archive.

use dchat_wire::codec::List;
use dchat_wire::extension::Extensions;
use dchat_wire::gossip::{GossipFetch, GossipRange, GossipSpans, Span};
use dchat_wire::limits;

use super::archive::{Archive, Key};

/// Items of a range that is sent whole: some 60 KiB.
pub(super) const WHOLE: u32 = 128;
/// Parts a range is cut into.
const PARTS: usize = 16;

/// Answers which parts of the ranges asked about differ. Ranges that are empty, out of order or
/// too many for one answer are left for another question.
#[must_use]
pub fn answer(archive: &Archive, question: &GossipRange) -> GossipSpans {
    let mut spans: Vec<Span> = Vec::new();
    for asked in question.spans.iter() {
        let (from, to) = (Key::from(&asked.from), Key::from(&asked.to));
        if from >= to || spans.len() + PARTS > limits::GOSSIP_SPANS {
            continue;
        }
        let ours = archive.span(question.salt, from, to);
        if (ours.count, ours.sum) == (asked.count, asked.sum) {
            continue;
        }
        if ours.count <= WHOLE {
            spans.push(ours);
            continue;
        }
        let cuts = archive.cuts(from, to, PARTS);
        let parts = cuts.iter().zip(cuts.iter().skip(1));
        spans.extend(parts.map(|(from, to)| archive.span(question.salt, *from, *to)));
    }
    GossipSpans {
        salt: question.salt,
        spans: List::first_of(spans),
        extensions: Extensions::default(),
    }
}

/// The items to send for a [`GossipFetch`], the newest first.
#[must_use]
pub fn fetch(archive: &Archive, wanted: &GossipFetch) -> Vec<Key> {
    let keys = archive.range((&wanted.from).into(), (&wanted.to).into());
    let newest_first = keys.iter().rev().copied();
    newest_first.take(wanted.most.into()).collect()
}
