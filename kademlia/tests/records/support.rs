//! Records to store, and who stores them.

use std::sync::Arc;

use dchat_kademlia::record::{Notary as _, Strict};
use dchat_kademlia::store::{Kept, Put, Refused, Store};
use dchat_kademlia::token::Writer;
use dchat_kademlia::{Key, Subnet, Time};
use dchat_wire::advert::{MailboxPointer, Presence, RelayAdvert, Rendezvous, ServiceAdvert};
use dchat_wire::codec::Bytes;
use dchat_wire::dht::{Refusal, Socket};
use dchat_wire::extension::Extensions;
use dchat_wire::hash::dht_key;
use dchat_wire::record::{AddressRecord, DeviceRecord, Payload, RecordBody, SignedRecord, kind};
use dchat_wire::sign::{Identity, Purpose};
use dchat_wire::{List, PeerId, Text, codec};

/// 2026-11-21, for everybody.
pub const NOW: Time = Time(1_795_000_000_000);
pub const HOUR: u64 = 60 * 60 * 1000;

pub fn after(milliseconds: u64) -> Time {
    Time(NOW.0 + milliseconds)
}

pub fn identity(number: u64) -> Identity {
    let mut seed = [0x5e; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    Identity::from_seed(&seed)
}

pub fn writer(number: u64) -> Writer {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Writer {
        id,
        subnet: subnet(number),
    }
}

/// The subnet with this number, one of 65,536.
pub fn subnet(number: u64) -> Subnet {
    let [.., a, b] = number.to_be_bytes();
    Subnet::of([11, a, b, 1].into())
}

pub fn device() -> DeviceRecord {
    DeviceRecord {
        identity_key: [1; 32],
        signing_key: [2; 32],
        fallback_key: [3; 32],
        extensions: Extensions::default(),
    }
}

pub fn addresses() -> AddressRecord {
    AddressRecord {
        addresses: List::new(vec!["/ip4/192.0.2.7/udp/4001/quic-v1".parse().unwrap()]).unwrap(),
        extensions: Extensions::default(),
    }
}

pub fn relay(shard: u8) -> RelayAdvert {
    RelayAdvert {
        shard,
        socket: Socket::new(([192, 0, 2, 7], 4001).into()).unwrap(),
        other: None,
        extensions: Extensions::default(),
    }
}

pub fn service(name: &str) -> ServiceAdvert {
    ServiceAdvert {
        name: Text::new(name).unwrap(),
        addresses: List::default(),
        extensions: Extensions::default(),
    }
}

pub fn mailbox() -> MailboxPointer {
    MailboxPointer {
        mailboxes: List::default(),
        extensions: Extensions::default(),
    }
}

pub fn presence(sealed: Vec<u8>) -> Presence {
    Presence {
        sealed: Bytes::new(sealed).unwrap(),
        extensions: Extensions::default(),
    }
}

pub fn rendezvous(slot: u8) -> Rendezvous {
    Rendezvous {
        slot: [slot; 16],
        sealed: Bytes::new(vec![7; 100]).unwrap(),
        extensions: Extensions::default(),
    }
}

/// A record of `signer` for as long as its kind allows.
pub fn record<P: Payload>(signer: u64, sequence: u64, payload: &P) -> Arc<SignedRecord> {
    lasting(signer, sequence, payload, u64::MAX)
}

pub fn lasting<P: Payload>(
    signer: u64,
    sequence: u64,
    payload: &P,
    lifetime: u64,
) -> Arc<SignedRecord> {
    let record = SignedRecord::issue(&identity(signer), sequence, NOW.0, lifetime, payload);
    Arc::new(record)
}

/// A service advert for a topic, told apart by its number.
pub fn advert(signer: u64, topic: u64) -> Arc<SignedRecord> {
    record(signer, 1, &service(&format!("topic {topic}")))
}

/// `body` as its signer, number `signer`, would sign it.
pub fn signed(signer: u64, body: &RecordBody) -> Arc<SignedRecord> {
    let bytes = codec::encode(body);
    Arc::new(SignedRecord {
        signature: identity(signer).sign(Purpose::Record, &bytes),
        body: Bytes::new(bytes).unwrap(),
    })
}

/// What would be signed for a device record of `signer`.
pub fn body(signer: u64) -> RecordBody {
    RecordBody {
        signer: identity(signer).peer_id(),
        kind: kind::DEVICE,
        sequence: 1,
        issued_at: NOW.0,
        expires_at: NOW.0 + HOUR,
        payload: Bytes::new(codec::encode(&device())).unwrap(),
        extensions: Extensions::default(),
    }
}

/// The record with its signature spoilt.
pub fn forged(record: &SignedRecord) -> Arc<SignedRecord> {
    let mut forged = record.clone();
    forged.signature[40] ^= 1;
    Arc::new(forged)
}

pub fn owner_key(kind: u16, signer: u64) -> Key {
    Key(dht_key(kind, identity(signer).peer_id().public_key()))
}

/// The key the record belongs under.
pub fn key_of(record: &SignedRecord) -> Key {
    Strict.read(record).unwrap().key
}

/// Puts `record` where it belongs, near, as `by`.
pub fn put(
    store: &mut Store,
    record: &Arc<SignedRecord>,
    by: Writer,
    now: Time,
) -> Result<Kept, Refused> {
    put_at(store, key_of(record), record, by, true, now)
}

pub fn put_at(
    store: &mut Store,
    key: Key,
    record: &Arc<SignedRecord>,
    writer: Writer,
    near: bool,
    now: Time,
) -> Result<Kept, Refused> {
    let put = Put {
        key,
        record,
        writer,
        near,
    };
    store.put(&put, now, &mut Strict)
}

pub fn reason(result: Result<Kept, Refused>) -> Refusal {
    result.unwrap_err().reason
}

pub fn peer(number: u64) -> PeerId {
    identity(number).peer_id()
}
