//! UNDECRYPTABLE bodies (`40-messaging` §2).

use crate::actor::filler;
use crate::case::Suite;
use crate::fault::{self, whole};
use crate::structure::Structure;

/// An UNDECRYPTABLE body.
pub(super) fn undecryptable(extensions: &[(u16, &[u8])]) -> Structure {
    Structure::new()
        .fixed("Undecryptable.session", &filler(0x10))
        .extensions("Undecryptable.extensions", extensions)
}

pub(super) fn suite() -> Suite {
    let plain = undecryptable(&[]);
    let path = "Undecryptable.extensions";
    let greased = undecryptable(&[(0x0a1a, &[0xff])]);
    let mut cases = vec![
        whole("undecryptable/plain", "Undecryptable", &plain),
        whole("undecryptable/extension", "Undecryptable", &greased),
    ];
    cases.extend(fault::cuts("undecryptable", "Undecryptable", &plain));
    cases.extend(fault::extensions(
        "undecryptable",
        "Undecryptable",
        &plain,
        path,
    ));
    Suite {
        name: "undecryptable",
        cases,
    }
}
