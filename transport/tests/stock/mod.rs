//! Stock quinn on our socket: no part of the node above it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dchat_transport::path::ProbePair;
use dchat_transport::socket::{PathEvents, Paths, SwitchHook, VirtualSocket, bind};
use dchat_wire::probe::ProbeKeys;
use quinn::rustls;

/// A certificate and the two configurations that go with it. Both sides share it.
pub fn configs(keep_alive: Option<Duration>) -> (quinn::ServerConfig, quinn::ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["peer".to_owned()]).unwrap();
    let cert = made.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.clone()).unwrap();
    let mut transport = quinn::TransportConfig::default();
    transport.keep_alive_interval(keep_alive);
    let transport = Arc::new(transport);
    let mut server = quinn::ServerConfig::with_single_cert(vec![cert], key).unwrap();
    server.transport_config(transport.clone());
    server.migration(false);
    let mut client = quinn::ClientConfig::with_root_certificates(Arc::new(roots)).unwrap();
    client.transport_config(transport);
    (server, client)
}

pub fn endpoint_config() -> quinn::EndpointConfig {
    let mut config = quinn::EndpointConfig::default();
    config.grease_quic_bit(false);
    config
}

/// An endpoint over our socket.
pub struct Node {
    pub endpoint: quinn::Endpoint,
    pub paths: Paths,
    pub events: PathEvents,
    pub client: quinn::ClientConfig,
}

pub fn node(
    listen: &[&str],
    seed: u8,
    configs: &(quinn::ServerConfig, quinn::ClientConfig),
) -> Node {
    let listen: Vec<SocketAddr> = listen.iter().map(|text| text.parse().unwrap()).collect();
    let (socket, paths, events) = bind(&listen, [seed; 32]).unwrap();
    Node {
        endpoint: on(socket, &configs.0),
        paths,
        events,
        client: configs.1.clone(),
    }
}

pub fn on(socket: Arc<VirtualSocket>, server: &quinn::ServerConfig) -> quinn::Endpoint {
    quinn::Endpoint::new_with_abstract_socket(
        endpoint_config(),
        Some(server.clone()),
        socket,
        Arc::new(quinn::TokioRuntime),
    )
    .unwrap()
}

pub fn probe_keys(connection: &quinn::Connection, dialer: bool) -> ProbePair {
    let mut exported = [0; ProbeKeys::EXPORTED];
    connection
        .export_keying_material(&mut exported, ProbeKeys::EXPORTER_LABEL, b"")
        .unwrap();
    let (client, server) = ProbeKeys::from_exporter(&exported);
    if dialer {
        ProbePair {
            ours: client,
            theirs: server,
        }
    } else {
        ProbePair {
            ours: server,
            theirs: client,
        }
    }
}

/// A connection from one node to the other's address, attached on both sides.
pub async fn connect(
    from: &Node,
    to: &Node,
    address: SocketAddr,
) -> (quinn::Connection, quinn::Connection) {
    connect_hooked(from, to, address, Box::new(|_, _| {})).await
}

/// [`connect`] with a hook on the dialer's side.
pub async fn connect_hooked(
    from: &Node,
    to: &Node,
    address: SocketAddr,
    hook: SwitchHook,
) -> (quinn::Connection, quinn::Connection) {
    let virt = from.paths.dial(address);
    let dial = from
        .endpoint
        .connect_with(from.client.clone(), virt, "peer")
        .unwrap();
    let accept = async { to.endpoint.accept().await.unwrap().await.unwrap() };
    let (dialed, accepted) = tokio::join!(dial, accept);
    let dialed = dialed.unwrap();
    assert_eq!(dialed.remote_address(), virt);
    from.paths.attach(virt, probe_keys(&dialed, true), hook);
    to.paths.attach(
        accepted.remote_address(),
        probe_keys(&accepted, false),
        Box::new(|_, _| {}),
    );
    (dialed, accepted)
}

/// Bytes that are all different from their neighbours in any window a transfer could mix up.
pub fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Sends `bytes` on one stream and checks that they arrive.
pub async fn transfer(from: &quinn::Connection, to: &quinn::Connection, bytes: &[u8]) {
    let send = async {
        let mut stream = from.open_uni().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.finish().unwrap();
    };
    let receive = async {
        let mut stream = to.accept_uni().await.unwrap();
        stream.read_to_end(bytes.len() + 1).await.unwrap()
    };
    let ((), received) = tokio::join!(send, receive);
    assert!(received == bytes, "what arrived is not what was sent");
}
