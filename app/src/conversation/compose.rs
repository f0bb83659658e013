//! Writing a message: it is queued in the ledger, whether the peer is connected or not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use dchat_wire::codec::{Bytes, List};
use dchat_wire::extension::Extensions;
use dchat_wire::limits;
use dchat_wire::parcel::{Content, entry_hash, entry_kind};

use super::{ComposeError, EntryId, Incarnation, Ledger, LogEntry, Pair};

/// Own entries that may wait for one peer: what an acknowledgement can change at once, and two days
/// of a message every three seconds to somebody who is away.
pub const MAX_QUEUED: u64 = 65_536;

/// A message to be written.
#[derive(Clone, Copy)]
pub struct Draft<'t> {
    /// At most [`limits::TEXT`] bytes.
    pub text: &'t str,
    /// When it is to be given up and forgotten, in milliseconds since 1970.
    pub expires_at: Option<u64>,
}

/// Where a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Composed {
    /// Its name.
    pub id: EntryId,
    /// Its log.
    pub incarnation: Incarnation,
    /// Its number there.
    pub seq: u64,
}

/// Queues `draft` as the next entry of our current log with the peer. The log begins as `fresh`
/// (16 random bytes) when there is none. If the peer is connected, its conversation sends it at
/// the next [`settle`](super::Conversation::settle), best in the same transaction.
///
/// # Errors
/// [`ComposeError`].
pub fn compose<L: Ledger>(
    ledger: &mut L,
    pair: &Pair,
    draft: &Draft<'_>,
    fresh: &Incarnation,
    now: u64,
) -> Result<Composed, ComposeError<L::Error>> {
    append(ledger, pair, entry_kind::TEXT, draft, fresh, now)
}

/// Queues a `body` that is no text and of which no person is told, as [`compose`] does a text. It is
/// forgotten here once the other side has it.
///
/// # Errors
/// [`ComposeError`].
pub fn compose_notice<L: Ledger>(
    ledger: &mut L,
    pair: &Pair,
    kind: u16,
    body: &[u8],
    fresh: &Incarnation,
    now: u64,
) -> Result<Composed, ComposeError<L::Error>> {
    let draft = Draft {
        text: &BASE64.encode(body),
        expires_at: None,
    };
    append(ledger, pair, kind, &draft, fresh, now)
}

fn append<L: Ledger>(
    ledger: &mut L,
    pair: &Pair,
    kind: u16,
    draft: &Draft<'_>,
    fresh: &Incarnation,
    now: u64,
) -> Result<Composed, ComposeError<L::Error>> {
    let (len, limit) = (draft.text.len(), limits::TEXT);
    let too_long = ComposeError::TooLong { len, limit };
    if len > limit {
        return Err(too_long);
    }
    if draft.expires_at.is_some_and(|at| at <= now) {
        return Err(ComposeError::Expired);
    }
    let (incarnation, last_seq, prev) = match ledger.own_log().map_err(ComposeError::Ledger)? {
        Some(log) if log.last_seq - log.acked.min(log.last_seq) >= MAX_QUEUED => {
            return Err(ComposeError::Full { limit: MAX_QUEUED });
        }
        Some(log) => (log.incarnation, log.last_seq, log.tip),
        None => {
            ledger.start_own_log(fresh).map_err(ComposeError::Ledger)?;
            (*fresh, 0, [0; 32])
        }
    };
    let seq = last_seq + 1;
    let Some(content) = content(kind, draft.text, now, draft.expires_at) else {
        return Err(too_long);
    };
    let entry = LogEntry {
        seq,
        id: pair.own_entry_id(&incarnation, seq),
        prev,
        hash: entry_hash(
            pair.conversation(),
            pair.own(),
            &incarnation,
            seq,
            &prev,
            &content,
        ),
        kind,
        text: Some(draft.text.to_owned()),
        sent_at: now,
        expires_at: draft.expires_at,
    };
    ledger
        .append_own(&incarnation, &entry, now)
        .map_err(ComposeError::Ledger)?;
    Ok(Composed {
        id: entry.id,
        incarnation,
        seq,
    })
}

/// The content of an own entry. It follows from what is stored, so that a resend has the bytes and
/// the hash of the first time: no heads and no extensions. What is no text is stored in base64.
/// `None` when the text is too long.
pub(super) fn content(
    kind: u16,
    text: &str,
    sent_at: u64,
    expires_at: Option<u64>,
) -> Option<Content> {
    let body = match kind {
        entry_kind::TEXT => text.as_bytes().to_vec(),
        _ => BASE64.decode(text).ok()?,
    };
    Some(Content {
        sent_at,
        expires_at,
        heads: List::default(),
        kind,
        body: Bytes::new(body).ok()?,
        extensions: Extensions::default(),
    })
}
