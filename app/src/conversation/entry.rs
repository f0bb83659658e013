//! Entries between their stored and their wire form.

use dchat_wire::defect::{self, Defect};
use dchat_wire::limits;
use dchat_wire::parcel::{Entry, entry_hash, entry_kind};

use super::compose::content;
use super::{Incarnation, LogEntry, Misbehaviour, Notice, Pair};

/// Bytes of an encoded entry beside its text, with room to spare: incarnation 16, number 8, two
/// hashes 64, tags and times 19, kind 2, and four lengths of 8.
pub(super) const OVERHEAD: usize = 160;

/// The entry as it travels. A stub when its text is gone or its time is over.
pub(super) fn to_wire(entry: &LogEntry, incarnation: &Incarnation, now: u64) -> Entry {
    let due = entry.expires_at.is_some_and(|at| at <= now);
    let text = entry.text.as_deref().filter(|_| !due);
    Entry {
        incarnation: *incarnation,
        seq: entry.seq,
        prev: entry.prev,
        hash: entry.hash,
        content: text.and_then(|text| content(entry.kind, text, entry.sent_at, entry.expires_at)),
    }
}

/// The peer's entry as it is stored, its hash checked. The text of one that is past its time, or
/// of a kind that is not known here, is left out.
pub(super) fn from_wire(entry: &Entry, pair: &Pair, now: u64) -> Result<LogEntry, Misbehaviour> {
    let seq = entry.seq;
    if seq == 0 {
        return Err(Misbehaviour::NumberZero);
    }
    let mut stored = LogEntry {
        seq,
        id: pair.peer_entry_id(&entry.incarnation, seq),
        prev: entry.prev,
        hash: entry.hash,
        kind: 0,
        text: None,
        sent_at: now,
        expires_at: None,
    };
    let Some(content) = &entry.content else {
        return Ok(stored);
    };
    let hash = entry_hash(
        pair.conversation(),
        pair.peer(),
        &entry.incarnation,
        seq,
        &entry.prev,
        content,
    );
    if hash != entry.hash && !defect::is(Defect::AcceptsWrongHash) {
        return Err(Misbehaviour::WrongHash { seq });
    }
    stored.kind = content.kind;
    stored.sent_at = content.sent_at;
    stored.expires_at = content.expires_at;
    let due = content.expires_at.is_some_and(|at| at <= now);
    if content.kind == entry_kind::TEXT && !due {
        stored.text = Some(text(content.body.as_slice()).ok_or(Misbehaviour::BadText { seq })?);
    }
    Ok(stored)
}

/// What an entry brings that is no text.
pub(super) fn notice(entry: &Entry) -> Option<Notice> {
    let content = entry.content.as_ref()?;
    let known = [entry_kind::GROUP_OPERATIONS, entry_kind::GROUP_KEYS];
    known.contains(&content.kind).then(|| Notice {
        kind: content.kind,
        body: content.body.as_slice().to_vec(),
    })
}

fn text(body: &[u8]) -> Option<String> {
    if body.len() > limits::TEXT {
        return None;
    }
    core::str::from_utf8(body).ok().map(str::to_owned)
}
