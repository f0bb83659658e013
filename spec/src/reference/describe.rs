//! Values of `dchat-wire` spelled out as the vectors do.

use dchat_wire::chat::{ChatOpen, Envelope, InviteProof, Undecryptable};
use dchat_wire::codec::{self, Field};
use dchat_wire::extension::Extensions;
use dchat_wire::hello::Hello;
use dchat_wire::identify::Identify;
use dchat_wire::invite::Invite;
use dchat_wire::parcel::{Content, Entry, Frontier, Head, Parcel};
use dchat_wire::ping::Ping;
use dchat_wire::record::{AddressRecord, DeviceRecord, RecordBody, SignedRecord};
use dchat_wire::{Address, Frame, PeerId};
use serde_json::{Value, json};

use super::vector::hex;

pub(super) trait Describe {
    fn describe(&self) -> Value;
}

pub(super) fn all<T: Describe>(items: &[T]) -> Value {
    items.iter().map(Describe::describe).collect()
}

/// Spells a structure out field by field.
macro_rules! describe {
    ($($type:ident |$value:ident| { $($name:literal: $field:expr,)* })*) => {$(
        impl $crate::reference::describe::Describe for $type {
            fn describe(&self) -> serde_json::Value {
                let $value = self;
                serde_json::json!({ $($name: $field,)* })
            }
        }
    )*};
}
pub(super) use describe;

/// The 16-bit numbers in an encoding: of types that do not give them out.
fn numbers<T: Field>(value: &T, from: usize) -> Value {
    codec::encode(value)[from..]
        .chunks(2)
        .map(|pair| Value::from(u16::from_le_bytes([pair[0], pair[1]])))
        .collect()
}

impl Describe for PeerId {
    fn describe(&self) -> Value {
        hex(self.public_key())
    }
}

impl Describe for Address {
    fn describe(&self) -> Value {
        self.to_string().into()
    }
}

impl Describe for [u8; 32] {
    fn describe(&self) -> Value {
        hex(self)
    }
}

impl Describe for Extensions {
    fn describe(&self) -> Value {
        self.as_slice()
            .iter()
            .map(|item| json!({ "kind": item.kind, "value": hex(item.value.as_slice()) }))
            .collect()
    }
}

impl Describe for Ping {
    fn describe(&self) -> Value {
        json!({
            "nonce": self.nonce.to_string(),
            "extensions": self.extensions.describe(),
        })
    }
}

impl Describe for Hello {
    fn describe(&self) -> Value {
        json!({
            "versions": numbers(&self.versions, 0),
            "instance": hex(&self.instance),
            "roles": self.roles.to_string(),
            "capabilities": numbers(&self.capabilities, 8),
            "extensions": self.extensions.describe(),
        })
    }
}

impl Describe for Identify {
    fn describe(&self) -> Value {
        json!({
            "revision": self.revision.to_string(),
            "observed": self.observed.as_ref().map(Describe::describe),
            "addresses": all(&self.addresses),
            "extensions": self.extensions.describe(),
        })
    }
}

impl Describe for InviteProof {
    fn describe(&self) -> Value {
        json!({ "invite": hex(&self.invite), "mac": hex(&self.mac) })
    }
}

impl Describe for SignedRecord {
    fn describe(&self) -> Value {
        json!({ "body": hex(self.body.as_slice()), "signature": hex(&self.signature) })
    }
}

impl Describe for RecordBody {
    fn describe(&self) -> Value {
        json!({
            "signer": self.signer.describe(),
            "kind": self.kind,
            "sequence": self.sequence.to_string(),
            "issued_at": self.issued_at.to_string(),
            "expires_at": self.expires_at.to_string(),
            "payload": hex(self.payload.as_slice()),
            "extensions": self.extensions.describe(),
        })
    }
}

impl Describe for AddressRecord {
    fn describe(&self) -> Value {
        json!({
            "addresses": all(&self.addresses),
            "extensions": self.extensions.describe(),
        })
    }
}

impl Describe for DeviceRecord {
    fn describe(&self) -> Value {
        json!({
            "identity_key": hex(&self.identity_key),
            "signing_key": hex(&self.signing_key),
            "fallback_key": hex(&self.fallback_key),
            "extensions": self.extensions.describe(),
        })
    }
}

impl Describe for ChatOpen {
    fn describe(&self) -> Value {
        json!({
            "name": self.name.as_str(),
            "invite": self.invite.as_ref().map(Describe::describe),
            "device": self.device.describe(),
            "sessions": all(&self.sessions),
            "extensions": self.extensions.describe(),
        })
    }
}

impl Describe for Envelope {
    fn describe(&self) -> Value {
        json!({
            "session": hex(&self.session),
            "stage": codec::encode(&self.stage)[0],
            "message": hex(self.message.as_slice()),
            "extensions": self.extensions.describe(),
        })
    }
}

impl Describe for Undecryptable {
    fn describe(&self) -> Value {
        json!({
            "session": hex(&self.session),
            "extensions": self.extensions.describe(),
        })
    }
}

impl Describe for Invite {
    fn describe(&self) -> Value {
        json!({
            "version": self.version,
            "peer": self.peer.describe(),
            "id": hex(&self.id),
            "secret": hex(self.secret.as_bytes()),
            "expires_at": self.expires_at.to_string(),
            "name": self.name.as_str(),
            "addresses": all(&self.addresses),
            "device": self.device.describe(),
            "extensions": self.extensions.describe(),
        })
    }
}

impl Describe for Parcel {
    fn describe(&self) -> Value {
        json!({
            "frontiers": all(&self.frontiers),
            "entries": all(&self.entries),
            "extensions": self.extensions.describe(),
            "padding": hex(&codec::encode(&self.padding)[8..]),
        })
    }
}

impl Describe for Frontier {
    fn describe(&self) -> Value {
        json!({
            "author": self.author.describe(),
            "incarnation": hex(&self.incarnation),
            "held": self.held.to_string(),
            "low_water": self.low_water.to_string(),
            "read": self.read.to_string(),
            "tip": hex(&self.tip),
        })
    }
}

impl Describe for Entry {
    fn describe(&self) -> Value {
        json!({
            "incarnation": hex(&self.incarnation),
            "seq": self.seq.to_string(),
            "prev": hex(&self.prev),
            "hash": hex(&self.hash),
            "content": self.content.as_ref().map(Describe::describe),
        })
    }
}

impl Describe for Content {
    fn describe(&self) -> Value {
        json!({
            "sent_at": self.sent_at.to_string(),
            "expires_at": self.expires_at.map(|at| at.to_string()),
            "heads": all(&self.heads),
            "kind": self.kind,
            "body": hex(self.body.as_slice()),
            "extensions": self.extensions.describe(),
        })
    }
}

impl Describe for Head {
    fn describe(&self) -> Value {
        json!({
            "author": self.author.describe(),
            "incarnation": hex(&self.incarnation),
            "seq": self.seq.to_string(),
            "hash": hex(&self.hash),
        })
    }
}

impl Describe for Frame {
    fn describe(&self) -> Value {
        match self {
            Self::Hello(body) => body.describe(),
            Self::Identify(body) | Self::IdentifyPush(body) => body.describe(),
            Self::Ping(body) | Self::Pong(body) => body.describe(),
            Self::ChatOpen(body) => body.describe(),
            Self::Envelope(body) => body.describe(),
            Self::Undecryptable(body) => body.describe(),
            Self::Candidates(body) => body.describe(),
            Self::Punch(body) => body.describe(),
            Self::Reach(body) => body.describe(),
            Self::Reached(body) => body.describe(),
            Self::RelayReserve(body) => body.describe(),
            Self::RelayReserved(body) => body.describe(),
            Self::RelayRefused(body) => body.describe(),
            Self::RelayConnect(body) => body.describe(),
            Self::RelayIncoming(body) => body.describe(),
            Self::RelayAccept(body) => body.describe(),
            Self::RelayOpened(body) => body.describe(),
            Self::DhtFind(body) => body.describe(),
            Self::DhtNodes(body) => body.describe(),
            Self::DhtGet(body) => body.describe(),
            Self::DhtValues(body) => body.describe(),
            Self::DhtPut(body) => body.describe(),
            Self::DhtStored(body) => body.describe(),
            Self::DhtRefused(body) => body.describe(),
            Self::GossipOpen(body) => body.describe(),
            Self::GossipLeave(body) => body.describe(),
            Self::GossipJoin(body) => body.describe(),
            Self::GossipShuffle(body) => body.describe(),
            Self::GossipPush(body) => body.describe(),
            Self::GossipAnnounce(body) => body.describe(),
            Self::GossipPull(body) => body.describe(),
            Self::GossipTree(body) => body.describe(),
            Self::GossipDigest(body) => body.describe(),
            Self::GossipSketch(body) => body.describe(),
            Self::GossipMore(body) => body.describe(),
            Self::GossipProof(body) => body.describe(),
            Self::GossipRange(body) => body.describe(),
            Self::GossipSpans(body) => body.describe(),
            Self::GossipFetch(body) => body.describe(),
            Self::GroupOperations(body) => body.describe(),
        }
    }
}
