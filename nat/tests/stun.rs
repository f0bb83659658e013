//! The codec, the transactions and the server, for any bytes and any order of events.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and begin at any time"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dchat_nat::stun::{
    self, Busy, Change, Config, DecodeError, Input, Key, MAX_DATAGRAM, Message, Output, REQUEST,
    Retry, TransactionId, Transactions, Why, answer, decode, is_stun, request, verify,
};
use proptest::prelude::*;

const CHANGES: [Change; 3] = [Change::Nothing, Change::Port, Change::AddressAndPort];

fn v4() -> SocketAddr {
    "192.0.2.1:32853".parse().unwrap()
}

fn v6() -> SocketAddr {
    "[2001:db8::1]:32853".parse().unwrap()
}

/// A message of any header and attributes, with right lengths.
fn message(kind: u16, id: [u8; 12], attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(kind.to_be_bytes());
        body.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend([0x21, 0x12, 0xa4, 0x42]);
    bytes.extend(id);
    bytes.extend(body);
    bytes
}

/// Checks DC-NAT-018 (positive).
#[test]
fn requests_have_their_length_and_say_what_change_they_want() {
    for change in CHANGES {
        let bytes = request(TransactionId([9; 12]), change);
        let extra = if change == Change::Nothing { 0 } else { 8 };
        assert_eq!(bytes.len(), REQUEST + extra);
        assert!(is_stun(&bytes));
        let Ok(Message::Request(read)) = decode(&bytes) else {
            panic!("a request");
        };
        assert_eq!(read.id, TransactionId([9; 12]));
        assert_eq!(read.change, change);
        assert!(read.fingerprint);
        assert!(read.unknown.is_empty());
    }
}

/// Checks DC-NAT-002 (positive), DC-NAT-003 (positive), DC-NAT-004 (positive).
/// Checks.
#[test]
fn our_server_answers_our_request_with_the_address_in_both_families() {
    for from in [v4(), v6()] {
        let request = request(TransactionId([9; 12]), Change::Nothing);
        let answer = answer(&request, from).unwrap();
        assert!(answer.len() <= request.len());
        let Ok(Message::Answer(read)) = decode(&answer) else {
            panic!("an answer");
        };
        assert_eq!((read.id, read.mapped), (TransactionId([9; 12]), from));
    }
}

#[test]
fn ipv4_seen_through_an_ipv6_socket_is_answered_as_ipv4() {
    let request = request(TransactionId([9; 12]), Change::Nothing);
    let from = "[::ffff:192.0.2.1]:32853".parse().unwrap();
    let Ok(Message::Answer(read)) = decode(&answer(&request, from).unwrap()) else {
        panic!("an answer");
    };
    assert_eq!(read.mapped, v4());
}

/// Checks DC-NAT-003 (negative), DC-NAT-018 (negative).
#[test]
fn a_request_that_is_shorter_than_its_answer_gets_none() {
    let bare = message(0x0001, [1; 12], &[]);
    assert_eq!(answer(&bare, v4()), None);
    let padded = message(0x0001, [1; 12], &[(0x8022, vec![b'x'; 8])]);
    assert_eq!(answer(&padded, v4()).unwrap().len(), 32);
    assert_eq!(answer(&padded, v6()), None);
}

#[test]
fn a_fingerprint_is_left_out_where_only_the_bare_answer_fits() {
    let mut request = request(TransactionId([9; 12]), Change::Nothing);
    assert_eq!(answer(&request, v4()).unwrap().len(), 40);
    // 20 + 4 + 4 padding + 8 fingerprint: the answer of 32 fits, 40 does not.
    request = message(0x0001, [1; 12], &[(0x8022, vec![b'x'; 8])]);
    assert_eq!(answer(&request, v4()).unwrap().len(), 32);
}

/// Checks DC-NAT-020 (positive, negative).
#[test]
fn what_has_to_be_understood_and_is_not_is_refused_by_number() {
    for unknown in [0x0027, 0x0024, 0x7fff] {
        let request = message(
            0x0001,
            [1; 12],
            &[(unknown, vec![0; 4]), (0x8022, vec![b'x'; 32])],
        );
        let Ok(Message::Refusal(refusal)) = decode(&answer(&request, v4()).unwrap()) else {
            panic!("a refusal");
        };
        assert_eq!(refusal.code, 420);
    }
    // No other address to answer from.
    let request = request(TransactionId([9; 12]), Change::Port);
    let Ok(Message::Refusal(refusal)) = decode(&answer(&request, v4()).unwrap()) else {
        panic!("a refusal");
    };
    assert_eq!(refusal.code, 420);
}

/// Checks DC-NAT-002 (negative), DC-NAT-004 (negative).
#[test]
fn nothing_but_a_binding_request_is_answered() {
    let pad = [(0x8022, vec![b'x'; 64])];
    for kind in [0x0011, 0x0101, 0x0111, 0x0003, 0x0002, 0x3fff] {
        assert_eq!(
            answer(&message(kind, [1; 12], &pad), v4()),
            None,
            "{kind:04x}"
        );
    }
    assert!(answer(&message(0x0001, [1; 12], &pad), v4()).is_some());
}

#[test]
fn servers_of_rfc_3489_are_understood() {
    let mapped = vec![0, 1, 0x12, 0x34, 192, 0, 2, 7];
    let changed = vec![0, 1, 0x0d, 0x97, 198, 51, 100, 2];
    let bytes = message(
        0x0101,
        [1; 12],
        &[
            (0x0001, mapped),
            (0x0004, vec![0, 1, 0x0d, 0x96, 198, 51, 100, 1]),
            (0x0005, changed),
        ],
    );
    let Ok(Message::Answer(read)) = decode(&bytes) else {
        panic!("an answer");
    };
    assert_eq!(read.mapped, "192.0.2.7:4660".parse().unwrap());
    assert_eq!(read.other, Some("198.51.100.2:3479".parse().unwrap()));
}

/// Checks DC-NAT-019 (negative).
#[test]
fn too_many_attributes_are_refused_before_they_are_read() {
    let many: Vec<_> = (0..33).map(|_| (0x8022, vec![])).collect();
    assert_eq!(
        decode(&message(0x0001, [1; 12], &many)),
        Err(DecodeError::TooManyAttributes)
    );
}

/// Checks DC-NAT-019 (negative).
#[test]
fn a_datagram_longer_than_an_ethernet_frame_is_refused() {
    let bytes = message(0x0001, [1; 12], &[(0x8022, vec![b'x'; 1_480])]);
    assert!(bytes.len() > MAX_DATAGRAM);
    assert_eq!(decode(&bytes), Err(DecodeError::Length));
}

#[test]
fn responses_that_need_more_understanding_are_refused() {
    let bytes = message(
        0x0101,
        [1; 12],
        &[
            (0x0001, vec![0, 1, 0x12, 0x34, 192, 0, 2, 7]),
            (0x7abc, vec![]),
        ],
    );
    assert_eq!(decode(&bytes), Err(DecodeError::Unknown(0x7abc)));
}

#[test]
fn quic_probes_and_reach_datagrams_are_no_stun() {
    let mut quic = request(TransactionId([9; 12]), Change::Nothing);
    quic[0] = 0x40;
    assert!(!is_stun(&quic));
    assert!(!is_stun(&dchat_wire::nat::reach_datagram::seal(&[7; 16])));
}

fn transactions() -> Transactions<u8> {
    Transactions::new(Config { outstanding: 2 }, [3; 32])
}

fn sent(transactions: &mut Transactions<u8>) -> Option<Vec<u8>> {
    match transactions.poll_output() {
        Some(Output::Send { datagram, .. }) => Some(datagram),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_question_is_repeated_as_the_rfc_has_it_and_given_up_after_39500_ms() {
    let start = Instant::now();
    let mut transactions = transactions();
    let id = transactions
        .ask(0, v4(), Change::Nothing, Retry::RFC8489, start)
        .unwrap();
    let mut at = Vec::new();
    let mut now = start;
    loop {
        match transactions.poll_output() {
            Some(Output::Send { .. }) => at.push((now - start).as_millis()),
            Some(Output::Failed { id: of, why }) => {
                assert_eq!((of, why), (id, Why::Silence));
                break;
            }
            Some(other) => panic!("{other:?}"),
            None => {
                now = transactions.poll_timeout().unwrap();
                transactions.handle_timeout(now);
            }
        }
    }
    assert_eq!(at, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(now - start, Duration::from_millis(39_500));
    assert_eq!(Retry::RFC8489.total(), now - start);
    assert_eq!(transactions.outstanding(), 0);
    assert_eq!(transactions.poll_timeout(), None);
}

#[test]
fn the_brief_schedule_ends_within_a_classification() {
    assert_eq!(Retry::BRIEF.total(), Duration::from_millis(1_250));
}

#[test]
fn an_answer_is_taken_from_the_address_and_socket_that_were_asked_only() {
    let now = Instant::now();
    let mut transactions = transactions();
    transactions
        .ask(0, v4(), Change::Nothing, Retry::BRIEF, now)
        .unwrap();
    let bytes = answer(&sent(&mut transactions).unwrap(), v6()).unwrap();
    let from_elsewhere = Input::Datagram {
        socket: 0,
        from: "192.0.2.1:32854".parse().unwrap(),
        bytes: &bytes,
    };
    transactions.handle_input(from_elsewhere, now);
    let on_another = Input::Datagram {
        socket: 1,
        from: v4(),
        bytes: &bytes,
    };
    transactions.handle_input(on_another, now);
    assert_eq!(transactions.poll_output(), None);
    let faults = transactions.faults();
    assert_eq!((faults.wrong_source, faults.wrong_socket), (1, 1));

    let right = Input::Datagram {
        socket: 0,
        from: v4(),
        bytes: &bytes,
    };
    transactions.handle_input(right, now);
    assert!(matches!(
        transactions.poll_output(),
        Some(Output::Answered { answer, .. }) if answer.mapped == v6()
    ));
    transactions.handle_input(right, now);
    assert_eq!(transactions.poll_output(), None);
    assert_eq!(transactions.faults().unsolicited, 1);
}

#[test]
fn an_answer_asked_for_from_elsewhere_is_taken_from_anywhere() {
    let now = Instant::now();
    let mut transactions = transactions();
    let id = transactions
        .ask(0, v4(), Change::Port, Retry::BRIEF, now)
        .unwrap();
    let plain = answer(&request(id, Change::Nothing), v6()).unwrap();
    sent(&mut transactions).unwrap();
    let input = Input::Datagram {
        socket: 0,
        from: "203.0.113.1:1".parse().unwrap(),
        bytes: &plain,
    };
    transactions.handle_input(input, now);
    assert!(matches!(
        transactions.poll_output(),
        Some(Output::Answered { from, .. }) if from == "203.0.113.1:1".parse().unwrap()
    ));
}

#[test]
fn more_questions_than_may_wait_are_refused() {
    let now = Instant::now();
    let mut transactions = transactions();
    let mut ask = || transactions.ask(0, v4(), Change::Nothing, Retry::BRIEF, now);
    let first = ask().unwrap();
    assert_ne!(first, ask().unwrap());
    assert_eq!(ask(), Err(Busy));
    transactions.handle_input(Input::Cancel(first), now);
    assert!(
        transactions
            .ask(0, v4(), Change::Nothing, Retry::BRIEF, now)
            .is_ok()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_read_without_panic_and_never_amplified(
        bytes in prop::collection::vec(any::<u8>(), 0..1_600)
    ) {
        let _ = decode(&bytes);
        let _ = verify(&bytes, &Key::short_term("password").unwrap());
        for from in [v4(), v6()] {
            if let Some(answer) = answer(&bytes, from) {
                prop_assert!(answer.len() <= bytes.len());
            }
        }
    }

    /// Every attribute type that `stun-rs` knows, with any value.
    #[test]
    fn any_attributes_are_read_without_panic_and_never_amplified(
        kind in prop_oneof![Just(0x0001_u16), Just(0x0101), Just(0x0111), any::<u16>()],
        attributes in prop::collection::vec(
            (
                prop_oneof![0_u16..0x30, 0x8000_u16..0x8030, any::<u16>()],
                prop::collection::vec(any::<u8>(), 0..60),
            ),
            0..20,
        ),
    ) {
        let bytes = message(kind, [1; 12], &attributes);
        let _ = decode(&bytes);
        let _ = verify(&bytes, &Key::short_term("password").unwrap());
        for from in [v4(), v6()] {
            if let Some(answer) = answer(&bytes, from) {
                prop_assert!(answer.len() <= bytes.len());
                prop_assert!(decode(&answer).is_ok());
            }
        }
    }

    /// Messages as they are in use, with a few bytes changed, left out or repeated.
    #[test]
    fn mutated_messages_are_read_without_panic_and_never_amplified(
        which in 0_usize..4,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..8),
    ) {
        let address = [0, 1, 0x12, 0x34, 192, 0, 2, 7].to_vec();
        let mut bytes = match which {
            0 => request(TransactionId([9; 12]), Change::AddressAndPort),
            1 => answer(&request(TransactionId([9; 12]), Change::Nothing), v6()).unwrap(),
            2 => message(0x0101, [1; 12], &[
                (0x0020, address.clone()),
                (0x0001, address.clone()),
                (0x802b, address.clone()),
                (0x802c, address),
                (0x8022, b"software".to_vec()),
                (0x0008, vec![7; 20]),
                (0x001c, vec![7; 32]),
            ]),
            _ => message(0x0111, [1; 12], &[
                (0x0009, vec![0, 0, 4, 20]),
                (0x000a, vec![0, 3, 0, 39]),
            ]),
        };
        for (at, value, how) in edits {
            let at = at.index(bytes.len().max(1));
            match how {
                0 | 1 => if let Some(byte) = bytes.get_mut(at) { *byte = value },
                2 => bytes.truncate(at.max(20)),
                _ => bytes.extend_from_within(at.min(bytes.len())..),
            }
            // As often as not with the length it then has.
            if value & 1 == 0 && bytes.len() >= 4 {
                let length = u16::try_from(bytes.len().saturating_sub(20)).unwrap();
                bytes[2..4].copy_from_slice(&length.to_be_bytes());
            }
            bytes.truncate(1_600);
        }
        let _ = decode(&bytes);
        let _ = verify(&bytes, &Key::short_term("password").unwrap());
        for from in [v4(), v6()] {
            if let Some(answer) = answer(&bytes, from) {
                prop_assert!(answer.len() <= bytes.len());
            }
        }
    }

    #[test]
    fn a_damaged_answer_of_ours_never_tells_another_address(at in 0_usize..52, flip in 1_u8..=255) {
        let mut bytes = answer(&request(TransactionId([9; 12]), Change::Nothing), v6()).unwrap();
        bytes[at] ^= flip;
        // Damage to the fingerprint's own header makes it something unknown, and harms nothing else.
        match decode(&bytes) {
            Ok(Message::Answer(read)) => prop_assert_eq!(read.mapped, v6()),
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(_) => {}
        }
    }

    #[test]
    fn shortened_requests_are_answered_with_no_more_than_they_have(
        cut in 0_usize..REQUEST,
        change in prop::sample::select(CHANGES.to_vec()),
    ) {
        let mut bytes = request(TransactionId([9; 12]), change);
        bytes.truncate(cut);
        prop_assert_eq!(answer(&bytes, v4()), None);
    }

    /// Whatever arrives, each question ends exactly once and the state stays within its bound.
    #[test]
    fn every_question_ends_once(
        steps in prop::collection::vec((0_u8..5, any::<u8>(), 0_u64..400), 1..120)
    ) {
        let mut now = Instant::now();
        let mut transactions = Transactions::new(Config { outstanding: 8 }, [1; 32]);
        let mut open = std::collections::BTreeMap::new();
        for (what, which, pause) in steps {
            now += Duration::from_millis(pause);
            match what {
                0 | 1 => {
                    let change = CHANGES[usize::from(which) % 3];
                    match transactions.ask(which % 3, v4(), change, Retry::BRIEF, now) {
                        Ok(id) => { prop_assert!(open.insert(id, which % 3).is_none()); }
                        Err(stun::Busy) => prop_assert_eq!(open.len(), 8),
                    }
                }
                2 => {
                    let nth = usize::from(which) % open.len().max(1);
                    if let Some((id, socket)) = open.iter().nth(nth) {
                        let bytes = answer(&request(*id, Change::Nothing), v6()).unwrap();
                        let from = if which & 64 == 0 { v4() } else { v6() };
                        let socket = *socket;
                        let input = Input::Datagram { socket, from, bytes: &bytes };
                        transactions.handle_input(input, now);
                    }
                }
                3 => transactions.handle_timeout(now),
                _ => {
                    let input = Input::Datagram { socket: 0, from: v4(), bytes: &[which; 40] };
                    transactions.handle_input(input, now);
                }
            }
            while let Some(output) = transactions.poll_output() {
                match output {
                    Output::Send { id, .. } => prop_assert!(open.contains_key(&id)),
                    Output::Answered { id, .. } | Output::Failed { id, .. } => {
                        prop_assert!(open.remove(&id).is_some());
                    }
                }
            }
            prop_assert_eq!(open.len(), transactions.outstanding());
        }
    }
}
