//! Certificates put down by hand (`20-identity` §7).

use ed25519_dalek::{Signer as _, SigningKey};

use crate::actor::Actor;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

/// Before the key in the only SubjectPublicKeyInfo accepted.
pub const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Tag, length, content.
#[must_use]
pub fn tlv(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let mut bytes = vec![tag];
    match content.len() {
        len @ ..=0x7f => bytes.push(len as u8),
        len @ ..=0xff => bytes.extend_from_slice(&[0x81, len as u8]),
        len => bytes.extend_from_slice(&[0x82, (len >> 8) as u8, len as u8]),
    }
    bytes.extend_from_slice(&content);
    bytes
}

/// The SubjectPublicKeyInfo of an Ed25519 key.
#[must_use]
pub fn ed25519_spki(key: &[u8]) -> Vec<u8> {
    [SPKI_PREFIX.as_slice(), key].concat()
}

/// Any SubjectPublicKeyInfo: an algorithm with parameters, and the content of the bit string.
#[must_use]
pub fn spki(oid: &[u8], parameters: &[u8], bits: &[u8]) -> Vec<u8> {
    let algorithm = tlv(SEQUENCE, &[&tlv(OID, &[oid]), parameters]);
    tlv(SEQUENCE, &[&algorithm, &tlv(BIT_STRING, &[bits])])
}

/// An object identifier's content with tag and length.
#[must_use]
pub fn oid(content: &[u8]) -> Vec<u8> {
    tlv(OID, &[content])
}

/// When a certificate says that it holds.
#[derive(Clone, Copy, Debug)]
pub enum Validity {
    /// From 1975 to 4096, as long as there are machines.
    Long,
    /// In 1999 only.
    Past,
}

/// A certificate over `spki` that `signer` signed, for the common name `name`.
#[must_use]
pub fn certificate(signer: Actor, spki: &[u8], name: &str, validity: Validity) -> Vec<u8> {
    signed_certificate(&signer.key(), spki, name, validity)
}

/// The same with any key.
#[must_use]
pub fn signed_certificate(
    signer: &SigningKey,
    spki: &[u8],
    name: &str,
    validity: Validity,
) -> Vec<u8> {
    let algorithm = tlv(SEQUENCE, &[&oid(&[0x2b, 0x65, 0x70])]);
    let attribute = tlv(
        SEQUENCE,
        &[
            &oid(&[0x55, 0x04, 0x03]),
            &tlv(UTF8_STRING, &[name.as_bytes()]),
        ],
    );
    let name = tlv(SEQUENCE, &[&tlv(SET, &[&attribute])]);
    let validity = match validity {
        Validity::Long => [
            tlv(UTC_TIME, &[b"750101000000Z"]),
            tlv(GENERALIZED_TIME, &[b"40960101000000Z"]),
        ],
        Validity::Past => [
            tlv(UTC_TIME, &[b"990101000000Z"]),
            tlv(UTC_TIME, &[b"991231235959Z"]),
        ],
    };
    let to_be_signed = tlv(
        SEQUENCE,
        &[
            &tlv(VERSION, &[&tlv(INTEGER, &[&[2]])]),
            &tlv(INTEGER, &[&[1]]),
            &algorithm,
            &name,
            &tlv(SEQUENCE, &[&validity[0], &validity[1]]),
            &name,
            spki,
        ],
    );
    let signature = signer.sign(&to_be_signed).to_bytes();
    tlv(
        SEQUENCE,
        &[
            &to_be_signed,
            &algorithm,
            &tlv(BIT_STRING, &[&[0], &signature]),
        ],
    )
}
