//! Bodies, parcels, probes and small values.

use dchat_wire::chat::{ChatOpen, Envelope, Undecryptable};
use dchat_wire::close::Code;
use dchat_wire::codec::{self, Field};
use dchat_wire::hello::{Hello, Versions};
use dchat_wire::identify::Identify;
use dchat_wire::invite::Invite;
use dchat_wire::parcel::{Parcel, padded_len};
use dchat_wire::ping::Ping;
use dchat_wire::probe::{Probe, ProbeKeys};
use dchat_wire::record::{AddressRecord, DeviceRecord, RecordBody, SignedRecord};
use dchat_wire::{advert, dht, gossip, grease, group, limits, nat, relay, room};
use serde_json::{Value, json};

use super::describe::Describe;
use super::vector::{Answer, Unanswered, Vector, agrees, hex, refused};

pub(super) fn decode(vector: &Vector) -> Answer {
    let bytes = vector.bytes("bytes")?;
    match vector.text("type")? {
        "Ping" => decode_as::<Ping>(&bytes),
        "Hello" => decode_as::<Hello>(&bytes),
        "Identify" => decode_as::<Identify>(&bytes),
        "ChatOpen" => decode_as::<ChatOpen>(&bytes),
        "Envelope" => decode_as::<Envelope>(&bytes),
        "Undecryptable" => decode_as::<Undecryptable>(&bytes),
        "SignedRecord" => decode_as::<SignedRecord>(&bytes),
        "RecordBody" => decode_as::<RecordBody>(&bytes),
        "AddressRecord" => decode_as::<AddressRecord>(&bytes),
        "DeviceRecord" => decode_as::<DeviceRecord>(&bytes),
        "Invite" => decode_as::<Invite>(&bytes),
        "Parcel" => decode_as::<Parcel>(&bytes),
        "Candidates" => decode_as::<nat::Candidates>(&bytes),
        "Punch" => decode_as::<nat::Punch>(&bytes),
        "Reach" => decode_as::<nat::Reach>(&bytes),
        "Reached" => decode_as::<nat::Reached>(&bytes),
        "RelayReserve" => decode_as::<relay::RelayReserve>(&bytes),
        "RelayReserved" => decode_as::<relay::RelayReserved>(&bytes),
        "RelayRefused" => decode_as::<relay::RelayRefused>(&bytes),
        "RelayConnect" => decode_as::<relay::RelayConnect>(&bytes),
        "RelayIncoming" => decode_as::<relay::RelayIncoming>(&bytes),
        "RelayAccept" => decode_as::<relay::RelayAccept>(&bytes),
        "RelayOpened" => decode_as::<relay::RelayOpened>(&bytes),
        "Voucher" => decode_as::<relay::Voucher>(&bytes),
        "Node" => decode_as::<dht::Node>(&bytes),
        "Server" => decode_as::<dht::Server>(&bytes),
        "DhtFind" => decode_as::<dht::DhtFind>(&bytes),
        "DhtNodes" => decode_as::<dht::DhtNodes>(&bytes),
        "DhtGet" => decode_as::<dht::DhtGet>(&bytes),
        "DhtValues" => decode_as::<dht::DhtValues>(&bytes),
        "DhtPut" => decode_as::<dht::DhtPut>(&bytes),
        "DhtStored" => decode_as::<dht::DhtStored>(&bytes),
        "DhtRefused" => decode_as::<dht::DhtRefused>(&bytes),
        "RelayAdvert" => decode_as::<advert::RelayAdvert>(&bytes),
        "ServiceAdvert" => decode_as::<advert::ServiceAdvert>(&bytes),
        "MailboxPointer" => decode_as::<advert::MailboxPointer>(&bytes),
        "Presence" => decode_as::<advert::Presence>(&bytes),
        "Rendezvous" => decode_as::<advert::Rendezvous>(&bytes),
        "GossipOpen" => decode_as::<gossip::GossipOpen>(&bytes),
        "Contact" => decode_as::<gossip::Contact>(&bytes),
        "GossipLeave" => decode_as::<gossip::GossipLeave>(&bytes),
        "GossipJoin" => decode_as::<gossip::GossipJoin>(&bytes),
        "GossipShuffle" => decode_as::<gossip::GossipShuffle>(&bytes),
        "GossipPush" => decode_as::<gossip::GossipPush>(&bytes),
        "Mark" => decode_as::<gossip::Mark>(&bytes),
        "GossipAnnounce" => decode_as::<gossip::GossipAnnounce>(&bytes),
        "Want" => decode_as::<gossip::Want>(&bytes),
        "GossipPull" => decode_as::<gossip::GossipPull>(&bytes),
        "GossipTree" => decode_as::<gossip::GossipTree>(&bytes),
        "GossipDigest" => decode_as::<gossip::GossipDigest>(&bytes),
        "GossipSketch" => decode_as::<gossip::GossipSketch>(&bytes),
        "GossipMore" => decode_as::<gossip::GossipMore>(&bytes),
        "GossipProof" => decode_as::<gossip::GossipProof>(&bytes),
        "Place" => decode_as::<gossip::Place>(&bytes),
        "Span" => decode_as::<gossip::Span>(&bytes),
        "GossipRange" => decode_as::<gossip::GossipRange>(&bytes),
        "GossipSpans" => decode_as::<gossip::GossipSpans>(&bytes),
        "GossipFetch" => decode_as::<gossip::GossipFetch>(&bytes),
        "SignedItem" => decode_as::<gossip::SignedItem>(&bytes),
        "ItemHeader" => decode_as::<gossip::ItemHeader>(&bytes),
        "ItemHead" => decode_as::<gossip::ItemHead>(&bytes),
        "Operation" => decode_as::<group::Operation>(&bytes),
        "Seat" => decode_as::<group::Seat>(&bytes),
        "LogCut" => decode_as::<group::LogCut>(&bytes),
        "SignedOperation" => decode_as::<group::SignedOperation>(&bytes),
        "GroupOperations" => decode_as::<group::GroupOperations>(&bytes),
        "GroupKeys" => decode_as::<group::GroupKeys>(&bytes),
        "SealedBody" => decode_as::<group::SealedBody>(&bytes),
        "RoomBody" => decode_as::<room::RoomBody>(&bytes),
        _ => Err(Unanswered::Unsupported),
    }
}

fn decode_as<T: Field + Describe>(bytes: &[u8]) -> Answer {
    let value: T = codec::decode(bytes)?;
    agrees(
        codec::encode(&value) == bytes,
        "another encoding of the same value",
    )?;
    Ok(value.describe())
}

pub(super) fn parcel(vector: &Vector) -> Answer {
    let bytes = vector.bytes("bytes")?;
    let parcel = Parcel::open(&bytes)?;
    let sealed = parcel.clone().seal();
    agrees(sealed.is_ok_and(|sealed| sealed == bytes), "another parcel")?;
    Ok(parcel.describe())
}

pub(super) fn padded_length(vector: &Vector) -> Answer {
    let length: usize = vector.number("length")?;
    let padded = padded_len(length);
    if padded < length {
        agrees(length > limits::PARCEL, "cut short by padding")?;
        return Err(refused("over-limit"));
    }
    vector.claimed("padded", padded.into())
}

fn versions(vector: &Vector, name: &str) -> Result<Versions, Unanswered> {
    let ends = vector.items(name, |end| u16::try_from(end.as_u64()?).ok())?;
    let bytes: Vec<u8> = ends.into_iter().flat_map(u16::to_le_bytes).collect();
    Ok(codec::decode(&bytes)?)
}

pub(super) fn common_version(vector: &Vector) -> Answer {
    let (one, other) = (versions(vector, "one")?, versions(vector, "other")?);
    agrees(one.common(other) == other.common(one), "not symmetric")?;
    match one.common(other) {
        Some(version) => {
            vector.claimed("version", version.into())?;
            Ok(json!({ "version": version }))
        }
        None => Err(refused("no-common-version")),
    }
}

pub(super) fn close_code(vector: &Vector) -> Answer {
    let code = Code::from_value(vector.u64("value")?).ok_or_else(|| refused("unknown-code"))?;
    let name = format!("{code:?}").to_uppercase();
    Ok(json!({ "name": name, "text": code.text() }))
}

pub(super) fn reserved(vector: &Vector) -> Answer {
    if grease::is_reserved(vector.number("code")?) {
        Ok(json!({}))
    } else {
        Err(refused("not-reserved"))
    }
}

pub(super) fn probe(vector: &Vector) -> Answer {
    let (dialer, listener) = ProbeKeys::from_exporter(&vector.fixed("exported")?);
    let keys = match vector.text("sender")? {
        "dialer" => dialer,
        _ => listener,
    };
    let datagram = vector.bytes("datagram")?;
    let probe = Probe::open(&keys, &datagram)?;
    agrees(
        probe.seal(&keys, datagram.len()) == datagram,
        "another probe",
    )?;
    let (kind, transaction, observed) = match probe {
        Probe::Ask { transaction } => ("ask", transaction, Value::Null),
        Probe::Answer {
            transaction,
            observed,
        } => ("answer", transaction, observed.to_string().into()),
    };
    Ok(json!({ "kind": kind, "transaction": hex(&transaction), "observed": observed }))
}
