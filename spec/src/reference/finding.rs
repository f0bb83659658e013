//! What the nodes of the DHT say, and the records that lead to somebody.

use dchat_wire::advert::{MailboxPointer, Presence, RelayAdvert, Rendezvous, ServiceAdvert};
use dchat_wire::dht::{
    DhtFind, DhtGet, DhtNodes, DhtPut, DhtRefused, DhtStored, DhtValues, Node, Server, Socket,
};
use serde_json::Value;

use super::describe::{Describe, all, describe};
use super::vector::hex;

impl Describe for Socket {
    fn describe(&self) -> Value {
        self.addr().to_string().into()
    }
}

impl Describe for [u8; 8] {
    fn describe(&self) -> Value {
        hex(self)
    }
}

fn optional<T: Describe>(value: &Option<T>) -> Option<Value> {
    value.as_ref().map(Describe::describe)
}

describe! {
    Node |node| {
        "key": hex(&node.key),
        "nonce": node.nonce.to_string(),
        "socket": node.socket.describe(),
        "other": optional(&node.other),
    }
    Server |server| {
        "nonce": server.nonce.to_string(),
        "socket": server.socket.describe(),
        "other": optional(&server.other),
    }
    DhtFind |body| {
        "target": hex(&body.target),
        "want": body.want,
        "known": body.known.as_slice(),
        "server": optional(&body.server),
        "extensions": body.extensions.describe(),
    }
    DhtNodes |body| {
        "nodes": all(&body.nodes),
        "server": optional(&body.server),
        "extensions": body.extensions.describe(),
    }
    DhtGet |body| {
        "key": hex(&body.key),
        "want": body.want,
        "known": body.known.as_slice(),
        "have": all(&body.have),
        "server": optional(&body.server),
        "extensions": body.extensions.describe(),
    }
    DhtValues |body| {
        "records": all(&body.records),
        "held": body.held,
        "token": hex(&body.token),
        "nodes": all(&body.nodes),
        "server": optional(&body.server),
        "extensions": body.extensions.describe(),
    }
    DhtPut |body| {
        "key": hex(&body.key),
        "token": hex(&body.token),
        "record": body.record.describe(),
        "extensions": body.extensions.describe(),
    }
    DhtStored |body| {
        "keep_s": body.keep_s,
        "extensions": body.extensions.describe(),
    }
    DhtRefused |body| {
        "reason": body.reason as u16,
        "retry_after_s": body.retry_after_s,
        "extensions": body.extensions.describe(),
    }
    RelayAdvert |advert| {
        "shard": advert.shard,
        "socket": advert.socket.describe(),
        "other": optional(&advert.other),
        "extensions": advert.extensions.describe(),
    }
    ServiceAdvert |advert| {
        "name": advert.name.as_str(),
        "addresses": all(&advert.addresses),
        "extensions": advert.extensions.describe(),
    }
    MailboxPointer |pointer| {
        "mailboxes": all(&pointer.mailboxes),
        "extensions": pointer.extensions.describe(),
    }
    Presence |presence| {
        "sealed": hex(presence.sealed.as_slice()),
        "extensions": presence.extensions.describe(),
    }
    Rendezvous |rendezvous| {
        "slot": hex(&rendezvous.slot),
        "sealed": hex(rendezvous.sealed.as_slice()),
        "extensions": rendezvous.extensions.describe(),
    }
}
