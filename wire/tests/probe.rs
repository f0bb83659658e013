//! Path probes: authentic or nothing, and an answer never longer than its question.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::codec::DecodeError;
use dchat_wire::limits;
use dchat_wire::probe::{Probe, ProbeKeys};
use proptest::prelude::*;
use support::samples::{self, answer, ask, probe_keys};
use support::strategies as any_of;

fn keys() -> ProbeKeys {
    probe_keys().0
}

/// Checks DC-CONN-043 (negative).
#[test]
fn every_flipped_bit_is_refused() {
    for probe in [ask(), answer(samples::v4()), answer(samples::v6())] {
        let datagram = probe.seal(&keys(), 100);
        for bit in 0..datagram.len() * 8 {
            let mut flipped = datagram.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Probe::open(&keys(), &flipped).is_err(), "bit {bit}");
        }
    }
}

/// Checks DC-CONN-044 (negative).
#[test]
fn every_other_length_is_refused() {
    for probe in [ask(), answer(samples::v6())] {
        let datagram = probe.seal(&keys(), 100);
        for end in 0..datagram.len() {
            assert!(
                Probe::open(&keys(), &datagram[..end]).is_err(),
                "{end} bytes"
            );
        }
        let longer = [datagram, vec![0]].concat();
        assert!(Probe::open(&keys(), &longer).is_err());
    }
}

#[test]
fn a_probe_of_the_other_direction_is_refused() {
    let (client, server) = probe_keys();
    let mut datagram = ask().seal(&client, 64);
    assert!(Probe::open(&server, &datagram).is_err());
    datagram[1..9].copy_from_slice(&server.tag);
    assert_eq!(
        Probe::open(&server, &datagram),
        Err(DecodeError::Invalid {
            field: "Probe",
            reason: "not authentic"
        })
    );
}

/// The tag names the keys; what names others is not theirs, whoever could make it.
#[test]
fn a_probe_under_another_tag_is_refused_though_its_mac_is_right() {
    let mut renamed = keys();
    renamed.tag[0] ^= 1;
    assert_eq!(
        Probe::open(&keys(), &ask().seal(&renamed, 64)),
        Err(DecodeError::Invalid {
            field: "Probe",
            reason: "not authentic"
        })
    );
}

/// Checks DC-CONN-044 (positive), DC-CONN-046 (positive).
#[test]
fn lengths_are_clamped_to_what_may_be_sent() {
    for (wanted, sent) in [(0, 64), (64, 64), (65, 65), (1472, 1472), (1473, 1472)] {
        let datagram = ask().seal(&keys(), wanted);
        assert_eq!(datagram.len(), sent);
        assert_eq!(Probe::open(&keys(), &datagram), Ok(ask()));
    }
}

/// Checks DC-CONN-046 (negative).
#[test]
fn an_answer_is_never_longer_than_its_question() {
    for wanted in [0, 64, 1200, usize::MAX] {
        let question = ask().seal(&keys(), wanted);
        for observed in [samples::v4(), samples::v6()] {
            let reply = answer(observed).seal(&keys(), wanted);
            assert_eq!(reply.len(), limits::PROBE);
            assert!(reply.len() <= question.len());
        }
    }
}

#[test]
fn the_first_byte_tells_probes_from_quic_and_stun() {
    for byte in 0..=u8::MAX {
        let probe = Probe::is_probe(&[byte]);
        assert_eq!(probe, byte == 0x21 || byte == 0x22);
        assert!(!probe || (byte & 0x40 == 0 && byte > 3));
    }
    assert!(!Probe::is_probe(&[]));
    assert_eq!(Probe::tag(&[0x21; 8]), None);
    assert_eq!(Probe::tag(&ask().seal(&keys(), 64)), Some(keys().tag));
}

#[test]
fn the_debug_text_of_keys_is_redacted() {
    assert_eq!(format!("{:?}", keys()), "ProbeKeys(redacted)");
}

proptest! {
    #[test]
    fn what_is_sealed_opens(transaction: [u8; 8], observed in any_of::socket(), len in 0..2000_usize) {
        for probe in [Probe::Ask { transaction }, Probe::Answer { transaction, observed }] {
            let datagram = probe.seal(&keys(), len);
            prop_assert_eq!(Probe::open(&keys(), &datagram), Ok(probe));
        }
    }

    #[test]
    fn arbitrary_datagrams_are_refused(datagram in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Probe::open(&keys(), &datagram).is_err());
    }
}
