//! Path probes (`30-transport` §6).

use crate::case::{Case, Suite};
use crate::json::Json;

use super::digest::probe_mac;

/// What the TLS exporter gave in all cases.
fn exported() -> [u8; 80] {
    core::array::from_fn(|index| 0x60 ^ (index as u8).wrapping_mul(7))
}

#[derive(Clone, Copy)]
enum Sender {
    Dialer,
    Listener,
}

impl Sender {
    fn name(self) -> &'static str {
        match self {
            Self::Dialer => "dialer",
            Self::Listener => "listener",
        }
    }

    fn keys(self) -> ([u8; 8], [u8; 32]) {
        let from = match self {
            Self::Dialer => 0,
            Self::Listener => 40,
        };
        let exported = exported();
        let (mut tag, mut key) = ([0; 8], [0; 32]);
        tag.copy_from_slice(&exported[from..from + 8]);
        key.copy_from_slice(&exported[from + 8..from + 40]);
        (tag, key)
    }
}

const ASK: u8 = 0x21;
const ANSWER: u8 = 0x22;
const TRANSACTION: [u8; 8] = [0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7];
const NOWHERE: [u8; 16] = [0; 16];
const V4: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7];
const V6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// A datagram before its MAC is put in.
fn unsealed(sender: Sender, kind: u8, ip: [u8; 16], port: u16, len: usize) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&sender.keys().0);
    bytes.extend_from_slice(&TRANSACTION);
    bytes.extend_from_slice(&ip);
    bytes.extend_from_slice(&port.to_le_bytes());
    bytes.resize(len, 0);
    bytes
}

fn sealed(sender: Sender, mut bytes: Vec<u8>) -> Vec<u8> {
    let mac = probe_mac(&sender.keys().1, &bytes[..48], &bytes[64..]);
    bytes[48..64].copy_from_slice(&mac);
    bytes
}

fn ask(sender: Sender, len: usize) -> Vec<u8> {
    sealed(sender, unsealed(sender, ASK, NOWHERE, 0, len))
}

fn answer(sender: Sender, ip: [u8; 16], port: u16) -> Vec<u8> {
    sealed(sender, unsealed(sender, ANSWER, ip, port, 64))
}

pub(super) fn suite() -> Suite {
    let mut cases = accepted();
    cases.extend(forged());
    cases.extend(misshapen());
    Suite {
        name: "probe",
        cases,
    }
}

fn sent(case: Case, sender: Sender, datagram: &[u8]) -> Case {
    case.with("exported", Json::bytes(&exported()))
        .with("sender", sender.name())
        .with("datagram", Json::bytes(datagram))
}

fn accepted() -> Vec<Case> {
    use Sender::{Dialer, Listener};
    let all = [
        ("ask-64", Dialer, ask(Dialer, 64), None),
        ("ask-from-listener", Listener, ask(Listener, 64), None),
        ("ask-65", Dialer, ask(Dialer, 65), None),
        ("ask-1200", Dialer, ask(Dialer, 1200), None),
        ("ask-1472", Dialer, ask(Dialer, 1472), None),
        (
            "answer-ip4",
            Listener,
            answer(Listener, V4, 4001),
            Some("192.0.2.7:4001"),
        ),
        (
            "answer-ip6",
            Listener,
            answer(Listener, V6, 4001),
            Some("[2001:db8::1]:4001"),
        ),
        (
            "answer-from-dialer",
            Dialer,
            answer(Dialer, V4, 1),
            Some("192.0.2.7:1"),
        ),
        (
            "answer-highest-port",
            Dialer,
            answer(Dialer, V4, 65_535),
            Some("192.0.2.7:65535"),
        ),
    ];
    all.into_iter()
        .map(|(slug, sender, datagram, observed)| {
            let kind = if observed.is_some() { "answer" } else { "ask" };
            let expected = Json::Object(vec![
                ("kind", kind.into()),
                ("transaction", Json::bytes(&TRANSACTION)),
                ("observed", observed.map_or(Json::Null, Json::from)),
            ]);
            let req = &["DC-CONN-043", "DC-CONN-044", "DC-CONN-046"];
            sent(
                Case::valid(format!("probe/{slug}"), "probe", req, expected),
                sender,
                &datagram,
            )
        })
        .collect()
}

fn forged() -> Vec<Case> {
    use Sender::{Dialer, Listener};
    let good = ask(Dialer, 100);
    let flipped = |bit: usize| {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    let mut cut_key = unsealed(Dialer, ASK, NOWHERE, 0, 64);
    let mac = blake3::keyed_hash(&Dialer.keys().1, &cut_key[..48]);
    cut_key[48..].copy_from_slice(&mac.as_bytes()[..16]);
    let all = [
        ("kind-changed", flipped(1)),
        ("tag-changed", flipped(8)),
        ("transaction-changed", flipped(9 * 8)),
        ("mac-first-bit", flipped(48 * 8)),
        ("mac-last-bit", flipped(64 * 8 - 1)),
        ("padding-changed", flipped(99 * 8)),
        ("padding-cut", good[..99].to_vec()),
        ("padding-added", [good.as_slice(), &[0]].concat()),
        ("reflected", ask(Listener, 100)),
        ("key-not-derived", cut_key),
        ("mac-zeros", unsealed(Dialer, ASK, NOWHERE, 0, 64)),
    ];
    all.into_iter()
        .map(|(slug, datagram)| {
            let id = format!("probe/{slug}");
            sent(
                Case::invalid(id, "probe", &["DC-CONN-043"], "invalid"),
                Dialer,
                &datagram,
            )
        })
        .collect()
}

fn misshapen() -> Vec<Case> {
    let made = |kind: u8, ip: [u8; 16], port: u16, len: usize| {
        sealed(
            Sender::Dialer,
            unsealed(Sender::Dialer, kind, ip, port, len),
        )
    };
    let with = |offset: usize| {
        let mut bytes = unsealed(Sender::Dialer, ASK, NOWHERE, 0, 80);
        bytes[offset] = 1;
        sealed(Sender::Dialer, bytes)
    };
    let short = ask(Sender::Dialer, 64);
    let all = [
        ("empty", Vec::new(), "unexpected-end"),
        ("one-byte", vec![ASK], "unexpected-end"),
        ("63-bytes", short[..63].to_vec(), "unexpected-end"),
        ("ask-1473", made(ASK, NOWHERE, 0, 1473), "invalid"),
        ("ask-with-address", made(ASK, V4, 0, 64), "invalid"),
        ("ask-with-port", made(ASK, NOWHERE, 1, 64), "invalid"),
        ("answer-65", made(ANSWER, V4, 4001, 65), "invalid"),
        ("answer-1200", made(ANSWER, V4, 4001, 1200), "invalid"),
        ("other-kind", made(0x23, V4, 4001, 64), "invalid"),
        ("quic-bit", made(0x61, NOWHERE, 0, 64), "invalid"),
        ("first-reserved-byte", with(35), "invalid"),
        ("last-reserved-byte", with(47), "invalid"),
        ("first-padding-byte", with(64), "invalid"),
        ("last-padding-byte", with(79), "invalid"),
    ];
    all.into_iter()
        .map(|(slug, datagram, error)| {
            let id = format!("probe/{slug}");
            sent(
                Case::invalid(id, "probe", &["DC-CONN-044"], error),
                Sender::Dialer,
                &datagram,
            )
        })
        .collect()
}
