//! The length a parcel is padded to (`40-messaging` §4.1).

use crate::case::{Case, Suite};
use crate::json::Json;

/// `P(n)`.
pub(super) fn padded(len: usize) -> usize {
    let len = len.max(256);
    let exponent = len.ilog2();
    let kept = exponent.ilog2() + 1;
    len.next_multiple_of(1 << (exponent - kept)).min(131_072)
}

pub(super) fn suite() -> Suite {
    // Both sides of each step where the law or a bound changes.
    let mut lengths = vec![0, 1, 31, 32, 33, 255, 273, 1000, 100_000, 131_008, 131_009];
    for power in 8..=17 {
        let length = 1_usize << power;
        lengths.extend([length - 1, length, length + 1]);
    }
    lengths.retain(|length| *length <= 131_072);
    lengths.sort_unstable();
    lengths.dedup();
    let req = &["DC-CHAT-030"];
    let mut cases: Vec<Case> = lengths
        .into_iter()
        .map(|length| {
            let expected = Json::Object(vec![("padded", Json::Number(padded(length) as u32))]);
            Case::valid(format!("padding/{length}"), "padded-length", req, expected)
                .with("length", Json::Number(length as u32))
        })
        .collect();
    for (length, claimed) in [
        (0, 0),
        (32, 32),
        (256, 272),
        (257, 288),
        (513, 528),
        (65_537, 65_537),
    ] {
        let id = format!("padding/{length}-is-not-{claimed}");
        cases.push(
            Case::invalid(id, "padded-length", req, "mismatch")
                .with("length", Json::Number(length))
                .with("claimed", Json::Number(claimed)),
        );
    }
    for length in [131_073, 200_000] {
        let id = format!("padding/{length}");
        cases.push(
            Case::invalid(id, "padded-length", &["DC-CHAT-029"], "over-limit")
                .with("length", Json::Number(length)),
        );
    }
    Suite {
        name: "padding",
        cases,
    }
}
