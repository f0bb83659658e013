//! What we accept as a peer's identity.

use std::sync::{Arc, OnceLock};

use dchat_wire::PeerId;
use dchat_wire::defect::{self, Defect};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerMisbehaved,
    SignatureScheme,
};

/// What precedes the key in the only SubjectPublicKeyInfo accepted: a sequence of the algorithm
/// id-Ed25519 without parameters and a bit string of 32 bytes (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Why a peer's certificates are no identity, or not the expected one. The handshake is over and
/// nothing is kept of it; the peer or somebody in its place is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// More than one certificate: only one key can be the peer's name.
    #[error("the peer presented {count} certificates instead of one")]
    CertificateCount {
        /// How many.
        count: usize,
    },
    /// Bytes that are not a certificate.
    #[error("the peer's certificate cannot be read")]
    NotACertificate,
    /// A key of another kind, or in another encoding.
    #[error("the peer's certificate is not over an Ed25519 key")]
    NotEd25519,
    /// An Ed25519 key that does not re-encode to itself or has small order.
    #[error("the peer's key is not a canonical Ed25519 public key")]
    NotCanonical,
    /// A valid identity, but not the one that was dialed.
    #[error("another peer answered: {found}")]
    WrongPeer {
        /// Who was dialed.
        expected: PeerId,
        /// Who answered.
        found: PeerId,
    },
}

/// The peer whose certificate this is.
///
/// # Errors
/// [`IdentityError`]; see there.
pub fn peer_of(
    end_entity: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
) -> Result<PeerId, IdentityError> {
    if !others.is_empty() && !defect::is(Defect::AcceptsTwoCertificates) {
        let count = others.len() + 1;
        return Err(IdentityError::CertificateCount { count });
    }
    let spki = public_key_info(end_entity)?;
    let key = spki
        .strip_prefix(&SPKI_PREFIX)
        .and_then(|key| key.try_into().ok())
        .ok_or(IdentityError::NotEd25519)?;
    PeerId::from_public_key(key).map_err(|_| IdentityError::NotCanonical)
}

fn public_key_info(
    certificate: &CertificateDer<'_>,
) -> Result<SubjectPublicKeyInfoDer<'static>, IdentityError> {
    ParsedCertificate::try_from(certificate)
        .map(|parsed| parsed.subject_public_key_info())
        .map_err(|_| IdentityError::NotACertificate)
}

/// Checks a handshake's signature: Ed25519, by the key of the certificate, over `message`.
fn verify_possession(
    algorithms: &WebPkiSupportedAlgorithms,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    if signature.scheme != SignatureScheme::ED25519 {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    if defect::is(Defect::SkipsHandshakeSignature) {
        return Ok(HandshakeSignatureValid::assertion());
    }
    let spki = public_key_info(certificate).map_err(refusal)?;
    verify_tls13_signature_with_raw_key(message, &spki, signature, algorithms)
}

fn refusal(error: IdentityError) -> Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

fn no_tls12<T>() -> Result<T, Error> {
    Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
}

/// Checks whoever answers a dial.
#[derive(Debug)]
pub(super) struct DialedPeer {
    /// Who has to answer; anybody where it is not known.
    pub(super) expected: Option<PeerId>,
    /// Where the named error goes: the handshake itself reports only an alert.
    pub(super) failure: Arc<OnceLock<IdentityError>>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl DialedPeer {
    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
    ) -> Result<(), IdentityError> {
        let found = peer_of(end_entity, others)?;
        match self.expected {
            Some(expected) if expected != found => {
                Err(IdentityError::WrongPeer { expected, found })
            }
            _ => Ok(()),
        }
    }
}

impl ServerCertVerifier for DialedPeer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.check(end_entity, intermediates) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(error) => {
                // One handshake reports once.
                let error = self.failure.get_or_init(|| error).clone();
                Err(refusal(error))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_possession(&self.algorithms, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Checks whoever dials us: any valid identity. Who may stay is decided after the handshake.
#[derive(Debug)]
pub(super) struct DialingPeer {
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for DialingPeer {
    fn client_auth_mandatory(&self) -> bool {
        !defect::is(Defect::NeedsNoCertificate)
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        peer_of(end_entity, intermediates)
            .map(|_| ClientCertVerified::assertion())
            .map_err(refusal)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_possession(&self.algorithms, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

    use dchat_wire::sign::Identity;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};

    use super::super::certificate::self_signed;
    use super::*;

    fn certificate(seed: u8) -> (PeerId, CertificateDer<'static>) {
        let identity = Identity::from_seed(&[seed; 32]);
        (identity.peer_id(), self_signed(&identity).unwrap().0)
    }

    /// Checks DC-ID-037 (positive), DC-ID-038 (positive), DC-ID-039 (positive).
    /// Checks DC-ID-040 (positive), DC-ID-041 (positive).
    #[test]
    fn our_certificate_names_us_and_is_the_same_each_time() {
        let (peer, first) = certificate(7);
        let (_, second) = certificate(7);
        assert_eq!(peer_of(&first, &[]), Ok(peer));
        assert_eq!(first, second);
    }

    /// Checks DC-ID-042 (positive, negative).
    #[test]
    fn names_dates_and_the_signature_of_a_certificate_mean_nothing() {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::new(vec!["somebody.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(1980, 1, 1);
        params.not_after = rcgen::date_time_ymd(1999, 12, 31);
        let other = params.self_signed(&key).unwrap();
        let own = PeerId::from_public_key(key.public_key_raw().try_into().unwrap()).unwrap();
        assert_eq!(peer_of(other.der(), &[]), Ok(own));
        let mut bytes = other.der().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(peer_of(&CertificateDer::from(bytes), &[]), Ok(own));
    }

    /// Checks DC-ID-043 (positive, negative).
    #[test]
    fn our_certificate_is_of_version_3_and_marks_nothing_critical() {
        let (_, ours) = certificate(7);
        let holds = |part: &[u8]| ours.windows(part.len()).any(|window| window == part);
        assert!(holds(&[0xa0, 3, 2, 1, 2]), "version [0] INTEGER 2");
        assert!(!holds(&[1, 1, 0xff]), "BOOLEAN TRUE");
    }

    /// Checks DC-ID-038 (negative).
    #[test]
    fn two_certificates_are_refused() {
        let (_, first) = certificate(1);
        let (_, second) = certificate(2);
        assert_eq!(
            peer_of(&first, &[second]),
            Err(IdentityError::CertificateCount { count: 2 })
        );
    }

    /// Checks DC-ID-040 (negative).
    #[test]
    fn a_key_of_another_kind_is_refused() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let other = CertificateParams::default().self_signed(&key).unwrap();
        assert_eq!(peer_of(other.der(), &[]), Err(IdentityError::NotEd25519));
    }

    /// Checks DC-ID-041 (negative).
    #[test]
    fn an_alias_of_a_key_is_refused() {
        let (peer, certificate) = certificate(3);
        // y = p + 1 is an alias of y = 1, the neutral element.
        let mut alias = [0xff; 32];
        alias[0] = 0xee;
        alias[31] = 0x7f;
        let at = certificate
            .windows(32)
            .position(|window| window == peer.public_key())
            .unwrap();
        let mut bytes = certificate.to_vec();
        bytes[at..at + 32].copy_from_slice(&alias);
        assert_eq!(
            peer_of(&CertificateDer::from(bytes), &[]),
            Err(IdentityError::NotCanonical)
        );
    }

    /// Checks DC-ID-039 (negative).
    #[test]
    fn truncated_and_empty_certificates_are_refused() {
        let (_, certificate) = certificate(4);
        for len in 0..certificate.len() {
            let cut = CertificateDer::from(certificate[..len].to_vec());
            assert_eq!(peer_of(&cut, &[]), Err(IdentityError::NotACertificate));
        }
    }
}
