//! The block of extensions, inside PING bodies (`10-encoding` §5).

use crate::case::{Case, Suite};
use crate::fault::{self, broken, whole};
use crate::json::Json;
use crate::structure::Structure;

use super::ping::ping;

pub(super) fn suite() -> Suite {
    let mut cases = accepted();
    let none = ping(9, &[]);
    let path = "Ping.extensions";
    cases.extend(fault::counts("extension", "Ping", &none, path, 16));
    cases.extend(fault::extensions("extension", "Ping", &none, path));
    cases.extend(refused());
    cases.extend((0..=0xff).step_by(0x11).map(reserved));
    cases.extend([0x0000, 0x0a0b, 0x0b0a, 0x1a1c, 0xfafb, 0xffff].map(not_reserved));
    Suite {
        name: "extension",
        cases,
    }
}

fn accepted() -> Vec<Case> {
    let full = [0xab; 1024];
    let sixteen: Vec<(u16, &[u8])> = (0..16).map(|kind| (kind, [].as_slice())).collect();
    vec![
        whole(
            "extension/kind-0-without-value",
            "Ping",
            &ping(9, &[(0, &[])]),
        ),
        whole(
            "extension/highest-kind",
            "Ping",
            &ping(9, &[(0x7fff, &[1])]),
        ),
        whole("extension/longest-value", "Ping", &ping(9, &[(1, &full)])),
        whole("extension/sixteen", "Ping", &ping(9, &sixteen)),
        whole(
            "extension/two-unknown",
            "Ping",
            &ping(9, &[(1, &[1, 2]), (0x7a3a, &[3])]),
        ),
        whole(
            "extension/order-is-numeric",
            "Ping",
            &ping(9, &[(0x00ff, &[]), (0x0100, &[])]),
        )
        .comment("in the order of the encoded bytes the second would come first"),
    ]
}

fn refused() -> Vec<Case> {
    let none = ping(9, &[]);
    let block = |items: &[(u16, &[u8])]| Structure::new().extensions("e", items).bytes;
    let too_long = block(&[(1, &[0xab; 1025])]);
    let seventeen: Vec<(u16, &[u8])> = (0..17).map(|kind| (kind, [].as_slice())).collect();
    let one = ping(9, &[(1, &[1, 2, 3])]).bytes;
    let cut = |less: usize| one[..one.len() - less].to_vec();
    let with = |bytes: &[u8]| none.replace("Ping.extensions", bytes);
    let all = [
        (
            "value-1025",
            with(&too_long),
            "over-limit",
            "Extension.value",
        ),
        (
            "seventeen",
            with(&block(&seventeen)),
            "over-limit",
            "Ping.extensions",
        ),
        ("cut-in-value", cut(1), "unexpected-end", "Extension.value"),
        ("value-missing", cut(3), "unexpected-end", "Extension.value"),
        (
            "cut-in-count-of-value",
            cut(4),
            "unexpected-end",
            "Ping.extensions",
        ),
        ("cut-in-kind", cut(12), "unexpected-end", "Ping.extensions"),
        (
            "critical-after-a-known-order",
            with(&block(&[(1, &[]), (0xffff, &[])])),
            "invalid",
            "Ping.extensions",
        ),
        (
            "critical-reserved",
            with(&block(&[(0x8a0a, &[])])),
            "invalid",
            "Ping.extensions",
        ),
    ];
    all.into_iter()
        .map(|(slug, bytes, error, field)| {
            let req: &'static [&'static str] = match error {
                "over-limit" => &["DC-WIRE-007"],
                "unexpected-end" => &["DC-WIRE-029"],
                _ => &["DC-WIRE-021"],
            };
            broken(format!("extension/{slug}"), "Ping", req, &bytes, error).field(Some(field))
        })
        .collect()
}

/// The reserved value that `seed` chooses: its high nibbles, `a` in the low ones.
fn reserved(seed: u32) -> Case {
    let code = (seed & 0xf0) << 8 | (seed & 0x0f) << 4 | 0x0a0a;
    let id = format!("extension/reserved-{code:04x}");
    Case::valid(id, "reserved", &["DC-WIRE-024"], Json::Object(Vec::new()))
        .with("code", Json::Number(code))
}

fn not_reserved(code: u32) -> Case {
    let id = format!("extension/not-reserved-{code:04x}");
    Case::invalid(id, "reserved", &["DC-WIRE-024"], "not-reserved").with("code", Json::Number(code))
}
