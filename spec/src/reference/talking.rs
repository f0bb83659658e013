//! What members of rooms and groups tell each other, spelled out.

use dchat_wire::gossip::{
    Contact, GossipAnnounce, GossipDigest, GossipFetch, GossipJoin, GossipLeave, GossipMore,
    GossipOpen, GossipProof, GossipPull, GossipPush, GossipRange, GossipShuffle, GossipSketch,
    GossipSpans, GossipTree, ItemHead, ItemHeader, Mark, Place, SignedItem, Span, Want,
};
use dchat_wire::group::{
    GroupKeys, GroupOperations, LogCut, Operation, SealedBody, Seat, SignedOperation,
};
use dchat_wire::room::RoomBody;
use serde_json::Value;

use super::describe::{Describe, all, describe};
use super::vector::hex;

fn decimals(numbers: &[u64]) -> Value {
    numbers.iter().map(u64::to_string).collect()
}

describe! {
    ItemHead |head| {
        "log": hex(&head.log),
        "seq": head.seq,
        "hash": hex(&head.hash),
    }
    ItemHeader |header| {
        "author": hex(&header.author),
        "incarnation": hex(&header.incarnation),
        "seq": header.seq,
        "prev": hex(&header.prev),
        "lamport": header.lamport.to_string(),
        "sent_at": header.sent_at.to_string(),
        "keep_s": header.keep_s,
        "floor": header.floor,
        "heads": all(&header.heads),
        "kind": header.kind,
        "body_len": header.body_len,
        "body_hash": hex(&header.body_hash),
        "extensions": header.extensions.describe(),
    }
    SignedItem |item| {
        "header": item.header.describe(),
        "signature": hex(&item.signature),
        "body": item.body.as_ref().map(|body| hex(body.as_slice())),
    }
    RoomBody |body| {
        "author": body.author.describe(),
        "statement": hex(&body.statement),
        "name": body.name.as_str(),
        "content": hex(body.content.as_slice()),
        "extensions": body.extensions.describe(),
    }
    GossipOpen |body| {
        "room": hex(&body.room),
        "nonce": body.nonce.to_string(),
        "answer": body.answer,
        "alone": body.alone,
        "extensions": body.extensions.describe(),
    }
    Contact |contact| {
        "peer": contact.peer.describe(),
        "addresses": all(&contact.addresses),
    }
    GossipLeave |body| {
        "reason": body.reason as u8,
        "peers": all(&body.peers),
        "extensions": body.extensions.describe(),
    }
    GossipJoin |body| {
        "peer": body.peer.describe(),
        "hops": body.hops,
        "extensions": body.extensions.describe(),
    }
    GossipShuffle |body| {
        "answer": body.answer,
        "peers": all(&body.peers),
        "extensions": body.extensions.describe(),
    }
    GossipPush |body| {
        "hops": body.hops,
        "item": body.item.describe(),
    }
    Mark |mark| {
        "log": mark.log.to_string(),
        "seq": mark.seq,
        "age": mark.age,
    }
    GossipAnnounce |body| {
        "marks": all(&body.marks),
    }
    Want |want| {
        "log": want.log.to_string(),
        "after": want.after,
        "upto": want.upto,
    }
    GossipPull |body| {
        "graft": body.graft,
        "wants": all(&body.wants),
        "extensions": body.extensions.describe(),
    }
    GossipTree |body| {
        "graft": decimals(&body.graft),
        "prune": decimals(&body.prune),
        "extensions": body.extensions.describe(),
    }
    GossipDigest |body| {
        "root": body.root.to_string(),
        "total": body.total,
        "horizon": body.horizon,
    }
    GossipSketch |body| {
        "salt": body.salt,
        "of": dchat_wire::encode(body)[4],
        "horizon": body.horizon,
        "first": body.first,
        "cells": hex(body.cells.as_slice()),
        "extensions": body.extensions.describe(),
    }
    GossipMore |body| {
        "salt": body.salt,
        "have": body.have,
        "want": body.want,
        "unknown": body.unknown.as_slice(),
        "extensions": body.extensions.describe(),
    }
    GossipProof |body| {
        "items": all(&body.items),
        "extensions": body.extensions.describe(),
    }
    Place |place| {
        "lamport": place.lamport.to_string(),
        "hash": place.hash.to_string(),
    }
    Span |span| {
        "from": span.from.describe(),
        "to": span.to.describe(),
        "count": span.count,
        "sum": span.sum.to_string(),
    }
    GossipRange |body| {
        "salt": body.salt.to_string(),
        "spans": all(&body.spans),
        "newest": body.newest,
        "extensions": body.extensions.describe(),
    }
    GossipSpans |body| {
        "salt": body.salt.to_string(),
        "spans": all(&body.spans),
        "extensions": body.extensions.describe(),
    }
    GossipFetch |body| {
        "from": body.from.describe(),
        "to": body.to.describe(),
        "most": body.most,
        "extensions": body.extensions.describe(),
    }
    Seat |seat| {
        "key": hex(&seat.key),
        "proof": hex(&seat.proof),
        "name": seat.name.as_str(),
    }
    LogCut |cut| {
        "log": hex(&cut.log),
        "seq": cut.seq,
    }
    Operation |operation| {
        "group": hex(&operation.group),
        "author": operation.author.describe(),
        "seq": operation.seq,
        "after": all(operation.after.as_slice()),
        "at": operation.at.to_string(),
        "deed": operation.deed as u8,
        "subject": operation.subject.as_ref().map(Describe::describe),
        "text": operation.text.as_str(),
        "seat": operation.seat.as_ref().map(Describe::describe),
        "cut": all(operation.cut.as_slice()),
        "extensions": operation.extensions.describe(),
    }
    SignedOperation |signed| {
        "body": hex(signed.body.as_slice()),
        "signature": hex(&signed.signature),
    }
    GroupOperations |body| {
        "group": hex(&body.group),
        "heads": all(body.heads.as_slice()),
        "lacking": all(body.lacking.as_slice()),
        "operations": all(&body.operations),
        "extensions": body.extensions.describe(),
    }
    GroupKeys |keys| {
        "group": hex(&keys.group),
        "sessions": keys.sessions.iter().map(|one| hex(one)).collect::<Value>(),
        "extensions": keys.extensions.describe(),
    }
    SealedBody |body| {
        "session": hex(&body.session),
        "message": hex(body.message.as_slice()),
    }
}
