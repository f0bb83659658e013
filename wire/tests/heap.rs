//! Memory: reading and decoding a frame takes at most twice its length and 4 KiB, whatever a peer
//! puts into it and however it comes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use dchat_wire::codec::Field;
use dchat_wire::extension::{Extension, Extensions};
use dchat_wire::gossip::{Contact, GossipLeave, ItemHeader, Parting};
use dchat_wire::group::{GroupOperations, Parents, SignedOperation};
use dchat_wire::parcel::{Content, Entry, Parcel};
use dchat_wire::ping::Ping;
use dchat_wire::{Bytes, Frame, FrameReader, FrameType, List, decode, encode, limits};
use peak_alloc::PeakAlloc;
use support::{gossip, samples};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Most bytes that `work` held at once beyond what was held before. A reallocation counts the old
/// and the new block together.
fn peak<T>(work: impl FnOnce() -> T) -> usize {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    drop(work());
    HEAP.peak_usage() - before
}

fn bound(len: usize) -> usize {
    2 * len + 4096
}

#[track_caller]
fn reads_within_bound(stream: &[u8], piece: usize) {
    let took = peak(|| {
        let mut reader = FrameReader::new();
        for mut part in stream.chunks(piece) {
            while let Ok(Some(frame)) = reader.read(&mut part) {
                drop(frame);
            }
        }
        reader
    });
    assert!(
        took <= bound(stream.len()),
        "{took} bytes for a frame of {}",
        stream.len()
    );
}

#[track_caller]
fn decodes_within_bound<T: Field>(bytes: &[u8]) {
    let took = peak(|| decode::<T>(bytes));
    assert!(
        took <= bound(bytes.len()),
        "{took} bytes for a body of {}",
        bytes.len()
    );
}

fn largest_envelope() -> Vec<u8> {
    Frame::Envelope(samples::envelope(&vec![7; limits::RATCHET_MESSAGE])).to_bytes()
}

/// As many extensions as fit, each as small as can be: most memory for the fewest bytes.
fn hollow_extensions() -> Extensions {
    let hollow = |kind| Extension {
        kind,
        value: Bytes::default(),
    };
    Extensions::new(List::first_of((1..=16).map(hollow))).unwrap()
}

/// One test, because the counters are those of the whole process: beside another one even the
/// harness's printing would count.
/// Checks DC-GEN-003 (positive), DC-WIRE-002 (negative), DC-WIRE-013 (negative).
#[test]
fn memory_follows_what_came() {
    let cases: [(&str, fn()); 9] = [
        ("frames_in_pieces_of_any_size", frames_in_pieces_of_any_size),
        ("frames_with_any_byte_damaged", frames_with_any_byte_damaged),
        (
            "a_header_that_promises_a_body_which_does_not_come",
            a_header_that_promises_a_body_which_does_not_come,
        ),
        ("a_body_that_stops_on_its_way", a_body_that_stops_on_its_way),
        (
            "counts_that_promise_items_which_do_not_come",
            counts_that_promise_items_which_do_not_come,
        ),
        ("skipped_frames_take_nothing", skipped_frames_take_nothing),
        (
            "bodies_hollow_but_for_their_structure",
            bodies_hollow_but_for_their_structure,
        ),
        ("a_full_parcel", a_full_parcel),
        (
            "encoding_takes_the_result_and_no_more",
            encoding_takes_the_result_and_no_more,
        ),
    ];
    for (name, case) in cases {
        let outcome = std::panic::catch_unwind(case);
        assert!(outcome.is_ok(), "{name}");
    }
}

fn frames_in_pieces_of_any_size() {
    let mut frames: Vec<_> = samples::frames().iter().map(Frame::to_bytes).collect();
    frames.push(largest_envelope());
    frames.extend(gossip::fullest().iter().map(Frame::to_bytes));
    for frame in frames {
        for piece in [1, 7, 1000, 1 << 20] {
            reads_within_bound(&frame, piece);
        }
    }
}

fn frames_with_any_byte_damaged() {
    for frame in [samples::frames(), gossip::frames()].concat() {
        let mut bytes = frame.to_bytes();
        for at in 0..bytes.len() {
            for byte in [0, 1, 0x10, 0x7f, 0xff] {
                let kept = std::mem::replace(&mut bytes[at], byte);
                reads_within_bound(&bytes, 64);
                bytes[at] = kept;
            }
        }
    }
}

fn a_header_that_promises_a_body_which_does_not_come() {
    for frame_type in FrameType::ALL {
        let mut bytes = (frame_type.max_body() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&(*frame_type as u16).to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        reads_within_bound(&bytes, 1);
        bytes.push(0);
        reads_within_bound(&bytes, 1);
    }
}

/// Room is made for twice what came, beside what was held before.
fn a_body_that_stops_on_its_way() {
    let envelope = largest_envelope();
    for stop in [3_000, 9_000, 50_000, 100_000] {
        for piece in [100, 1_000, 2_500] {
            let took = peak(|| {
                let mut reader = FrameReader::new();
                for mut part in envelope[..stop].chunks(piece) {
                    assert_eq!(reader.read(&mut part), Ok(None));
                }
                reader
            });
            assert!(took <= 3 * stop + 1024, "{took} bytes for {stop}");
        }
    }
}

fn counts_that_promise_items_which_do_not_come() {
    for count in [1_u64, 2, 16, 64, 65, 1 << 16, 1 << 32, u64::MAX] {
        for filler in [0_u8, 1, 0xff] {
            let bytes = [&count.to_le_bytes(), [filler; 2000].as_slice()].concat();
            for start in [0, 8, 32, 48] {
                let bytes = [&vec![filler; start], bytes.as_slice()].concat();
                macro_rules! one {
                    ($body:ty) => {
                        decodes_within_bound::<$body>(&bytes)
                    };
                }
                support::bodies::for_every_body!(one);
            }
        }
    }
}

fn skipped_frames_take_nothing() {
    let mut stream = (limits::UNKNOWN_BODY as u32).to_le_bytes().to_vec();
    stream.extend_from_slice(&[0xff, 0x7f, 0, 0]);
    stream.resize(limits::FRAME_HEADER + limits::UNKNOWN_BODY, 0);
    let took = peak(|| FrameReader::new().read(&mut stream.as_slice()));
    assert_eq!(took, 0);
}

fn bodies_hollow_but_for_their_structure() {
    let ping = Ping {
        nonce: 0,
        extensions: hollow_extensions(),
    };
    decodes_within_bound::<Ping>(&encode(&ping));
    let header = ItemHeader {
        extensions: hollow_extensions(),
        ..gossip::header()
    };
    decodes_within_bound::<ItemHeader>(&encode(&header));
    let lonely = Contact {
        addresses: List::default(),
        ..gossip::contact()
    };
    let leave = GossipLeave {
        reason: Parting::Full,
        peers: List::new(vec![lonely; limits::GOSSIP_PEERS]).unwrap(),
        extensions: hollow_extensions(),
    };
    decodes_within_bound::<GossipLeave>(&encode(&leave));
    let hollow = SignedOperation {
        body: Bytes::default(),
        signature: [0; 64],
    };
    let operations = GroupOperations {
        group: [0; 32],
        heads: Parents::default(),
        lacking: Parents::default(),
        operations: List::new(vec![hollow; limits::GROUP_OPERATIONS]).unwrap(),
        extensions: hollow_extensions(),
    };
    decodes_within_bound::<GroupOperations>(&encode(&operations));
    for content in [
        None,
        Some(Content {
            sent_at: 0,
            expires_at: None,
            heads: List::default(),
            kind: 1,
            body: Bytes::default(),
            extensions: hollow_extensions(),
        }),
    ] {
        let entry = Entry {
            content,
            ..samples::stub()
        };
        let entries = vec![entry; limits::PARCEL_ENTRIES];
        let parcel = Parcel::new(List::default(), List::new(entries).unwrap());
        decodes_within_bound::<Parcel>(&encode(&parcel));
        decodes_within_bound::<Parcel>(&parcel.seal().unwrap());
    }
}

fn a_full_parcel() {
    let mut content = samples::content();
    content.body = Bytes::new(vec![b'x'; limits::TEXT]).unwrap();
    let entry = Entry {
        content: Some(content),
        ..samples::entry()
    };
    let bytes = Parcel::new(List::default(), List::first_of([entry]))
        .seal()
        .unwrap();
    let took = peak(|| Parcel::open(&bytes));
    assert!(
        took <= bound(bytes.len()),
        "{took} bytes for a parcel of {}",
        bytes.len()
    );
}

fn encoding_takes_the_result_and_no_more() {
    let frame = Frame::Envelope(samples::envelope(&vec![7; limits::RATCHET_MESSAGE]));
    let len = frame.to_bytes().len();
    assert_eq!(peak(|| frame.to_bytes()), len);
    let parcel = samples::parcel();
    let sealed = parcel.clone().seal().unwrap();
    let opened = Parcel::open(&sealed).unwrap();
    assert_eq!(peak(|| encode(&opened)), sealed.len());
}
