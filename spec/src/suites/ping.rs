//! PING and PONG bodies (`30-transport` §4).

use crate::case::Suite;
use crate::fault::{self, broken, whole};
use crate::structure::Structure;

/// A PING body.
pub(super) fn ping(nonce: u64, extensions: &[(u16, &[u8])]) -> Structure {
    Structure::new()
        .u64("Ping.nonce", nonce)
        .extensions("Ping.extensions", extensions)
}

pub(super) fn suite() -> Suite {
    let plain = ping(1, &[]);
    let greased = ping(1, &[(0x0a0a, &[0xc0, 0xff, 0xee])]);
    let mut cases = vec![
        whole("ping/nonce-1", "Ping", &plain),
        whole("ping/nonce-0", "Ping", &ping(0, &[])),
        whole("ping/nonce-max", "Ping", &ping(u64::MAX, &[])),
        whole(
            "ping/nonce-byte-order",
            "Ping",
            &ping(0x0102_0304_0506_0708, &[]),
        ),
        whole("ping/one-extension", "Ping", &greased),
    ];
    cases.extend(fault::cuts("ping", "Ping", &plain));
    let count_backwards = greased.replace("Ping.extensions", &1_u64.to_be_bytes());
    let narrow = plain.replace("Ping.nonce", &1_u32.to_le_bytes());
    for (slug, bytes, error) in [
        (
            "count-most-significant-first",
            count_backwards,
            "over-limit",
        ),
        ("nonce-of-four-bytes", narrow, "unexpected-end"),
    ] {
        let id = format!("ping/{slug}");
        let case = broken(id, "Ping", &["DC-WIRE-005"], &bytes, error);
        cases.push(case.field(Some("Ping.extensions")));
    }
    Suite {
        name: "ping",
        cases,
    }
}
