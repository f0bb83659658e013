//! Digests, sketches and sums of what a member holds (`80-gossip` §5, §6 and §9).

mod reading;

use crate::actor::filler;
use crate::case::{Case, Suite};
use crate::json::Json;

use super::digest::{FRONTIER, derive};

const P_AMOUNT: i64 = 16_777_213;
const P_HASHED: i64 = 4_294_967_291;
const P_CHECK: i64 = 65_521;
const CLOSED: u32 = 1 << 22;
/// The horizon of all cases, in hours since 1970.
const HORIZON: u32 = 498_700;
const SALT: u32 = 0x1234_5678;

/// What is sketched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Sequences,
    Tips,
}

/// How far one log is held.
#[derive(Clone, Debug)]
struct Log {
    name: [u8; 16],
    hash: [u8; 32],
    seq: u32,
    closed: bool,
    hour: u32,
}

fn log(number: u8, seq: u32) -> Log {
    let mut name = [0; 16];
    name.copy_from_slice(&derive("dchat/1 2026-11 vector", &[&[number]])[..16]);
    Log {
        name,
        hash: filler(number),
        seq,
        closed: false,
        hour: HORIZON,
    }
}

fn closed(number: u8) -> Log {
    Log {
        hash: [0; 32],
        closed: true,
        ..log(number, 0)
    }
}

/// Closed, and given with what was held of it before.
fn closed_at(number: u8, seq: u32) -> Log {
    Log {
        closed: true,
        ..log(number, seq)
    }
}

fn old(number: u8, seq: u32) -> Log {
    Log {
        hour: HORIZON - 1,
        ..log(number, seq)
    }
}

impl Log {
    fn counts(&self) -> bool {
        (self.seq > 0 || self.closed) && self.hour >= HORIZON
    }

    fn value(&self) -> u32 {
        if self.closed { CLOSED } else { self.seq }
    }

    /// What stands for its newest item in digests: nothing does in a closed log.
    fn tip(&self) -> [u8; 32] {
        if self.closed { [0; 32] } else { self.hash }
    }

    /// Its number in a sketch.
    fn number(&self, of: Of) -> u32 {
        let [a, b, c, ..] = self.tip();
        match of {
            Of::Sequences => self.value(),
            Of::Tips => u32::from_le_bytes([a, b, c, 0]) % CLOSED,
        }
    }

    fn json(&self) -> Json {
        Json::Object(vec![
            ("name", Json::bytes(&self.name)),
            ("hash", Json::bytes(&self.hash)),
            ("seq", Json::Number(self.seq)),
            ("closed", Json::Bool(self.closed)),
            ("hour", Json::Number(self.hour)),
        ])
    }
}

fn logs(logs: &[Log]) -> Json {
    Json::List(logs.iter().map(Log::json).collect())
}

pub(super) fn suite() -> Suite {
    let mut cases = digests();
    cases.extend(sketches());
    cases.extend(reading::sequences());
    cases.extend(reading::tips());
    cases.extend(sums());
    Suite {
        name: "frontier",
        cases,
    }
}

fn root(logs: &[Log], nonces: [u64; 2]) -> (u64, u32) {
    let mut counting: Vec<&Log> = logs.iter().filter(|log| log.counts()).collect();
    counting.sort_unstable_by_key(|log| log.name);
    let mut parts = Vec::new();
    for first in 0..=255 {
        let mut part = Vec::new();
        for log in counting.iter().filter(|log| log.name[0] == first) {
            part.extend_from_slice(&log.name);
            part.extend_from_slice(&log.tip());
            part.extend_from_slice(&log.value().to_le_bytes());
        }
        let hash = if part.is_empty() {
            [0; 32]
        } else {
            derive(FRONTIER, &[&part])
        };
        parts.extend_from_slice(&hash);
    }
    let root = derive(FRONTIER, &[&parts]);
    let [one, other] = nonces;
    let (low, high) = (one.min(other).to_le_bytes(), one.max(other).to_le_bytes());
    let mut salted = [0; 8];
    salted.copy_from_slice(&derive(FRONTIER, &[&low, &high, &root])[..8]);
    let total = counting
        .iter()
        .filter(|log| !log.closed)
        .fold(0_u32, |sum, log| sum.wrapping_add(log.seq));
    (u64::from_le_bytes(salted), total)
}

fn digests() -> Vec<Case> {
    let req = &["DC-GOSSIP-029"];
    let of = |case: Case, held: &[Log], nonces: [u64; 2]| {
        case.with("logs", logs(held))
            .with("horizon", Json::Number(HORIZON))
            .with("nonces", Json::List(nonces.map(Json::decimal).to_vec()))
    };
    let digest = |slug: &str, held: &[Log], nonces: [u64; 2]| {
        let (root, total) = root(held, nonces);
        let expected = Json::Object(vec![
            ("root", Json::decimal(root)),
            ("total", Json::Number(total)),
        ]);
        let case = Case::valid(format!("digest/{slug}"), "digest", req, expected);
        of(case, held, nonces)
    };
    let three = [log(1, 5), log(2, 70_000), log(3, 1)];
    let turned = [three[2].clone(), three[0].clone(), three[1].clone()];
    let wrong = |slug: &str, held: &[Log], nonces: [u64; 2]| {
        let case = Case::invalid(format!("digest/{slug}"), "digest", req, "mismatch");
        let claimed = Json::decimal(root(held, nonces).0);
        of(case, &three, [7, 9]).with("claimed", claimed)
    };
    let mut forked = three.clone();
    forked[0].hash = filler(99);
    let many: Vec<Log> = (0..=255)
        .map(|number| log(number, u32::from(number) + 1))
        .collect();
    vec![
        digest("nothing", &[], [7, 9]),
        digest("three-logs", &three, [7, 9]),
        digest("in-another-order", &turned, [7, 9]),
        digest("nonces-turned", &three, [9, 7]),
        digest("a-closed-log", &[log(1, 5), closed(2)], [7, 9]),
        digest(
            "a-closed-log-of-which-much-was-held",
            &[log(1, 5), closed_at(2, 70_000)],
            [7, 9],
        ),
        digest("a-log-that-does-not-count", &[log(1, 5), old(2, 9)], [7, 9]),
        digest(
            "a-log-of-which-nothing-is-held",
            &[log(1, 5), log(2, 0)],
            [7, 9],
        ),
        digest("total-turns-over", &[log(1, u32::MAX), log(2, 3)], [7, 9]),
        digest("many", &many, [0, u64::MAX]),
        wrong(
            "of-another-sequence",
            &[log(1, 6), log(2, 70_000), log(3, 1)],
            [7, 9],
        ),
        wrong("of-another-hash", &forked, [7, 9]),
        wrong("of-fewer", &three[..2], [7, 9]),
        wrong(
            "of-one-more",
            &[three.as_slice(), &[closed(9)]].concat(),
            [7, 9],
        ),
        wrong("of-another-link", &three, [7, 8]),
    ]
}

/// SipHash-2-4 of sixteen bytes.
fn siphash(key: [u64; 2], message: [u64; 2]) -> u64 {
    let [a, b] = key;
    let mut v = [
        a ^ 0x736f_6d65_7073_6575,
        b ^ 0x646f_7261_6e64_6f6d,
        a ^ 0x6c79_6765_6e65_7261,
        b ^ 0x7465_6462_7974_6573,
    ];
    let round = |v: &mut [u64; 4]| {
        v[0] = v[0].wrapping_add(v[1]);
        v[2] = v[2].wrapping_add(v[3]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[1]);
        v[0] = v[0].wrapping_add(v[3]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].rotate_left(32);
    };
    for word in [message[0], message[1], 16 << 56] {
        v[3] ^= word;
        round(&mut v);
        round(&mut v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn halves(name: &[u8; 16]) -> [u64; 2] {
    let number = u128::from_le_bytes(*name);
    [number as u64, (number >> 64) as u64]
}

fn hash_of(name: &[u8; 16], salt: u32) -> u32 {
    let key = [salt.into(), u64::from_le_bytes(*b"ks tahcd")];
    (siphash(key, halves(name)) % (P_HASHED as u64 - 1) + 1) as u32
}

/// The numbers of a log's cells below `end`.
fn cells_of(hash: u32, salt: u32, end: u64) -> Vec<usize> {
    let mut state = u64::from(hash) << 32 | u64::from(salt);
    let (mut cells, mut cell) = (Vec::new(), 0_u64);
    while cell < end {
        cells.push(cell as usize);
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let draw = (z ^ (z >> 31)) >> 32;
        let root = ((draw + 1) << 32).isqrt();
        cell += 1 + (2 * cell + 3) * ((1 << 32) - root) / (2 * root);
    }
    cells
}

fn check_of(hash: u32) -> i64 {
    let mixed = (u64::from(hash) ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (1 + (mixed >> 40) % (P_CHECK as u64 - 1)) as i64
}

fn cells(held: &[Log], salt: u32, of: Of, first: usize, count: usize) -> Vec<u8> {
    let mut sums = vec![[0_i64; 3]; first + count];
    for log in held.iter().filter(|log| log.counts()) {
        let value = i64::from(log.number(of));
        let hash = hash_of(&log.name, salt);
        for cell in cells_of(hash, salt, (first + count) as u64) {
            let [amount, hashed, check] = &mut sums[cell];
            *amount = (*amount + value) % P_AMOUNT;
            *hashed = (*hashed + value * (i64::from(hash) % P_HASHED) % P_HASHED) % P_HASHED;
            *check = (*check + value % P_CHECK * check_of(hash)) % P_CHECK;
        }
    }
    sums[first..].iter().flat_map(|sums| cell(*sums)).collect()
}

fn cell([amount, hashed, check]: [i64; 3]) -> Vec<u8> {
    [
        &amount.to_le_bytes()[..3],
        &hashed.to_le_bytes()[..4],
        &check.to_le_bytes()[..2],
    ]
    .concat()
}

fn sketches() -> Vec<Case> {
    let req = &["DC-GOSSIP-033"];
    let of = |case: Case, held: &[Log], salt: u32, what: Of, first: usize, count: usize| {
        case.with("logs", logs(held))
            .with("horizon", Json::Number(HORIZON))
            .with("salt", Json::decimal(salt.into()))
            .with("of", Json::Number(u32::from(what == Of::Tips)))
            .with("first", Json::Number(first as u32))
            .with("count", Json::Number(count as u32))
    };
    let sketch = |slug: &str, held: &[Log], what: Of, first: usize, count: usize| {
        let bytes = Json::bytes(&cells(held, SALT, what, first, count));
        let expected = Json::Object(vec![("cells", bytes)]);
        let case = Case::valid(format!("sketch/{slug}"), "sketch", req, expected);
        of(case, held, SALT, what, first, count)
    };
    let three = [log(1, 5), log(2, 70_000), log(3, 1)];
    let wrong = |slug: &str, claimed: &[u8]| {
        let case = Case::invalid(format!("sketch/{slug}"), "sketch", req, "mismatch");
        of(case, &three, SALT, Of::Sequences, 0, 9).with("claimed", Json::bytes(claimed))
    };
    let most = [log(1, (1 << 22) - 1), closed(2)];
    vec![
        sketch("nothing", &[], Of::Sequences, 0, 9),
        sketch("three-logs", &three, Of::Sequences, 0, 9),
        sketch("later-cells", &three, Of::Sequences, 9, 9),
        sketch("cells-far-away", &three, Of::Sequences, 4000, 60),
        sketch("tips", &three, Of::Tips, 0, 9),
        // The third byte of the tips of these is not below 0x40: what is over 2²² is cut off.
        sketch(
            "tips-modulo-2-to-the-22",
            &[log(0x3e, 5), log(0x80, 70_000), log(0xfd, 1)],
            Of::Tips,
            0,
            9,
        ),
        sketch(
            "tips-with-a-closed-log",
            &[log(1, 5), closed_at(2, 9), log(3, 1)],
            Of::Tips,
            0,
            9,
        ),
        sketch(
            "a-closed-log-of-which-much-was-held",
            &[log(1, 5), closed_at(2, 9)],
            Of::Sequences,
            0,
            9,
        ),
        sketch("largest-values", &most, Of::Sequences, 0, 9),
        sketch(
            "a-log-that-does-not-count",
            &[log(1, 5), old(2, 9)],
            Of::Sequences,
            0,
            9,
        ),
        wrong(
            "with-another-salt",
            &cells(&three, SALT + 1, Of::Sequences, 0, 9),
        ),
        wrong("of-tips", &cells(&three, SALT, Of::Tips, 0, 9)),
        wrong("of-other-cells", &cells(&three, SALT, Of::Sequences, 1, 9)),
        wrong(
            "with-the-old-log",
            &cells(
                &[three.as_slice(), &[log(4, 9)]].concat(),
                SALT,
                Of::Sequences,
                0,
                9,
            ),
        ),
    ]
}

fn sums() -> Vec<Case> {
    let req = &["DC-GOSSIP-049"];
    let places = |places: &[[u64; 2]]| {
        Json::List(
            places
                .iter()
                .map(|place| Json::List(place.map(Json::decimal).to_vec()))
                .collect(),
        )
    };
    let of = |case: Case, salt: u64, held: &[[u64; 2]], from: [u64; 2], to: [u64; 2]| {
        case.with("salt", Json::decimal(salt))
            .with("items", places(held))
            .with("span", places(&[from, to]))
    };
    let sum = |salt: u64, held: &[[u64; 2]], from: [u64; 2], to: [u64; 2]| {
        let within = held.iter().filter(|place| from <= **place && **place < to);
        let key = [salt, u64::from_le_bytes(*b"musegnar")];
        within.fold((0_u64, 0_u32), |(sum, count), place| {
            (sum.wrapping_add(siphash(key, *place)), count + 1)
        })
    };
    let span = |slug: &str, salt: u64, held: &[[u64; 2]], from: [u64; 2], to: [u64; 2]| {
        let (sum, count) = sum(salt, held, from, to);
        let expected = Json::Object(vec![
            ("sum", Json::decimal(sum)),
            ("count", Json::Number(count)),
        ]);
        let case = Case::valid(format!("archive/{slug}"), "span", req, expected);
        of(case, salt, held, from, to)
    };
    let at = super::item::SENT_AT;
    let two = [[at, 0x0102_0304_0506_0708], [at + 9, 7]];
    let (all, end) = ([0, 0], [u64::MAX, u64::MAX]);
    let wrong = |slug: &str, claimed: u64| {
        let case = Case::invalid(format!("archive/{slug}"), "span", req, "mismatch");
        of(case, 6, &two, all, end).with("claimed", Json::decimal(claimed))
    };
    vec![
        span("nothing", 6, &[], all, end),
        span("two-items", 6, &two, all, end),
        span("another-salt", 7, &two, all, end),
        span("up-to-and-without", 6, &two, all, two[1]),
        span("from-and-with", 6, &two, two[1], end),
        span(
            "same-time",
            6,
            &[[at, 1], [at, 2], [at, 3]],
            [at, 2],
            [at, 3],
        ),
        wrong("sum-of-one", sum(6, &two[..1], all, end).0),
        wrong("sum-under-another-salt", sum(7, &two, all, end).0),
        wrong(
            "sum-of-turned-places",
            sum(6, &[[two[0][1], two[0][0]], two[1]], all, end).0,
        ),
        wrong("sum-big-endian", sum(6, &two, all, end).0.swap_bytes()),
    ]
}
