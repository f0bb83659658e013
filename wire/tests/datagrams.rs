//! The datagrams between a peer and its relay, and those that REACH asks for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use dchat_wire::limits;
use dchat_wire::nat::reach_datagram;
use dchat_wire::relay::datagram::{Datagram, PART_HEADER, Part, WAKE, WHOLE_HEADER, rename};
use proptest::prelude::*;

fn bytes(datagram: &Datagram<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    datagram.append_to(&mut bytes);
    bytes
}

#[test]
fn a_whole_packet_is_written_behind_its_channel() {
    let datagram = Datagram::Whole {
        channel: 0x0403_0201,
        packet: b"packet",
    };
    assert_eq!(bytes(&datagram), b"\x01\x01\x02\x03\x04packet");
    assert_eq!(
        Datagram::open(b"\x01\x01\x02\x03\x04packet"),
        Some(datagram)
    );
}

#[test]
fn a_part_is_written_behind_its_channel_and_number() {
    let datagram = Datagram::Part {
        channel: 1,
        number: 0x0506,
        part: Part::Second,
        bytes: b"rest",
    };
    assert_eq!(bytes(&datagram), b"\x03\x01\x00\x00\x00\x06\x05rest");
    assert_eq!(Datagram::open(&bytes(&datagram)), Some(datagram));
}

#[test]
fn a_datagram_without_a_packet_or_of_another_kind_means_nothing() {
    let whole = bytes(&Datagram::Whole {
        channel: 7,
        packet: b"x",
    });
    let part = bytes(&Datagram::Part {
        channel: 7,
        number: 1,
        part: Part::First,
        bytes: b"x",
    });
    for datagram in [
        &whole[..WHOLE_HEADER],
        &part[..PART_HEADER],
        &[WAKE][..],
        &[],
    ] {
        assert_eq!(Datagram::open(datagram), None);
    }
    for kind in (0..=u8::MAX).filter(|kind| !(1..=3).contains(kind)) {
        let mut other = part.clone();
        other[0] = kind;
        assert_eq!(Datagram::open(&other), None);
    }
}

#[test]
fn a_reach_datagram_is_exactly_its_token_and_zeros() {
    let datagram = reach_datagram::seal(&[9; 16]);
    assert_eq!(datagram.len(), limits::PROBE);
    assert_eq!(reach_datagram::open(&datagram), Some([9; 16]));
    for at in 0..datagram.len() {
        let mut other = datagram;
        other[at] ^= 1;
        let token = reach_datagram::open(&other);
        // Only another token is another datagram.
        assert_eq!(token.is_some(), (1..17).contains(&at), "byte {at}");
    }
    assert_eq!(reach_datagram::open(&datagram[..63]), None);
    assert_eq!(reach_datagram::open(&[&datagram[..], &[0]].concat()), None);
}

/// Of every kind, and of some that are none; mostly long enough to mean something.
fn any_datagram() -> impl Strategy<Value = Vec<u8>> {
    (0..5_u8, prop::collection::vec(any::<u8>(), 0..20))
        .prop_map(|(kind, rest)| [vec![kind], rest].concat())
}

#[test]
fn renaming_writes_the_channel_in_its_place() {
    let mut datagram = *b"\x01\x01\x02\x03\x04packet";
    rename(&mut datagram, 0x0807_0605);
    assert_eq!(datagram, *b"\x01\x05\x06\x07\x08packet");
    let mut short = [1, 2, 3, 4];
    rename(&mut short, 9);
    assert_eq!(short, [1, 2, 3, 4]);
}

proptest! {
    #[test]
    fn what_opens_is_written_as_it_came(datagram in any_datagram()) {
        if let Some(open) = Datagram::open(&datagram) {
            prop_assert_eq!(bytes(&open), datagram);
        }
    }

    /// A relay writes into what it cannot trust.
    #[test]
    fn renaming_changes_the_channel_and_nothing_else(datagram in any_datagram(), channel: u32) {
        let mut renamed = datagram.clone();
        rename(&mut renamed, channel);
        match (Datagram::open(&datagram), Datagram::open(&renamed)) {
            (Some(before), Some(after)) => {
                prop_assert_eq!(after.channel(), channel);
                let mut back = renamed.clone();
                rename(&mut back, before.channel());
                prop_assert_eq!(back, datagram);
            }
            (before, after) => prop_assert_eq!(before, after),
        }
    }
}
