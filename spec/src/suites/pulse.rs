//! Signs of life in one datagram each way (`70-dht` §10).

use crate::case::{Case, Suite};
use crate::json::Json;

use super::digest::{PULSE, derive};

const QUESTION: u8 = 0x24;
const ANSWER: u8 = 0x25;
const NONCE: [u8; 8] = [0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7];

/// What the TLS exporter gave in all cases.
fn exported() -> [u8; 40] {
    core::array::from_fn(|index| 0x33 ^ (index as u8).wrapping_mul(11))
}

fn sealed(exported: &[u8; 40], kind: u8, nonce: &[u8]) -> Vec<u8> {
    let mut bytes = [&[kind], &exported[..8], nonce].concat();
    let key = derive(PULSE, &[&exported[8..]]);
    let mac = blake3::keyed_hash(&key, &bytes);
    bytes.extend_from_slice(&mac.as_bytes()[..16]);
    bytes
}

pub(super) fn suite() -> Suite {
    let of = |case: Case, datagram: &[u8]| {
        case.with("exported", Json::bytes(&exported()))
            .with("datagram", Json::bytes(datagram))
    };
    let read = |slug: &str, kind: &'static str, nonce: &[u8], datagram: &[u8]| {
        let expected = Json::Object(vec![("kind", kind.into()), ("nonce", Json::bytes(nonce))]);
        let req = &["DC-DHT-042", "DC-DHT-043"];
        of(
            Case::valid(format!("pulse/{slug}"), "pulse", req, expected),
            datagram,
        )
    };
    let dropped = |slug: &str, datagram: &[u8]| {
        of(
            Case::invalid(
                format!("pulse/{slug}"),
                "pulse",
                &["DC-DHT-043"],
                "no-meaning",
            ),
            datagram,
        )
    };
    let question = sealed(&exported(), QUESTION, &NONCE);
    let answer = sealed(&exported(), ANSWER, &NONCE);
    let flipped = |at: usize| {
        let mut changed = question.clone();
        changed[at] ^= 1;
        changed
    };
    let mut turned = question.clone();
    turned[0] = ANSWER;
    let mut other_secret = exported();
    other_secret[39] ^= 1;
    let mut other_id = exported();
    other_id[0] ^= 1;
    let longer = sealed(&exported(), QUESTION, &[0xe0; 9]);
    let mut bare = question[..17].to_vec();
    let secret: [u8; 32] = core::array::from_fn(|index| exported()[8 + index]);
    let unkeyed = blake3::keyed_hash(&secret, &bare);
    bare.extend_from_slice(&unkeyed.as_bytes()[..16]);
    Suite {
        name: "pulse",
        cases: vec![
            read("question", "question", &NONCE, &question),
            read("answer", "answer", &NONCE, &answer),
            read(
                "nonce-zeros",
                "question",
                &[0; 8],
                &sealed(&exported(), QUESTION, &[0; 8]),
            ),
            dropped("question-turned-into-an-answer", &turned),
            dropped("id-changed", &flipped(1)),
            dropped("nonce-changed", &flipped(9)),
            dropped("mac-changed", &flipped(32)),
            dropped(
                "of-another-secret",
                &sealed(&other_secret, QUESTION, &NONCE),
            ),
            dropped("of-another-id", &sealed(&other_id, QUESTION, &NONCE)),
            dropped("under-the-secret-itself", &bare),
            dropped("kind-0x23", &sealed(&exported(), 0x23, &NONCE)),
            dropped("kind-0x26", &sealed(&exported(), 0x26, &NONCE)),
            dropped("cut", &question[..32]),
            dropped("longer", &[question.as_slice(), &[0]].concat()),
            dropped("longer-nonce", &longer),
            dropped("empty", &[]),
        ],
    }
}
