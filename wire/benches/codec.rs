//! How fast bodies are encoded and decoded: `cargo bench -p dchat-wire --bench codec`.
//!
//! Medians of 31 rounds, so that another process on the machine shows as little as possible.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on has failed, and its result goes to a person"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use dchat_wire::chat::{Envelope, Stage};
use dchat_wire::extension::Extensions;
use dchat_wire::parcel::{Frontier, Parcel};
use dchat_wire::sign::Identity;
use dchat_wire::{Bytes, Frame, FrameReader, List};

const ROUNDS: usize = 31;

fn main() {
    envelope("envelope of 64 KiB", 64 * 1024, 2_000);
    envelope("envelope of an acknowledgement", 256 + 64, 200_000);
    parcel();
}

fn envelope(name: &str, message: usize, times: u32) {
    let frame = Frame::Envelope(Envelope {
        session: [1; 32],
        stage: Stage::Established,
        message: Bytes::new(vec![7; message]).unwrap(),
        extensions: Extensions::default(),
    });
    let bytes = frame.to_bytes();
    report(&format!("{name}: encode"), bytes.len(), times, || {
        black_box(black_box(&frame).to_bytes());
    });
    report(
        &format!("{name}: read and decode"),
        bytes.len(),
        times,
        || {
            let mut input = black_box(bytes.as_slice());
            black_box(FrameReader::new().read(&mut input)).unwrap();
        },
    );
}

/// What an acknowledgement holds. Most of its time is checking the author's key.
fn parcel() {
    let frontier = Frontier {
        author: Identity::from_seed(&[1; 32]).peer_id(),
        incarnation: [2; 16],
        held: 3,
        low_water: 1,
        read: 3,
        tip: [4; 32],
    };
    let parcel = Parcel::new(List::first_of([frontier]), List::default());
    let bytes = parcel.clone().seal().unwrap();
    report("acknowledgement: seal", bytes.len(), 50_000, || {
        black_box(black_box(parcel.clone()).seal()).unwrap();
    });
    report("acknowledgement: open", bytes.len(), 20_000, || {
        black_box(Parcel::open(black_box(&bytes))).unwrap();
    });
}

/// Prints the median time of one `work` on `len` bytes.
fn report(name: &str, len: usize, times: u32, mut work: impl FnMut()) {
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = now();
            (0..times).for_each(|_| work());
            now().duration_since(start) / times
        })
        .collect();
    rounds.sort_unstable();
    let median = rounds[ROUNDS / 2];
    let rate = len as f64 / median.as_secs_f64() / 1e6;
    println!(
        "{name:46} {len:6} B {:9} ns {rate:9.0} MB/s",
        median.as_nanos()
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement needs a clock; the crate does not"
)]
fn now() -> Instant {
    Instant::now()
}
