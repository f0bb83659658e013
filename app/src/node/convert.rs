//! Rows of the store as the interface shows them.

use dchat_wire::PeerId;

use crate::api;
use crate::store::{self, EntryState, PeerKey, UnixMillis};
use crate::time;

/// `key` as it is written; a key in the database was a valid one when it was put there.
pub(super) fn peer_text(key: &PeerKey) -> String {
    PeerId::from_public_key(*key).map_or_else(|_| hex(key), |peer| peer.to_string())
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The 16 bytes of 32 hexadecimal digits.
pub(super) fn entry_id(text: &str) -> Option<store::EntryId> {
    let mut id = [0; 16];
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(id)
}

/// A time of the store in RFC 3339.
pub(super) fn at(time: UnixMillis) -> String {
    time::rfc3339(time.max(0).unsigned_abs())
}

pub(super) fn contact(contact: &store::Contact) -> api::Contact {
    api::Contact {
        peer_id: peer_text(&contact.peer),
        name: contact.name.clone(),
        verified: contact.verified,
    }
}

pub(super) fn request(request: &store::Request) -> api::ContactRequest {
    api::ContactRequest {
        peer_id: peer_text(&request.peer),
        name: request.name.clone().unwrap_or_default(),
        at: at(request.first_at),
    }
}

/// The state of one of our own entries; `None` for a received one.
pub(super) fn state(state: EntryState) -> Option<api::MessageState> {
    Some(match state {
        EntryState::Queued => api::MessageState::Queued,
        EntryState::Stored => api::MessageState::Stored,
        EntryState::Delivered => api::MessageState::Delivered,
        EntryState::Read => api::MessageState::Read,
        EntryState::Failed => api::MessageState::Failed,
        EntryState::Received => return None,
    })
}

/// A message of the conversation called `conversation`, whose author is called `name` in it; `None`
/// for what has no text to show.
pub(super) fn message(
    entry: &store::Entry,
    conversation: String,
    name: Option<String>,
) -> Option<api::Message> {
    Some(api::Message {
        conversation,
        from: peer_text(&entry.author),
        name,
        id: hex(&entry.id),
        seq: entry.seq,
        text: entry.text.clone()?,
        sent_at: at(entry.sent_at),
        state: state(entry.state),
        mention: entry.mention,
    })
}
