//! PING and PONG bodies (`30-transport` §4).

use crate::case::Suite;
use crate::fault::{self, whole};
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
    Suite {
        name: "ping",
        cases,
    }
}
