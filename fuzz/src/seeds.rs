//! The first inputs of every corpus, from fixed values.

use dchat_wire::parcel::Parcel;
use dchat_wire::{codec, encode, grease};

use crate::dht_seeds::dht;
use crate::gossip::frames as gossip_frames;
use crate::gossip_seeds::gossip;
use crate::machines::machines;
use crate::samples;
use crate::vector_seeds::vectors;

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Whose corpus it belongs to.
    pub target: &'static str,
    /// Its file.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// All seeds.
#[must_use]
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |target, name: &str, bytes: Vec<u8>| {
        let name = format!("seed-{name}");
        seeds.push(Seed {
            target,
            name,
            bytes,
        });
    };
    streams(&mut add);
    for (name, bytes) in bodies() {
        add("strict_decode", &name, bytes.clone());
        add("differential", &name, bytes);
    }
    // Any bytes make a value; those of an invite are varied enough to make every kind.
    for kind in 0..10 {
        let input = [&[kind], encode(&samples::invite()).as_slice()].concat();
        add("round_trip", &format!("kind-{kind}"), input);
    }
    for frame_type in 0..12 {
        let input = [&[0, frame_type], encode(&samples::invite()).as_slice()].concat();
        add("round_trip", &format!("frame-{frame_type}"), input);
    }
    for relay_frame in 0..7 {
        let input = [&[0, 12, relay_frame], encode(&samples::invite()).as_slice()].concat();
        add("round_trip", &format!("relay-frame-{relay_frame}"), input);
    }
    for dht_frame in 0..7 {
        let input = [&[0, 19, dht_frame], encode(&samples::invite()).as_slice()].concat();
        add("round_trip", &format!("dht-frame-{dht_frame}"), input);
    }
    records(&mut add);
    written(&mut add);
    probes(&mut add);
    vectors(&mut add);
    handshakes(&mut add);
    machines(&mut add);
    dht(&mut add);
    gossip(&mut add);
    seeds
}

/// Takes a target's name, a seed's, and its bytes.
pub(crate) type Add<'a> = dyn FnMut(&'static str, &str, Vec<u8>) + 'a;

fn streams(add: &mut Add<'_>) {
    let mut all = Vec::new();
    for frame in [samples::frames(), gossip_frames()].concat() {
        let bytes = frame.to_bytes();
        let name = snake(frame.frame_type().name());
        add("frame_stream", &name, [&[1, 7], bytes.as_slice()].concat());
        // Together they stay short enough for the fuzzer to work on.
        if bytes.len() <= 150 && all.len() < 1800 {
            all.extend(bytes);
            all.extend(grease::frame(all.len() as u8, b"skipped"));
        }
    }
    add(
        "frame_stream",
        "all-at-once",
        [&[0], all.as_slice()].concat(),
    );
    add(
        "frame_stream",
        "all-in-pieces",
        [&[3, 1, 0, 200], all.as_slice()].concat(),
    );
    add(
        "frame_stream",
        "critical-unknown",
        vec![0, 0, 0, 0, 0, 0xff, 0x7f, 1, 0],
    );
    add(
        "frame_stream",
        "too-long",
        vec![0, 0xff, 0xff, 0xff, 0xff, 1, 0, 1, 0],
    );
    add(
        "frame_stream",
        "unknown-skipped",
        vec![0, 2, 0, 0, 0, 0xff, 0x7f, 0, 0, 1, 2],
    );
}

fn bodies() -> Vec<(String, Vec<u8>)> {
    let mut bodies: Vec<_> = samples::encoded_bodies()
        .into_iter()
        .map(|(name, bytes)| (snake(name), bytes))
        .collect();
    bodies.push(("parcel-sealed".to_owned(), sealed(samples::parcel())));
    bodies.push(("address".to_owned(), encode(&samples::addresses()[4])));
    bodies
}

fn sealed(parcel: Parcel) -> Vec<u8> {
    parcel.seal().unwrap_or_default()
}

fn records(add: &mut Add<'_>) {
    for (name, record) in [
        ("device", samples::signed_device()),
        ("addresses", samples::signed_addresses()),
    ] {
        add(
            "signed_record",
            name,
            [&[0], codec::encode(&record).as_slice()].concat(),
        );
        let body = record.body.as_slice();
        add(
            "signed_record",
            &format!("{name}-body"),
            [&[77], body].concat(),
        );
    }
}

fn written(add: &mut Add<'_>) {
    for (index, address) in samples::addresses().into_iter().enumerate() {
        add(
            "address_invite",
            &format!("text-{index}"),
            address.to_string().into_bytes(),
        );
        add(
            "address_invite",
            &format!("binary-{index}"),
            encode(&address),
        );
    }
    let invite = samples::invite();
    add(
        "address_invite",
        "peer",
        invite.peer.to_string().into_bytes(),
    );
    add("address_invite", "link", invite.to_string().into_bytes());
    add("address_invite", "invite", encode(&invite));
}

fn probes(add: &mut Add<'_>) {
    let (ours, theirs) = samples::probe_keys();
    add("probe", "ask", samples::ask().seal(&ours, 64));
    add("probe", "ask-padded", samples::ask().seal(&ours, 100));
    add(
        "probe",
        "answer-v4",
        samples::answer(samples::v4()).seal(&theirs, 64),
    );
    add(
        "probe",
        "answer-v6",
        samples::answer(samples::v6()).seal(&ours, 64),
    );
}

pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|d| d as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect()
}

fn handshakes(add: &mut Add<'_>) {
    let of = |wanted: &[&str]| -> Vec<u8> {
        let frames = wanted.iter().flat_map(|name| {
            let frame = samples::frames()
                .into_iter()
                .find(|f| f.frame_type().name() == *name);
            frame.map(|frame| frame.to_bytes()).unwrap_or_default()
        });
        [1].into_iter().chain(frames).collect()
    };
    for (name, frames) in [
        ("in-order", &["Hello", "Identify", "IdentifyPush"][..]),
        ("hello-twice", &["Hello", "Hello"]),
        ("push-first", &["Hello", "IdentifyPush"]),
        ("no-hello", &["Identify"]),
        ("chat", &["Hello", "ChatOpen"]),
    ] {
        add("handshake", name, of(frames));
    }
}

/// `InviteProof` as `invite_proof`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
