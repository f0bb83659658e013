//! What members of rooms and groups tell each other: canonical, bounded, and proof against damage.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::codec::{Body, Text};
use dchat_wire::gossip::{body_hash, item_message};
use dchat_wire::group::{Cut, LogCut, Operation, OperationError, Parents, Seat, SignedOperation};
use dchat_wire::sign::{self, Identity, Purpose};
use dchat_wire::{Frame, FrameReader, decode, encode};
use proptest::prelude::*;
use support::{gossip, samples, strategies as any_of};

fn read(mut bytes: &[u8]) -> Option<Frame> {
    FrameReader::new().read(&mut bytes).ok().flatten()
}

fn survives<T: Body + PartialEq + core::fmt::Debug>(value: &T) {
    let bytes = encode(value);
    assert_eq!(decode::<T>(&bytes).as_ref(), Ok(value));
    let mut damaged = bytes.clone();
    for end in 0..bytes.len() {
        let error = decode::<T>(&bytes[..end]).unwrap_err();
        assert_eq!(error.name(), "unexpected-end", "{}", T::NAME);
    }
    for bit in 0..bytes.len() * 8 {
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = decode::<T>(&damaged) {
            assert_eq!(encode(&other), damaged, "{}", T::NAME);
        }
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn every_body_survives_every_cut_and_every_flipped_bit() {
    macro_rules! one {
        ($sample:expr) => {
            survives(&$sample)
        };
    }
    gossip::for_every_gossip_body!(one);
}

#[test]
fn every_frame_returns_and_survives_every_flipped_bit() {
    for frame in gossip::frames() {
        let bytes = frame.to_bytes();
        assert_eq!(read(&bytes), Some(frame));
        let mut damaged = bytes.clone();
        for bit in 64..bytes.len() * 8 {
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Some(other) = read(&damaged) {
                assert_eq!(other.to_bytes(), damaged);
            }
            damaged[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn the_fullest_of_every_type_fits_its_bound() {
    for frame in gossip::fullest() {
        assert_eq!(read(&frame.to_bytes()), Some(frame.clone()), "{frame:?}");
    }
}

#[test]
fn a_quiet_room_consists_of_24_bytes() {
    let lengths: Vec<_> = gossip::frames()
        .iter()
        .filter(|frame| matches!(frame, Frame::GossipDigest(_)))
        .map(|frame| frame.to_bytes().len())
        .collect();
    assert_eq!(lengths, [24]);
}

#[test]
fn an_item_is_bound_to_its_author_room_and_body() {
    let item = gossip::item();
    let author = samples::peer(1);
    assert_eq!(item.header.author, *author.public_key());
    let body = item.body.as_ref().unwrap().as_slice();
    assert_eq!(item.header.body_hash, body_hash(body));
    assert_eq!(item.header.body_len as usize, body.len());
    let verify = |room| {
        let message = item_message(room, &item.header);
        sign::verify(&author, Purpose::Item, &message, &item.signature)
    };
    assert!(verify(&gossip::ROOM).is_ok());
    assert!(verify(&[0; 32]).is_err());
}

#[test]
fn an_operation_opens_only_as_it_was_signed() {
    let mut signed = gossip::signed_operation();
    assert_eq!(signed.open(), Ok(gossip::operation()));
    signed.signature[0] ^= 1;
    assert!(signed.open().is_err());
}

#[test]
fn nobody_takes_the_key_of_another() {
    let (key, group) = (Identity::from_seed(&[7; 32]), [0x99; 32]);
    let name = Text::new("Ann").unwrap();
    let owner = Identity::from_seed(&[1; 32]);
    let thief = Identity::from_seed(&[2; 32]);
    let with = |seat: &Seat, by: &Identity| {
        let operation = Operation {
            group,
            seat: Some(seat.clone()),
            ..gossip::acceptance()
        };
        SignedOperation::sign(by, operation).open()
    };
    let seat = Seat::new(&key, &group, &owner.peer_id(), name.clone());
    assert!(with(&seat, &owner).is_ok());
    let stolen = with(&seat, &thief).unwrap_err();
    assert!(matches!(stolen, OperationError::BadSignature(_)));
    let elsewhere = Seat::new(&key, &[0; 32], &owner.peer_id(), name);
    assert!(with(&elsewhere, &owner).is_err());
    let no_key = Seat {
        key: [0; 32],
        ..seat
    };
    assert!(with(&no_key, &owner).is_err());
}

#[test]
fn a_cut_has_one_encoding_and_keeps_what_was_seen_most_of() {
    let log = |log: u8, seq| LogCut {
        log: [log; 16],
        seq,
    };
    let one = Cut::new(vec![log(2, 9), log(1, 5)]);
    assert_eq!(one, Cut::new(vec![log(1, 5), log(2, 9)]));
    let many = Cut::new((0..40).map(|number| log(number, number.into())).collect());
    let kept: Vec<u32> = many.as_slice().iter().map(|log| log.seq).collect();
    assert_eq!(kept, (24..40).collect::<Vec<_>>());
    let bytes = encode(&Operation {
        cut: one,
        ..gossip::operation()
    });
    let at = bytes
        .windows(20)
        .position(|part| *part == encode(&log(1, 5)))
        .unwrap();
    let mut swapped = bytes.clone();
    swapped[at..at + 40].rotate_left(20);
    let error = decode::<Operation>(&swapped).unwrap_err();
    assert_eq!(
        (error.name(), error.field()),
        ("invalid", Some("Operation.cut"))
    );
}

#[test]
fn parents_out_of_order_or_twice_are_refused() {
    let with = |hashes: [[u8; 32]; 2]| {
        let operation = Operation {
            after: Parents::new(vec![[1; 32], [2; 32]]),
            ..gossip::operation()
        };
        let mut bytes = encode(&operation);
        let at = 32 + 32 + 4 + 8;
        bytes[at..at + 64].copy_from_slice(&hashes.concat());
        decode::<Operation>(&bytes)
    };
    assert!(with([[1; 32], [2; 32]]).is_ok());
    for wrong in [[[2; 32], [1; 32]], [[1; 32], [1; 32]]] {
        let error = with(wrong).unwrap_err();
        assert_eq!(
            (error.name(), error.field()),
            ("invalid", Some("Operation.after"))
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_damaged_frame_reads_only_as_what_it_encodes(
        which in 0..16_usize,
        mutations in any_of::mutations(),
    ) {
        let bytes = any_of::mutate(gossip::frames()[which].to_bytes(), &mutations);
        let mut input = bytes.as_slice();
        if let Ok(Some(frame)) = FrameReader::new().read(&mut input) {
            let read = &bytes[..bytes.len() - input.len()];
            prop_assert!(read.ends_with(&frame.to_bytes()[8..]));
        }
    }
}
