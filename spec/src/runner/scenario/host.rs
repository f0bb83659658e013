//! The listening side of a partner.

use std::sync::Arc;

use quinn::ServerConfig;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use ed25519_dalek::{Signature, VerifyingKey};
use rustls::client::danger::HandshakeSignatureValid;

use super::super::case::Fault;
use super::super::identity::Identity;
use super::super::partner::own;
use super::super::tls::{ALPN, Credential, Signs, key_of};

/// How a correct peer with this identity listens.
pub(super) fn server_config(me: &Identity) -> Result<ServerConfig, Fault> {
    let credential = Credential::Chain(vec![me.certificate()], Box::new(Signs::with(me)));
    let key = credential.key().ok_or_else(|| own("no certificate"))?;
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| own(error.to_string()))?
        .with_client_cert_verifier(Arc::new(Anybody))
        .with_cert_resolver(Arc::new(One(key)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    let quic = QuicServerConfig::try_from(config).map_err(|error| own(error.to_string()))?;
    Ok(ServerConfig::with_crypto(Arc::new(quic)))
}

#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Takes every client that holds the key in its certificate.
#[derive(Debug)]
struct Anybody;

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(rustls::CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = key_of(certificate)
            .and_then(|key| VerifyingKey::from_bytes(&key).ok())
            .ok_or(rustls::CertificateError::BadEncoding)?;
        Signature::from_slice(signature.signature())
            .and_then(|signature| key.verify_strict(message, &signature))
            .map(|()| HandshakeSignatureValid::assertion())
            .map_err(|_| rustls::CertificateError::BadSignature.into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
