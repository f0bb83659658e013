//! Packets cut in two and joined.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dchat_wire::relay::datagram::{Datagram, Part};
use proptest::prelude::*;

use crate::relay::proto::parts::{
    AGE_MAX, Numbers, PACKET_MAX, RELAY_NUMBERS, Reassembly, WAITING, cut,
};

fn take(reassembly: &mut Reassembly, datagram: &[u8], now: Instant) -> Option<Bytes> {
    match Datagram::open(datagram).unwrap() {
        Datagram::Whole { packet, .. } => Some(Bytes::copy_from_slice(packet)),
        Datagram::Part {
            number,
            part,
            bytes,
            ..
        } => reassembly.handle_part(number, part, bytes, now),
    }
}

/// Checks DC-RELAY-023 (positive, negative).
#[test]
fn numbers_of_the_ends_and_of_the_relay_never_meet() {
    let (mut end, mut relay) = (Numbers::end(), Numbers::relay());
    for round in 0..70_000u32 {
        let expected = (round % 0x8000) as u16;
        assert_eq!(end.next(), expected);
        assert_eq!(relay.next(), expected + RELAY_NUMBERS);
    }
}

#[test]
fn nothing_is_cut_that_is_empty_or_too_large() {
    let mut numbers = Numbers::end();
    assert!(cut(1, &[], 1200, &mut numbers).is_err());
    assert!(cut(1, &[0; 2387], 1200, &mut numbers).is_err());
    assert!(cut(1, &[0; 2386], 1200, &mut numbers).is_ok());
    assert!(cut(1, &[0], 0, &mut numbers).is_err());
    assert!(cut(1, &[0], 7, &mut numbers).is_ok());
    // A packet of one byte has no two parts.
    assert!(cut(1, &[0], 5, &mut numbers).is_err());
}

#[test]
fn a_duplicate_is_dropped_and_one_with_other_bytes_wins() {
    let now = Instant::now();
    let mut reassembly = Reassembly::new();
    assert_eq!(reassembly.handle_part(1, Part::First, b"old", now), None);
    assert_eq!(reassembly.handle_part(1, Part::First, b"old", now), None);
    assert_eq!(reassembly.handle_part(1, Part::First, b"new", now), None);
    let joined = reassembly.handle_part(1, Part::Second, b"er", now).unwrap();
    assert_eq!(&joined[..], b"newer");
    let stats = reassembly.stats();
    assert_eq!((stats.duplicate, stats.superseded, stats.joined), (1, 1, 1));
    assert_eq!(reassembly.waiting(), 0);
}

/// Checks DC-RELAY-015 (positive).
#[test]
fn a_part_waits_for_a_second_and_no_longer() {
    let now = Instant::now();
    let mut reassembly = Reassembly::new();
    reassembly.handle_part(1, Part::First, b"a", now);
    assert_eq!(reassembly.poll_timeout(), Some(now + AGE_MAX));
    reassembly.handle_timeout(now + AGE_MAX - Duration::from_nanos(1));
    assert_eq!(reassembly.waiting(), 1);
    reassembly.handle_timeout(now + AGE_MAX);
    assert_eq!((reassembly.waiting(), reassembly.poll_timeout()), (0, None));
    assert_eq!(
        reassembly.handle_part(1, Part::Second, b"b", now + AGE_MAX),
        None
    );
    assert_eq!(reassembly.stats().expired, 1);
}

/// Checks DC-RELAY-015 (negative).
#[test]
fn a_bomb_of_first_parts_is_bounded_and_the_newest_survive() {
    let now = Instant::now();
    let mut reassembly = Reassembly::new();
    for number in 0..1000 {
        assert_eq!(
            reassembly.handle_part(number, Part::First, &[1; PACKET_MAX - 1], now),
            None
        );
        assert!(reassembly.waiting() <= WAITING);
    }
    assert!(
        reassembly
            .handle_part(999, Part::Second, &[2], now)
            .is_some()
    );
    assert_eq!(reassembly.stats().overflowed, 1000 - WAITING as u64);
}

#[test]
fn what_would_be_larger_than_a_packet_is_dropped() {
    let now = Instant::now();
    let mut reassembly = Reassembly::new();
    assert_eq!(
        reassembly.handle_part(1, Part::First, &[1; PACKET_MAX], now),
        None
    );
    assert_eq!(reassembly.waiting(), 0);
    reassembly.handle_part(2, Part::First, &[1; 800], now);
    assert_eq!(
        reassembly.handle_part(2, Part::Second, &[1; 701], now),
        None
    );
    assert_eq!((reassembly.waiting(), reassembly.stats().too_large), (0, 2));
}

#[test]
fn a_part_that_is_too_large_alone_makes_no_other_too_old() {
    let now = Instant::now();
    let mut reassembly = Reassembly::new();
    assert_eq!(reassembly.handle_part(2714, Part::Second, b"er", now), None);
    let large = vec![0; PACKET_MAX];
    assert_eq!(reassembly.handle_part(2, Part::First, &large, now), None);
    let joined = reassembly.handle_part(2714, Part::First, b"new", now);
    assert_eq!(joined.as_deref(), Some(b"newer".as_slice()));
}

#[test]
fn a_number_that_comes_again_does_not_meet_a_part_left_from_its_last_use() {
    let now = Instant::now();
    let mut reassembly = Reassembly::new();
    reassembly.handle_part(5, Part::Second, b"stale", now);
    for number in 6..0x8000u16 {
        reassembly.handle_part(number, Part::First, b"a", now);
        assert!(
            reassembly
                .handle_part(number, Part::Second, b"b", now)
                .is_some()
        );
    }
    assert_eq!(reassembly.handle_part(5, Part::First, b"fresh", now), None);
    let joined = reassembly.handle_part(5, Part::Second, b"er", now);
    assert_eq!(joined.as_deref(), Some(&b"fresher"[..]));
}

proptest! {
    /// Checks DC-RELAY-014 (positive).
    #[test]
    fn whatever_the_sizes_both_parts_fit_and_join_to_the_packet(
        packet in prop::collection::vec(any::<u8>(), 1..PACKET_MAX),
        largest in 700..1600usize,
        swapped in any::<bool>(),
    ) {
        let Ok((first, second)) = cut(3, &packet, largest, &mut Numbers::end()) else {
            prop_assert!(packet.len() > 2 * (largest - 7));
            return Ok(());
        };
        prop_assert_eq!(second.is_none(), packet.len() + 5 <= largest);
        let mut datagrams: Vec<_> = [Some(first), second].into_iter().flatten().collect();
        prop_assert!(datagrams.iter().all(|datagram| datagram.len() <= largest));
        if swapped {
            datagrams.reverse();
        }
        let now = Instant::now();
        let mut reassembly = Reassembly::new();
        let joined: Vec<_> = datagrams
            .iter()
            .filter_map(|datagram| take(&mut reassembly, datagram, now))
            .collect();
        prop_assert_eq!(joined, [packet]);
    }

    /// Against a table without bounds, on operations that stay within them: loss, duplicates and
    /// reordering of parts, and time that passes.
    #[test]
    fn it_joins_what_a_table_without_bounds_would(
        ops in prop::collection::vec((0..40u16, any::<bool>(), 1..20usize, 0..60u64), 1..400),
        base in prop_oneof![Just(0u16), Just(0x7ff0), Just(RELAY_NUMBERS), Just(0xfff0)],
    ) {
        let mut reassembly = Reassembly::new();
        let mut table: BTreeMap<u16, (Part, Vec<u8>, Instant)> = BTreeMap::new();
        let mut now = Instant::now();
        for (serial, (offset, first, len, wait)) in ops.into_iter().enumerate() {
            now += Duration::from_millis(wait);
            let side = base & RELAY_NUMBERS;
            let number = side | (base.wrapping_add(offset) & !RELAY_NUMBERS);
            let part = if first { Part::First } else { Part::Second };
            // Some repeat the bytes of before.
            let bytes = vec![(serial / 3) as u8; len];
            table.retain(|_, (_, _, since)| *since + AGE_MAX > now);
            let expected = match table.remove(&number) {
                Some((before, other, _)) if before != part => Some(match part {
                    Part::First => [&bytes[..], &other[..]].concat(),
                    Part::Second => [&other[..], &bytes[..]].concat(),
                }),
                Some((before, same, since)) if same == bytes => {
                    table.insert(number, (before, same, since));
                    None
                }
                Some(_) | None => {
                    table.insert(number, (part, bytes.clone(), now));
                    None
                }
            };
            let joined = reassembly.handle_part(number, part, &bytes, now);
            prop_assert_eq!(joined.map(Vec::from), expected);
            prop_assert_eq!(reassembly.waiting(), table.len());
        }
    }

    /// Checks DC-RELAY-015 (negative).
    #[test]
    fn its_memory_is_bounded_whatever_comes(
        parts in prop::collection::vec(
            (any::<u16>(), any::<bool>(), 1..3000usize, 0..100u64), 1..500),
    ) {
        let mut reassembly = Reassembly::new();
        let mut now = Instant::now();
        for (number, first, len, wait) in parts {
            now += Duration::from_millis(wait);
            let part = if first { Part::First } else { Part::Second };
            let joined = reassembly.handle_part(number, part, &vec![0; len], now);
            prop_assert!(joined.is_none_or(|packet| packet.len() <= PACKET_MAX));
            prop_assert!(reassembly.waiting() <= WAITING);
            prop_assert!(reassembly.poll_timeout().is_none_or(|due| due > now));
        }
    }
}
