//! Positions, keys, stored and blinded records, and pulses.

use dchat_kademlia::blinded::{Epoch, Seal, Secret};
use dchat_kademlia::puzzle::Memory;
use dchat_kademlia::record::validate;
use dchat_kademlia::{Key, Time};
use dchat_wire::codec;
use dchat_wire::dht;
use dchat_wire::hash;
use dchat_wire::pulse::{Pulse, PulseKey};
use dchat_wire::record::SignedRecord;
use serde_json::json;

use super::vector::{Answer, Unanswered, Vector, agrees, hex, refused};

/// The output, whose first field is compared with what the vector claims.
fn claimed(vector: &Vector, first: &str, output: serde_json::Value) -> Answer {
    vector.claimed(first, output[first].clone())?;
    Ok(output)
}

pub(super) fn position(vector: &Vector) -> Answer {
    let difficulty = vector.number("difficulty")?;
    let mut memory = Memory::new()
        .map_err(|error| Unanswered::Failed(format!("no memory for the puzzle: {error}")))?;
    let at = memory
        .verify(&vector.fixed("key")?, vector.u64("nonce")?, difficulty)
        .ok_or_else(|| refused("not-accepted"))?;
    vector.claimed("position", hex(&at.0))
}

pub(super) fn dht_key(vector: &Vector) -> Answer {
    let key = hash::dht_key(vector.number("kind")?, &vector.bytes("name")?);
    vector.claimed("key", hex(&key))
}

pub(super) fn distance(vector: &Vector) -> Answer {
    let (one, other) = (Key(vector.fixed("one")?), Key(vector.fixed("other")?));
    // A distance does not give out its bytes: those of the key at that distance from zeros are it.
    let bytes: [u8; 32] = core::array::from_fn(|index| one.0[index] ^ other.0[index]);
    let distance = one.distance(&other);
    agrees(
        distance == Key([0; 32]).distance(&Key(bytes)),
        "no exclusive or",
    )?;
    agrees(distance == other.distance(&one), "not symmetric")?;
    let output = json!({
        "distance": hex(&bytes),
        "shared": one.common_prefix(&other),
        "tail": other.tail(),
    });
    claimed(vector, "distance", output)
}

pub(super) fn stored_record(vector: &Vector) -> Answer {
    let record: SignedRecord = codec::decode(&vector.bytes("bytes")?)?;
    let key = Key(vector.fixed("key")?);
    let meta =
        validate(&key, &record, Time(vector.u64("now")?)).map_err(|reason| match reason {
            dht::Refusal::BadRecord => refused("bad-record"),
            dht::Refusal::BadSignature => refused("bad-signature"),
            dht::Refusal::WrongKey => refused("wrong-key"),
            dht::Refusal::Expired => refused("expired"),
            other => Unanswered::Failed(format!("{other:?} of a record alone")),
        })?;
    agrees(meta.key == key, "stored under another key")?;
    Ok(json!({
        "kind": meta.kind,
        "signer": hex(meta.signer.public_key()),
        "slot": hex(&meta.slot),
        "sequence": meta.sequence.to_string(),
        "issued_at": meta.issued.0.to_string(),
        "expires_at": meta.expires.0.to_string(),
        "digest": hex(&meta.digest),
    }))
}

pub(super) fn record_digest(vector: &Vector) -> Answer {
    let record: SignedRecord = codec::decode(&vector.bytes("bytes")?)?;
    vector.claimed("digest", hex(&record.digest()))
}

fn secret(vector: &Vector) -> Result<Secret, Unanswered> {
    Ok(Secret::new(vector.fixed::<32>("secret")?.into()))
}

pub(super) fn blinded_identity(vector: &Vector) -> Answer {
    let (epoch, label) = (Epoch(vector.u64("epoch")?), vector.bytes("label")?);
    let signer = secret(vector)?.identity(epoch, &label).peer_id();
    let key = secret(vector)?.key(vector.number("kind")?, epoch, &label);
    let output = json!({ "signer": hex(signer.public_key()), "key": hex(&key.0) });
    claimed(vector, "signer", output)
}

pub(super) fn sealed_payload(vector: &Vector) -> Answer {
    let (signer, sealed) = (vector.fixed("signer")?, vector.bytes("sealed")?);
    let seal = Seal {
        epoch: Epoch(vector.u64("epoch")?),
        kind: vector.number("kind")?,
        signer: &signer,
    };
    let plain = secret(vector)?
        .open(&seal, &sealed)
        .map_err(|_| refused("not-sealed"))?;
    if let Some(nonce) = sealed.first_chunk() {
        let again = secret(vector)?.seal(&seal, *nonce, &plain);
        let same = again.is_ok_and(|again| again.as_slice() == sealed);
        agrees(same, "another seal of the same")?;
    }
    Ok(json!({ "plain": hex(&plain) }))
}

pub(super) fn pulse(vector: &Vector) -> Answer {
    let key = PulseKey::from_exporter(&vector.fixed("exported")?);
    let datagram = vector.bytes("datagram")?;
    let pulse = Pulse::open(&key, &datagram).ok_or_else(|| refused("no-meaning"))?;
    agrees(pulse.seal(&key).as_slice() == datagram, "another pulse")?;
    let (kind, nonce) = match pulse {
        Pulse::Question { nonce } => ("question", nonce),
        Pulse::Answer { nonce } => ("answer", nonce),
    };
    Ok(json!({ "kind": kind, "nonce": hex(&nonce) }))
}
