//! PeerIds, addresses, invites, records, signatures and certificates.

use dchat_wire::advert;
use dchat_wire::codec;
use dchat_wire::id::PeerIdError;
use dchat_wire::invite::{Invite, InviteError};
use dchat_wire::record::{AddressRecord, DeviceRecord, Payload, RecordError, SignedRecord};
use dchat_wire::sign::{self, Purpose};
use dchat_wire::{Address, PeerId};
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use serde_json::json;

use crate::describe::Describe;
use crate::vector::{Answer, Refusal, Vector, hex};

impl From<PeerIdError> for Refusal {
    fn from(error: PeerIdError) -> Self {
        Self::new(match error {
            PeerIdError::Malformed => "not-a-peer-id",
            PeerIdError::NotAKey => "not-a-key",
        })
    }
}

pub(crate) fn peer_id_bytes(vector: &Vector) -> Answer {
    let peer = PeerId::from_public_key(vector.fixed("key"))?;
    Ok(json!({ "text": peer.to_string() }))
}

pub(crate) fn peer_id_text(vector: &Vector) -> Answer {
    let peer: PeerId = vector.text("text").parse()?;
    Ok(json!({ "key": peer.describe() }))
}

pub(crate) fn address_bytes(vector: &Vector) -> Answer {
    let bytes = vector.bytes("bytes");
    let field = [(bytes.len() as u64).to_le_bytes().as_slice(), &bytes].concat();
    let address: Address = codec::decode(&field)?;
    Ok(json!({ "text": address.to_string() }))
}

pub(crate) fn address_text(vector: &Vector) -> Answer {
    let parsed = vector.text("text").parse::<Address>();
    let address = parsed.map_err(|_| Refusal::new("not-an-address"))?;
    let bytes = codec::encode(&address);
    Ok(json!({ "text": address.to_string(), "bytes": hex(&bytes[8..]) }))
}

pub(crate) fn invite(vector: &Vector) -> Answer {
    let link = vector.text("link");
    let invite: Invite = link.parse().map_err(|error| match error {
        InviteError::NotALink => Refusal::new("not-a-link"),
        InviteError::Damaged => Refusal::new("damaged"),
        InviteError::Newer(_) => Refusal::new("newer-version"),
        InviteError::Malformed(error) => error.into(),
    })?;
    assert_eq!(invite.to_string(), link.trim());
    Ok(invite.describe())
}

pub(crate) fn record(vector: &Vector) -> Answer {
    match vector.text("type") {
        "AddressRecord" => record_of::<AddressRecord>(vector),
        "DeviceRecord" => record_of::<DeviceRecord>(vector),
        "Voucher" => record_of::<dchat_wire::relay::Voucher>(vector),
        "RelayAdvert" => record_of::<advert::RelayAdvert>(vector),
        "ServiceAdvert" => record_of::<advert::ServiceAdvert>(vector),
        "MailboxPointer" => record_of::<advert::MailboxPointer>(vector),
        "Presence" => record_of::<advert::Presence>(vector),
        "Rendezvous" => record_of::<advert::Rendezvous>(vector),
        other => panic!("{}: no payload {other}", vector.id),
    }
}

fn record_of<P: Payload + Describe>(vector: &Vector) -> Answer {
    let signed: SignedRecord = codec::decode(&vector.bytes("bytes"))?;
    let signer = PeerId::from_public_key(vector.fixed("signer"))?;
    let verified = signed
        .open::<P>(&signer, vector.u64("now"))
        .map_err(|error| match error {
            RecordError::Malformed(error) => error.into(),
            RecordError::BadSignature(_) => Refusal::new("bad-signature"),
            RecordError::WrongKind(_) => Refusal::new("wrong-kind"),
            RecordError::WrongSigner => Refusal::new("wrong-signer"),
            RecordError::Expired => Refusal::new("expired"),
            RecordError::BadTimes => Refusal::new("bad-times"),
        })?;
    Ok(json!({
        "sequence": verified.sequence.to_string(),
        "issued_at": verified.issued_at.to_string(),
        "expires_at": verified.expires_at.to_string(),
        "payload": verified.payload.describe(),
    }))
}

fn purpose(vector: &Vector) -> Purpose {
    assert_eq!(vector.text("context"), Purpose::Record.context());
    Purpose::Record
}

pub(crate) fn signed_bytes(vector: &Vector) -> Answer {
    let bytes = sign::signed_bytes(purpose(vector), &vector.bytes("message"));
    Ok(json!({ "bytes": hex(&bytes) }))
}

pub(crate) fn signature(vector: &Vector) -> Answer {
    let signer = PeerId::from_public_key(vector.fixed("signer"))?;
    let message = vector.bytes("message");
    sign::verify(
        &signer,
        purpose(vector),
        &message,
        &vector.fixed("signature"),
    )
    .map_err(|_| Refusal::new("bad-signature"))?;
    Ok(json!({}))
}

/// As the transport reads certificates: rustls finds the key, and only the key counts.
pub(crate) fn certificate(vector: &Vector) -> Answer {
    const PREFIX: [u8; 12] = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    let [der] = <[Vec<u8>; 1]>::try_from(vector.list("chain"))
        .map_err(|_| Refusal::new("certificate-count"))?;
    let der = CertificateDer::from(der);
    let parsed =
        ParsedCertificate::try_from(&der).map_err(|_| Refusal::new("not-a-certificate"))?;
    let info = parsed.subject_public_key_info();
    let key = info
        .strip_prefix(&PREFIX)
        .and_then(|key| key.try_into().ok())
        .ok_or_else(|| Refusal::new("not-ed25519"))?;
    Ok(json!({ "key": PeerId::from_public_key(key)?.describe() }))
}
