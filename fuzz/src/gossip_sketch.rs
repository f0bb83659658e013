//! What a member reads of others' digests, sketches and ranges.

use std::collections::{BTreeMap, BTreeSet};

use dchat_gossip::frontier::{Digest, Frontier, LinkSalt, LogId};
use dchat_gossip::range::{Archive, Key, answer};
use dchat_gossip::sketch::{CELL, Decoded, Decoder, MAX_CELLS, Named, Snapshot, first_cells};
use dchat_wire::gossip::{Sketched, Span};
use dchat_wire::limits;

use crate::script::Script;

/// Hour of everything.
const HOUR: u32 = 498_700;

/// Input: what two members hold, and how the sketch of one is damaged on its way to the other; or what
/// stands in the rows of two, and which ranges of one are asked about.
///
/// Reading is total and its work bounded. Of a sketch that is whole, all that is read is true, and
/// digests are equal exactly when nothing differs. Of one that is not, no more differences come than
/// there are cells. Of ranges, whatever is asked, the answer is bounded, within it, and true; who asks on
/// comes to an end and finds everything.
///
/// # Panics
/// When it is not so.
pub fn gossip_sketch(data: &[u8]) {
    let mut script = Script::new(data);
    match script.below(2) {
        0 => sketches(&mut script),
        _ => archives(&mut script),
    }
}

fn name(number: u8) -> LogId {
    LogId(core::array::from_fn(|at| {
        blake3::hash(&[number]).as_bytes()[at]
    }))
}

/// Up to 256 logs.
fn held(script: &mut Script<'_>) -> BTreeMap<u8, u32> {
    let (first, count) = (script.u8(), script.u8());
    let alike = u32::from(script.u16());
    let mut held: BTreeMap<u8, u32> = (0..count)
        .map(|at| (first.wrapping_add(at), 1 + alike))
        .collect();
    for _ in 0..script.below(32) {
        let (log, seq) = (script.u8(), script.u32() % (1 << 22));
        held.insert(log, seq);
    }
    held
}

fn frontier(held: &BTreeMap<u8, u32>) -> Frontier {
    let mut frontier = Frontier::new();
    for (log, seq) in held {
        let log = frontier.enter(name(*log)).unwrap();
        frontier.update(log, |tip| {
            (tip.seq, tip.hour) = (*seq, HOUR);
            tip.hash = *blake3::hash(&seq.to_le_bytes()).as_bytes();
        });
    }
    frontier
}

fn sketches(script: &mut Script<'_>) {
    let (ours, theirs) = (held(script), held(script));
    let (mut here, mut there) = (frontier(&ours), frontier(&theirs));
    let (salt, link) = (script.u32(), LinkSalt::of(1, script.u8().into()));
    let same: bool = {
        let counts = |held: &BTreeMap<u8, u32>| -> Vec<(u8, u32)> {
            held.iter()
                .filter(|(_, seq)| **seq > 0)
                .map(|(log, seq)| (*log, *seq))
                .collect()
        };
        counts(&ours) == counts(&theirs)
    };
    let digests = [&mut here, &mut there].map(|held| Digest::of(held, HOUR, link));
    assert_eq!(digests[0] == digests[1], same);

    let sketch = Snapshot::of(&there, HOUR, salt, Sketched::Sequences);
    let mut decoder = Decoder::new(Snapshot::of(&here, HOUR, salt, Sketched::Sequences));
    let (mut sent, mut want) = (0, first_cells(script.u8().into()));
    let mut whole = true;
    for _ in 0..40 {
        let mut cells = sketch.cells(sent, sent + want);
        for _ in 0..script.below(3) {
            let at = usize::from(script.u16()) % cells.len().max(1);
            if let Some(byte) = cells.get_mut(at) {
                let bits = script.u8();
                *byte ^= bits;
                whole &= bits == 0;
            }
        }
        let first = sent;
        sent += cells.len() / CELL;
        if decoder.push(first, &cells).is_err() {
            assert!(!whole || cells.is_empty());
            return;
        }
        match decoder.decode() {
            Decoded::All(found) => {
                assert!(found.len() <= sent + 1, "more differences than cells");
                if whole {
                    read(&here, &ours, &theirs, &sketch, &found);
                }
                return;
            }
            Decoded::More(more) => {
                assert!(more > 0 && sent + more <= MAX_CELLS);
                want = more;
            }
            Decoded::Hopeless => {
                assert_eq!(sent, MAX_CELLS);
                return;
            }
        }
    }
    assert!(!whole, "a whole sketch was not read in forty parts");
}

/// Compares what was read with what differs.
fn read(
    here: &Frontier,
    ours: &BTreeMap<u8, u32>,
    theirs: &BTreeMap<u8, u32>,
    sketch: &Snapshot,
    found: &[dchat_gossip::sketch::Difference],
) {
    let value = |held: &BTreeMap<u8, u32>, log: u8| held.get(&log).copied().unwrap_or(0);
    let mut differ: Vec<u8> = (0..=255)
        .filter(|log| value(ours, *log) != value(theirs, *log))
        .collect();
    for difference in found {
        match difference.log {
            Named::Known(log, seq) => {
                let id = here.tip(log).unwrap().id;
                let number = (0..=255).find(|number| name(*number) == id).unwrap();
                assert_eq!(seq, value(theirs, number), "another sequence");
                differ.retain(|other| *other != number);
            }
            Named::Unknown(hash) => {
                assert!(difference.by > 0);
                assert!(
                    sketch.with_hash(hash).next().is_some(),
                    "a log nobody holds"
                );
                let unknown = differ.iter().position(|log| value(ours, *log) == 0);
                differ.remove(unknown.expect("one unknown log too many"));
            }
        }
    }
    assert!(differ.is_empty(), "{differ:?} were not read");
}

fn archives(script: &mut Script<'_>) {
    let key = |script: &mut Script<'_>| Key {
        lamport: script.u16().into(),
        hash: script.u8().into(),
    };
    let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..script.below(200) {
        let key = key(script);
        theirs.insert(key);
        if script.below(4) == 0 {
            ours.insert(key);
        }
    }
    // Enough that ranges have to be cut.
    let run = u64::from(script.u16() % 2000);
    theirs.extend((0..run).map(|at| Key {
        lamport: 1 << 20 | at,
        hash: at,
    }));
    let row = |keys: &BTreeSet<Key>| -> Archive { keys.iter().copied().collect() };
    let (here, there) = (row(&ours), row(&theirs));
    let salt = script.u8().into();
    let asked = (0..script.below(80)).map(|_| Span {
        from: key(script).into(),
        to: key(script).into(),
        count: script.u8().into(),
        sum: script.u8().into(),
    });
    let asked: Vec<Span> = asked.collect();
    let said = answer(&there, salt, &asked);
    assert!(said.len() <= limits::GOSSIP_SPANS);
    for span in &said {
        let (from, to) = ends(span);
        let within = |asked: &Span| {
            let (first, end) = ends(asked);
            first <= from && from < to && to <= end
        };
        assert!(asked.iter().any(within), "{span:?} was not asked for");
        assert_eq!(*span, there.span(salt, from, to));
    }
    let mut lacking: BTreeSet<Key> = BTreeSet::new();
    let mut left = vec![here.span(salt, Key::FIRST, Key::END)];
    while let Some(whole) = left.pop() {
        for part in answer(&there, salt, std::slice::from_ref(&whole)) {
            let (from, to) = ends(&part);
            let ours_of_it = here.span(salt, from, to);
            if part.count <= 128 {
                let keys = there.range(from, to).iter();
                lacking.extend(keys.filter(|key| !ours.contains(key)));
            } else if part != ours_of_it {
                assert!(ends(&part) != ends(&whole), "asking does not end");
                left.push(ours_of_it);
            }
        }
    }
    let missing = theirs.difference(&ours);
    assert!(lacking.iter().eq(missing), "not all is found");
}

fn ends(span: &Span) -> (Key, Key) {
    ((&span.from).into(), (&span.to).into())
}
