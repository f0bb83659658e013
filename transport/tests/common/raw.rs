//! A QUIC peer without manners: any certificates, any bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use dchat_wire::PeerId;
use dchat_wire::codec::List;
use dchat_wire::hello::{Capabilities, Hello, Versions};
use dchat_wire::identify::Identify;
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Frame};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SignatureAlgorithm};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};

pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519MLKEM768, kx_group::X25519];
    Arc::new(provider)
}

/// Accepts every certificate, but not a wrong signature over the handshake.
#[derive(Debug)]
pub struct Anybody(pub Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}

pub type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// One certificate over a fresh key of any kind.
pub fn chain(algorithm: &'static SignatureAlgorithm) -> Chain {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let cert = CertificateParams::default().self_signed(&key).unwrap();
    let der = PrivatePkcs8KeyDer::from(key.serialize_der());
    (vec![cert.der().clone()], PrivateKeyDer::Pkcs8(der))
}

pub fn ed25519() -> Chain {
    chain(&PKCS_ED25519)
}

/// One certificate over the key of an identity.
pub fn chain_of(identity: &Identity) -> Chain {
    // PKCS #8 of an Ed25519 key, but for its seed (RFC 8410 §7).
    let mut pkcs8 = vec![
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    pkcs8.extend_from_slice(identity.seed().as_slice());
    let der = PrivatePkcs8KeyDer::from(pkcs8);
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    (vec![certificate.der().clone()], der.into())
}

pub fn client(chain: Option<Chain>, alpn: &[u8]) -> quinn::Endpoint {
    let mut endpoint = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    endpoint.set_default_client_config(config_of(chain, alpn));
    endpoint
}

pub fn client_config(chain: Chain, alpn: &[u8]) -> quinn::ClientConfig {
    config_of(Some(chain), alpn)
}

fn config_of(chain: Option<Chain>, alpn: &[u8]) -> quinn::ClientConfig {
    let provider = provider();
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)));
    let mut tls = match chain {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

pub fn server((chain, key): Chain, alpn: &[u8]) -> quinn::Endpoint {
    let provider = provider();
    let mut tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(Anybody(provider)))
        .with_single_cert(chain, key)
        .unwrap();
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls.send_tls13_tickets = 0;
    let config =
        quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    quinn::Endpoint::server(config, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

/// A client with an honest certificate, through the handshake with `addr`.
pub async fn connect(addr: SocketAddr) -> (quinn::Endpoint, quinn::Connection) {
    let endpoint = client(Some(ed25519()), b"dchat/1");
    let connection = endpoint.connect(addr, "x.invalid").unwrap().await.unwrap();
    (endpoint, connection)
}

pub fn hello() -> Frame {
    Frame::Hello(Hello {
        versions: Versions::OURS,
        instance: [3; 16],
        roles: 0,
        capabilities: Capabilities::default(),
        extensions: Default::default(),
    })
}

pub fn identify(revision: u64, addresses: &[Address]) -> Identify {
    Identify {
        revision,
        observed: None,
        addresses: List::first_of(addresses.iter().copied()),
        extensions: Default::default(),
    }
}

/// Sends `bytes` as the beginning of a control stream.
pub async fn control(connection: &quinn::Connection, bytes: &[u8]) -> quinn::SendStream {
    let mut send = connection.open_uni().await.unwrap();
    send.write_all(bytes).await.unwrap();
    send
}

/// The application code with which the node closes.
pub async fn close_code(connection: &quinn::Connection) -> u64 {
    match super::within(connection.closed()).await {
        quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("closed otherwise: {other}"),
    }
}

pub fn peer_of(chain: &Chain) -> PeerId {
    dchat_transport::tls::peer_of(&chain.0[0], &[]).unwrap()
}
