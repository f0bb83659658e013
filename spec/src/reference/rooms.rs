//! Items, rooms, digests, sketches and memberships.

use dchat_gossip::frontier::{Digest, Frontier, LinkSalt, LogId};
use dchat_gossip::log::{Item, ItemFault};
use dchat_gossip::membership::{Inserted, Membership, Refused, Roster, Standing};
use dchat_gossip::range::{Archive, Key};
use dchat_gossip::sketch::{CELL, Decoded, Decoder, Named, Snapshot};
use dchat_wire::gossip::{SignedItem, Sketched, item_message};
use dchat_wire::group::{OperationError, SignedOperation};
use dchat_wire::room::{RoomKey, RoomName, Unopened, author};
use dchat_wire::sign::{self, Identity, Purpose};
use dchat_wire::{PeerId, codec};
use serde_json::{Value, json};

use crate::describe::Describe;
use crate::vector::{Answer, Refusal, Vector, hex, unhex};

fn peer(vector: &Vector, name: &str) -> PeerId {
    PeerId::from_public_key(vector.fixed(name)).unwrap()
}

pub(crate) fn item(vector: &Vector) -> Answer {
    let room = vector.fixed("room");
    let signed: SignedItem = codec::decode(&vector.bytes("bytes"))?;
    let item = Item::new(&room, signed).map_err(|fault| {
        Refusal::new(match fault {
            ItemFault::Sequence => "bad-sequence",
            ItemFault::Previous => "bad-previous",
            ItemFault::Floor => "bad-floor",
            ItemFault::Lamport => "bad-lamport",
            ItemFault::Body => "bad-body",
        })
    })?;
    let message = item_message(&room, &item.signed().header);
    let verified = PeerId::from_public_key(*item.author()).is_ok_and(|author| {
        sign::verify(&author, Purpose::Item, &message, &item.signed().signature).is_ok()
    });
    if !verified {
        return Err(Refusal::new("bad-signature"));
    }
    Ok(json!({ "log": hex(&item.log().0), "hash": hex(item.hash()) }))
}

fn key(vector: &Vector) -> Result<(RoomName, RoomKey), Refusal> {
    let name = RoomName::new(vector.text("text")).map_err(|_| Refusal::new("bad-name"))?;
    let secret = vector.input["secret"].as_str().map(unhex);
    let key = RoomKey::derive(&name, secret.as_deref());
    Ok((name, key.map_err(|_| Refusal::new("bad-secret"))?))
}

pub(crate) fn room(vector: &Vector) -> Answer {
    let (name, key) = key(vector)?;
    let person = Identity::from_seed(&vector.fixed("seed"));
    Ok(json!({
        "name": name.as_str(),
        "author": author(&person, &key.room()).peer_id().describe(),
        "room": hex(&key.room()),
        "rendezvous": hex(key.rendezvous().as_slice()),
        "tag": hex(&key.open_tag(&peer(vector, "one"), &peer(vector, "other"))),
    }))
}

pub(crate) fn room_body(vector: &Vector) -> Answer {
    let (_, key) = key(vector)?;
    let item: SignedItem = codec::decode(&vector.bytes("item"))?;
    Item::new(&key.room(), item.clone()).unwrap();
    let body = key.open(&item).map_err(|why| match why {
        Unopened::Stub => Refusal::new("stub"),
        Unopened::NotSealed => Refusal::new("not-sealed"),
        Unopened::Malformed(error) => error.into(),
    })?;
    body.verify(&key.room(), &item.header.author)
        .map_err(|_| Refusal::new("false-author"))?;
    Ok(json!({
        "author": body.author.describe(),
        "name": body.name.as_str(),
        "content": hex(body.content.as_slice()),
    }))
}

/// What is held, as the vector says.
fn frontier(vector: &Vector) -> Frontier {
    let mut frontier = Frontier::new();
    for held in vector.input["logs"].as_array().unwrap() {
        let text = |name: &str| unhex(held[name].as_str().unwrap());
        let number = |name: &str| u32::try_from(held[name].as_u64().unwrap()).unwrap();
        let log = frontier
            .enter(LogId(text("name").try_into().unwrap()))
            .unwrap();
        frontier.update(log, |tip| {
            tip.hash = text("hash").try_into().unwrap();
            tip.seq = number("seq");
            tip.closed = held["closed"].as_bool().unwrap();
            tip.hour = number("hour");
        });
    }
    frontier
}

fn horizon(vector: &Vector) -> u32 {
    u32::try_from(vector.number("horizon")).unwrap()
}

fn snapshot(vector: &Vector) -> Snapshot {
    let of = match vector.number("of") {
        0 => Sketched::Sequences,
        _ => Sketched::Tips,
    };
    let salt = u32::try_from(vector.u64("salt")).unwrap();
    Snapshot::of(&frontier(vector), horizon(vector), salt, of)
}

pub(crate) fn digest(vector: &Vector) -> Answer {
    let nonces: Vec<u64> = vector.input["nonces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|nonce| nonce.as_str().unwrap().parse().unwrap())
        .collect();
    let salt = LinkSalt::of(nonces[0], nonces[1]);
    let digest = Digest::of(&mut frontier(vector), horizon(vector), salt);
    let root = Value::from(digest.root.to_string());
    vector.claimed("root", root.clone())?;
    Ok(json!({ "root": root, "total": digest.total }))
}

pub(crate) fn sketch(vector: &Vector) -> Answer {
    let number = |name: &str| usize::try_from(vector.number(name)).unwrap();
    let (first, count) = (number("first"), number("count"));
    let cells = snapshot(vector).cells(first, first + count);
    assert_eq!(cells.len(), count * CELL);
    vector.claimed("cells", hex(&cells))
}

pub(crate) fn sketch_read(vector: &Vector) -> Answer {
    let held = frontier(vector);
    let mut decoder = Decoder::new(snapshot(vector));
    let pushed = decoder.push(0, &vector.bytes("bytes"));
    pushed.map_err(|_| Refusal::new("bad-cells"))?;
    let Decoded::All(found) = decoder.decode() else {
        return Err(Refusal::new("unreadable"));
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for difference in found {
        match difference.log {
            Named::Known(log, theirs) => known.push((held.tip(log).unwrap().id, theirs)),
            Named::Unknown(hash) => unknown.push(hash),
        }
    }
    known.sort_unstable();
    unknown.sort_unstable();
    let known = known
        .iter()
        .map(|(log, theirs)| json!({ "log": hex(&log.0), "theirs": theirs }));
    let unknown = unknown.iter().map(u32::to_string);
    Ok(json!({ "known": known.collect::<Value>(), "unknown": unknown.collect::<Value>() }))
}

pub(crate) fn span(vector: &Vector) -> Answer {
    let places = |name: &str| -> Vec<Key> {
        let places = vector.input[name].as_array().unwrap().iter();
        let number = |value: &Value| value.as_str().unwrap().parse().unwrap();
        places
            .map(|place| Key {
                lamport: number(&place[0]),
                hash: number(&place[1]),
            })
            .collect()
    };
    let mut archive = Archive::new();
    for place in places("items") {
        archive.insert(place);
    }
    let ends = places("span");
    let summary = archive.summary(vector.u64("salt"), ends[0], ends[1]);
    let sum = Value::from(summary.sum.to_string());
    vector.claimed("sum", sum.clone())?;
    Ok(json!({ "sum": sum, "count": summary.count }))
}

fn operation_refused(error: OperationError) -> Refusal {
    match error {
        OperationError::Malformed(error) => error.into(),
        OperationError::BadSignature(_) => Refusal::new("bad-signature"),
    }
}

pub(crate) fn operation(vector: &Vector) -> Answer {
    let signed: SignedOperation = codec::decode(&vector.bytes("bytes"))?;
    let operation = signed.open().map_err(operation_refused)?;
    Ok(json!({ "hash": hex(&signed.hash()), "author": operation.author.describe() }))
}

pub(crate) fn membership(vector: &Vector) -> Answer {
    let mut membership = Membership::new(vector.fixed("group"));
    let operations = vector.list("operations");
    for bytes in &operations {
        let signed: SignedOperation = codec::decode(bytes)?;
        let inserted = membership.insert(signed, SignedOperation::open);
        let inserted = inserted.map_err(|refused| match refused {
            Refused::Bad(error) => operation_refused(error),
            Refused::OtherGroup => Refusal::new("other-group"),
            Refused::Shape => Refusal::new("bad-shape"),
            Refused::OldKey => Refusal::new("old-key"),
            Refused::Stranger => Refusal::new("stranger"),
            Refused::Full => panic!("{}: full", vector.id),
        })?;
        assert_ne!(inserted, Inserted::Known, "{}", vector.id);
    }
    assert_eq!(
        membership.len(),
        operations.len(),
        "{}: some wait",
        vector.id
    );
    let void: Value = membership.void().iter().map(|hash| hex(hash)).collect();
    let mut outcome = outcome(&membership.roster());
    outcome["void"] = void;
    Ok(outcome)
}

fn outcome(roster: &Roster) -> Value {
    let members = roster.members.iter().map(|(peer, member)| {
        let standing = match member.standing {
            Standing::Invited => "invited",
            Standing::Member => "member",
            Standing::Admin => "admin",
        };
        json!({ "peer": peer.describe(), "standing": standing })
    });
    let writers = roster.writers.iter().map(|(key, writer)| {
        let ends = writer.ends.as_ref().map(|ends| -> Value {
            let one = |(log, seq): (&[u8; 16], &u32)| json!({ "log": hex(log), "seq": seq });
            ends.iter().map(one).collect()
        });
        json!({ "key": hex(key), "member": writer.member.describe(), "ends": ends })
    });
    json!({
        "members": members.collect::<Value>(),
        "writers": writers.collect::<Value>(),
        "name": roster.name,
        "policy": roster.policy.to_string(),
    })
}
