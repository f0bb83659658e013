//! What NAT traversal and relays say.

use dchat_wire::nat::{Candidate, Candidates, NatClass, Prediction, Punch, Reach, Reached};
use dchat_wire::relay::datagram::{Datagram, Part};
use dchat_wire::relay::{
    RelayAccept, RelayConnect, RelayIncoming, RelayOpened, RelayRefused, RelayReserve,
    RelayReserved, Voucher,
};
use serde_json::json;

use super::describe::{Describe, all, describe};
use super::vector::{Answer, Vector, agrees, hex, refused};

describe! {
    NatClass |class| {
        "mapping": class.mapping as u8,
        "filtering": class.filtering as u8,
        "allocation": class.allocation as u8,
        "stride": class.stride,
        "block_first": class.block_first,
        "block_len": class.block_len,
    }
    Candidate |candidate| {
        "kind": candidate.kind as u8,
        "address": candidate.address.describe(),
    }
    Candidates |body| {
        "generation": body.generation,
        "class": body.class.describe(),
        "candidates": all(&body.candidates),
        "extensions": body.extensions.describe(),
    }
    Prediction |prediction| {
        "address": prediction.address.describe(),
        "stride": prediction.stride,
        "count": prediction.count,
    }
    Punch |body| {
        "round": body.round,
        "answers": body.answers,
        "prediction": body.prediction.as_ref().map(Describe::describe),
        "sockets": body.sockets,
        "extensions": body.extensions.describe(),
    }
    Reach |body| {
        "token": hex(&body.token),
        "from": body.from as u8,
        "target": body.target.describe(),
        "extensions": body.extensions.describe(),
    }
    Reached |body| {
        "result": body.result as u8,
        "extensions": body.extensions.describe(),
    }
    RelayReserve |body| {
        "lifetime_s": body.lifetime_s,
        "extensions": body.extensions.describe(),
    }
    RelayReserved |body| {
        "lifetime_s": body.lifetime_s,
        "channels": body.channels,
        "bytes_per_s": body.bytes_per_s,
        "voucher": body.voucher.describe(),
        "extensions": body.extensions.describe(),
    }
    RelayRefused |body| {
        "reason": body.reason as u16,
        "retry_after_s": body.retry_after_s,
        "extensions": body.extensions.describe(),
    }
    RelayConnect |body| {
        "peer": body.peer.describe(),
        "extensions": body.extensions.describe(),
    }
    RelayIncoming |body| {
        "peer": body.peer.describe(),
        "channel": body.channel,
        "extensions": body.extensions.describe(),
    }
    RelayAccept |body| {
        "extensions": body.extensions.describe(),
    }
    RelayOpened |body| {
        "channel": body.channel,
        "bytes_per_s": body.bytes_per_s,
        "extensions": body.extensions.describe(),
    }
    Voucher |voucher| {
        "peer": voucher.peer.describe(),
        "extensions": voucher.extensions.describe(),
    }
}

pub(super) fn datagram(vector: &Vector) -> Answer {
    let bytes = vector.bytes("datagram")?;
    let datagram = Datagram::open(&bytes).ok_or_else(|| refused("no-meaning"))?;
    let mut again = Vec::new();
    datagram.append_to(&mut again);
    agrees(again == bytes, "another datagram of the same meaning")?;
    let (kind, number, packet) = match datagram {
        Datagram::Whole { packet, .. } => ("whole", None, packet),
        Datagram::Part {
            number,
            part,
            bytes,
            ..
        } => match part {
            Part::First => ("first", Some(number), bytes),
            Part::Second => ("second", Some(number), bytes),
        },
    };
    Ok(json!({
        "kind": kind,
        "channel": datagram.channel(),
        "number": number,
        "packet": hex(packet),
    }))
}
