//! The test vectors of RFC 5769, byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use dchat_nat::stun::{
    Answer, Change, DecodeError, Integrity, IntegrityError, Key, Message, TransactionId, answer,
    decode, verify,
};

/// Of all but the last (§2).
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const ID: TransactionId = TransactionId([
    0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
]);

/// §2.1
const REQUEST: &str = "
    000100582112a442b7e7a701bc34d686fa87dfae
    802200105354554e207465737420636c69656e74
    002400046e0001ff
    80290008932ff9b151263b36
    000600096576746a3a68367659202020
    000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
    80280004e57a3bcf";

/// §2.2
const V4: &str = "
    0101003c2112a442b7e7a701bc34d686fa87dfae
    8022000b7465737420766563746f7220
    002000080001a147e112a643
    000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7
    80280004c07d4c96";

/// §2.3
const V6: &str = "
    010100482112a442b7e7a701bc34d686fa87dfae
    8022000b7465737420766563746f7220
    002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9
    00080014a382954e4be67bf11784c97c8292c275bfe3ed41
    80280004c8fb0b4c";

/// §2.4
const LONG_TERM: &str = "
    000100602112a44278ad3433c6ad72c029da412e
    00060012e3839ee38388e383aae38383e382afe382b90000
    0015001c662f2f3439396b3935346436
            4f4c33346f4c39465354767936347341
    0014000b6578616d706c652e6f726700
    00080014f67024656dd64a3e02b8e0712e85c9a28ca89666";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn short_term() -> Key {
    Key::short_term(PASSWORD).unwrap()
}

/// Checks DC-NAT-019 (positive).
#[test]
fn the_sample_request_is_read_and_its_fingerprint_and_integrity_hold() {
    let Ok(Message::Request(request)) = decode(&bytes(REQUEST)) else {
        panic!("a request");
    };
    assert_eq!(request.id, ID);
    assert_eq!(request.change, Change::Nothing);
    assert!(request.fingerprint);
    assert_eq!(verify(&bytes(REQUEST), &short_term()), Ok(Integrity::Sha1));
}

#[test]
fn priority_of_the_sample_request_is_refused_by_number_as_it_has_to_be_understood() {
    let Ok(Message::Request(request)) = decode(&bytes(REQUEST)) else {
        panic!("a request");
    };
    assert_eq!(request.unknown, [0x0024]);
    let answer = answer(&bytes(REQUEST), "192.0.2.1:32853".parse().unwrap()).unwrap();
    let Ok(Message::Refusal(refusal)) = decode(&answer) else {
        panic!("a refusal");
    };
    assert_eq!((refusal.id, refusal.code), (ID, 420));
}

#[test]
fn the_sample_ipv4_response_tells_the_mapped_address() {
    let expected = Answer {
        id: ID,
        mapped: "192.0.2.1:32853".parse().unwrap(),
        other: None,
        origin: None,
    };
    assert_eq!(decode(&bytes(V4)), Ok(Message::Answer(expected)));
    assert_eq!(verify(&bytes(V4), &short_term()), Ok(Integrity::Sha1));
}

#[test]
fn the_sample_ipv6_response_tells_the_mapped_address() {
    let expected = Answer {
        id: ID,
        mapped: "[2001:db8:1234:5678:11:2233:4455:6677]:32853"
            .parse()
            .unwrap(),
        other: None,
        origin: None,
    };
    assert_eq!(decode(&bytes(V6)), Ok(Message::Answer(expected)));
    assert_eq!(verify(&bytes(V6), &short_term()), Ok(Integrity::Sha1));
}

#[test]
fn the_sample_request_with_long_term_authentication_holds() {
    let user = "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}";
    // The RFC's password as SASLprep leaves it.
    let key = Key::long_term(user, "example.org", "TheMatrIX").unwrap();
    assert_eq!(verify(&bytes(LONG_TERM), &key), Ok(Integrity::Sha1));
    assert!(matches!(
        decode(&bytes(LONG_TERM)),
        Ok(Message::Request(request)) if !request.fingerprint && request.unknown.is_empty()
    ));
}

#[test]
fn another_password_proves_none_of_them() {
    let key = Key::short_term("VOkJxbRl1RmTxUk/WvJxBT").unwrap();
    for vector in [REQUEST, V4, V6, LONG_TERM] {
        assert_eq!(verify(&bytes(vector), &key), Err(IntegrityError::Wrong));
    }
}

#[test]
fn every_changed_bit_before_the_integrity_is_noticed() {
    for vector in [REQUEST, V4, V6] {
        let whole = bytes(vector);
        let integrity = whole.len() - 8 - 24;
        for bit in 0..8 * integrity {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&changed, &short_term()).is_err(), "bit {bit}");
            // A longer attribute may swallow the fingerprint, which then is missing, not wrong.
            let unmarked = matches!(
                decode(&changed),
                Ok(Message::Request(request)) if !request.fingerprint
            );
            assert!(decode(&changed).is_err() || unmarked, "bit {bit}");
        }
    }
}

/// Checks DC-NAT-019 (negative).
#[test]
fn a_wrong_fingerprint_is_named() {
    let mut changed = bytes(V4);
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(decode(&changed), Err(DecodeError::Fingerprint));
}
