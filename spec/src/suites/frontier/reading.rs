//! What one member reads in the sketch of another (`80-gossip` §6.2).

use crate::actor::filler;
use crate::case::Case;
use crate::json::Json;

use super::{
    HORIZON, Log, Of, P_AMOUNT, P_CHECK, P_HASHED, SALT, cell, cells, cells_of, check_of, closed,
    closed_at, hash_of, log, logs, old,
};

/// What is read: the logs of ours of which the other holds another part, with how far it holds them,
/// and hashes of those we do not know.
fn read(ours: &[Log], theirs: &[Log], of: Of) -> Json {
    let value = |held: &[Log], name: &[u8; 16]| {
        let found = held.iter().find(|log| log.name == *name && log.counts());
        found.map(|log| log.number(of))
    };
    let mut known: Vec<(&[u8; 16], u32)> = ours
        .iter()
        .filter(|log| log.counts())
        .map(|log| (&log.name, value(theirs, &log.name).unwrap_or(0)))
        .filter(|(name, theirs)| value(ours, name) != Some(*theirs))
        .collect();
    known.sort_unstable();
    let known = known.into_iter().map(|(name, theirs)| {
        Json::Object(vec![
            ("log", Json::bytes(name)),
            ("theirs", Json::Number(theirs)),
        ])
    });
    let known = Json::List(known.collect());
    let unknown = theirs
        .iter()
        .filter(|log| value(ours, &log.name).is_none() && log.counts());
    let mut unknown: Vec<u32> = unknown.map(|log| hash_of(&log.name, SALT)).collect();
    unknown.sort_unstable();
    let unknown = unknown.into_iter().map(|hash| Json::decimal(hash.into()));
    Json::Object(vec![
        ("known", known),
        ("unknown", Json::List(unknown.collect())),
    ])
}

/// What one reads who holds `ours` in the sketch of one who holds `theirs`.
pub(super) fn sequences() -> Vec<Case> {
    let req = &["DC-GOSSIP-032", "DC-GOSSIP-033"];
    let of = |case: Case, ours: &[Log], bytes: &[u8]| {
        case.with("logs", logs(ours))
            .with("horizon", Json::Number(HORIZON))
            .with("salt", Json::decimal(SALT.into()))
            .with("of", Json::Number(0))
            .with("bytes", Json::bytes(bytes))
    };
    let reads = |slug: &str, ours: &[Log], theirs: &[Log], count: usize| {
        let bytes = cells(theirs, SALT, Of::Sequences, 0, count);
        let case = Case::valid(
            format!("sketch-read/{slug}"),
            "sketch-read",
            req,
            read(ours, theirs, Of::Sequences),
        );
        of(case, ours, &bytes)
    };
    let refused = |slug: &str, error: &'static str, ours: &[Log], bytes: &[u8]| {
        let case = Case::invalid(format!("sketch-read/{slug}"), "sketch-read", req, error);
        of(case, ours, bytes)
    };
    let three = [log(1, 5), log(2, 70_000), log(3, 1)];
    let room = |from: u8, to: u8| -> Vec<Log> {
        (from..to)
            .map(|number| log(number, 100 + u32::from(number)))
            .collect()
    };
    let mut behind = room(0, 100);
    for log in behind.iter_mut().step_by(9) {
        log.seq -= 60;
    }
    let sum = |at: usize, bytes: &[u8]| {
        let mut changed = cells(&three, SALT, Of::Sequences, 0, 9);
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let good = cells(&three, SALT, Of::Sequences, 0, 9);
    vec![
        reads("nothing-differs", &three, &three, 9),
        reads(
            "one-behind",
            &three,
            &[log(1, 5), log(2, 69_998), log(3, 1)],
            9,
        ),
        reads(
            "one-ahead",
            &three,
            &[log(1, 5), log(2, 70_002), log(3, 1)],
            9,
        ),
        reads("one-unknown", &three[..2], &three, 9),
        reads("one-missing", &three, &three[..2], 9),
        reads("everything-new", &[], &three, 12),
        reads("one-closed", &three, &[log(1, 5), closed(2), log(3, 1)], 9),
        reads(
            "closed-here",
            &[log(1, 5), closed(2)],
            &[log(1, 5), log(2, 9)],
            9,
        ),
        reads("twelve-of-a-hundred", &room(0, 100), &behind, 40),
        reads("both-ways", &behind, &room(1, 101), 60),
        refused(
            "too-few-cells",
            "unreadable",
            &room(0, 50),
            &cells(&room(50, 100), SALT, Of::Sequences, 0, 20),
        ),
        refused(
            "another-salt",
            "unreadable",
            &room(0, 50),
            &cells(&room(0, 50), SALT + 1, Of::Sequences, 0, 60),
        ),
        refused(
            "amount-over-its-prime",
            "bad-cells",
            &three,
            &sum(0, &[0xfd, 0xff, 0xff]),
        ),
        refused(
            "hashed-over-its-prime",
            "bad-cells",
            &three,
            &sum(3, &[0xfb, 0xff, 0xff, 0xff]),
        ),
        refused(
            "check-over-its-prime",
            "bad-cells",
            &three,
            &sum(7, &[0xf1, 0xff]),
        ),
        refused("part-of-a-cell", "bad-cells", &three, &good[..80]),
        refused("no-cells", "bad-cells", &three, &[]),
        refused(
            "over-16384-cells",
            "bad-cells",
            &three,
            &vec![0; 16_385 * 9],
        ),
    ]
}

/// What one reads in the sketch of tips of one who holds as many items of each log, but not the same.
pub(super) fn tips() -> Vec<Case> {
    let req = &["DC-GOSSIP-032", "DC-GOSSIP-033"];
    let of = |case: Case, ours: &[Log], bytes: &[u8]| {
        case.with("logs", logs(ours))
            .with("horizon", Json::Number(HORIZON))
            .with("salt", Json::decimal(SALT.into()))
            .with("of", Json::Number(1))
            .with("bytes", Json::bytes(bytes))
    };
    let reads = |slug: &str, ours: &[Log], theirs: &[Log], count: usize| {
        let bytes = cells(theirs, SALT, Of::Tips, 0, count);
        let expected = read(ours, theirs, Of::Tips);
        let id = format!("sketch-read/tips-{slug}");
        of(Case::valid(id, "sketch-read", req, expected), ours, &bytes)
    };
    let refused = |slug: &str, error: &'static str, ours: &[Log], bytes: &[u8]| {
        let id = format!("sketch-read/tips-{slug}");
        of(Case::invalid(id, "sketch-read", req, error), ours, bytes)
    };
    let tip = |log: &Log, tip: [u8; 3]| {
        let mut log = log.clone();
        log.hash[..3].copy_from_slice(&tip);
        log
    };
    let three = [log(1, 5), log(2, 70_000), log(3, 1)];
    let with_second = |second: Log| [three[0].clone(), second, three[2].clone()];
    let of_second = |bytes: [u8; 3]| with_second(tip(&three[1], bytes));
    let fifty: Vec<Log> = (0..50).map(|number| log(number, 9)).collect();
    let mut forked = fifty.clone();
    for log in forked.iter_mut().step_by(6) {
        log.hash = filler(0xc0 | log.hash[0]);
    }
    let (least, most) = (of_second([0; 3]), of_second([0xff, 0xff, 0x3f]));
    let cut_off = of_second([0xff; 3]);
    let good = cells(&three, SALT, Of::Tips, 0, 9);
    let sum = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    // A single log whose tip comes to less than nothing, or to 2²³, when the cells are read.
    let beyond = |ours: &Log, by: i64| {
        let hash = hash_of(&ours.name, SALT);
        let value = i64::from(ours.number(Of::Tips)) + by;
        let mut sums = vec![[0_i64; 3]; 9];
        for at in cells_of(hash, SALT, 9) {
            let of_prime = |factor: i64, prime: i64| {
                let product = i128::from(value) * i128::from(factor);
                product.rem_euclid(i128::from(prime)) as i64
            };
            sums[at] = [
                of_prime(1, P_AMOUNT),
                of_prime(i64::from(hash), P_HASHED),
                of_prime(check_of(hash), P_CHECK),
            ];
        }
        sums.into_iter().flat_map(cell).collect::<Vec<u8>>()
    };
    let fork = Log {
        hash: filler(4),
        ..three[1].clone()
    };
    let one = tip(&log(1, 5), [9, 0, 0]);
    let high = tip(&log(1, 5), [0xff, 0xff, 0x3f]);
    vec![
        reads("nothing-differs", &three, &three, 9),
        reads("one-forked", &three, &with_second(fork), 9),
        reads(
            "other-sequences-alone",
            &three,
            &with_second(log(2, 69_998)),
            9,
        ),
        reads("from-the-least-to-the-greatest", &least, &most, 9),
        reads("from-the-greatest-to-the-least", &most, &least, 9),
        reads("what-is-over-2-to-the-22-is-cut-off", &most, &cut_off, 9),
        reads("one-unknown", &three[..2], &three, 9),
        reads("one-missing", &three, &three[..2], 9),
        reads(
            "closed-there",
            &three,
            &with_second(closed_at(2, 70_000)),
            9,
        ),
        reads("closed-here", &with_second(closed_at(2, 70_000)), &three, 9),
        reads(
            "closed-here-and-there",
            &with_second(closed(2)),
            &with_second(closed_at(2, 9)),
            9,
        ),
        reads(
            "one-that-does-not-count",
            &three,
            &with_second(old(2, 70_000)),
            9,
        ),
        reads("nine-of-fifty", &fifty, &forked, 40),
        refused(
            "too-few-cells",
            "unreadable",
            &fifty,
            &cells(&forked, SALT, Of::Tips, 0, 5),
        ),
        refused(
            "another-salt",
            "unreadable",
            &fifty,
            &cells(&fifty, SALT + 1, Of::Tips, 0, 60),
        ),
        refused(
            "cells-of-sequences",
            "unreadable",
            &fifty,
            &cells(&fifty, SALT, Of::Sequences, 0, 40),
        ),
        refused(
            "less-than-nothing",
            "unreadable",
            std::slice::from_ref(&one),
            &beyond(&one, -10),
        ),
        refused(
            "over-2-to-the-23",
            "unreadable",
            std::slice::from_ref(&high),
            &beyond(&high, 4_194_305),
        ),
        refused(
            "unknown-and-less-than-nothing",
            "unreadable",
            &[],
            &beyond(&one, -10),
        ),
        refused(
            "amount-over-its-prime",
            "bad-cells",
            &three,
            &sum(0, &[0xfd, 0xff, 0xff]),
        ),
        refused(
            "hashed-over-its-prime",
            "bad-cells",
            &three,
            &sum(3, &[0xfb, 0xff, 0xff, 0xff]),
        ),
        refused(
            "check-over-its-prime",
            "bad-cells",
            &three,
            &sum(7, &[0xf1, 0xff]),
        ),
        refused("part-of-a-cell", "bad-cells", &three, &good[..80]),
        refused("no-cells", "bad-cells", &three, &[]),
    ]
}
