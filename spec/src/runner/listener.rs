//! A partner that is dialed: where it listens, what it shows, and what the dialer showed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{ServerConfig, TokioRuntime};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, NamedGroup, SignatureScheme,
};
use tokio::time::timeout;

use super::case::Fault;
use super::identity::Identity;
use super::link::{Ending, Link};
use super::partner::{Partner, endpoint_config, own};
use super::tap::Tap;
use super::tls::{ALPN, Credential, Shown, Signs, chain_of, holds_key};

/// How a partner listens.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Protocols it selects from.
    pub alpn: Vec<Vec<u8>>,
    /// What it shows of itself.
    pub credential: Credential,
    /// How many tokens it gives for later connections (NEW_TOKEN).
    pub tokens: u32,
}

impl Listening {
    /// As a correct peer.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        let chain = vec![identity.certificate()];
        Self {
            alpn: vec![ALPN.to_vec()],
            credential: Credential::Chain(chain, Box::new(Signs::with(identity))),
            tokens: 0,
        }
    }
}

/// What a dialer showed in its ClientHello and after it.
#[derive(Clone, Debug, Default)]
pub struct Dialer {
    /// The server name it sent.
    pub server_name: Option<String>,
    /// The protocols it offers.
    pub alpn: Vec<Vec<u8>>,
    /// The signatures it takes.
    pub schemes: Vec<SignatureScheme>,
    /// The key exchanges it offers.
    pub groups: Vec<NamedGroup>,
    /// Its certificates, once they have come.
    pub chain: Vec<Vec<u8>>,
}

/// A partner that listens.
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    me: Identity,
    endpoint: quinn::Endpoint,
    tap: Arc<Tap>,
    dialers: Arc<Mutex<Dialer>>,
}

impl Listener {
    /// Begins to listen on a new port.
    ///
    /// # Errors
    /// The runner's own.
    pub fn start(partner: &Partner, me: &Identity, listening: &Listening) -> Result<Self, Fault> {
        let dialers = Arc::default();
        let config = server_config(listening, &dialers)?;
        let tap = partner.tap()?;
        let endpoint = quinn::Endpoint::new_with_abstract_socket(
            endpoint_config(),
            Some(config),
            Arc::clone(&tap) as Arc<dyn quinn::AsyncUdpSocket>,
            Arc::new(TokioRuntime),
        );
        let endpoint = endpoint.map_err(|error| own(error.to_string()))?;
        let address = endpoint
            .local_addr()
            .map_err(|error| own(error.to_string()))?;
        Ok(Self {
            address,
            me: me.clone(),
            endpoint,
            tap,
            dialers,
        })
    }

    /// Waits for a dial, and how its handshake ends; `None` when nobody dials in the partner's
    /// patience.
    pub async fn accept(&self, partner: &Partner) -> Option<Result<Link, Ending>> {
        let patience = partner.subject.patience;
        let incoming = timeout(patience, self.endpoint.accept()).await.ok()??;
        Some(match incoming.await {
            Err(error) => Err(error.into()),
            Ok(connection) => Ok(Link::new(
                self.endpoint.clone(),
                connection,
                self.me.clone(),
                Shown::default(),
                Arc::clone(&self.tap),
                patience,
                false,
            )),
        })
    }

    /// First packets with a token that came.
    #[must_use]
    pub fn tokens_shown(&self) -> u64 {
        self.tap.came().with_token
    }

    /// What the last dialer showed.
    #[must_use]
    pub fn dialer(&self) -> Dialer {
        lock(&self.dialers).clone()
    }
}

/// The settings of a side that listens like this, and takes every dialer that holds the key in its
/// certificate. What the last one showed stands in `dialers`.
///
/// # Errors
/// The runner's own.
pub(super) fn server_config(
    listening: &Listening,
    dialers: &Arc<Mutex<Dialer>>,
) -> Result<ServerConfig, Fault> {
    let key = listening.credential.key();
    let shows = Shows {
        key: key.ok_or_else(|| own("no certificate to show"))?,
        dialer: Arc::clone(dialers),
    };
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| own(error.to_string()))?
        .with_client_cert_verifier(Arc::new(Looks(Arc::clone(dialers))))
        .with_cert_resolver(Arc::new(shows));
    tls.alpn_protocols.clone_from(&listening.alpn);
    tls.send_tls13_tickets = 0;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| own(error.to_string()))?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    let mut tokens = quinn::ValidationTokenConfig::default();
    tokens.sent(listening.tokens);
    config.validation_token_config(tokens);
    Ok(config)
}

fn lock(dialer: &Mutex<Dialer>) -> std::sync::MutexGuard<'_, Dialer> {
    dialer.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Shows {
    key: Arc<CertifiedKey>,
    dialer: Arc<Mutex<Dialer>>,
}

impl ResolvesServerCert for Shows {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        *lock(&self.dialer) = Dialer {
            server_name: hello.server_name().map(str::to_owned),
            alpn: hello
                .alpn()
                .map(|list| list.map(<[u8]>::to_vec).collect())
                .unwrap_or_default(),
            schemes: hello.signature_schemes().to_vec(),
            groups: hello.named_groups().unwrap_or_default().to_vec(),
            chain: Vec::new(),
        };
        Some(Arc::clone(&self.key))
    }
}

/// Takes note of the dialer's certificates, and checks that it holds the key in the first.
#[derive(Debug)]
struct Looks(Arc<Mutex<Dialer>>);

impl ClientCertVerifier for Looks {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        lock(&self.0).chain = chain_of(end_entity, intermediates);
        Ok(ClientCertVerified::assertion())
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
