//! STUN, as a node answers it and reads its answers.

use std::net::SocketAddr;

use dchat_nat::stun::{self, Message};
use serde_json::{Value, json};

use super::vector::{Answer, Unanswered, Vector, agrees, hex, refused};

/// What an answer says, whoever made it.
fn said(datagram: &[u8]) -> Answer {
    let (id, mapped, code) = match stun::decode(datagram) {
        Ok(Message::Answer(answer)) => (answer.id, Value::from(answer.mapped.to_string()), None),
        Ok(Message::Refusal(refusal)) => (refusal.id, Value::Null, Some(refusal.code)),
        _ => return Err(refused("no-meaning")),
    };
    Ok(json!({ "transaction": hex(&id.0), "mapped": mapped, "code": code }))
}

pub(super) fn answer(vector: &Vector) -> Answer {
    let from: SocketAddr = vector
        .text("from")?
        .parse()
        .map_err(|_| Unanswered::Failed("no address to answer to".to_owned()))?;
    let question = vector.bytes("datagram")?;
    let answer = stun::answer(&question, from).ok_or_else(|| refused("no-meaning"))?;
    agrees(answer.len() <= question.len(), "an answer with more bytes")?;
    said(&answer)
}

pub(super) fn read(vector: &Vector) -> Answer {
    said(&vector.bytes("datagram")?)
}
