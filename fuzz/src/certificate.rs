//! Certificates of peers.

use dchat_transport::tls::{IdentityError, peer_of};
use rustls_pki_types::CertificateDer;

/// Where the key stands in a certificate: the only encoding of an Ed25519 key that is taken.
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Input: a certificate in DER.
///
/// An accepted one holds the peer's key in the one encoding that counts, and two certificates are
/// never an identity.
///
/// # Panics
/// When that is not so.
pub fn certificate(data: &[u8]) {
    let der = CertificateDer::from(data);
    if let Ok(peer) = peer_of(&der, &[]) {
        let spki = [&SPKI[..], peer.public_key()].concat();
        assert!(
            data.windows(spki.len()).any(|window| window == spki),
            "a key from nowhere"
        );
    }
    let two = peer_of(&der, std::slice::from_ref(&der));
    assert_eq!(two, Err(IdentityError::CertificateCount { count: 2 }));
}
