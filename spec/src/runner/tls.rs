//! The TLS side of a partner, right and wrong in every part that `30-transport` §2 speaks of.
//!
//! [`Dialing`] says how a partner dials; the default is a correct peer. [`Shown`] collects what the
//! peer showed of itself in the handshake, whether it ended well or not.

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionStore, ResolvesClientCert, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::crypto::aws_lc_rs::{ALL_KX_GROUPS, default_provider};
use rustls::crypto::{ActiveKeyExchange, CryptoProvider, SharedSecret, SupportedKxGroup};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, Signer, SigningKey as TlsKey};
use rustls::version::TLS13;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, NamedGroup, SignatureAlgorithm, SignatureScheme,
};

use crate::der::SPKI_PREFIX;

use super::identity::Identity;

/// The protocol both sides name.
pub const ALPN: &[u8] = b"dchat/1";

/// How a partner dials.
#[derive(Clone, Debug)]
pub struct Dialing {
    /// Protocols offered.
    pub alpn: Vec<Vec<u8>>,
    /// What it shows of itself.
    pub credential: Credential,
    /// Key exchanges offered, the preferred one first.
    pub groups: Vec<NamedGroup>,
    /// A server name to send.
    pub server_name: Option<&'static str>,
    /// A token as if of an earlier NEW_TOKEN.
    pub token: Option<Vec<u8>>,
    /// QUIC version of the first packet.
    pub version: u32,
    /// Whether QUIC DATAGRAM frames are offered.
    pub has_datagrams: bool,
    /// Bytes of UDP payload of this side's first packets.
    pub first_packets: u16,
    /// Most bytes of UDP payload that this side says it takes.
    pub takes_packets: u16,
    /// Whether questions of the peer are left to the case, not answered by the link.
    pub keeps_questions: bool,
    /// Bytes the peer may send on one stream before it has to wait.
    pub stream_window: u32,
}

/// What a side shows of itself in TLS.
#[derive(Clone, Debug)]
pub enum Credential {
    /// No certificate.
    Nothing,
    /// Certificates, and what signs the handshake.
    Chain(Vec<Vec<u8>>, Box<Signs>),
    /// As a TLS library would, with a key of any kind.
    Library(Arc<CertifiedKey>),
}

/// What stands in CertificateVerify.
#[derive(Clone, Debug)]
pub struct Signs {
    /// The key.
    pub key: SigningKey,
    /// The scheme that is named.
    pub scheme: SignatureScheme,
    /// Whether the signature is spoiled.
    pub is_spoiled: bool,
}

impl Signs {
    /// As a correct peer.
    #[must_use]
    pub fn with(identity: &Identity) -> Self {
        Self {
            key: identity.key().clone(),
            scheme: SignatureScheme::ED25519,
            is_spoiled: false,
        }
    }
}

impl Dialing {
    /// As a correct peer.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        Self {
            alpn: vec![ALPN.to_vec()],
            credential: Credential::Chain(
                vec![identity.certificate()],
                Box::new(Signs::with(identity)),
            ),
            groups: vec![NamedGroup::X25519MLKEM768, NamedGroup::X25519],
            server_name: None,
            token: None,
            version: 1,
            has_datagrams: true,
            first_packets: 1200,
            takes_packets: 1472,
            keeps_questions: false,
            stream_window: 1 << 20,
        }
    }

    /// The TLS settings, and where what the peer shows will stand.
    ///
    /// # Errors
    /// The library's, when it refuses the settings: a fault of the runner's.
    pub fn client(&self) -> Result<(Arc<QuicClientConfig>, Shown), String> {
        let (config, shown) = self.rustls()?;
        let client = QuicClientConfig::try_from(config).map_err(|error| error.to_string())?;
        Ok((Arc::new(client), shown))
    }

    /// The same for TLS alone.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub fn rustls(&self) -> Result<(rustls::ClientConfig, Shown), String> {
        let shown = Shown::default();
        let provider = CryptoProvider {
            kx_groups: groups(&self.groups, &shown),
            ..default_provider()
        };
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Looks(shown.clone())))
            .with_client_cert_resolver(Arc::new(Shows {
                key: self.credential.key(),
                shown: shown.clone(),
            }));
        config.alpn_protocols.clone_from(&self.alpn);
        config.enable_sni = self.server_name.is_some();
        config.resumption = Resumption::store(Arc::new(Tickets(shown.clone())));
        Ok((config, shown))
    }
}

impl Credential {
    /// As the TLS library takes it; `None` for no certificate.
    #[must_use]
    pub fn key(&self) -> Option<Arc<CertifiedKey>> {
        match self {
            Self::Nothing => None,
            Self::Library(key) => Some(Arc::clone(key)),
            Self::Chain(chain, signs) => {
                let chain = chain.iter().cloned().map(CertificateDer::from).collect();
                Some(Arc::new(CertifiedKey::new(
                    chain,
                    Arc::new(Signs::clone(signs)),
                )))
            }
        }
    }
}

impl TlsKey for Signs {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for Signs {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = self.key.sign(message).to_bytes();
        if self.is_spoiled {
            signature[0] ^= 1;
        }
        Ok(signature.to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

/// What the peer showed of itself in a handshake.
#[derive(Clone, Debug, Default)]
pub struct Shown(Arc<Mutex<Facts>>);

/// See [`Shown`].
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Its certificates.
    pub chain: Vec<Vec<u8>>,
    /// Signature schemes it takes in a CertificateRequest; `None` when it sent none.
    pub schemes: Option<Vec<SignatureScheme>>,
    /// Names of authorities it hints at.
    pub hints: usize,
    /// The key exchange that was completed.
    pub group: Option<NamedGroup>,
    /// Session tickets it sent.
    pub tickets: usize,
}

impl Shown {
    /// All of it so far.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The peer's key, out of its certificate.
    #[must_use]
    pub fn peer(&self) -> Option<[u8; 32]> {
        key_of(self.facts().chain.first()?)
    }
}

/// The key of a certificate: what follows the only prefix accepted.
#[must_use]
pub fn key_of(certificate: &[u8]) -> Option<[u8; 32]> {
    let at = certificate
        .windows(SPKI_PREFIX.len())
        .position(|window| window == SPKI_PREFIX)?;
    let key = certificate.get(at + SPKI_PREFIX.len()..)?.get(..32)?;
    key.try_into().ok()
}

/// The certificates that a side showed, the first one first.
pub(super) fn chain_of(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Vec<Vec<u8>> {
    core::iter::once(end_entity)
        .chain(intermediates)
        .map(|certificate| certificate.to_vec())
        .collect()
}

/// Whether the other side holds the key of its certificate, by its signature over the handshake.
///
/// # Errors
/// For the TLS library, when it does not.
pub(super) fn holds_key(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let key = key_of(certificate)
        .and_then(|key| VerifyingKey::from_bytes(&key).ok())
        .ok_or(CertificateError::BadEncoding)?;
    Signature::from_slice(signature.signature())
        .and_then(|signature| key.verify_strict(message, &signature))
        .map(|()| HandshakeSignatureValid::assertion())
        .map_err(|_| CertificateError::BadSignature.into())
}

fn groups(wanted: &[NamedGroup], shown: &Shown) -> Vec<&'static dyn SupportedKxGroup> {
    wanted
        .iter()
        .filter_map(|wanted| {
            let found = ALL_KX_GROUPS.iter().find(|group| group.name() == *wanted)?;
            // A few bytes for each dial of a program that ends soon: the library wants 'static.
            let noted: &'static NotedGroup = Box::leak(Box::new(NotedGroup {
                group: *found,
                shown: shown.clone(),
            }));
            Some(noted as &'static dyn SupportedKxGroup)
        })
        .collect()
}

/// A key exchange that tells when it was the one.
#[derive(Debug)]
struct NotedGroup {
    group: &'static dyn SupportedKxGroup,
    shown: Shown,
}

impl SupportedKxGroup for NotedGroup {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(NotedExchange {
            exchange: self.group.start()?,
            shown: self.shown.clone(),
        }))
    }

    fn name(&self) -> NamedGroup {
        self.group.name()
    }
}

struct NotedExchange {
    exchange: Box<dyn ActiveKeyExchange>,
    shown: Shown,
}

impl ActiveKeyExchange for NotedExchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let group = self.exchange.group();
        self.shown.note(|facts| facts.group = Some(group));
        self.exchange.complete(peer)
    }

    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        self.exchange.hybrid_component()
    }

    fn complete_hybrid_component(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let group = self.exchange.hybrid_component().map(|(group, _)| group);
        self.shown.note(|facts| facts.group = group);
        self.exchange.complete_hybrid_component(peer)
    }

    fn pub_key(&self) -> &[u8] {
        self.exchange.pub_key()
    }

    fn group(&self) -> NamedGroup {
        self.exchange.group()
    }
}

#[derive(Debug)]
struct Shows {
    key: Option<Arc<CertifiedKey>>,
    shown: Shown,
}

impl ResolvesClientCert for Shows {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.shown.note(|facts| {
            facts.schemes = Some(schemes.to_vec());
            facts.hints = hints.len();
        });
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

/// Takes note of the peer's certificates, and checks that it holds the key in the first.
#[derive(Debug)]
struct Looks(Shown);

impl ServerCertVerifier for Looks {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = chain_of(end_entity, intermediates);
        self.0.note(|facts| facts.chain = chain);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        holds_key(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Counts tickets and keeps none.
struct Tickets(Shown);

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _name: ServerName<'static>, _group: NamedGroup) {}

    fn kx_hint(&self, _name: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _name: ServerName<'static>, _value: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _name: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _name: ServerName<'static>, _value: Tls13ClientSessionValue) {
        self.0.note(|facts| facts.tickets += 1);
    }

    fn take_tls13_ticket(&self, _name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}
