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

use super::describe::Describe;
use super::vector::{Answer, Unanswered, Vector, agrees, decimal, hex, refused, unhex};

fn unlike_an_item(fault: ItemFault) -> Unanswered {
    refused(match fault {
        ItemFault::Sequence => "bad-sequence",
        ItemFault::Previous => "bad-previous",
        ItemFault::Floor => "bad-floor",
        ItemFault::Lamport => "bad-lamport",
        ItemFault::Body => "bad-body",
    })
}

pub(super) fn item(vector: &Vector) -> Answer {
    let room = vector.fixed("room")?;
    let signed: SignedItem = codec::decode(&vector.bytes("bytes")?)?;
    let item = Item::new(&room, signed).map_err(unlike_an_item)?;
    let message = item_message(&room, &item.signed().header);
    let verified = PeerId::from_public_key(*item.author()).is_ok_and(|author| {
        sign::verify(&author, Purpose::Item, &message, &item.signed().signature).is_ok()
    });
    if !verified {
        return Err(refused("bad-signature"));
    }
    Ok(json!({ "log": hex(&item.log().0), "hash": hex(item.hash()) }))
}

fn key(vector: &Vector) -> Result<(RoomName, RoomKey), Unanswered> {
    let name = RoomName::new(vector.text("text")?).map_err(|_| refused("bad-name"))?;
    let secret = match vector.value("secret")? {
        Value::Null => None,
        _ => Some(vector.bytes("secret")?),
    };
    let key = RoomKey::derive(&name, secret.as_deref());
    Ok((name, key.map_err(|_| refused("bad-secret"))?))
}

pub(super) fn room(vector: &Vector) -> Answer {
    let (name, key) = key(vector)?;
    let person = Identity::from_seed(&vector.fixed("seed")?);
    Ok(json!({
        "name": name.as_str(),
        "author": author(&person, &key.room()).peer_id().describe(),
        "room": hex(&key.room()),
        "rendezvous": hex(key.rendezvous().as_slice()),
        "tag": hex(&key.open_tag(&vector.peer("one")?, &vector.peer("other")?)),
    }))
}

pub(super) fn room_body(vector: &Vector) -> Answer {
    let (_, key) = key(vector)?;
    let item: SignedItem = codec::decode(&vector.bytes("item")?)?;
    Item::new(&key.room(), item.clone()).map_err(unlike_an_item)?;
    let body = key.open(&item).map_err(|why| match why {
        Unopened::Stub => refused("stub"),
        Unopened::NotSealed => refused("not-sealed"),
        Unopened::Malformed(error) => error.into(),
    })?;
    body.verify(&key.room(), &item.header.author)
        .map_err(|_| refused("false-author"))?;
    Ok(json!({
        "author": body.author.describe(),
        "name": body.name.as_str(),
        "content": hex(body.content.as_slice()),
    }))
}

/// A log as the vector gives it.
struct Held {
    name: [u8; 16],
    hash: [u8; 32],
    seq: u32,
    closed: bool,
    hour: u32,
}

impl Held {
    fn read(log: &Value) -> Option<Self> {
        let number = |name: &str| u32::try_from(log.get(name)?.as_u64()?).ok();
        let bytes = |name: &str| unhex(log.get(name)?.as_str()?);
        Some(Self {
            name: bytes("name")?.try_into().ok()?,
            hash: bytes("hash")?.try_into().ok()?,
            seq: number("seq")?,
            closed: log.get("closed")?.as_bool()?,
            hour: number("hour")?,
        })
    }
}

/// What is held, as the vector says.
fn frontier(vector: &Vector) -> Result<Frontier, Unanswered> {
    let mut frontier = Frontier::new();
    for held in vector.items("logs", Held::read)? {
        let log = frontier
            .enter(LogId(held.name))
            .map_err(|_| Unanswered::Failed("more logs than a room has".to_owned()))?;
        frontier.update(log, |tip| {
            // Of a closed log nothing is held any more.
            if !held.closed {
                tip.hash = held.hash;
                tip.seq = held.seq;
            }
            tip.closed = held.closed;
            tip.hour = held.hour;
        });
    }
    Ok(frontier)
}

fn snapshot(vector: &Vector) -> Result<Snapshot, Unanswered> {
    let of = match vector.number::<u64>("of")? {
        0 => Sketched::Sequences,
        _ => Sketched::Tips,
    };
    let salt = u32::try_from(vector.u64("salt")?)
        .map_err(|_| Unanswered::Failed("a salt of over 32 bits".to_owned()))?;
    let horizon = vector.number("horizon")?;
    Ok(Snapshot::of(&frontier(vector)?, horizon, salt, of))
}

pub(super) fn digest(vector: &Vector) -> Answer {
    let nonces = vector.items("nonces", decimal)?;
    let [one, other] = nonces[..] else {
        return Err(Unanswered::Failed("a link has two nonces".to_owned()));
    };
    let salt = LinkSalt::of(one, other);
    let digest = Digest::of(&mut frontier(vector)?, vector.number("horizon")?, salt);
    let root = Value::from(digest.root.to_string());
    vector.claimed("root", root.clone())?;
    Ok(json!({ "root": root, "total": digest.total }))
}

pub(super) fn sketch(vector: &Vector) -> Answer {
    let first: u16 = vector.number("first")?;
    let count: u16 = vector.number("count")?;
    let (first, count) = (usize::from(first), usize::from(count));
    let cells = snapshot(vector)?.cells(first, first + count);
    agrees(cells.len() == count * CELL, "cells of another size")?;
    vector.claimed("cells", hex(&cells))
}

pub(super) fn sketch_read(vector: &Vector) -> Answer {
    let held = frontier(vector)?;
    let mut decoder = Decoder::new(snapshot(vector)?);
    let pushed = decoder.push(0, &vector.bytes("bytes")?);
    pushed.map_err(|_| refused("bad-cells"))?;
    let Decoded::All(found) = decoder.decode() else {
        return Err(refused("unreadable"));
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for difference in found {
        match difference.log {
            Named::Known(log, theirs) => {
                let tip = held.tip(log);
                let tip = tip.ok_or_else(|| Unanswered::Failed("a log of nobody".to_owned()))?;
                known.push((tip.id, theirs));
            }
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

fn place(pair: &Value) -> Option<Key> {
    match pair.as_array()?.as_slice() {
        [lamport, hash] => Some(Key {
            lamport: decimal(lamport)?,
            hash: decimal(hash)?,
        }),
        _ => None,
    }
}

pub(super) fn span(vector: &Vector) -> Answer {
    let archive: Archive = vector.items("items", place)?.into_iter().collect();
    let ends = vector.items("span", place)?;
    let [from, to] = ends[..] else {
        return Err(Unanswered::Failed("a span has two ends".to_owned()));
    };
    let summary = archive.summary(vector.u64("salt")?, from, to);
    let sum = Value::from(summary.sum.to_string());
    vector.claimed("sum", sum.clone())?;
    Ok(json!({ "sum": sum, "count": summary.count }))
}

fn operation_refused(error: OperationError) -> Unanswered {
    match error {
        OperationError::Malformed(error) => error.into(),
        OperationError::BadSignature(_) => refused("bad-signature"),
    }
}

pub(super) fn operation(vector: &Vector) -> Answer {
    let signed: SignedOperation = codec::decode(&vector.bytes("bytes")?)?;
    let operation = signed.open().map_err(operation_refused)?;
    Ok(json!({ "hash": hex(&signed.hash()), "author": operation.author.describe() }))
}

pub(super) fn membership(vector: &Vector) -> Answer {
    let mut membership = Membership::new(vector.fixed("group")?);
    let operations = vector.list("operations")?;
    for bytes in &operations {
        let signed: SignedOperation = codec::decode(bytes)?;
        let inserted = membership.insert(signed, SignedOperation::open);
        let inserted = inserted.map_err(|why| match why {
            Refused::Bad(error) => operation_refused(error),
            Refused::OtherGroup => refused("other-group"),
            Refused::Shape => refused("bad-shape"),
            Refused::OldKey => refused("old-key"),
            Refused::Stranger => refused("stranger"),
            Refused::TooMany | Refused::Full => {
                Unanswered::Failed("more operations than fit".to_owned())
            }
        })?;
        agrees(inserted != Inserted::Known, "the same operation twice")?;
    }
    agrees(membership.len() == operations.len(), "some wait")?;
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
