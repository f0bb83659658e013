//! The Olm profile against vodozemac, the implementation that the reference node uses.

use serde_json::{Value, json};
use vodozemac::Curve25519PublicKey;
use vodozemac::olm::{
    Account, DecryptionError, Message, OlmMessage, PreKeyMessage, Session, SessionConfig,
    SessionCreationError,
};

use super::vector::{Answer, Unanswered, Vector, agrees, hex, refused};
use crate::olm::{Initiator, Step, cipher_keys, message_key, next_chain, public};

/// An account with these secrets: its pickle with other numbers in it.
fn account(identity: &[u8; 32], fallback: &[u8; 32]) -> Result<Account, Unanswered> {
    let unlike = |error: serde_json::Error| Unanswered::Failed(format!("the pickle: {error}"));
    let mut fresh = Account::new();
    fresh.generate_fallback_key();
    let mut pickle = serde_json::to_value(fresh.pickle()).map_err(unlike)?;
    pickle["diffie_hellman_key"] = json!(identity);
    pickle["fallback_keys"]["fallback_key"]["key"] = json!(fallback);
    let account = Account::from_pickle(serde_json::from_value(pickle).map_err(unlike)?);
    let ours = account.curve25519_key().to_bytes() == public(identity);
    agrees(ours, "the account has another key")?;
    Ok(account)
}

fn key(bytes: [u8; 32]) -> Curve25519PublicKey {
    Curve25519PublicKey::from_bytes(bytes)
}

fn initiator(vector: &Vector) -> Result<Initiator, Unanswered> {
    Ok(Initiator {
        identity: vector.fixed("identity_secret")?,
        base: vector.fixed("base_secret")?,
        ratchet: vector.fixed("ratchet_secret")?,
        their_identity: vector.fixed("their_identity")?,
        their_fallback: vector.fixed("their_fallback")?,
    })
}

/// vodozemac keeps its keys to itself. So it says here which keys it refuses and what the session is
/// called; the derived keys are those of the [profile](crate::olm), and that vodozemac derives the
/// same is seen by what it decrypts (below) and by its reply in the tests.
pub(super) fn keys(vector: &Vector) -> Answer {
    let side = initiator(vector)?;
    let outbound = Account::new().create_outbound_session(
        SessionConfig::version_1(),
        key(side.their_identity),
        key(side.their_fallback),
    );
    if outbound.is_err() {
        return Err(refused("not-a-key"));
    }
    let opening = PreKeyMessage::from_bytes(&side.opening(0, b"any"));
    let opening = opening.map_err(|error| Unanswered::Failed(error.to_string()))?;
    let session = unbase64(&opening.session_id())?;
    vector.claimed("session", hex(&session))?;
    let first = Step::first(&side.shared());
    let reply = first.reply(&side.ratchet, &vector.fixed("their_ratchet")?);
    let head = message_key(&first.chain);
    Ok(json!({
        "shared": hex(&side.shared()),
        "root": hex(&first.root),
        "chain": hex(&first.chain),
        "message_key_0": hex(&head),
        "message_key_1": hex(&message_key(&next_chain(&first.chain))),
        "cipher_keys_0": hex(&cipher_keys(&head)),
        "reply_root": hex(&reply.root),
        "reply_chain": hex(&reply.chain),
        "session": hex(&session),
    }))
}

pub(super) fn message(vector: &Vector) -> Answer {
    let bytes = vector.bytes("bytes")?;
    let bad = |_| refused("bad-olm-message");
    if vector.number::<u8>("stage")? == 1 {
        let message = Message::from_bytes(&bytes).map_err(bad)?;
        return Ok(json!({
            "ratchet_key": hex(message.ratchet_key().as_bytes()),
            "index": message.chain_index().to_string(),
            "ciphertext": hex(message.ciphertext()),
            "mac": hex(&bytes[bytes.len().saturating_sub(8)..]),
        }));
    }
    let opening = PreKeyMessage::from_bytes(&bytes).map_err(bad)?;
    Ok(json!({
        "fallback_key": hex(opening.one_time_key().as_bytes()),
        "base_key": hex(opening.base_key().as_bytes()),
        "identity_key": hex(opening.identity_key().as_bytes()),
        "message": hex(&opening.message().to_bytes()),
    }))
}

pub(super) fn decrypt(vector: &Vector) -> Answer {
    let mut account = account(
        &vector.fixed("identity_secret")?,
        &vector.fixed("fallback_secret")?,
    )?;
    let sender = key(vector.fixed("sender_identity")?);
    let mut session: Option<Session> = None;
    let mut plaintexts = Vec::new();
    for bytes in vector.list("messages")? {
        let opening = PreKeyMessage::from_bytes(&bytes).map_err(|_| refused("bad-olm-message"))?;
        if opening.identity_key() == sender
            && unbase64(&opening.session_id())? != vector.bytes("session")?
        {
            return Err(refused("mismatch"));
        }
        let plaintext = match &mut session {
            Some(session) => session
                .decrypt(&OlmMessage::PreKey(opening))
                .map_err(undecryptable)?,
            None => {
                let config = SessionConfig::version_1();
                let created = account
                    .create_inbound_session(config, sender, &opening)
                    .map_err(uncreatable)?;
                session = Some(created.session);
                created.plaintext
            }
        };
        plaintexts.push(hex(&plaintext));
    }
    Ok(json!({ "plaintexts": Value::from(plaintexts) }))
}

fn undecryptable(_: DecryptionError) -> Unanswered {
    refused("undecryptable")
}

fn uncreatable(error: SessionCreationError) -> Unanswered {
    match error {
        SessionCreationError::MismatchedIdentityKey(..) => refused("wrong-identity"),
        SessionCreationError::Decryption(error) => undecryptable(error),
        other => Unanswered::Failed(other.to_string()),
    }
}

/// Unpadded base64, as vodozemac writes session ids.
fn unbase64(text: &str) -> Result<Vec<u8>, Unanswered> {
    let key = Curve25519PublicKey::from_base64(text);
    let key = key.map_err(|error| Unanswered::Failed(error.to_string()))?;
    Ok(key.to_bytes().to_vec())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_of_vodozemac_is_under_the_chain_of_the_reply_step() {
        let (identity, fallback) = ([0x41; 32], [0x51; 32]);
        let side = Initiator {
            identity: [0x11; 32],
            base: [0x21; 32],
            ratchet: [0x31; 32],
            their_identity: public(&identity),
            their_fallback: public(&fallback),
        };
        let opening = PreKeyMessage::from_bytes(&side.opening(0, b"hello")).unwrap();
        let sender = key(public(&side.identity));
        let mut session = account(&identity, &fallback)
            .unwrap()
            .create_inbound_session(SessionConfig::version_1(), sender, &opening)
            .unwrap()
            .session;
        let OlmMessage::Normal(reply) = session.encrypt(b"hello yourself").unwrap() else {
            panic!("a receiver's first message is no pre-key message");
        };
        let ratchet = reply.ratchet_key().to_bytes();
        let step = Step::first(&side.shared()).reply(&side.ratchet, &ratchet);
        // AES-CBC and the MAC are deterministic: the same key and text give the same message.
        let ours = crate::olm::message(&step.chain, 0, &ratchet, b"hello yourself");
        assert_eq!(reply.to_bytes(), ours);
    }
}
