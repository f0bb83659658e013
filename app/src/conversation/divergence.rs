//! Finding where our log and the peer's copy of it part, and going on in a new one.

use dchat_wire::parcel::entry_hash;

use super::compose::content;
use super::{Incarnation, Ledger, LogEntry, Output, Pair, Place};

/// What is known of the peer's copy of our current log when it contradicts ours.
///
/// Invariant: entries through `agreed` are equal, and the one at `differs` is not. Each fact
/// narrows the two, so at most 64 questions settle it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Divergence {
    agreed: u64,
    differs: Option<u64>,
}

/// What to do next about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The logs agree as far as is known.
    None,
    /// Ask for the hash at this number.
    Ask(u64),
    /// They part after this number.
    PartsAfter(u64),
}

impl Divergence {
    pub(super) fn agrees_at(&mut self, seq: u64) {
        self.agreed = self.agreed.max(seq);
    }

    pub(super) fn differs_at(&mut self, seq: u64) {
        self.differs = Some(self.differs.map_or(seq, |known| known.min(seq)));
    }

    pub(super) fn is_known(&self) -> bool {
        self.differs.is_some()
    }

    /// `acked`: the peer confirmed our entries through here at some time, so none of them may be
    /// sent as new.
    pub(super) fn step(&self, acked: u64) -> Step {
        let agreed = self.agreed.max(acked);
        match self.differs {
            None => Step::None,
            Some(differs) if differs <= agreed.saturating_add(1) => Step::PartsAfter(agreed),
            Some(differs) => Step::Ask(agreed + (differs - agreed) / 2),
        }
    }
}

/// Entries read at a time while moving: full ones stay under 5 MiB.
const PAGE: usize = 64;

/// Moves the entries after `agreed` of the own log `from` to the new own log `to`, renumbered and
/// chained anew, and says how they are called now. Stubs keep their hash, whose content is gone.
pub(super) fn move_entries<L: Ledger>(
    ledger: &mut L,
    pair: &Pair,
    from: &Incarnation,
    agreed: u64,
    to: &Incarnation,
) -> Result<Vec<Output>, L::Error> {
    let tip = match agreed {
        0 => [0; 32],
        seq => ledger
            .hash_at(super::Author::Own, from, seq)?
            .unwrap_or_default(),
    };
    ledger.start_own_log(to)?;
    let mut renamed = Vec::new();
    let (mut after, mut seq, mut prev) = (agreed, 0, [0; 32]);
    loop {
        let page = ledger.own_entries_after(from, after, PAGE, usize::MAX)?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            seq += 1;
            let place = Place {
                seq,
                id: pair.own_entry_id(to, seq),
                prev,
                hash: rechained(pair, to, seq, &prev, &entry),
            };
            ledger.move_own(from, entry.seq, to, &place)?;
            renamed.push(Output::Renamed {
                from: entry.id,
                to: place.id,
            });
            (after, prev) = (entry.seq, place.hash);
        }
    }
    ledger.end_own_log(from, agreed, &tip)?;
    Ok(renamed)
}

fn rechained(
    pair: &Pair,
    log: &Incarnation,
    seq: u64,
    prev: &[u8; 32],
    entry: &LogEntry,
) -> [u8; 32] {
    let text = entry.text.as_deref();
    text.and_then(|text| content(entry.kind, text, entry.sent_at, entry.expires_at))
        .map_or(entry.hash, |content| {
            entry_hash(pair.conversation(), pair.own(), log, seq, prev, &content)
        })
}
