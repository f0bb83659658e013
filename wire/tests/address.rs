//! Addresses: two forms, one encoding of each, and only what leads to one socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::address::AddressError;
use dchat_wire::dht::Socket;
use dchat_wire::{Address, Bytes, DecodeError, decode, encode, limits};
use support::{hex, samples};

fn refusal(multiaddr: &[u8]) -> &'static str {
    let bytes: Bytes<{ limits::ADDRESS }> = Bytes::new(multiaddr.to_vec()).unwrap();
    match decode::<Address>(&encode(&bytes)) {
        Err(DecodeError::Invalid { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

const NO_FORM: &str = "not an address of a form in use";
const NOT_CANONICAL: &str = "the address is not in its canonical encoding";
const NO_SOCKET: &str = "the address names no single socket";

/// Checks DC-ID-025 (positive).
#[test]
fn the_forms_in_use_are_written_as_multiaddrs() {
    let [one, two] = [1, 2].map(samples::peer);
    let texts: Vec<_> = samples::addresses()
        .iter()
        .map(Address::to_string)
        .collect();
    assert_eq!(
        texts,
        [
            "/ip4/192.168.1.23/udp/4001/quic-v1".to_owned(),
            "/ip6/2001:db8::1/udp/4001/quic-v1".to_owned(),
            format!("/ip4/192.168.1.23/udp/4001/quic-v1/p2p/{one}"),
            format!("/ip6/2001:db8::1/udp/4001/quic-v1/p2p/{two}/p2p-circuit"),
            format!("/ip4/192.168.1.23/udp/4001/quic-v1/p2p/{two}/p2p-circuit/p2p/{one}"),
        ]
    );
}

#[test]
fn the_longest_form_is_well_below_its_limit() {
    let longest = Address::Circuit {
        socket: samples::v6(),
        relay: samples::peer(1),
        peer: Some(samples::peer(2)),
    };
    assert_eq!(encode(&longest).len(), 8 + 107);
}

#[test]
fn a_varint_longer_than_needed_is_refused() {
    let plain = hex::bytes("04c0a80117 91020fa1 cd03");
    let bytes: Bytes<{ limits::ADDRESS }> = Bytes::new(plain).unwrap();
    assert_eq!(decode(&encode(&bytes)), Ok(Address::direct(samples::v4())));
    for longer in [
        "8400c0a80117 91020fa1 cd03",
        "04c0a80117 9182000fa1 cd03",
        "04c0a80117 91020fa1 cd8300",
    ] {
        assert!(
            [NO_FORM, NOT_CANONICAL].contains(&refusal(&hex::bytes(longer))),
            "{longer}"
        );
    }
}

/// Checks DC-ID-022 (negative), DC-ID-027 (negative).
#[test]
fn ip4_written_as_ip6_is_refused() {
    let mapped = hex::bytes("2900000000000000000000ffffc0a80117 91020fa1 cd03");
    assert_eq!(refusal(&mapped), NOT_CANONICAL);
}

/// The value can be built by hand; what travels is the one form.
/// Checks DC-ID-022 (positive).
#[test]
fn ip4_held_as_ip6_is_encoded_as_ip4() {
    let mapped = "[::ffff:192.168.1.23]:4001".parse().unwrap();
    let built = Address::Direct {
        socket: mapped,
        peer: None,
    };
    assert_eq!(encode(&built), encode(&Address::direct(samples::v4())));
    assert_eq!(Address::direct(mapped), Address::direct(samples::v4()));
}

/// Checks DC-ID-023 (negative).
#[test]
fn what_leads_to_no_single_socket_is_refused() {
    for (text, bytes) in [
        (
            "/ip4/192.168.1.23/udp/0/quic-v1",
            "04c0a80117 91020000 cd03",
        ),
        ("/ip4/0.0.0.0/udp/4001/quic-v1", "0400000000 91020fa1 cd03"),
        (
            "/ip4/224.0.0.1/udp/4001/quic-v1",
            "04e0000001 91020fa1 cd03",
        ),
        (
            "/ip6/::/udp/4001/quic-v1",
            "2900000000000000000000000000000000 91020fa1 cd03",
        ),
        (
            "/ip6/ff02::1/udp/4001/quic-v1",
            "29ff020000000000000000000000000001 91020fa1 cd03",
        ),
    ] {
        assert_eq!(refusal(&hex::bytes(bytes)), NO_SOCKET, "{text}");
        // To listen on, or on any port, it is good.
        assert!(!text.parse::<Address>().unwrap().names_one_socket());
    }
}

#[test]
fn a_node_of_the_dht_listens_at_one_socket() {
    for none in [
        "192.0.2.7:0",
        "0.0.0.0:4001",
        "[::]:4001",
        "224.0.0.1:4001",
        "[ff02::1]:4001",
    ] {
        let refused = Socket::new(none.parse().unwrap());
        assert_eq!(refused, Err("the address names no one socket"), "{none}");
    }
    let mapped = Socket::new("[::ffff:192.0.2.7]:4001".parse().unwrap()).unwrap();
    assert_eq!(mapped.addr(), "192.0.2.7:4001".parse().unwrap());
}

/// Checks DC-ID-020 (negative), DC-ID-026 (negative).
#[test]
fn other_forms_are_refused() {
    let peer = samples::peer(1);
    for text in [
        "/ip4/1.2.3.4/tcp/4001".to_owned(),
        "/ip4/1.2.3.4/udp/4001".to_owned(),
        "/ip4/1.2.3.4/udp/4001/quic".to_owned(),
        "/dns4/example.org/udp/4001/quic-v1".to_owned(),
        format!("/p2p/{peer}"),
        format!("/ip4/1.2.3.4/udp/4001/quic-v1/p2p/{peer}/p2p/{peer}"),
        "/ip4/1.2.3.4/udp/4001/quic-v1/p2p-circuit".to_owned(),
        format!("/ip4/1.2.3.4/udp/4001/quic-v1/p2p/{peer}/p2p-circuit/p2p/{peer}/p2p-circuit"),
        "/ip4/1.2.3.4/udp/4001/quic-v1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
            .to_owned(),
    ] {
        assert_eq!(
            text.parse::<Address>(),
            Err(AddressError::Unsupported),
            "{text}"
        );
        let multiaddr: multiaddr::Multiaddr = text.parse().unwrap();
        assert_eq!(refusal(&multiaddr.to_vec()), NO_FORM, "{text}");
    }
    assert_eq!(refusal(&[]), NO_FORM);
    for text in [
        "",
        "1.2.3.4:4001",
        "/ip4/1.2.3.4.5/udp/1/quic-v1",
        "nonsense",
    ] {
        assert!(text.parse::<Address>().is_err(), "{text}");
    }
}

/// Addresses tell where people are; a log tells only of which form they were.
#[test]
fn the_debug_text_is_the_form_and_the_family() {
    let shown: Vec<_> = samples::addresses()
        .iter()
        .map(|address| format!("{address:?}"))
        .collect();
    assert_eq!(
        shown,
        [
            "Address(direct ip4)",
            "Address(direct ip6)",
            "Address(direct ip4)",
            "Address(circuit ip6)",
            "Address(circuit ip4)",
        ]
    );
}

#[test]
fn an_address_leads_to_the_peer_that_stands_last_in_it() {
    let [one, two] = [1, 2].map(samples::peer);
    let led_to: Vec<_> = samples::addresses().iter().map(Address::peer).collect();
    assert_eq!(led_to, [None, None, Some(one), None, Some(one)]);
    for address in samples::addresses() {
        assert_eq!(address.of(two).peer(), Some(two));
        assert_eq!(address.of(two).socket(), address.socket());
    }
}

/// Checks DC-ID-025 (negative), DC-ID-027 (positive).
#[test]
fn whatever_way_an_address_was_typed_it_is_written_in_one() {
    for (typed, written) in [
        (
            "/ip6/2001:DB8:0:0:0:0:0:1/udp/4001/quic-v1",
            "/ip6/2001:db8::1/udp/4001/quic-v1",
        ),
        (
            "/ip6/2001:0db8::0001/udp/4001/quic-v1",
            "/ip6/2001:db8::1/udp/4001/quic-v1",
        ),
        (
            "/ip6/2001:db8:0:1:0:0:0:1/udp/4001/quic-v1",
            "/ip6/2001:db8:0:1::1/udp/4001/quic-v1",
        ),
        (
            "/ip6/::ffff:192.0.2.7/udp/4001/quic-v1",
            "/ip4/192.0.2.7/udp/4001/quic-v1",
        ),
    ] {
        let address: Address = typed.parse().unwrap();
        assert_eq!(address.to_string(), written);
    }
}
