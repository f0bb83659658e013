//! Canonical round trips: a value comes back as it was, and what decodes re-encodes to its bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::codec::{Body, DecodeError};
use dchat_wire::invite::Invite;
use dchat_wire::parcel::Parcel;
use dchat_wire::record::{DeviceRecord, SignedRecord};
use dchat_wire::{Address, Frame, FrameReader, PeerId, decode, encode};
use proptest::prelude::*;
use support::{any_gossip, bodies, samples, strategies as any_of};

fn returns<T: Body + PartialEq + core::fmt::Debug>(value: &T) -> Result<(), TestCaseError> {
    let bytes = encode(value);
    prop_assert_eq!(dchat_wire::codec::encoded_len(value), bytes.len());
    prop_assert_eq!(&decode::<T>(&bytes).unwrap(), value);
    Ok(())
}

/// Whatever `bytes` are, if they decode they are the encoding of what they decode to.
fn canonical<T: Body>(bytes: &[u8]) {
    if let Ok(value) = decode::<T>(bytes) {
        assert_eq!(encode(&value), bytes, "{}", T::NAME);
    }
}

macro_rules! check_canonical {
    ($bytes:ident) => {
        macro_rules! one {
            ($body:ty) => {
                canonical::<$body>(&$bytes)
            };
        }
        bodies::for_every_body!(one);
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Checks DC-WIRE-001 (positive), DC-WIRE-003 (positive), DC-WIRE-004 (positive).
    /// Checks DC-WIRE-008 (positive), DC-WIRE-029 (positive).
    #[test]
    fn every_body_returns_as_it_was(
        hello in any_of::hello(),
        identify in any_of::identify(),
        ping in any_of::ping(),
        open in any_of::chat_open(),
        envelope in any_of::envelope(),
        undecryptable in any_of::undecryptable(),
        extension in any_of::extension(),
        invite in any_of::invite(),
    ) {
        returns(&hello)?;
        returns(&identify)?;
        returns(&ping)?;
        returns(&open)?;
        returns(&envelope)?;
        returns(&undecryptable)?;
        returns(&extension)?;
        returns(&invite)?;
    }

    #[test]
    fn every_record_and_log_body_returns_as_it_was(
        signed in any_of::signed_record(),
        record in any_of::record_body(),
        addresses in any_of::address_record(),
        device in any_of::device_record(),
        frontier in any_of::frontier(),
        entry in any_of::entry(),
        content in any_of::content(),
        head in any_of::head(),
        proof in any_of::invite_proof(),
    ) {
        returns(&signed)?;
        returns(&record)?;
        returns(&addresses)?;
        returns(&device)?;
        returns(&frontier)?;
        returns(&entry)?;
        returns(&content)?;
        returns(&head)?;
        returns(&proof)?;
    }

    #[test]
    fn every_advert_returns_as_it_was(
        (relay, service, mailbox, presence, rendezvous) in any_of::adverts(),
    ) {
        returns(&relay)?;
        returns(&service)?;
        returns(&mailbox)?;
        returns(&presence)?;
        returns(&rendezvous)?;
    }

    /// Checks DC-DHT-002 (positive), DC-WIRE-014 (positive), DC-WIRE-017 (positive).
    #[test]
    fn a_frame_returns_as_it_was(frame in any_of::frame()) {
        let bytes = frame.to_bytes();
        let mut reader = FrameReader::new();
        let mut input = bytes.as_slice();
        prop_assert_eq!(reader.read(&mut input), Ok(Some(frame)));
        prop_assert!(input.is_empty() && reader.is_between_frames());
    }

    #[test]
    fn every_body_of_rooms_and_groups_returns_as_it_was(
        header in any_gossip::header(),
        item in any_gossip::item(),
        body in any_gossip::room_body(),
        operation in any_gossip::operation(),
        keys in any_gossip::keys(),
    ) {
        returns(&header)?;
        returns(&item)?;
        returns(&body)?;
        returns(&operation)?;
        returns(&keys)?;
    }

    #[test]
    fn a_frame_of_rooms_and_groups_returns_as_it_was(frame in any_gossip::frame()) {
        let bytes = frame.to_bytes();
        let mut reader = FrameReader::new();
        let mut input = bytes.as_slice();
        prop_assert_eq!(reader.read(&mut input), Ok(Some(frame)));
        prop_assert!(input.is_empty() && reader.is_between_frames());
    }

    #[test]
    fn a_sealed_parcel_returns_with_its_padding(parcel in any_of::parcel()) {
        let bytes = parcel.clone().seal().unwrap();
        let opened = Parcel::open(&bytes).unwrap();
        prop_assert_eq!(&opened.frontiers, &parcel.frontiers);
        prop_assert_eq!(&opened.entries, &parcel.entries);
        prop_assert_eq!(encode(&opened), bytes);
    }

    #[test]
    fn an_invite_link_returns_as_it_was(invite in any_of::invite()) {
        prop_assert_eq!(invite.to_string().parse::<Invite>(), Ok(invite));
    }

    /// Checks DC-ID-022 (positive), DC-ID-023 (positive), DC-ID-024 (positive).
    /// Checks DC-ID-026 (positive).
    #[test]
    fn an_address_returns_as_it_was(address in any_of::address()) {
        prop_assert_eq!(decode::<Address>(&encode(&address)), Ok(address));
        prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
    }

    /// Checks DC-ID-003 (positive), DC-ID-004 (positive), DC-ID-005 (positive).
    /// Checks DC-ID-007 (positive).
    #[test]
    fn a_peer_id_returns_as_it_was(peer in any_of::peer()) {
        prop_assert_eq!(decode::<PeerId>(&encode(&peer)), Ok(peer));
        prop_assert_eq!(peer.to_string().parse::<PeerId>(), Ok(peer));
    }

    #[test]
    fn an_issued_record_opens(device in any_of::device_record(), sequence: u64) {
        let identity = samples::identity(1);
        let record = SignedRecord::issue(&identity, sequence, samples::NOW, 1000, &device);
        let opened = record.open::<DeviceRecord>(&identity.peer_id(), samples::NOW).unwrap();
        prop_assert_eq!(opened.payload, device);
        prop_assert_eq!(opened.sequence, sequence);
        prop_assert_eq!(opened.expires_at, samples::NOW + 1000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Checks DC-WIRE-001 (negative).
    #[test]
    fn arbitrary_bytes_decode_only_to_what_they_encode(bytes: Vec<u8>) {
        check_canonical!(bytes);
    }

    /// Checks DC-WIRE-001 (negative), DC-WIRE-004 (negative).
    #[test]
    fn a_damaged_body_decodes_only_to_what_it_encodes(
        which in 0..47_usize,
        mutations in any_of::mutations(),
    ) {
        let (_, bytes) = samples::encoded_bodies().swap_remove(which);
        let bytes = any_of::mutate(bytes, &mutations);
        check_canonical!(bytes);
    }

    #[test]
    fn a_damaged_frame_reads_only_as_what_it_encodes(
        which in 0..26_usize,
        mutations in any_of::mutations(),
    ) {
        let bytes = any_of::mutate(samples::frames()[which].to_bytes(), &mutations);
        let mut reader = FrameReader::new();
        let mut input = bytes.as_slice();
        let mut from = 0;
        while let Ok(Some(frame)) = reader.read(&mut input) {
            let whole = &bytes[..bytes.len() - input.len()];
            let encoded = frame.to_bytes();
            // Skipped frames may stand before it, and flags may differ: neither is part of it.
            prop_assert!(whole[from..].ends_with(&encoded[8..]));
            from = whole.len();
        }
    }

    /// Checks DC-ID-006 (negative).
    #[test]
    fn a_text_is_a_peer_only_as_that_peer_is_written(text in "(12D3KooW|1|)[1-9A-Za-z]{0,52}") {
        if let Ok(peer) = text.parse::<PeerId>() {
            prop_assert_eq!(peer.to_string(), text);
        }
    }
}

#[test]
fn every_sample_is_one_of_the_bodies_and_decodes() {
    let samples = samples::encoded_bodies();
    let mut bodies = 0;
    macro_rules! one {
        ($body:ty) => {
            bodies += 1;
            let name = <$body as Body>::NAME;
            let (_, bytes) = samples.iter().find(|(sample, _)| *sample == name).unwrap();
            assert_eq!(encode(&decode::<$body>(bytes).unwrap()), *bytes);
        };
    }
    bodies::for_every_body!(one);
    assert_eq!(bodies, samples.len());
}

#[test]
fn every_frame_type_has_a_sample() {
    let frames = [samples::frames(), support::gossip::frames()].concat();
    let types: Vec<_> = frames.iter().map(Frame::frame_type).collect();
    assert_eq!(types, dchat_wire::FrameType::ALL);
}

/// Checks DC-WIRE-003 (negative).
#[test]
fn bytes_after_a_value_are_counted() {
    let mut bytes = encode(&samples::ping());
    bytes.extend_from_slice(&[0; 3]);
    assert_eq!(
        decode::<dchat_wire::ping::Ping>(&bytes),
        Err(DecodeError::TrailingBytes { extra: 3 })
    );
}
