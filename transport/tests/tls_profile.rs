//! What of TLS and QUIC a node uses, and what it leaves alone though it is offered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod common;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::{node, raw, until, within};
use dchat_transport::CloseReason;
use dchat_wire::Address;
use dchat_wire::close::Code;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue};
use rustls::client::{Tls13ClientSessionValue, WantsClientCert};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ClientConfig, ConfigBuilder, NamedGroup, ServerConfig};

fn provider(groups: &[&'static dyn SupportedKxGroup]) -> Arc<CryptoProvider> {
    let kx_groups = groups.to_vec();
    Arc::new(CryptoProvider {
        kx_groups,
        ..default_provider()
    })
}

fn builder(provider: Arc<CryptoProvider>) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(raw::Anybody(provider)))
}

/// A client with an honest certificate that offers these groups and keeps tickets in `store`.
fn client(groups: &[&'static dyn SupportedKxGroup], store: Resumption) -> quinn::Endpoint {
    let (chain, key) = raw::ed25519();
    let mut tls = builder(provider(groups))
        .with_client_auth_cert(chain, key)
        .unwrap();
    tls.alpn_protocols = vec![b"dchat/1".to_vec()];
    tls.resumption = store;
    tls.enable_early_data = true;
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut endpoint = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    endpoint.set_default_client_config(config);
    endpoint
}

/// Checks DC-CONN-013 (positive, negative), DC-CONN-015 (positive, negative).
#[tokio::test]
async fn x25519_alone_will_do_and_another_group_will_not() {
    let node = node(1);
    let p256: &'static dyn SupportedKxGroup = kx_group::SECP256R1;
    let x25519: &'static dyn SupportedKxGroup = kx_group::X25519;
    // Whoever would rather use another is asked again for the one that both can.
    for (offered, agreed) in [
        (&[x25519][..], true),
        (&[p256, x25519], true),
        (&[p256], false),
    ] {
        let endpoint = client(offered, Resumption::disabled());
        let connecting = endpoint.connect(node.addr, "x.invalid").unwrap();
        let connected = within(connecting).await;
        assert_eq!(connected.is_ok(), agreed, "{connected:?}");
    }
}

/// Checks DC-CONN-014 (positive).
#[tokio::test]
async fn a_dialer_that_prefers_the_hybrid_gets_it() {
    let node = node(1);
    let hybrid: &'static dyn SupportedKxGroup = kx_group::X25519MLKEM768;
    let used = Arc::new(Counted::default());
    let store = Resumption::store(Arc::clone(&used) as Arc<dyn ClientSessionStore>);
    let connecting = client(&[hybrid, kx_group::X25519], store).connect(node.addr, "x.invalid");
    within(connecting.unwrap()).await.unwrap();
    let last = used.1.lock().unwrap().last().copied();
    assert_eq!(last, Some(NamedGroup::X25519MLKEM768));
}

/// Counts tickets, notes which key exchange was used, and remembers nothing.
#[derive(Debug, Default)]
struct Counted(AtomicUsize, Mutex<Vec<NamedGroup>>);

impl ClientSessionStore for Counted {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.1.lock().unwrap().push(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

/// Checks DC-CONN-002 (negative), DC-CONN-017 (negative).
#[tokio::test]
async fn who_would_resume_is_given_no_ticket_and_nothing_to_send_early_with() {
    let node = node(1);
    let tickets = Arc::new(Counted::default());
    let store = Resumption::store(Arc::clone(&tickets) as Arc<dyn ClientSessionStore>);
    let endpoint = client(&[kx_group::X25519], store);
    let connection = within(endpoint.connect(node.addr, "x.invalid").unwrap())
        .await
        .unwrap();
    let _control = raw::control(&connection, &raw::hello().to_bytes()).await;
    // Its HELLO comes behind anything it had to say in the handshake.
    let mut theirs = within(connection.accept_uni()).await.unwrap();
    within(theirs.read_chunk(8, true)).await.unwrap();
    assert_eq!(tickets.0.load(Ordering::Relaxed), 0);
    let again = endpoint.connect(node.addr, "x.invalid").unwrap();
    assert!(again.into_0rtt().is_err());
}

/// Presents one certificate and notes what it was asked for and offered.
#[derive(Debug)]
struct Asked {
    key: Arc<CertifiedKey>,
    names: Mutex<Vec<Option<String>>>,
    groups: Mutex<Vec<NamedGroup>>,
    suites: Mutex<Vec<CipherSuite>>,
}

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_owned);
        self.names.lock().unwrap().push(name);
        let groups = hello.named_groups().unwrap_or_default();
        self.groups.lock().unwrap().extend(groups);
        self.suites.lock().unwrap().extend(hello.cipher_suites());
        Some(Arc::clone(&self.key))
    }
}

/// Checks DC-CONN-014 (negative), DC-CONN-016 (positive, negative).
#[tokio::test]
async fn a_dialer_asks_for_no_name_and_would_rather_use_the_hybrid() {
    let provider = raw::provider();
    let (chain, key) = raw::ed25519();
    let asked = Arc::new(Asked {
        key: Arc::new(CertifiedKey::from_der(chain, key, &provider).unwrap()),
        names: Mutex::default(),
        groups: Mutex::default(),
        suites: Mutex::default(),
    });
    let mut tls = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(raw::Anybody(provider)))
        .with_cert_resolver(Arc::clone(&asked) as Arc<dyn ResolvesServerCert>);
    tls.alpn_protocols = vec![b"dchat/1".to_vec()];
    let config =
        quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    let server = quinn::Endpoint::server(config, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let there = [Address::direct(server.local_addr().unwrap())];
    let node = node(1);
    let dial = node.endpoint.connect(None, &there);
    let accepted = async {
        let incoming = server.accept().await.unwrap();
        let connection = incoming.await.unwrap();
        connection.close(0_u32.into(), b"seen");
    };
    let (_, _) = within(async { tokio::join!(dial, accepted) }).await;
    assert_eq!(*asked.names.lock().unwrap(), [None]);
    let preferred = [NamedGroup::X25519MLKEM768, NamedGroup::X25519];
    assert_eq!(*asked.groups.lock().unwrap(), preferred);
    let suites = [
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    assert_eq!(*asked.suites.lock().unwrap(), suites);
}

/// Checks DC-CONN-055 (positive, negative).
#[tokio::test]
async fn the_code_says_why_a_peer_closed_and_its_words_do_not() {
    for (code, words, meant) in [
        (0, "done", CloseReason::Peer(Code::Done)),
        (0, "malformed frame", CloseReason::Peer(Code::Done)),
        (2, "done", CloseReason::Peer(Code::Malformed)),
        (0x77, "done", CloseReason::PeerUnknown(0x77)),
    ] {
        let node = node(1);
        let (_endpoint, connection) = raw::connect(node.addr).await;
        let _control = raw::control(&connection, &raw::hello().to_bytes()).await;
        until(|| node.endpoint.connections().len() == 1).await;
        let seen = node.endpoint.connections().remove(0);
        connection.close(quinn::VarInt::from_u32(code), words.as_bytes());
        assert_eq!(within(seen.closed()).await, meant, "{code}: {words}");
    }
}
