//! Signed records: from strangers, and signed over hostile bodies.

use dchat_wire::record::{
    AddressRecord, CLOCK_SKEW, DeviceRecord, Payload, RecordBody, RecordError, SignedRecord,
};
use dchat_wire::sign::{self, BadSignature, Identity, Purpose};
use dchat_wire::{Bytes, decode};

use crate::hand::{self, ByHand};
use crate::samples;

/// Input: one byte that chooses what is damaged, then the bytes of a signed record or of a record's
/// body. The body is signed here, so that the fuzzer gets past the signature.
///
/// A record must open exactly when the rules of the specification, written out once more below, say
/// so, and never after one bit of it has changed.
///
/// # Panics
/// When it does otherwise.
pub fn signed_record(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    if let Ok(record) = decode::<SignedRecord>(data) {
        judge::<DeviceRecord>(&record);
        judge::<AddressRecord>(&record);
    }
    let Ok(body) = Bytes::new(data.to_vec()) else {
        return;
    };
    let signature = identity().sign(Purpose::Record, data);
    let record = SignedRecord { body, signature };
    let opens = judge::<DeviceRecord>(&record) || judge::<AddressRecord>(&record);
    if opens {
        damaged::<DeviceRecord>(&record, *choice);
        damaged::<AddressRecord>(&record, *choice);
    }
}

fn identity() -> &'static Identity {
    static IDENTITY: std::sync::OnceLock<Identity> = std::sync::OnceLock::new();
    IDENTITY.get_or_init(|| samples::identity(1))
}

/// Whether the record opens; panics when the rules say otherwise.
fn judge<P: Payload + ByHand + PartialEq + core::fmt::Debug>(record: &SignedRecord) -> bool {
    let signer = identity().peer_id();
    let opened = record.open::<P>(&signer, samples::NOW);
    assert_eq!(opened.is_ok(), allowed::<P>(record), "{opened:?}");
    if let Ok(opened) = &opened {
        assert!(opened.expires_at > samples::NOW);
        let later = record.open::<P>(&signer, opened.expires_at);
        assert_eq!(later, Err(RecordError::Expired));
    }
    opened.is_ok()
}

fn allowed<P: Payload + ByHand>(record: &SignedRecord) -> bool {
    let Ok(body) = hand::decode::<RecordBody>(record.body.as_slice()) else {
        return false;
    };
    body.signer == identity().peer_id()
        && body.kind == P::KIND
        && body.issued_at < body.expires_at
        && body.expires_at - body.issued_at <= P::MAX_LIFETIME
        && body.issued_at <= samples::NOW + CLOCK_SKEW
        && samples::NOW < body.expires_at
        && hand::decode::<P>(body.payload.as_slice()).is_ok()
        && sign::verify(
            &body.signer,
            Purpose::Record,
            record.body.as_slice(),
            &record.signature,
        ) == Ok(())
}

/// One bit of the signature or of the body changed: it must not open.
fn damaged<P: Payload>(record: &SignedRecord, choice: u8) {
    let signer = identity().peer_id();
    let mut signature = record.signature;
    signature[usize::from(choice) % 64] ^= 1 << (choice / 64);
    let forged = SignedRecord {
        signature,
        ..record.clone()
    };
    assert!(forged.open::<P>(&signer, samples::NOW).is_err());
    let mut body = record.body.clone().into_vec();
    let at = usize::from(choice) % body.len();
    body[at] ^= 1 << (choice % 8);
    let refused = sign::verify(&signer, Purpose::Record, &body, &record.signature);
    assert_eq!(refused, Err(BadSignature));
}
