//! Three decoders of one format agree: the codec, one written by hand, and `wincode`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::encode;
use proptest::prelude::*;
use support::agree::agree;
use support::{any_gossip, bodies, samples, strategies as any_of};

macro_rules! all_agree {
    ($bytes:ident) => {
        macro_rules! one {
            ($body:ty) => {
                agree::<$body>(&$bytes)
            };
        }
        bodies::for_every_body!(one);
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn on_arbitrary_bytes(bytes: Vec<u8>) {
        all_agree!(bytes);
    }

    #[test]
    fn on_damaged_bodies(which in 0..78_usize, mutations in any_of::mutations()) {
        let (_, bytes) = samples::encoded_bodies().swap_remove(which);
        let bytes = any_of::mutate(bytes, &mutations);
        all_agree!(bytes);
    }

    #[test]
    fn on_frames_and_what_they_hold(frame in any_of::frame(), parcel in any_of::parcel()) {
        let bytes = frame.to_bytes().split_off(8);
        all_agree!(bytes);
        let bytes = parcel.seal().unwrap();
        all_agree!(bytes);
    }

    #[test]
    fn on_frames_of_rooms_and_what_they_hold(
        frame in any_gossip::frame(),
        operation in any_gossip::operation(),
        body in any_gossip::room_body(),
        keys in any_gossip::keys(),
    ) {
        let bytes = frame.to_bytes().split_off(8);
        all_agree!(bytes);
        let bytes = encode(&operation);
        all_agree!(bytes);
        let bytes = encode(&body);
        all_agree!(bytes);
        let bytes = encode(&keys);
        all_agree!(bytes);
    }

    #[test]
    fn on_records_and_invites(record in any_of::record_body(), invite in any_of::invite()) {
        let bytes = encode(&record);
        all_agree!(bytes);
        let bytes = encode(&invite);
        all_agree!(bytes);
    }
}

#[test]
fn on_every_sample_and_each_of_its_prefixes() {
    for (_, bytes) in samples::encoded_bodies() {
        for end in 0..=bytes.len() {
            let bytes = &bytes[..end];
            all_agree!(bytes);
        }
    }
}
