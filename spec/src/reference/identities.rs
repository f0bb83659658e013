//! PeerIds, addresses, invites, records, signatures and certificates.

use dchat_transport::tls::{IdentityError, peer_of};
use dchat_wire::advert;
use dchat_wire::codec;
use dchat_wire::invite::{Invite, InviteError};
use dchat_wire::record::{AddressRecord, DeviceRecord, Payload, RecordError, SignedRecord};
use dchat_wire::sign::{self, Purpose};
use dchat_wire::{Address, PeerId};
use rustls::pki_types::CertificateDer;
use serde_json::json;

use super::describe::Describe;
use super::vector::{Answer, Unanswered, Vector, agrees, hex, refused};

pub(super) fn peer_id_bytes(vector: &Vector) -> Answer {
    let peer = PeerId::from_public_key(vector.fixed("key")?)?;
    Ok(json!({ "text": peer.to_string() }))
}

pub(super) fn peer_id_text(vector: &Vector) -> Answer {
    let peer: PeerId = vector.text("text")?.parse()?;
    Ok(json!({ "key": peer.describe() }))
}

pub(super) fn address_bytes(vector: &Vector) -> Answer {
    let bytes = vector.bytes("bytes")?;
    let field = [(bytes.len() as u64).to_le_bytes().as_slice(), &bytes].concat();
    let address: Address = codec::decode(&field)?;
    Ok(json!({ "text": address.to_string() }))
}

pub(super) fn address_text(vector: &Vector) -> Answer {
    let parsed = vector.text("text")?.parse::<Address>();
    let address = parsed.map_err(|_| refused("not-an-address"))?;
    let bytes = codec::encode(&address);
    Ok(json!({ "text": address.to_string(), "bytes": hex(&bytes[8..]) }))
}

pub(super) fn invite(vector: &Vector) -> Answer {
    let link = vector.text("link")?;
    let invite: Invite = link.parse().map_err(|error| match error {
        InviteError::NotALink => refused("not-a-link"),
        InviteError::Damaged => refused("damaged"),
        InviteError::Newer(_) => refused("newer-version"),
        InviteError::Malformed(error) => error.into(),
    })?;
    agrees(invite.to_string() == link.trim(), "another link")?;
    Ok(invite.describe())
}

pub(super) fn record(vector: &Vector) -> Answer {
    match vector.text("type")? {
        "AddressRecord" => record_of::<AddressRecord>(vector),
        "DeviceRecord" => record_of::<DeviceRecord>(vector),
        "Voucher" => record_of::<dchat_wire::relay::Voucher>(vector),
        "RelayAdvert" => record_of::<advert::RelayAdvert>(vector),
        "ServiceAdvert" => record_of::<advert::ServiceAdvert>(vector),
        "MailboxPointer" => record_of::<advert::MailboxPointer>(vector),
        "Presence" => record_of::<advert::Presence>(vector),
        "Rendezvous" => record_of::<advert::Rendezvous>(vector),
        _ => Err(Unanswered::Unsupported),
    }
}

fn record_of<P: Payload + Describe>(vector: &Vector) -> Answer {
    let signed: SignedRecord = codec::decode(&vector.bytes("bytes")?)?;
    let signer = vector.peer("signer")?;
    let verified = signed
        .open::<P>(&signer, vector.u64("now")?)
        .map_err(|error| match error {
            RecordError::Malformed(error) => error.into(),
            RecordError::BadSignature(_) => refused("bad-signature"),
            RecordError::WrongKind(_) => refused("wrong-kind"),
            RecordError::WrongSigner => refused("wrong-signer"),
            RecordError::Expired => refused("expired"),
            RecordError::BadTimes => refused("bad-times"),
        })?;
    Ok(json!({
        "sequence": verified.sequence.to_string(),
        "issued_at": verified.issued_at.to_string(),
        "expires_at": verified.expires_at.to_string(),
        "payload": verified.payload.describe(),
    }))
}

fn purpose(vector: &Vector) -> Result<Purpose, Unanswered> {
    let context = vector.text("context")?;
    Purpose::ALL
        .iter()
        .copied()
        .find(|purpose| purpose.context() == context)
        .ok_or(Unanswered::Unsupported)
}

pub(super) fn signed_bytes(vector: &Vector) -> Answer {
    let bytes = sign::signed_bytes(purpose(vector)?, &vector.bytes("message")?);
    Ok(json!({ "bytes": hex(&bytes) }))
}

pub(super) fn signature(vector: &Vector) -> Answer {
    let signer = vector.peer("signer")?;
    let message = vector.bytes("message")?;
    sign::verify(
        &signer,
        purpose(vector)?,
        &message,
        &vector.fixed("signature")?,
    )
    .map_err(|_| refused("bad-signature"))?;
    Ok(json!({}))
}

pub(super) fn certificate(vector: &Vector) -> Answer {
    let chain = vector.list("chain")?.into_iter().map(CertificateDer::from);
    let chain: Vec<CertificateDer<'_>> = chain.collect();
    let Some((end_entity, others)) = chain.split_first() else {
        return Err(refused("certificate-count"));
    };
    let peer = peer_of(end_entity, others).map_err(|error| match error {
        IdentityError::CertificateCount { .. } => refused("certificate-count"),
        IdentityError::NotACertificate => refused("not-a-certificate"),
        IdentityError::NotEd25519 => refused("not-ed25519"),
        IdentityError::NotCanonical => refused("not-a-key"),
        other => Unanswered::Failed(other.to_string()),
    })?;
    Ok(json!({ "key": peer.describe() }))
}
