//! Blinded records: found and read by those who share the secret, and by nobody else.

use std::collections::BTreeSet;

use dchat_kademlia::Time;
use dchat_kademlia::blinded::{EPOCH, Epoch, NotSealedForUs, PLAIN, Seal, Secret, TooLong};
use dchat_kademlia::record::validate;
use dchat_wire::advert::Presence;
use dchat_wire::record::{CLOCK_SKEW, SignedRecord, kind};
use proptest::prelude::*;
use zeroize::Zeroizing;

use crate::support::*;

fn secret(byte: u8) -> Secret {
    Secret::new(Zeroizing::new([byte; 32]))
}

const SIGNER: [u8; 32] = [4; 32];

fn seal(epoch: u64) -> Seal<'static> {
    Seal {
        epoch: Epoch(epoch),
        kind: kind::PRESENCE,
        signer: &SIGNER,
    }
}

#[test]
fn a_presence_is_found_and_read_by_the_other() {
    let (alice, bob) = (secret(1), secret(1));
    let epoch = Epoch::of(NOW);
    let identity = alice.identity(epoch, b"alice");
    let signer = *identity.peer_id().public_key();
    let seal = Seal {
        epoch,
        kind: kind::PRESENCE,
        signer: &signer,
    };
    let sealed = alice.seal(&seal, [9; 24], b"here").unwrap();
    let payload = presence(sealed.into_vec());
    let record = SignedRecord::issue(&identity, 1, NOW.0, HOUR, &payload);
    let key = bob.key(kind::PRESENCE, epoch, b"alice");
    let meta = validate(&key, &record, NOW).unwrap();
    let read = record.open::<Presence>(&meta.signer, NOW.0).unwrap();
    let plain = bob.open(&seal, read.payload.sealed.as_slice()).unwrap();
    assert_eq!(plain.as_slice(), b"here");
}

#[test]
fn keys_differ_by_secret_epoch_writer_and_kind() {
    let mut keys = BTreeSet::new();
    for byte in 0..3 {
        for epoch in 0..3 {
            for writer in [b"a".as_slice(), b"b", b""] {
                for kind in [kind::PRESENCE, kind::RENDEZVOUS] {
                    keys.insert(secret(byte).key(kind, Epoch(epoch), writer));
                }
            }
        }
    }
    assert_eq!(keys.len(), 3 * 3 * 3 * 2);
}

#[test]
fn nothing_else_opens_what_is_sealed() {
    let sealed = secret(1).seal(&seal(5), [9; 24], b"here").unwrap();
    let open = |secret: Secret, seal: Seal<'_>| secret.open(&seal, sealed.as_slice()).map(|_| ());
    assert_eq!(open(secret(1), seal(5)), Ok(()));
    assert_eq!(open(secret(2), seal(5)), Err(NotSealedForUs));
    assert_eq!(open(secret(1), seal(6)), Err(NotSealedForUs));
    let kind = Seal {
        kind: kind::RENDEZVOUS,
        ..seal(5)
    };
    assert_eq!(open(secret(1), kind), Err(NotSealedForUs));
    let signer = Seal {
        signer: &[5; 32],
        ..seal(5)
    };
    assert_eq!(open(secret(1), signer), Err(NotSealedForUs));
}

#[test]
fn any_flipped_bit_and_any_cut_is_refused() {
    let sealed = secret(1).seal(&seal(5), [9; 24], b"here").unwrap();
    let sealed = sealed.into_vec();
    for bit in 0..sealed.len() * 8 {
        let mut damaged = sealed.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(secret(1).open(&seal(5), &damaged).is_err(), "bit {bit}");
    }
    for end in 0..sealed.len() {
        assert!(secret(1).open(&seal(5), &sealed[..end]).is_err());
    }
}

#[test]
fn lengths_tell_little() {
    let lengths: BTreeSet<_> = (0..=PLAIN)
        .map(|len| {
            let sealed = secret(1).seal(&seal(5), [9; 24], &vec![1; len]);
            sealed.unwrap().as_slice().len()
        })
        .collect();
    assert_eq!(lengths, BTreeSet::from([256, 512, 1024]));
}

#[test]
fn more_than_fits_is_not_sealed() {
    let refused = secret(1).seal(&seal(5), [9; 24], &[1; PLAIN + 1]);
    assert_eq!(refused, Err(TooLong { len: PLAIN + 1 }));
    let refused = secret(1).seal(&seal(5), [9; 24], &[1; 1 << 17]);
    assert_eq!(refused, Err(TooLong { len: 1 << 17 }));
}

/// Checks DC-DHT-037 (positive, negative).
#[test]
fn near_a_boundary_two_epochs_are_asked_for() {
    let start = Epoch::of(NOW).0 * EPOCH;
    let asked = |into: u64| {
        let epochs = Epoch::readable(Time(start + into)).map(|epoch| epoch.0 * EPOCH);
        epochs.collect::<Vec<_>>()
    };
    assert_eq!(asked(0), [start, start - EPOCH]);
    assert_eq!(asked(CLOCK_SKEW - 1), [start, start - EPOCH]);
    assert_eq!(asked(CLOCK_SKEW), [start]);
    assert_eq!(asked(EPOCH - CLOCK_SKEW - 1), [start]);
    assert_eq!(asked(EPOCH - CLOCK_SKEW), [start, start + EPOCH]);
    assert_eq!(asked(EPOCH - 1), [start, start + EPOCH]);
}

#[test]
fn the_ends_of_time_have_epochs() {
    assert_eq!(Epoch::readable(Time(0)).collect::<Vec<_>>(), [Epoch(0)]);
    assert!(Epoch::readable(Time(u64::MAX)).count() <= 2);
    assert_eq!(Epoch(u64::MAX).end(), Time(u64::MAX));
    assert_eq!(Epoch::of(Epoch(7).end()), Epoch(8));
}

#[test]
fn debug_hides_the_secret() {
    assert_eq!(format!("{:?}", secret(1)), "Secret");
}

proptest! {
    #[test]
    fn a_writer_within_the_skew_is_found(now in EPOCH..u64::MAX / 2, off in 0..=2 * CLOCK_SKEW) {
        // The writer's clock is up to the skew ahead or behind.
        let writer = Epoch::of(Time(now + off - CLOCK_SKEW));
        prop_assert!(Epoch::readable(Time(now)).any(|epoch| epoch == writer));
    }

    #[test]
    fn what_is_sealed_opens(plain in proptest::collection::vec(any::<u8>(), 0..=PLAIN), nonce: [u8; 24]) {
        let sealed = secret(1).seal(&seal(5), nonce, &plain).unwrap();
        let opened = secret(1).open(&seal(5), sealed.as_slice()).unwrap();
        prop_assert_eq!(opened.as_slice(), plain.as_slice());
    }

    #[test]
    fn arbitrary_bytes_do_not_open(bytes: Vec<u8>) {
        prop_assert!(secret(1).open(&seal(5), &bytes).is_err());
    }
}
