//! Peers that are wrong.

use std::net::SocketAddr;
use std::sync::Arc;

use dchat_spec::runner::Identity;
use dchat_spec::runner::frames::{self, frame, ping};
use dchat_spec::structure::Structure;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

/// In which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// Takes whatever comes, answers whatever is asked with PONG, and never closes.
    Tolerant,
    /// Closes every connection with a code of its own.
    Hostile,
}

/// A listener on loopback.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) key: [u8; 32],
    _endpoint: quinn::Endpoint,
}

impl Peer {
    pub(crate) fn start(conduct: Conduct) -> Self {
        let seed = [0x99; 32];
        let identity = Identity::new(&seed);
        // PKCS#8 of an Ed25519 seed (RFC 8410 §7).
        let prefix = [
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        let key = [prefix.as_slice(), &seed].concat();
        let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(Anybody))
            .with_single_cert(
                vec![CertificateDer::from(identity.certificate())],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)),
            )
            .unwrap();
        let alpn: [&[u8]; 3] = [b"dchat/1", b"h3", b"dchat/2"];
        tls.alpn_protocols = alpn.map(<[u8]>::to_vec).to_vec();
        let crypto = Arc::new(QuicServerConfig::try_from(tls).unwrap());
        let config = quinn::ServerConfig::with_crypto(crypto);
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let endpoint = quinn::Endpoint::server(config, here).unwrap();
        tokio::spawn(serve(endpoint.clone(), conduct));
        Self {
            address: endpoint.local_addr().unwrap(),
            key: identity.public(),
            _endpoint: endpoint,
        }
    }
}

async fn serve(endpoint: quinn::Endpoint, conduct: Conduct) {
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            let Ok(connection) = incoming.await else {
                return;
            };
            match conduct {
                Conduct::Hostile => connection.close(0x1234_u32.into(), b"go away"),
                Conduct::Tolerant => tolerate(connection).await,
            }
        });
    }
}

async fn tolerate(connection: quinn::Connection) {
    let hello = Structure::new()
        .fixed("Hello.versions", &[1, 0, 1, 0])
        .fixed("Hello.instance", &[1; 16])
        .u64("Hello.roles", 0)
        .list("Hello.capabilities", &[], true)
        .extensions("Hello.extensions", &[]);
    let identify = Structure::new()
        .u64("Identify.revision", 1)
        .option("Identify.observed", None, true)
        .list("Identify.addresses", &[], true)
        .extensions("Identify.extensions", &[]);
    let Ok(mut control) = connection.open_uni().await else {
        return;
    };
    let greeting = [
        frame(frames::HELLO, &hello.bytes),
        frame(frames::IDENTIFY, &identify.bytes),
    ];
    let _gone = control.write_all(&greeting.concat()).await;
    let uni = async {
        while let Ok(mut recv) = connection.accept_uni().await {
            tokio::spawn(async move { recv.read_to_end(usize::MAX).await });
        }
    };
    let bi = async {
        while let Ok((mut send, mut recv)) = connection.accept_bi().await {
            tokio::spawn(async move {
                let question = recv.read_to_end(1 << 20).await.unwrap_or_default();
                let nonce = question.get(8..16).and_then(|bytes| bytes.try_into().ok());
                let nonce = u64::from_le_bytes(nonce.unwrap_or_default());
                let _gone = send
                    .write_all(&frame(frames::PONG, &ping(nonce, &[]).bytes))
                    .await;
                let _gone = send.finish();
            });
        }
    };
    tokio::join!(uni, bi);
}

/// Takes any dialer, with or without a certificate.
#[derive(Debug)]
struct Anybody;

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

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
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ED25519,
            SignatureScheme::ED448,
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::RSA_PSS_SHA256,
        ]
    }
}
