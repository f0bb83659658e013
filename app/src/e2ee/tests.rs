#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use dchat_wire::chat::Stage;
use dchat_wire::limits;
use dchat_wire::record::{CLOCK_SKEW, DeviceRecord, Verified};
use dchat_wire::sign::Identity;
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000_000;
const DAY: u64 = 24 * 60 * 60 * 1000;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}

fn published(device: &Device, identity: &Identity, now: u64) -> Verified<DeviceRecord> {
    let record = device.record().unwrap();
    record.open(&identity.peer_id(), now).unwrap()
}

struct Two {
    alice: Device,
    bob: Device,
    alice_record: Verified<DeviceRecord>,
    bob_record: Verified<DeviceRecord>,
}

fn two() -> Two {
    let (a, b) = (identity(1), identity(2));
    let (alice, bob) = (Device::generate(&a, NOW), Device::generate(&b, NOW));
    Two {
        alice_record: published(&alice, &a, NOW),
        bob_record: published(&bob, &b, NOW),
        alice,
        bob,
    }
}

/// Alice's session and Bob's, after Alice's first message and Bob's answer.
fn established() -> (OlmSession, OlmSession) {
    let mut two = two();
    let mut alices = two.alice.open_session(&two.bob_record).unwrap();
    let opening = alices.encrypt(b"hello").unwrap();
    assert_eq!(opening.stage, Stage::Opening);
    let message = &opening.message;
    let (mut bobs, plaintext) = two.bob.accept_session(&two.alice_record, message).unwrap();
    assert_eq!(
        (plaintext.as_slice(), bobs.id()),
        (&b"hello"[..], alices.id())
    );
    let answer = bobs.encrypt(b"hi").unwrap();
    assert_eq!(answer.stage, Stage::Established);
    alices.decrypt(answer.stage, &answer.message).unwrap();
    (alices, bobs)
}

/// The bytes of a field with this tag and its length in one byte, taken off the front.
fn field<'a>(message: &mut &'a [u8], tag: u8) -> &'a [u8] {
    let (head, rest) = message.split_at(2);
    assert_eq!(head[0], tag);
    let (content, rest) = rest.split_at(head[1].into());
    *message = rest;
    content
}

/// An Olm message of one block and of an index below 128.
fn is_laid_out(mut message: &[u8], index: u8) {
    let message = &mut message;
    assert_eq!(message.split_off_first(), Some(&3));
    assert_eq!(field(message, 0x0a).len(), 32);
    let (number, rest) = message.split_at(2);
    assert_eq!(number, [0x10, index]);
    *message = rest;
    assert_eq!(field(message, 0x22).len(), 16);
    assert_eq!(message.len(), 8, "the MAC and nothing else");
}

/// Checks DC-CHAT-022 (positive, negative).
#[test]
fn a_message_has_each_field_once_and_in_order() {
    let two = two();
    let mut alices = two.alice.open_session(&two.bob_record).unwrap();
    for index in 0..3 {
        let sealed = alices.encrypt(b"hello").unwrap().message;
        let mut message = sealed.as_slice();
        assert_eq!(message.split_off_first(), Some(&3));
        assert_eq!(
            field(&mut message, 0x0a),
            two.bob_record.payload.fallback_key
        );
        assert_eq!(field(&mut message, 0x12).len(), 32);
        assert_eq!(
            field(&mut message, 0x1a),
            two.alice_record.payload.identity_key
        );
        is_laid_out(field(&mut message, 0x22), index);
        assert!(message.is_empty());
    }
    let (mut alices, mut bobs) = established();
    for index in 1..4 {
        is_laid_out(&bobs.encrypt(b"hi").unwrap().message, index);
    }
    is_laid_out(&alices.encrypt(b"hi").unwrap().message, 0);
}

/// Checks DC-CHAT-019 (positive, negative).
#[test]
fn a_message_decrypts_once() {
    let (mut alices, mut bobs) = established();
    let sealed = alices.encrypt(b"once").unwrap();
    let first = bobs.decrypt(sealed.stage, &sealed.message).unwrap();
    assert_eq!(first.as_slice(), b"once");
    let second = bobs.decrypt(sealed.stage, &sealed.message);
    assert_eq!(second.unwrap_err(), DecryptError::NoKey);
}

#[test]
fn a_message_decrypts_once_although_the_state_was_stored_between() {
    let (mut alices, mut bobs) = established();
    let sealed = alices.encrypt(b"once").unwrap();
    bobs.decrypt(sealed.stage, &sealed.message).unwrap();
    let mut again = OlmSession::from_state(&bobs.to_state().unwrap()).unwrap();
    let second = again.decrypt(sealed.stage, &sealed.message);
    assert_eq!(second.unwrap_err(), DecryptError::NoKey);
}

/// Checks DC-CHAT-020 (positive).
#[test]
fn an_opening_message_repeats_until_it_is_answered() {
    let mut two = two();
    let mut alices = two.alice.open_session(&two.bob_record).unwrap();
    let first = alices.encrypt(b"1").unwrap();
    let second = alices.encrypt(b"2").unwrap();
    assert_eq!(second.stage, Stage::Opening);
    assert_eq!(opened_session(&second.message), Ok(alices.id()));
    let (mut bobs, _) = two
        .bob
        .accept_session(&two.alice_record, &first.message)
        .unwrap();
    let plaintext = bobs.decrypt(second.stage, &second.message).unwrap();
    assert_eq!(plaintext.as_slice(), b"2");
}

/// Checks DC-CHAT-013 (negative).
#[test]
fn an_opening_message_of_a_device_not_in_the_record_is_refused() {
    let mut two = two();
    let stranger = Device::generate(&identity(3), NOW);
    let opening = stranger
        .open_session(&two.bob_record)
        .unwrap()
        .encrypt(b"hello")
        .unwrap();
    let refused = two.bob.accept_session(&two.alice_record, &opening.message);
    assert_eq!(refused.unwrap_err(), AcceptError::ForeignDevice);
}

#[test]
fn a_message_over_the_limit_is_refused_unparsed() {
    let (_, mut bobs) = established();
    let len = limits::RATCHET_MESSAGE + 1;
    let error = DecryptError::TooLarge {
        len,
        limit: limits::RATCHET_MESSAGE,
    };
    for stage in [Stage::Opening, Stage::Established] {
        assert_eq!(bobs.decrypt(stage, &vec![3; len]).unwrap_err(), error);
    }
}

#[test]
fn a_full_parcel_fits_a_ratchet_message_also_while_opening() {
    let two = two();
    let mut alices = two.alice.open_session(&two.bob_record).unwrap();
    let sealed = alices.encrypt(&vec![0; limits::PARCEL]).unwrap();
    assert_eq!(sealed.stage, Stage::Opening);
    assert!(sealed.message.len() <= limits::RATCHET_MESSAGE);
}

/// Checks DC-CHAT-023 (negative).
#[test]
fn a_failed_decryption_leaves_the_session_able() {
    let (mut alices, mut bobs) = established();
    let sealed = alices.encrypt(b"text").unwrap();
    let mut forged = sealed.message.clone();
    *forged.last_mut().unwrap() ^= 1;
    let refused = bobs.decrypt(sealed.stage, &forged);
    assert_eq!(refused.unwrap_err(), DecryptError::NotAuthentic);
    let plaintext = bobs.decrypt(sealed.stage, &sealed.message).unwrap();
    assert_eq!(plaintext.as_slice(), b"text");
}

#[test]
fn forty_skipped_keys_are_kept_and_older_ones_are_gone() {
    let (mut alices, mut bobs) = established();
    let sealed: Vec<Sealed> = (0..42)
        .map(|number| alices.encrypt(&[number]).unwrap())
        .collect();
    let mut open = |index: usize| bobs.decrypt(sealed[index].stage, &sealed[index].message);
    open(41).unwrap();
    assert_eq!(open(0).unwrap_err(), DecryptError::NoKey);
    for index in 1..41 {
        assert_eq!(open(index).unwrap().as_slice(), [index as u8]);
    }
}

#[test]
fn more_than_two_thousand_skipped_messages_need_a_new_session() {
    let (mut alices, mut bobs) = established();
    for _ in 0..2001 {
        alices.encrypt(b"lost").unwrap();
    }
    let sealed = alices.encrypt(b"late").unwrap();
    let error = bobs.decrypt(sealed.stage, &sealed.message).unwrap_err();
    assert_eq!(error, DecryptError::NoKey);
    assert!(error.is_curable());
}

#[test]
fn the_largest_session_state_is_within_its_bound() {
    let (mut alices, mut bobs) = established();
    // Five receiving chains with as many skipped keys as are kept.
    for _ in 0..6 {
        let mut last = None;
        for _ in 0..41 {
            last = Some(alices.encrypt(b"x").unwrap());
        }
        let last = last.unwrap();
        bobs.decrypt(last.stage, &last.message).unwrap();
        let answer = bobs.encrypt(b"y").unwrap();
        alices.decrypt(answer.stage, &answer.message).unwrap();
    }
    let state = bobs.to_state().unwrap();
    assert!(
        (20_000..MAX_STATE).contains(&state.len()),
        "{}",
        state.len()
    );
    assert_eq!(OlmSession::from_state(&state).unwrap().id(), bobs.id());
}

#[test]
fn sessions_have_tags_of_eight_bytes() {
    let (mut alices, _) = established();
    let sealed = alices.encrypt(b"text").unwrap();
    // Olm's version byte 3 is the cut tag; 4 would be the full one.
    assert_eq!(sealed.message[0], 3);
}

/// Checks DC-CHAT-016 (positive).
#[test]
fn a_device_survives_being_stored() {
    let mut two = two();
    let state = two.bob.to_state().unwrap();
    let mut stored = Device::from_state(&state).unwrap();
    assert_eq!(stored.payload(), two.bob.payload());
    assert_eq!(stored.record(), two.bob.record());
    assert!(!stored.refresh(&identity(2), NOW));
    let opening = two
        .alice
        .open_session(&two.bob_record)
        .unwrap()
        .encrypt(b"hello")
        .unwrap();
    stored
        .accept_session(&two.alice_record, &opening.message)
        .unwrap();
    two.bob
        .accept_session(&two.alice_record, &opening.message)
        .unwrap();
}

/// Checks DC-CHAT-015 (positive, negative), DC-CHAT-017 (positive), DC-ID-015 (positive).
#[test]
fn the_fallback_key_rotates_after_seven_days_and_opens_sessions_for_seven_more() {
    let mut two = two();
    let bob = identity(2);
    let opening = || {
        let mut session = two.alice.open_session(&two.bob_record).unwrap();
        session.encrypt(b"hello").unwrap().message
    };
    let first = two.bob.payload().fallback_key;
    assert!(!two.bob.refresh(&bob, NOW + 7 * DAY - 1));
    assert_eq!(two.bob.refresh_at(), NOW + 7 * DAY);
    assert!(two.bob.refresh(&bob, NOW + 7 * DAY));
    assert_ne!(two.bob.payload().fallback_key, first);
    let record = published(&two.bob, &bob, NOW + 7 * DAY);
    assert_eq!(record.payload, two.bob.payload());
    assert!(record.sequence > two.bob_record.sequence);
    assert_eq!(record.sequence, record.issued_at);
    assert_eq!(record.expires_at, record.issued_at + 30 * DAY);
    two.bob
        .accept_session(&two.alice_record, &opening())
        .unwrap();
    assert!(two.bob.refresh(&bob, NOW + 14 * DAY));
    let refused = two.bob.accept_session(&two.alice_record, &opening());
    assert_eq!(refused.unwrap_err(), AcceptError::UnknownFallback);
}

/// Checks DC-CHAT-017 (negative), DC-ID-015 (negative).
#[test]
fn a_record_is_issued_anew_when_the_clock_went_back_behind_it() {
    let bob = identity(2);
    let mut device = Device::generate(&bob, NOW + 400 * DAY);
    let before = device.record().unwrap().clone();
    assert!(before.open::<DeviceRecord>(&bob.peer_id(), NOW).is_err());
    assert!(device.refresh(&bob, NOW));
    let record = published(&device, &bob, NOW);
    assert_eq!(record.sequence, NOW + 400 * DAY + 1);
    assert!(!device.refresh(&bob, NOW + DAY));
}

/// Clocks that disagree by less than records allow are no reason for a new key.
#[test]
fn a_key_is_kept_as_long_as_the_clock_is_behind_it_within_the_skew() {
    let bob = identity(2);
    let mut device = Device::generate(&bob, NOW + CLOCK_SKEW);
    let key = device.payload().fallback_key;
    assert!(!device.refresh(&bob, NOW));
    assert_eq!(device.payload().fallback_key, key);
    assert!(device.refresh(&bob, NOW - 1));
    assert_ne!(device.payload().fallback_key, key);
    assert_eq!(device.refresh_at(), NOW - 1 + 7 * DAY);
}

#[test]
fn what_another_session_may_cure_is_told_apart_from_what_none_can() {
    let curable = |error: DecryptError| (error.is_curable(), AcceptError::from(error).is_curable());
    for error in [DecryptError::NoKey, DecryptError::NotAuthentic] {
        assert_eq!(curable(error), (true, true), "{error}");
    }
    let too_large = DecryptError::TooLarge { len: 2, limit: 1 };
    for error in [DecryptError::Malformed, DecryptError::BadKey, too_large] {
        assert_eq!(curable(error), (false, false), "{error}");
    }
    assert!(AcceptError::UnknownFallback.is_curable());
    assert!(!AcceptError::ForeignDevice.is_curable());
}

#[test]
fn a_message_of_just_the_limit_is_parsed() {
    let (_, mut bobs) = established();
    let message = vec![0; limits::RATCHET_MESSAGE];
    for stage in [Stage::Opening, Stage::Established] {
        let refused = bobs.decrypt(stage, &message).unwrap_err();
        assert_eq!(refused, DecryptError::Malformed);
    }
}

#[test]
fn a_state_is_written_and_read_up_to_its_bound() {
    // JSON puts a text between two quotation marks.
    let text = |len: usize| "x".repeat(len - 2);
    let full = olm::write_state(&text(MAX_STATE)).unwrap();
    assert_eq!(full.len(), MAX_STATE);
    assert_eq!(olm::read_state(&full), Ok(text(MAX_STATE)));
    for len in [MAX_STATE + 1, 2 * MAX_STATE] {
        let limit = MAX_STATE;
        let refused = olm::write_state(&text(len)).unwrap_err();
        assert_eq!(refused, StateError::TooLarge { len, limit });
    }
}

#[test]
fn a_secret_holds_what_it_was_made_of() {
    assert_eq!(*Secret::from(vec![1, 2, 3]), [1, 2, 3]);
    assert_eq!(*Secret::from(zeroize::Zeroizing::new(vec![1, 2])), [1, 2]);
}

#[test]
fn a_damaged_state_is_an_error() {
    assert_eq!(
        OlmSession::from_state(b"{}").unwrap_err(),
        StateError::Damaged
    );
    assert_eq!(Device::from_state(b"").unwrap_err(), StateError::Damaged);
    let (len, limit) = (MAX_STATE + 1, MAX_STATE);
    assert_eq!(
        Device::from_state(&vec![b' '; len]).unwrap_err(),
        StateError::TooLarge { len, limit }
    );
}

/// `Debug` must be exactly this: no key and nothing that depends on one but the session's id.
#[test]
fn debug_shows_no_keys() {
    let two = two();
    let session = two.alice.open_session(&two.bob_record).unwrap();
    let [a, b, c, d, ..] = session.id().0;
    assert_eq!(
        format!("{session:?}"),
        format!("OlmSession {{ id: SessionId({a:02x}{b:02x}{c:02x}{d:02x}…), .. }}")
    );
    assert_eq!(
        format!("{:?}", two.alice),
        "Device { rotated_at: 1800000000000, .. }"
    );
    let state = Secret::from(vec![7; 5]);
    assert_eq!(format!("{state:?}"), "Secret(5 bytes)");
    let sealed = Sealed {
        stage: Stage::Opening,
        message: vec![1; 9],
    };
    assert_eq!(format!("{sealed:?}"), "Sealed(Opening, 9 bytes)");
}

proptest! {
    /// No bytes make a session or a device panic, and none are believed.
    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut two = two();
        let (_, mut bobs) = established();
        for stage in [Stage::Opening, Stage::Established] {
            prop_assert!(bobs.decrypt(stage, &bytes).is_err());
        }
        prop_assert!(two.bob.accept_session(&two.alice_record, &bytes).is_err());
        prop_assert!(OlmSession::from_state(&bytes).is_err());
    }

    /// A message with a changed byte is refused or says the same.
    #[test]
    fn a_mutated_message_never_says_something_else(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (mut alices, mut bobs) = established();
        let mut sealed = alices.encrypt(b"the text").unwrap();
        let at = at.index(sealed.message.len());
        sealed.message[at] ^= 1_u8 << bit;
        if let Ok(plaintext) = bobs.decrypt(sealed.stage, &sealed.message) {
            prop_assert_eq!(plaintext.as_slice(), b"the text");
        }
    }
}
