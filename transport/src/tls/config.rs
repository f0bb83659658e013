//! The TLS settings of both roles.

use std::sync::{Arc, OnceLock};

use dchat_wire::PeerId;
use dchat_wire::defect::{self, Defect};
use dchat_wire::sign::Identity;
use quinn_proto::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::version::TLS13;

use super::certificate::self_signed;
use super::verifier::{DialedPeer, DialingPeer, IdentityError, peer_of};

/// The protocol both sides have to name (RFC 7301).
pub const ALPN: &[u8] = b"dchat/1";

/// Why no TLS settings could be made from an identity. Ours or the libraries' fault, never a peer's.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate could not be made.
    #[error("the node's certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The settings were refused.
    #[error("TLS refused its settings: {0}")]
    Settings(#[from] rustls::Error),
    /// QUIC's mandatory cipher suite is missing.
    #[error("TLS lacks a cipher suite that QUIC needs: {0}")]
    CipherSuite(#[from] NoInitialCipherSuite),
}

/// Where the named error of a dial's handshake appears, if it failed by the peer's identity.
pub(crate) type Failure = Arc<OnceLock<IdentityError>>;

/// Makes the TLS side of connections for one identity.
#[derive(Clone)]
pub struct Tls {
    server: Arc<QuicServerConfig>,
    client: rustls::ClientConfig,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Tls {
    /// Settings for connections of `identity`.
    ///
    /// # Errors
    /// [`TlsError`]; nothing is left behind.
    pub fn new(identity: &Identity) -> Result<Self, TlsError> {
        let provider = Arc::new(provider());
        let algorithms = provider.signature_verification_algorithms;
        let (certificate, key) = self_signed(identity)?;
        let chain = vec![certificate];

        let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(DialingPeer { algorithms }))
            .with_single_cert(chain.clone(), key.clone_key())?;
        if !defect::is(Defect::AcceptsAnyAlpn) {
            server.alpn_protocols = vec![ALPN.to_vec()];
        }
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.max_early_data_size = 0;
        if defect::is(Defect::SendsTickets) || defect::is(Defect::AcceptsEarlyData) {
            server.session_storage = ServerSessionMemoryCache::new(256);
            server.send_tls13_tickets = 2;
        }
        if defect::is(Defect::AcceptsEarlyData) {
            server.max_early_data_size = u32::MAX;
        }

        let anybody = dialed(None, &Failure::default(), algorithms);
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(anybody)
            .with_client_auth_cert(chain, key)?;
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = Resumption::disabled();
        client.enable_early_data = false;
        client.enable_sni = false;

        Ok(Self {
            server: Arc::new(QuicServerConfig::try_from(server)?),
            client,
            algorithms,
        })
    }

    /// The settings for incoming connections.
    #[must_use]
    pub fn server(&self) -> Arc<QuicServerConfig> {
        Arc::clone(&self.server)
    }

    /// The settings for one dial, and where its named error will be found.
    pub(crate) fn client(
        &self,
        expected: Option<PeerId>,
    ) -> Result<(Arc<QuicClientConfig>, Failure), TlsError> {
        let failure = Failure::default();
        let mut client = self.client.clone();
        client
            .dangerous()
            .set_certificate_verifier(dialed(expected, &failure, self.algorithms));
        Ok((Arc::new(QuicClientConfig::try_from(client)?), failure))
    }
}

impl core::fmt::Debug for Tls {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Tls")
    }
}

/// The peer a finished handshake has proven; `None` only if the TLS library broke its word.
pub(crate) fn proven_peer(connection: &quinn::Connection) -> Option<PeerId> {
    let chain = connection
        .peer_identity()?
        .downcast::<Vec<CertificateDer<'static>>>()
        .ok()?;
    let (first, others) = chain.split_first()?;
    peer_of(first, others).ok()
}

fn dialed(
    expected: Option<PeerId>,
    failure: &Failure,
    algorithms: WebPkiSupportedAlgorithms,
) -> Arc<DialedPeer> {
    Arc::new(DialedPeer {
        expected,
        failure: Arc::clone(failure),
        algorithms,
    })
}

/// TLS 1.3 suites only, and the two key exchanges of the specification, the hybrid one preferred.
fn provider() -> CryptoProvider {
    let mut kx_groups = vec![kx_group::X25519MLKEM768, kx_group::X25519];
    if defect::is(Defect::AcceptsOtherCurves) {
        kx_groups.push(kx_group::SECP256R1);
    }
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups,
        ..default_provider()
    }
}
