//! Our own certificate: the same bytes for the same key, whenever it is made.

use dchat_wire::sign::Identity;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

/// What precedes an Ed25519 seed in PKCS#8 version 1 (RFC 8410 §7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A self-signed certificate over the node's key, and the key as TLS signs with it.
///
/// # Errors
/// The certificate library's, when it refuses the key: a fault of ours.
pub(super) fn self_signed(
    identity: &Identity,
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), rcgen::Error> {
    let pkcs8 = pkcs8(identity);
    let key = PrivatePkcs8KeyDer::from(pkcs8.to_vec());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ED25519)?;
    let mut params = CertificateParams::default();
    // A name that says nothing of the node: whoever reads it has the key already.
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "dchat");
    let certificate = params.self_signed(&pair)?;
    Ok((certificate.der().clone(), PrivateKeyDer::Pkcs8(key)))
}

fn pkcs8(identity: &Identity) -> Zeroizing<[u8; 48]> {
    let mut bytes = Zeroizing::new([0; 48]);
    bytes[..16].copy_from_slice(&PKCS8_PREFIX);
    bytes[16..].copy_from_slice(identity.seed().as_slice());
    bytes
}
