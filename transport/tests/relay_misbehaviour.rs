//! Relays, and users of relays, that break the rules.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Node, PATIENCE, chat_open, config, raw, start, until, within};
use dchat_transport::{DialError, EndpointConfig, Event, Limits, PathKind, RelayFault};
use dchat_wire::hello::role;
use dchat_wire::record::SignedRecord;
use dchat_wire::relay::datagram::Datagram;
use dchat_wire::relay::{
    Refusal, RelayConnect, RelayIncoming, RelayOpened, RelayReserve, RelayReserved, Voucher,
};
use dchat_wire::sign::Identity;
use dchat_wire::{Address, Frame, FrameReader, PeerId};

fn relay_config(seed: u8) -> EndpointConfig {
    let mut config = config(seed);
    config.roles = role::RELAY;
    config.limits = Limits::relay();
    config
}

fn circuit(relay: &Node, peer: PeerId) -> Address {
    Address::Circuit {
        socket: relay.addr,
        relay: relay.peer(),
        peer: Some(peer),
    }
}

fn is_circuit(address: &Address) -> bool {
    matches!(address, Address::Circuit { .. })
}

async fn reserved(seed: u8, relay: &Node) -> Node {
    let mut config = config(seed);
    config.relays = vec![relay.address().of(relay.peer())];
    let node = start(config);
    until(|| node.endpoint.listen_addrs().iter().any(is_circuit)).await;
    node
}

/// The first frame on a stream; none when it ends before.
async fn first_frame(recv: &mut quinn::RecvStream) -> Option<Frame> {
    let mut reader = FrameReader::new();
    loop {
        let chunk = within(recv.read_chunk(1024, true)).await.unwrap()?;
        if let Some(frame) = reader.read(&mut &chunk.bytes[..]).unwrap() {
            return Some(frame);
        }
    }
}

/// A question on a stream of its own, and the first frame of the answer. The stream stays open.
async fn ask(
    connection: &quinn::Connection,
    question: &Frame,
) -> (quinn::SendStream, quinn::RecvStream, Option<Frame>) {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&question.to_bytes()).await.unwrap();
    let first = first_frame(&mut recv).await;
    (send, recv, first)
}

fn reserve() -> Frame {
    Frame::RelayReserve(RelayReserve {
        lifetime_s: 3600,
        extensions: Default::default(),
    })
}

/// A client of a relay with no manners: through the handshake and HELLO.
async fn client(relay: &Node) -> (quinn::Endpoint, quinn::Connection, quinn::SendStream) {
    let (endpoint, connection) = raw::connect(relay.addr).await;
    let mut opening = raw::hello().to_bytes();
    opening.extend(Frame::Identify(raw::identify(1, &[])).to_bytes());
    let control = raw::control(&connection, &opening).await;
    (endpoint, connection, control)
}

/// Checks DC-CONN-061 (negative), DC-RELAY-013 (negative).
#[tokio::test]
async fn datagrams_without_a_channel_go_nowhere_and_hurt_nobody() {
    let relay = start(relay_config(1));
    let mut b = reserved(2, &relay).await;
    let a = start(config(3));
    let out = within(
        a.endpoint
            .connect(Some(b.peer()), &[circuit(&relay, b.peer())]),
    )
    .await
    .unwrap();
    let (_endpoint, flooder, _control) = client(&relay).await;
    let (_send, _recv, granted) = ask(&flooder, &reserve()).await;
    assert!(matches!(granted, Some(Frame::RelayReserved(_))));
    for channel in 0..2000u32 {
        let mut bytes = Vec::new();
        let packet = Datagram::Whole {
            channel: channel % 40,
            packet: &[0x40; 900],
        };
        packet.append_to(&mut bytes);
        bytes[0] = [1, 1, 1, 9][channel as usize % 4];
        within(flooder.send_datagram_wait(bytes.into()))
            .await
            .unwrap();
    }
    let dropped = || {
        let drops = relay.endpoint.relay_stats().unwrap().drops;
        (drops.no_channel > 0, drops.meaningless > 0) == (true, true)
    };
    until(dropped).await;
    // Those with a channel do not notice.
    let mut send = within(out.open_uni()).await.unwrap();
    send.write_all(&chat_open(1).to_bytes()).await.unwrap();
    b.expect(|event| matches!(event, Event::Stream { .. }).then_some(()))
        .await;
    assert_eq!(out.path().kind, PathKind::Relayed);
}

#[tokio::test]
async fn too_many_requests_are_limited_by_name() {
    let config_of_relay = relay_config(1);
    let burst = config_of_relay.relay.limits.requests_per_peer.burst;
    let relay = start(config_of_relay);
    let (_endpoint, greedy, _control) = client(&relay).await;
    let mut refusals = Vec::new();
    for _ in 0..burst + 20 {
        let (_, _, answer) = ask(&greedy, &reserve()).await;
        if let Some(Frame::RelayRefused(refused)) = answer {
            refusals.push(refused.reason);
        }
    }
    assert!(!refusals.is_empty());
    assert!(refusals.iter().all(|reason| *reason == Refusal::Limited));
    let stats = relay.endpoint.relay_stats().unwrap();
    assert_eq!(stats.refusals.of(Refusal::Limited), refusals.len() as u64);
}

/// A relay whose bytes the test writes itself, with a key that can sign.
struct FakeRelay {
    identity: Identity,
    endpoint: quinn::Endpoint,
}

impl FakeRelay {
    fn new(seed: u8) -> Self {
        let identity = Identity::from_seed(&[seed; 32]);
        let endpoint = raw::server(raw::chain_of(&identity), b"dchat/1");
        Self { identity, endpoint }
    }

    fn address(&self) -> Address {
        let socket = self.endpoint.local_addr().unwrap();
        Address::direct(socket).of(self.identity.peer_id())
    }

    /// The next connection, greeted.
    async fn accept(&self) -> (quinn::Connection, quinn::SendStream) {
        let incoming = within(self.endpoint.accept()).await.unwrap();
        let connection = within(incoming.into_future()).await.unwrap();
        let mut opening = raw::hello().to_bytes();
        opening.extend(Frame::Identify(raw::identify(1, &[])).to_bytes());
        let control = raw::control(&connection, &opening).await;
        (connection, control)
    }

    fn voucher(&self, peer: PeerId, sequence: u64) -> SignedRecord {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let voucher = Voucher {
            peer,
            extensions: Default::default(),
        };
        let now = u64::try_from(now.as_millis()).unwrap();
        SignedRecord::issue(&self.identity, sequence, now, 3_600_000, &voucher)
    }
}

/// The next request of the node, and the stream to answer on.
async fn request(connection: &quinn::Connection) -> (Frame, quinn::SendStream, quinn::RecvStream) {
    loop {
        let (send, mut recv) = within(connection.accept_bi()).await.unwrap();
        let mut reader = FrameReader::new();
        while let Ok(Some(chunk)) = within(recv.read_chunk(4096, true)).await {
            if let Some(frame) = reader.read(&mut &chunk.bytes[..]).unwrap() {
                return (frame, send, recv);
            }
        }
    }
}

fn granted(voucher: SignedRecord) -> Frame {
    Frame::RelayReserved(RelayReserved {
        lifetime_s: 3600,
        channels: 8,
        bytes_per_s: 0,
        voucher,
        extensions: Default::default(),
    })
}

/// What becomes of a node's reservation when a relay answers with `voucher`.
async fn reservation_with(voucher: impl FnOnce(&FakeRelay, PeerId) -> SignedRecord) -> bool {
    let relay = FakeRelay::new(90);
    let mut config_of_node = config(2);
    config_of_node.relays = vec![relay.address()];
    let node = start(config_of_node);
    let (connection, _control) = relay.accept().await;
    let (asked, mut send, _recv) = request(&connection).await;
    assert!(matches!(asked, Frame::RelayReserve(_)));
    let voucher = voucher(&relay, node.peer());
    send.write_all(&granted(voucher).to_bytes()).await.unwrap();
    send.finish().unwrap();
    within(send.stopped()).await.unwrap();
    // It answers a ping once it has dealt with what came before.
    let ping = Frame::Ping(dchat_wire::ping::Ping {
        nonce: 4,
        extensions: Default::default(),
    });
    let (mut send, _recv, pong) = ask(&connection, &ping).await;
    send.finish().unwrap();
    assert!(matches!(pong, Some(Frame::Pong(_))));
    let held = || node.endpoint.listen_addrs().iter().any(is_circuit);
    let patience = PATIENCE / 40;
    let settled = tokio::time::timeout(patience, async {
        while !held() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    settled.await.is_ok()
}

/// Checks DC-RELAY-004 (negative).
#[tokio::test]
async fn only_a_voucher_of_the_relay_for_us_is_believed() {
    assert!(reservation_with(|relay, us| relay.voucher(us, 1)).await);
    let stranger = Identity::from_seed(&[77; 32]).peer_id();
    assert!(!reservation_with(|relay, _| relay.voucher(stranger, 1)).await);
    assert!(!reservation_with(|_, us| FakeRelay::new(91).voucher(us, 1)).await);
}

/// Checks DC-RELAY-016 (negative).
#[tokio::test]
async fn a_relay_that_lies_about_a_channel_gets_nowhere() {
    let relay = FakeRelay::new(90);
    let mut config_of_node = config(2);
    config_of_node.relays = vec![relay.address()];
    let node = start(config_of_node);
    let (connection, _control) = relay.accept().await;
    let (_, mut send, _recv) = request(&connection).await;
    let voucher = relay.voucher(node.peer(), 1);
    send.write_all(&granted(voucher).to_bytes()).await.unwrap();
    send.finish().unwrap();
    until(|| node.endpoint.listen_addrs().iter().any(is_circuit)).await;
    // A channel in a stranger's name is let in, and then nothing of it is believed: packets that are
    // none, and on channels that are not there.
    let incoming = Frame::RelayIncoming(RelayIncoming {
        peer: Identity::from_seed(&[77; 32]).peer_id(),
        channel: 5,
        extensions: Default::default(),
    });
    let (_send, _recv, accepted) = ask(&connection, &incoming).await;
    assert!(matches!(accepted, Some(Frame::RelayAccept(_))));
    for channel in [5u32, 6, 5, 0] {
        for packet in [&[0xc0u8; 1100][..], &[0x40; 30], &[0x21; 64]] {
            let mut bytes = Vec::new();
            Datagram::Whole { channel, packet }.append_to(&mut bytes);
            connection.send_datagram(bytes.into()).unwrap();
        }
    }
    // The same number twice is nonsense.
    let (_, _, again) = ask(&connection, &incoming).await;
    assert!(matches!(again, Some(Frame::RelayRefused(_))));
    let peers = node.endpoint.connections();
    assert_eq!(peers.len(), 1);
    assert!(peers.iter().all(|peer| peer.close_reason().is_none()));
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_the_relays_fault() {
    let relay = FakeRelay::new(90);
    let Address::Direct { socket, .. } = relay.address() else {
        panic!("a direct address");
    };
    let node = start(config(2));
    let wanted = Identity::from_seed(&[77; 32]).peer_id();
    let to = Address::Circuit {
        socket,
        relay: relay.identity.peer_id(),
        peer: Some(wanted),
    };
    let serving = async {
        let (connection, control) = relay.accept().await;
        let (asked, mut send, recv) = request(&connection).await;
        let expected = Frame::RelayConnect(RelayConnect {
            peer: wanted,
            extensions: Default::default(),
        });
        assert_eq!(asked, expected);
        // INCOMING is no answer to CONNECT.
        let nonsense = Frame::RelayIncoming(RelayIncoming {
            peer: wanted,
            channel: 1,
            extensions: Default::default(),
        });
        send.write_all(&nonsense.to_bytes()).await.unwrap();
        (connection, control, send, recv)
    };
    let dial_addrs = [to];
    let dial = node.endpoint.connect(Some(wanted), &dial_addrs);
    let (_held, failed) = within(async { tokio::join!(serving, dial) }).await;
    assert_eq!(
        failed.unwrap_err(),
        DialError::RelayUnusable {
            relay: to,
            reason: RelayFault::Nonsense
        }
    );
}

#[tokio::test]
async fn a_channel_that_ends_during_the_handshake_ends_the_dial() {
    let relay = FakeRelay::new(90);
    let Address::Direct { socket, .. } = relay.address() else {
        panic!("a direct address");
    };
    let node = start(config(2));
    let wanted = Identity::from_seed(&[77; 32]).peer_id();
    let to = Address::Circuit {
        socket,
        relay: relay.identity.peer_id(),
        peer: Some(wanted),
    };
    for gone in [false, true] {
        let serving = async {
            let (connection, control) = relay.accept().await;
            let (_, mut send, recv) = request(&connection).await;
            let opened = Frame::RelayOpened(RelayOpened {
                channel: 1,
                bytes_per_s: 0,
                extensions: Default::default(),
            });
            send.write_all(&opened.to_bytes()).await.unwrap();
            // The node's first packet is there: the handshake has begun.
            within(connection.read_datagram()).await.unwrap();
            if gone {
                connection.close(0u32.into(), b"");
            } else {
                send.finish().unwrap();
            }
            (connection, control, send, recv)
        };
        let dial_addrs = [to];
        let dial = node.endpoint.connect(Some(wanted), &dial_addrs);
        let (held, failed) = within(async { tokio::join!(serving, dial) }).await;
        // Without it, the dial is given up for want of an answer.
        let reason = match gone {
            true => RelayFault::Gone,
            false => RelayFault::ChannelClosed,
        };
        let expected = DialError::RelayUnusable { relay: to, reason };
        assert_eq!(failed.unwrap_err(), expected);
        held.0.close(0u32.into(), b"");
        until(|| node.endpoint.connections().is_empty()).await;
    }
}

/// Checks DC-CONN-012 (negative), DC-RELAY-016 (negative).
#[tokio::test]
async fn who_answers_behind_a_relay_has_to_be_who_was_dialed() {
    let relay = FakeRelay::new(90);
    let Address::Direct { socket, .. } = relay.address() else {
        panic!("a direct address");
    };
    let node = start(config(2));
    let wanted = Identity::from_seed(&[77; 32]).peer_id();
    let to = [Address::Circuit {
        socket,
        relay: relay.identity.peer_id(),
        peer: Some(wanted),
    }];
    let serving = async {
        let (connection, control) = relay.accept().await;
        let (_, mut send, recv) = request(&connection).await;
        let opened = Frame::RelayOpened(RelayOpened {
            channel: 3,
            bytes_per_s: 0,
            extensions: Default::default(),
        });
        send.write_all(&opened.to_bytes()).await.unwrap();
        // The relay answers every packet with bytes of its own, and then ends the channel.
        for _ in 0..3 {
            let first = within(connection.read_datagram()).await.unwrap();
            let Some(Datagram::Whole { channel: 3, .. }) = Datagram::open(&first) else {
                continue;
            };
            connection.send_datagram(first).unwrap();
        }
        send.finish().unwrap();
        (connection, control, send, recv)
    };
    let dial = node.endpoint.connect(Some(wanted), &to);
    let (_held, failed) = within(async { tokio::join!(serving, dial) }).await;
    assert!(failed.is_err());
    assert!(node.endpoint.connection(&wanted).is_none());
}

/// The frames on a stream until it ends.
async fn rest(mut recv: quinn::RecvStream) -> Vec<Frame> {
    let mut reader = FrameReader::new();
    let mut frames = Vec::new();
    while let Some(chunk) = within(recv.read_chunk(4096, true)).await.expect("its end") {
        let mut bytes = &chunk.bytes[..];
        while let Some(frame) = reader.read(&mut bytes).unwrap() {
            frames.push(frame);
        }
    }
    frames
}

#[tokio::test]
async fn a_relay_that_shuts_down_waits_until_its_word_is_heard() {
    let relay = start(relay_config(1));
    let b = reserved(2, &relay).await;
    // A caller that lets the relay say one answer and reads it late.
    let opened = Frame::RelayOpened(RelayOpened {
        channel: 0,
        bytes_per_s: 0,
        extensions: Default::default(),
    });
    let window = u32::try_from(opened.to_bytes().len()).unwrap();
    let mut transport = quinn::TransportConfig::default();
    transport.stream_receive_window(window.into());
    let mut slow = raw::client_config(raw::ed25519(), b"dchat/1");
    slow.transport_config(std::sync::Arc::new(transport));
    let endpoint = raw::client(None, b"dchat/1");
    let connecting = endpoint.connect_with(slow, relay.addr, "x.invalid");
    let caller = within(connecting.unwrap()).await.unwrap();
    let mut opening = raw::hello().to_bytes();
    opening.extend(Frame::Identify(raw::identify(1, &[])).to_bytes());
    let _control = raw::control(&caller, &opening).await;
    let mut control_of_relay = within(caller.accept_uni()).await.unwrap();
    tokio::spawn(
        async move { while let Ok(Some(_)) = control_of_relay.read_chunk(64, true).await {} },
    );
    let (mut send, recv) = caller.open_bi().await.unwrap();
    let connect = Frame::RelayConnect(RelayConnect {
        peer: b.peer(),
        extensions: Default::default(),
    });
    send.write_all(&connect.to_bytes()).await.unwrap();
    let channels = || relay.endpoint.relay_stats().unwrap().channels;
    until(|| channels() == 1).await;
    let hearing = async {
        until(|| channels() == 0).await;
        // The word cannot leave before the answer is read, and the relay has all this time to go.
        tokio::time::sleep(Duration::from_millis(100)).await;
        rest(recv).await
    };
    let (heard, ()) = tokio::join!(hearing, relay.endpoint.shutdown(PATIENCE));
    let last = heard.last();
    assert!(
        matches!(last, Some(Frame::RelayRefused(refused)) if refused.reason == Refusal::ShuttingDown),
        "{heard:?}"
    );
}

/// The next stream that the relay opens and the question on it.
async fn question(
    connection: &quinn::Connection,
) -> (quinn::SendStream, quinn::RecvStream, Option<Frame>) {
    let (send, mut recv) = within(connection.accept_bi()).await.unwrap();
    let first = first_frame(&mut recv).await;
    (send, recv, first)
}

fn connect_to(peer: PeerId) -> Frame {
    Frame::RelayConnect(RelayConnect {
        peer,
        extensions: Default::default(),
    })
}

/// Checks DC-RELAY-002 (negative), DC-WIRE-017 (negative).
#[tokio::test]
async fn what_is_no_frame_on_the_stream_of_a_channel_ends_the_connection() {
    let relay = start(relay_config(1));
    let me = raw::ed25519();
    let name = raw::peer_of(&me);
    let endpoint = raw::client(Some(me), b"dchat/1");
    let connecting = endpoint.connect(relay.addr, "peer.invalid").unwrap();
    let connection = within(connecting).await.unwrap();
    let mut opening = raw::hello().to_bytes();
    opening.extend(Frame::Identify(raw::identify(1, &[])).to_bytes());
    let _control = raw::control(&connection, &opening).await;
    let (_send, _recv, granted) = ask(&connection, &reserve()).await;
    assert!(matches!(granted, Some(Frame::RelayReserved(_))));
    let (_asking, asker, _its_control) = client(&relay).await;
    let (mut to_relay, _from_relay) = asker.open_bi().await.unwrap();
    to_relay
        .write_all(&connect_to(name).to_bytes())
        .await
        .unwrap();
    let (mut send, _recv, asked) = question(&connection).await;
    assert!(matches!(asked, Some(Frame::RelayIncoming(_))));
    // RELAY_REFUSED with a reason that nobody has assigned.
    let mut bytes = vec![14, 0, 0, 0, 0x22, 0, 1, 0];
    bytes.extend([99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    send.write_all(&bytes).await.unwrap();
    let malformed = dchat_wire::close::Code::Malformed as u64;
    assert_eq!(raw::close_code(&connection).await, malformed);
}

/// Checks DC-RELAY-003 (positive).
#[tokio::test]
async fn a_reservation_moves_to_a_connection_on_which_nothing_was_asked() {
    let relay = start(relay_config(1));
    let me = raw::ed25519();
    let name = raw::peer_of(&me);
    let endpoint = raw::client(Some(me), b"dchat/1");
    let again = async || {
        let connecting = endpoint.connect(relay.addr, "peer.invalid").unwrap();
        let connection = within(connecting).await.unwrap();
        let mut opening = raw::hello().to_bytes();
        opening.extend(Frame::Identify(raw::identify(1, &[])).to_bytes());
        let control = raw::control(&connection, &opening).await;
        (connection, control)
    };
    let (first, _control) = again().await;
    let (_send, _recv, granted) = ask(&first, &reserve()).await;
    assert!(matches!(granted, Some(Frame::RelayReserved(_))));
    first.close(0u8.into(), b"");
    let (second, _second_control) = again().await;
    // Its answer comes after the relay has taken HELLO in.
    let ping = dchat_wire::ping::Ping {
        nonce: 1,
        extensions: Default::default(),
    };
    let (_send, _recv, _pong) = ask(&second, &Frame::Ping(ping)).await;
    let (_asking, asker, _its_control) = client(&relay).await;
    let (mut to_relay, _from_relay) = asker.open_bi().await.unwrap();
    to_relay
        .write_all(&connect_to(name).to_bytes())
        .await
        .unwrap();
    let (_send, _recv, asked) = question(&second).await;
    assert!(matches!(asked, Some(Frame::RelayIncoming(_))));
}
