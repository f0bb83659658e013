//! Signatures and signed records: the signer's very bytes, for this purpose, now.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::codec::{self, Bytes};
use dchat_wire::record::{
    AddressRecord, CLOCK_SKEW, DeviceRecord, Payload, RecordBody, RecordError, SignedRecord,
};
use dchat_wire::sign::{BadSignature, Purpose, signed_bytes, verify};
use support::samples::{self, NOW, device, identity, peer, record_body, signed_device};

/// `body` as its signer would sign it.
fn sign(body: &RecordBody) -> SignedRecord {
    let bytes = codec::encode(body);
    SignedRecord {
        signature: identity(1).sign(Purpose::Record, &bytes),
        body: Bytes::new(bytes).unwrap(),
    }
}

fn device_body() -> RecordBody {
    codec::decode(signed_device().body.as_slice()).unwrap()
}

fn refusal(body: RecordBody) -> RecordError {
    sign(&body).open::<DeviceRecord>(&peer(1), NOW).unwrap_err()
}

/// Checks DC-ID-009 (positive), DC-ID-010 (positive), DC-ID-011 (positive), DC-ID-012 (positive).
/// Checks DC-ID-017 (positive).
#[test]
fn an_honest_record_opens() {
    let opened = signed_device().open::<DeviceRecord>(&peer(1), NOW).unwrap();
    assert_eq!(opened.payload, device());
    assert_eq!((opened.sequence, opened.issued_at), (3, NOW));
}

#[test]
fn every_flipped_bit_of_the_signature_is_refused() {
    let record = signed_device();
    for bit in 0..64 * 8 {
        let mut signature = record.signature;
        signature[bit / 8] ^= 1 << (bit % 8);
        let forged = SignedRecord {
            signature,
            ..record.clone()
        };
        let refused = forged.open::<DeviceRecord>(&peer(1), NOW);
        assert_eq!(refused, Err(BadSignature.into()), "bit {bit}");
    }
}

/// Checks DC-ID-014 (negative), DC-WIRE-023 (negative).
#[test]
fn every_flipped_bit_of_the_body_is_refused() {
    let record = signed_device();
    for bit in 0..record.body.as_slice().len() * 8 {
        let mut body = record.body.clone().into_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        let forged = SignedRecord {
            body: Bytes::new(body).unwrap(),
            ..record.clone()
        };
        assert!(
            forged.open::<DeviceRecord>(&peer(1), NOW).is_err(),
            "bit {bit}"
        );
    }
}

/// Checks DC-ID-009 (negative).
#[test]
fn a_signature_with_an_unreduced_scalar_is_refused() {
    // The group's order, added to S: the equation still holds, the encoding is not canonical.
    let order =
        support::hex::bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let record = signed_device();
    let mut signature = record.signature;
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    let body = record.body.as_slice();
    assert_eq!(
        verify(&peer(1), Purpose::Record, body, &signature),
        Err(BadSignature)
    );
}

#[test]
fn a_signature_whose_r_has_small_order_is_refused() {
    let body = signed_device();
    let mut signature = [0; 64];
    signature[0] = 1;
    let refused = verify(&peer(1), Purpose::Record, body.body.as_slice(), &signature);
    assert_eq!(refused, Err(BadSignature));
}

#[test]
fn a_signature_over_the_bare_bytes_is_refused() {
    use ed25519_dalek::{Signer as _, SigningKey};
    let record = signed_device();
    let bare = SigningKey::from_bytes(&[1; 32]).sign(record.body.as_slice());
    let forged = SignedRecord {
        signature: bare.to_bytes(),
        ..record
    };
    assert_eq!(
        forged.open::<DeviceRecord>(&peer(1), NOW),
        Err(BadSignature.into())
    );
}

/// Checks DC-ID-013 (positive, negative).
#[test]
fn an_identity_signs_a_message_with_its_context_and_never_bare() {
    use ed25519_dalek::{Signature, VerifyingKey};
    let identity = identity(1);
    let key = VerifyingKey::from_bytes(identity.peer_id().public_key()).unwrap();
    let message = b"what somebody else would have signed";
    for purpose in Purpose::ALL {
        let signature = Signature::from_bytes(&identity.sign(*purpose, message));
        let signs = |bytes: &[u8]| key.verify_strict(bytes, &signature).is_ok();
        assert!(signs(&signed_bytes(*purpose, message)));
        assert!(!signs(message), "{purpose:?}");
    }
}

/// Checks DC-ID-008 (positive).
#[test]
fn what_is_signed_is_the_context_and_the_message_with_their_lengths() {
    let bytes = signed_bytes(Purpose::Record, b"abc");
    assert_eq!(bytes, b"\x0edchat/1 record\x03\0\0\0\0\0\0\0abc");
}

#[test]
fn another_signer_is_refused() {
    let refused = signed_device().open::<DeviceRecord>(&peer(2), NOW);
    assert_eq!(refused, Err(RecordError::WrongSigner));
    assert_eq!(
        refusal(RecordBody {
            signer: peer(2),
            ..device_body()
        }),
        RecordError::WrongSigner
    );
}

#[test]
fn another_kind_is_refused() {
    let refused = signed_device().open::<AddressRecord>(&peer(1), NOW);
    assert_eq!(refused, Err(RecordError::WrongKind(DeviceRecord::KIND)));
}

/// Checks DC-ID-017 (positive, negative).
#[test]
fn times_are_checked_at_their_edges() {
    let at = |issued_at, expires_at| {
        sign(&RecordBody {
            issued_at,
            expires_at,
            ..device_body()
        })
        .open::<DeviceRecord>(&peer(1), NOW)
        .map(|_| ())
    };
    assert_eq!(at(NOW - 10, NOW + 1), Ok(()));
    assert_eq!(at(NOW - 10, NOW), Err(RecordError::Expired));
    assert_eq!(at(NOW + 5, NOW + 5), Err(RecordError::BadTimes));
    assert_eq!(at(NOW + 6, NOW + 5), Err(RecordError::BadTimes));
    assert_eq!(at(NOW + CLOCK_SKEW, NOW + CLOCK_SKEW + 1), Ok(()));
    assert_eq!(
        at(NOW + CLOCK_SKEW + 1, NOW + CLOCK_SKEW + 2),
        Err(RecordError::BadTimes)
    );
    assert_eq!(at(NOW, NOW + DeviceRecord::MAX_LIFETIME), Ok(()));
    assert_eq!(
        at(NOW, NOW + DeviceRecord::MAX_LIFETIME + 1),
        Err(RecordError::BadTimes)
    );
    assert_eq!(at(0, u64::MAX), Err(RecordError::BadTimes));
    assert_eq!(at(u64::MAX, 0), Err(RecordError::BadTimes));
}

#[test]
fn a_clock_at_the_end_of_time_does_not_overflow() {
    assert_eq!(
        signed_device().open::<DeviceRecord>(&peer(1), u64::MAX),
        Err(RecordError::Expired)
    );
    let record = SignedRecord::issue(&identity(1), 0, u64::MAX, 1000, &device());
    assert_eq!(
        record.open::<DeviceRecord>(&peer(1), NOW),
        Err(RecordError::BadTimes)
    );
}

/// Checks DC-ID-016 (positive, negative).
#[test]
fn a_lifetime_is_capped_when_issued() {
    let record = SignedRecord::issue(&identity(1), 0, NOW, u64::MAX, &device());
    let opened = record.open::<DeviceRecord>(&peer(1), NOW).unwrap();
    assert_eq!(opened.expires_at, NOW + DeviceRecord::MAX_LIFETIME);
}

#[test]
fn a_payload_that_is_not_the_kind_is_malformed() {
    let payload = Bytes::new(vec![0; 10]).unwrap();
    let refused = refusal(RecordBody {
        payload,
        ..device_body()
    });
    assert!(matches!(refused, RecordError::Malformed(_)), "{refused:?}");
}

#[test]
fn bytes_after_the_body_are_malformed_even_when_signed() {
    let mut bytes = signed_device().body.into_vec();
    bytes.push(0);
    let record = SignedRecord {
        signature: identity(1).sign(Purpose::Record, &bytes),
        body: Bytes::new(bytes).unwrap(),
    };
    let refused = record.open::<DeviceRecord>(&peer(1), NOW).unwrap_err();
    assert!(matches!(refused, RecordError::Malformed(_)), "{refused:?}");
}

#[test]
fn address_records_open_too() {
    let opened = samples::signed_addresses()
        .open::<AddressRecord>(&peer(1), NOW)
        .unwrap();
    assert_eq!(opened.payload, samples::address_record());
    assert_eq!(record_body().kind, AddressRecord::KIND);
}
