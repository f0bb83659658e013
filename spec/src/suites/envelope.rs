//! ENVELOPE bodies (`40-messaging` §2).

use crate::actor::filler;
use crate::case::{Case, Suite};
use crate::fault::{self, broken, whole};
use crate::structure::Structure;

/// An ENVELOPE body without extensions.
pub(super) fn envelope(stage: u8, message: &[u8]) -> Structure {
    Structure::new()
        .fixed("Envelope.session", &filler(0x10))
        .u8("Envelope.stage", stage)
        .bytes("Envelope.message", message)
        .extensions("Envelope.extensions", &[])
}

pub(super) fn suite() -> Suite {
    let plain = envelope(1, &[3, 10, 32, 1, 2, 3]);
    let mut cases: Vec<Case> = vec![
        whole("envelope/established", "Envelope", &plain),
        whole("envelope/opening", "Envelope", &envelope(0, &[3])),
        whole("envelope/no-message", "Envelope", &envelope(1, &[])),
        whole(
            "envelope/longest-message",
            "Envelope",
            &envelope(1, &[0x5a; 131_584]),
        ),
    ];
    cases.extend(fault::cuts("envelope", "Envelope", &plain));
    cases.extend(fault::counts(
        "envelope",
        "Envelope",
        &plain,
        "Envelope.message",
        131_584,
    ));
    cases.extend(fault::extensions(
        "envelope",
        "Envelope",
        &plain,
        "Envelope.extensions",
    ));
    cases.extend([2, 3, 128, 255].map(|stage| {
        let bytes = envelope(stage, &[3]).bytes;
        broken(
            format!("envelope/stage-{stage}"),
            "Envelope",
            &["DC-WIRE-001"],
            &bytes,
            "invalid",
        )
        .field(Some("Envelope.stage"))
    }));
    let long = envelope(1, &[0x5a; 131_585]).bytes;
    cases.push(
        broken(
            "envelope/message-131585",
            "Envelope",
            &["DC-WIRE-007"],
            &long,
            "over-limit",
        )
        .field(Some("Envelope.message")),
    );
    cases.push(
        broken(
            "envelope/body-163841",
            "Envelope",
            &["DC-WIRE-028"],
            &vec![0; 163_841],
            "over-limit",
        )
        .field(Some("body")),
    );
    Suite {
        name: "envelope",
        cases,
    }
}
