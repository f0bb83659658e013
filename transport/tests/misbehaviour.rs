//! What peers that break the rules get.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{chat_open, node, node_with, ordered, raw, until, within};
use dchat_transport::tls::IdentityError;
use dchat_transport::{DialError, FrameStream, Limits};
use dchat_wire::close::Code;
use dchat_wire::codec::List;
use dchat_wire::hello::{Capabilities, Hello, capability};
use dchat_wire::nat::{Candidate, CandidateKind, Candidates, NatClass, Punch};
use dchat_wire::ping::Ping;
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Frame, FrameReader, grease};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

async fn refused_client(chain: Option<raw::Chain>, alpn: &[u8]) {
    let node = node(1);
    let client = raw::client(chain, alpn);
    let outcome = within(async {
        match client.connect(node.addr, "x.invalid").unwrap().await {
            // The client is done before the server has seen its certificate.
            Ok(connection) => connection.closed().await,
            Err(error) => error,
        }
    })
    .await;
    assert!(
        matches!(outcome, quinn::ConnectionError::ConnectionClosed(_)),
        "{outcome}"
    );
    assert!(node.endpoint.connections().is_empty());
}

/// Checks DC-CONN-010 (negative), DC-CONN-011 (negative).
#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    refused_client(None, b"dchat/1").await;
}

/// Checks DC-CONN-011 (negative), DC-CONN-019 (negative).
#[tokio::test]
async fn a_client_with_a_key_of_another_kind_is_refused() {
    refused_client(Some(raw::chain(&PKCS_ECDSA_P256_SHA256)), b"dchat/1").await;
}

/// Checks DC-CONN-011 (negative), DC-ID-038 (negative).
#[tokio::test]
async fn a_client_with_two_certificates_is_refused() {
    let (mut chain, key) = raw::ed25519();
    chain.extend(raw::ed25519().0);
    refused_client(Some((chain, key)), b"dchat/1").await;
}

/// Checks DC-CONN-009 (negative).
#[tokio::test]
async fn a_client_of_another_protocol_is_refused() {
    refused_client(Some(raw::ed25519()), b"h3").await;
}

/// A certificate whose key is an alias: y = p + 1 for the neutral element's y = 1. Nobody can sign
/// for it in a way that matters here; the certificate alone has to be refused.
fn alias() -> raw::Chain {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let cert = CertificateParams::default().self_signed(&key).unwrap();
    let mut bytes = cert.der().to_vec();
    let raw_key = key.public_key_raw();
    let at = bytes
        .windows(raw_key.len())
        .position(|window| window == raw_key)
        .unwrap();
    bytes[at..at + 32].fill(0xff);
    bytes[at] = 0xee;
    bytes[at + 31] = 0x7f;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    (vec![bytes.into()], PrivateKeyDer::Pkcs8(key))
}

async fn dial_raw(chain: raw::Chain, alpn: &[u8]) -> DialError {
    let server = raw::server(chain, alpn);
    let addr = server.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        while let Some(incoming) = server.accept().await {
            drop(incoming.await);
        }
    });
    let node = node(1);
    let failed = within(node.endpoint.connect(None, &[Address::direct(addr)])).await;
    accepting.abort();
    failed.unwrap_err()
}

async fn identity_of(chain: raw::Chain) -> IdentityError {
    match dial_raw(chain, b"dchat/1").await {
        DialError::Identity { error, .. } => error,
        other => panic!("{other}"),
    }
}

/// Checks DC-CONN-011 (negative), DC-ID-038 (negative).
#[tokio::test]
async fn a_server_with_two_certificates_is_named_as_such() {
    let (mut chain, key) = raw::ed25519();
    chain.extend(raw::ed25519().0);
    let error = identity_of((chain, key)).await;
    assert_eq!(error, IdentityError::CertificateCount { count: 2 });
}

/// Checks DC-ID-041 (negative).
#[tokio::test]
async fn a_server_with_an_alias_of_a_key_is_named_as_such() {
    // rustls refuses to serve a certificate that does not fit its key, so the check is asked.
    let (chain, _) = alias();
    assert_eq!(
        dchat_transport::tls::peer_of(&chain[0], &[]),
        Err(IdentityError::NotCanonical)
    );
}

/// Checks DC-CONN-019 (negative).
#[tokio::test]
async fn a_server_with_a_key_of_another_kind_finds_no_signature_we_would_take() {
    let refused = dial_raw(raw::chain(&PKCS_ECDSA_P256_SHA256), b"dchat/1").await;
    assert!(matches!(refused, DialError::Refused { .. }), "{refused}");
}

/// Checks DC-CONN-009 (negative).
#[tokio::test]
async fn a_server_of_another_protocol_is_not_a_peer() {
    assert!(matches!(
        dial_raw(raw::ed25519(), b"h3").await,
        DialError::Refused { .. }
    ));
}

async fn closed_for(bytes: Vec<u8>) -> u64 {
    let node = node(1);
    let (_endpoint, connection) = raw::connect(node.addr).await;
    let _control = raw::control(&connection, &bytes).await;
    raw::close_code(&connection).await
}

fn ping() -> Frame {
    Frame::Ping(Ping {
        nonce: 1,
        extensions: Default::default(),
    })
}

/// Checks DC-CONN-030 (negative).
#[tokio::test]
async fn a_second_hello_is_unexpected() {
    let bytes = [raw::hello().to_bytes(), raw::hello().to_bytes()].concat();
    assert_eq!(closed_for(bytes).await, Code::Unexpected as u64);
}

/// Checks DC-CONN-030 (negative).
#[tokio::test]
async fn another_frame_on_the_control_stream_is_unexpected() {
    let bytes = [raw::hello().to_bytes(), ping().to_bytes()].concat();
    assert_eq!(closed_for(bytes).await, Code::Unexpected as u64);
}

/// Checks DC-WIRE-017 (negative).
#[tokio::test]
async fn a_malformed_hello_is_malformed() {
    let mut bytes = raw::hello().to_bytes();
    // A version range that starts at 0.
    bytes[8..10].fill(0);
    assert_eq!(closed_for(bytes).await, Code::Malformed as u64);
}

/// Checks DC-CONN-024 (negative).
#[tokio::test]
async fn a_hello_of_no_common_version_is_told_so() {
    let mut bytes = raw::hello().to_bytes();
    bytes[8..12].copy_from_slice(&[9, 0, 9, 0]);
    assert_eq!(closed_for(bytes).await, Code::Version as u64);
}

/// Checks DC-WIRE-015 (negative).
#[tokio::test]
async fn a_length_over_the_limit_is_malformed() {
    let mut bytes = raw::hello().to_bytes();
    bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(closed_for(bytes).await, Code::Malformed as u64);
}

/// Checks DC-CONN-036 (negative), DC-WIRE-014 (negative).
#[tokio::test]
async fn an_unknown_critical_frame_is_unsupported() {
    let mut unknown = grease::frame(1, &[]);
    unknown[6] = 1;
    let bytes = [raw::hello().to_bytes(), unknown].concat();
    assert_eq!(closed_for(bytes).await, Code::Unsupported as u64);
}

/// Checks DC-CONN-022 (negative).
#[tokio::test]
async fn no_hello_is_a_timeout() {
    let node = node(1);
    let (_endpoint, connection) = raw::connect(node.addr).await;
    // A stream that never says anything is not a HELLO either.
    let _control = raw::control(&connection, &[1]).await;
    assert_eq!(raw::close_code(&connection).await, Code::Timeout as u64);
}

/// Checks DC-CONN-031 (negative).
#[tokio::test]
async fn a_control_stream_that_ends_is_unexpected() {
    let node = node(1);
    let (_endpoint, connection) = raw::connect(node.addr).await;
    let mut control = raw::control(&connection, &raw::hello().to_bytes()).await;
    control.finish().unwrap();
    assert_eq!(raw::close_code(&connection).await, Code::Unexpected as u64);
}

/// Checks DC-WIRE-019 (negative).
#[tokio::test]
async fn a_control_stream_that_ends_inside_a_frame_is_malformed() {
    let node = node(1);
    let (_endpoint, connection) = raw::connect(node.addr).await;
    let mut control = raw::control(&connection, &raw::hello().to_bytes()).await;
    control.write_all(&ping().to_bytes()[..9]).await.unwrap();
    control.finish().unwrap();
    assert_eq!(raw::close_code(&connection).await, Code::Malformed as u64);
}

/// Checks DC-CONN-059 (negative).
#[tokio::test]
async fn a_flood_of_pushes_is_over_the_limit() {
    let mut bytes = raw::hello().to_bytes();
    bytes.extend(Frame::Identify(raw::identify(1, &[])).to_bytes());
    for revision in 2..100 {
        bytes.extend(Frame::IdentifyPush(raw::identify(revision, &[])).to_bytes());
    }
    assert_eq!(closed_for(bytes).await, Code::Limit as u64);
}

/// Checks DC-CONN-020 (negative), DC-CONN-030 (negative).
#[tokio::test]
async fn two_control_streams_are_unexpected() {
    let node = node(1);
    let (_endpoint, connection) = raw::connect(node.addr).await;
    let _first = raw::control(&connection, &raw::hello().to_bytes()).await;
    let _second = raw::control(&connection, &raw::hello().to_bytes()).await;
    assert_eq!(raw::close_code(&connection).await, Code::Unexpected as u64);
}

/// A raw peer whose HELLO was accepted.
async fn greeted(addr: SocketAddr) -> (quinn::Endpoint, quinn::Connection, quinn::SendStream) {
    let (endpoint, connection) = raw::connect(addr).await;
    let control = raw::control(&connection, &raw::hello().to_bytes()).await;
    (endpoint, connection, control)
}

/// Checks DC-CONN-035 (negative).
#[tokio::test]
async fn a_stream_with_another_first_frame_is_stopped_and_the_connection_lives() {
    let node = node(1);
    let (_endpoint, connection, _control) = greeted(node.addr).await;
    let send = raw::control(&connection, &ping().to_bytes()).await;
    let stopped = within(send.stopped()).await.unwrap();
    assert_eq!(stopped.unwrap().into_inner(), Code::Unexpected as u64);
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&chat_open(1).to_bytes()).await.unwrap();
    let answer = within(recv.read_to_end(100)).await.unwrap_err();
    let quinn::ReadToEndError::Read(quinn::ReadError::Reset(code)) = answer else {
        panic!("{answer}");
    };
    assert_eq!(code.into_inner(), Code::Unexpected as u64);
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&ping().to_bytes()).await.unwrap();
    send.finish().unwrap();
    let answer = within(recv.read_to_end(100)).await.unwrap();
    let pong = Frame::Pong(Ping {
        nonce: 1,
        extensions: Default::default(),
    });
    assert_eq!(answer, pong.to_bytes());
}

/// Checks DC-WIRE-017 (negative).
#[tokio::test]
async fn a_malformed_question_closes_the_connection() {
    let node = node(1);
    let (_endpoint, connection, _control) = greeted(node.addr).await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    let mut bytes = ping().to_bytes();
    bytes[0] -= 1;
    bytes.pop();
    send.write_all(&bytes).await.unwrap();
    assert_eq!(raw::close_code(&connection).await, Code::Malformed as u64);
}

/// Checks DC-CONN-021 (negative).
#[tokio::test]
async fn streams_before_hello_wait_for_it() {
    let mut node = node(1);
    let (_endpoint, connection) = raw::connect(node.addr).await;
    let _chat = raw::control(&connection, &chat_open(1).to_bytes()).await;
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&ping().to_bytes()).await.unwrap();
    send.finish().unwrap();
    let early = tokio::time::timeout(Duration::from_millis(300), recv.read_chunk(1, true)).await;
    assert!(early.is_err(), "answered before HELLO");
    assert!(node.endpoint.connections().is_empty());
    let _control = raw::control(&connection, &raw::hello().to_bytes()).await;
    assert!(within(recv.read_to_end(100)).await.is_ok());
    node.expect(|event| matches!(event, dchat_transport::Event::Stream { .. }).then_some(()))
        .await;
}

/// Checks DC-CONN-057 (negative).
#[tokio::test]
async fn no_more_streams_than_allowed_can_be_opened() {
    let node = node(1);
    let (_endpoint, connection, _control) = greeted(node.addr).await;
    let limits = Limits::default();
    let mut open = Vec::new();
    for _ in 0..limits.bi_streams {
        let mut stream = connection.open_bi().await.unwrap();
        stream.0.write_all(&[1]).await.unwrap();
        open.push(stream);
    }
    let more = tokio::time::timeout(Duration::from_millis(200), connection.open_bi()).await;
    assert!(more.is_err());
}

/// Checks DC-CONN-005 (negative).
#[tokio::test]
async fn handshakes_beyond_the_limit_are_asked_to_prove_their_address() {
    let limits = Limits {
        retry_from: 1,
        handshakes: 4,
        ..Limits::default()
    };
    let node = node_with(1, limits);
    let initial = first_packet().await;
    let asker = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    asker.connect(node.addr).await.unwrap();
    let mut answer = [0; 2048];
    // Waits without HELLO.
    let _held = raw::connect(node.addr).await;
    asker.send(&initial).await.unwrap();
    let len = within(asker.recv(&mut answer)).await.unwrap();
    // Long header of type Retry (RFC 9000 §17.2.5).
    assert_eq!(answer[0] & 0xf0, 0xf0);
    assert!(len < initial.len());
    // A real client goes through with it.
    let late = common::node(2);
    let connection = within(late.endpoint.connect(Some(node.peer()), &[node.address()])).await;
    within(connection.unwrap().ping()).await.unwrap();
}

#[tokio::test]
async fn handshakes_that_never_end_do_not_stop_others_for_good() {
    let limits = Limits {
        handshakes: 2,
        ..Limits::default()
    };
    let hub = node_with(1, limits);
    let _held = [raw::connect(hub.addr).await, raw::connect(hub.addr).await];
    // After the HELLO timeout of 5 s their places are free.
    let late = node(2);
    let connected = within(async {
        loop {
            if let Ok(connection) = late
                .endpoint
                .connect(Some(hub.peer()), &[hub.address()])
                .await
            {
                return connection;
            }
        }
    })
    .await;
    within(connected.ping()).await.unwrap();
}

/// The first datagram of a real handshake.
async fn first_packet() -> Vec<u8> {
    let sniffer = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let client = raw::client(Some(raw::ed25519()), b"dchat/1");
    let _connecting = client
        .connect(sniffer.local_addr().unwrap(), "x.invalid")
        .unwrap();
    let mut packet = vec![0; 2048];
    let len = within(sniffer.recv(&mut packet)).await.unwrap();
    packet.truncate(len);
    packet
}

/// A generator for garbage, good enough for that.
fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Checks DC-CONN-006 (negative).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_never_answered_with_more_than_it_was_and_stops_nobody() {
    let node = node(1);
    let attacker = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    attacker.connect(node.addr).await.unwrap();
    let initial = first_packet().await;
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let (mut sent, mut received) = (0, 0);
    let mut buffer = [0; 2048];
    for n in 0..4000u32 {
        let mut packet = if n % 2 == 0 {
            initial.clone()
        } else {
            let len = (xorshift(&mut state) % 1400) as usize;
            (0..len).map(|_| xorshift(&mut state) as u8).collect()
        };
        for _ in 0..xorshift(&mut state) % 4 {
            if !packet.is_empty() {
                let at = xorshift(&mut state) as usize % packet.len();
                packet[at] = xorshift(&mut state) as u8;
            }
        }
        sent += packet.len();
        // A full socket buffer is the attacker's problem.
        let _ = attacker.try_send(&packet);
        while let Ok(len) = attacker.try_recv(&mut buffer) {
            received += len;
        }
        if n % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    while let Ok(len) = attacker.try_recv(&mut buffer) {
        received += len;
    }
    assert!(received <= 3 * sent, "{received} bytes for {sent}");
    let friend = common::node(2);
    let connection = within(async {
        loop {
            if let Ok(connection) = friend
                .endpoint
                .connect(Some(node.peer()), &[node.address()])
                .await
            {
                return connection;
            }
        }
    })
    .await;
    within(connection.ping()).await.unwrap();
    until(|| node.endpoint.connections().len() == 1).await;
}

/// Checks DC-CONN-063 (positive, negative).
#[tokio::test]
async fn the_older_of_two_that_the_rule_would_keep_is_asked_whether_it_lives() {
    // That of the smaller PeerId stays, so it is the node that dials first.
    let (small, large) = ordered(1, 2);
    let chain = || raw::chain_of(&Identity::from_seed(&[large; 32]));
    for lives in [true, false] {
        let node = node(small);
        let server = raw::server(chain(), b"dchat/1");
        let there = [Address::direct(server.local_addr().unwrap())];
        let dial = node.endpoint.connect(Some(raw::peer_of(&chain())), &there);
        let greet = async {
            let connection = server.accept().await.unwrap().await.unwrap();
            let control = raw::control(&connection, &raw::hello().to_bytes()).await;
            (connection, control)
        };
        let (dialed, (older, _control)) = within(async { tokio::join!(dial, greet) }).await;
        dialed.unwrap();
        // Two seconds are what those dialed at once may be apart: the wait is the test.
        tokio::time::sleep(Duration::from_millis(2100)).await;
        let asked = older.clone();
        let answering = tokio::spawn(async move {
            while lives && let Ok((mut send, mut recv)) = asked.accept_bi().await {
                let mut question = recv.read_to_end(100).await.unwrap();
                // PONG is PING with another type.
                question[4] = 5;
                send.write_all(&question).await.unwrap();
                send.finish().unwrap();
            }
        });
        let client = raw::client(Some(chain()), b"dchat/1");
        let connecting = client.connect(node.addr, "x.invalid").unwrap();
        let newer = within(connecting).await.unwrap();
        let _second = raw::control(&newer, &raw::hello().to_bytes()).await;
        let (gone, stays) = if lives {
            (newer, older)
        } else {
            (older, newer)
        };
        assert_eq!(raw::close_code(&gone).await, Code::Duplicate as u64);
        assert!(stays.close_reason().is_none());
        assert_eq!(node.endpoint.connections().len(), 1);
        answering.abort();
    }
}

/// A node that trusts a peer which says where else it is, and asks for a round of probing there. The
/// node's HELLO has PUNCH or not; with the socket named, once the node has read all of it.
async fn signalled(relay_only: bool) -> (bool, tokio::net::UdpSocket) {
    // In relay-only mode it does not tell where it listens.
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = free.local_addr().unwrap();
    drop(free);
    let mut config = common::config(1);
    config.listen = vec![addr];
    config.relay_only = relay_only;
    let node = common::start(config);
    let chain = raw::ed25519();
    node.endpoint.trust(raw::peer_of(&chain), true);
    let client = raw::client(Some(chain), b"dchat/1");
    let connection = client.connect(addr, "x.invalid").unwrap();
    let connection = within(connection).await.unwrap();
    let aside = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let Frame::Hello(hello) = raw::hello() else {
        panic!("HELLO");
    };
    let hello = Hello {
        capabilities: Capabilities::new(List::first_of([capability::PUNCH])).unwrap(),
        ..hello
    };
    let candidates = Candidates {
        generation: 1,
        class: NatClass::UNKNOWN,
        candidates: List::first_of([Candidate {
            kind: CandidateKind::Host,
            address: Address::direct(aside.local_addr().unwrap()),
        }]),
        extensions: Default::default(),
    };
    let punch = Punch {
        round: 1,
        answers: false,
        prediction: None,
        sockets: 1,
        extensions: Default::default(),
    };
    let said = [
        Frame::Hello(hello),
        Frame::Identify(raw::identify(1, &[])),
        Frame::Candidates(candidates),
        Frame::Punch(punch),
    ];
    let bytes: Vec<u8> = said.iter().flat_map(Frame::to_bytes).collect();
    let mut control = raw::control(&connection, &bytes).await;
    let theirs = within(connection.accept_uni()).await.unwrap();
    let mut frames = FrameStream::new(theirs, FrameReader::new());
    let Ok(Some(Frame::Hello(hello))) = within(frames.next()).await else {
        panic!("HELLO comes first");
    };
    if relay_only {
        // Many times as long as the first probe takes.
        let probed = tokio::time::timeout(Duration::from_millis(500), aside.readable()).await;
        assert!(probed.is_err(), "nothing is probed");
        // What comes behind all that ends the connection, and nothing before it did.
        let push = Frame::Ping(Ping {
            nonce: 1,
            extensions: Default::default(),
        });
        control.write_all(&push.to_bytes()).await.unwrap();
        let code = raw::close_code(&connection).await;
        assert_eq!(code, Code::Unexpected as u64);
    } else {
        // The node may probe only while there is a connection.
        within(aside.readable()).await.unwrap();
    }
    (hello.capabilities.contains(capability::PUNCH), aside)
}

/// Checks DC-NAT-039 (positive, negative).
#[tokio::test]
async fn without_the_capability_a_node_ignores_candidates_and_punch() {
    let (punches, _) = signalled(true).await;
    assert!(
        !punches,
        "in relay-only mode it shows its address to nobody"
    );
}

#[tokio::test]
async fn with_the_capability_a_node_asks_the_candidates_of_a_contact() {
    let (punches, aside) = signalled(false).await;
    assert!(punches);
    let mut datagram = [0; 2048];
    within(aside.recv(&mut datagram)).await.unwrap();
    // ASK (`30-transport` §6).
    assert_eq!(datagram[0], 0x21);
}
