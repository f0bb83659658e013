//! Sender keys against vodozemac, the implementation that the reference node uses.

use serde_json::json;
use vodozemac::megolm::{ExportedSessionKey, InboundGroupSession, MegolmMessage, SessionConfig};

use super::vector::{Answer, Vector, hex, refused};

/// Bytes of a session in export format (`81-groups` §5.1).
const EXPORT: usize = 165;

pub(super) fn decrypt(vector: &Vector) -> Answer {
    let export = vector.bytes("session")?;
    let bad = |_| refused("bad-megolm-session");
    if export.len() != EXPORT {
        return Err(refused("bad-megolm-session"));
    }
    let key = ExportedSessionKey::from_bytes(&export).map_err(bad)?;
    let mut session = InboundGroupSession::import(&key, SessionConfig::version_1());
    let (mut plaintexts, mut indices) = (Vec::new(), Vec::new());
    for bytes in vector.list("messages")? {
        let message =
            MegolmMessage::from_bytes(&bytes).map_err(|_| refused("bad-megolm-message"))?;
        let read = session
            .decrypt(&message)
            .map_err(|_| refused("undecryptable"))?;
        plaintexts.push(hex(&read.plaintext));
        indices.push(read.message_index);
    }
    Ok(json!({ "plaintexts": plaintexts, "indices": indices }))
}
