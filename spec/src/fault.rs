//! The ways in which any structure can be broken, applied to a whole one.

use crate::case::Case;
use crate::json::Json;
use crate::structure::Structure;

/// A structure of type `name` that must decode.
#[must_use]
pub fn whole(id: impl Into<String>, name: &'static str, structure: &Structure) -> Case {
    Case::valid(
        id,
        "decode",
        &["DC-WIRE-001", "DC-WIRE-005"],
        structure.json(),
    )
    .with("type", name)
    .with("bytes", Json::bytes(&structure.bytes))
}

/// Bytes that must not decode as a `name`.
#[must_use]
pub fn broken(
    id: impl Into<String>,
    name: &'static str,
    req: &'static [&'static str],
    bytes: &[u8],
    error: &'static str,
) -> Case {
    Case::invalid(id, "decode", req, error)
        .with("type", name)
        .with("bytes", Json::bytes(bytes))
}

/// `structure` cut in every field, without anything, and with a byte too many.
#[must_use]
pub fn cuts(prefix: &str, name: &'static str, structure: &Structure) -> Vec<Case> {
    let bytes = &structure.bytes;
    let mut cases: Vec<Case> = structure
        .fields
        .iter()
        .filter(|span| span.end > span.start)
        .map(|span| {
            let field = span.path.rsplit('.').next().unwrap_or(span.path);
            broken(
                format!("{prefix}/cut-in-{}", field.replace('_', "-")),
                name,
                &["DC-WIRE-001"],
                &bytes[..span.end - 1],
                "unexpected-end",
            )
            .field(span.plain.then_some(span.path))
        })
        .collect();
    let first = structure.fields.first().map(|span| span.path);
    cases.push(
        broken(
            format!("{prefix}/no-bytes"),
            name,
            &["DC-WIRE-001"],
            &[],
            "unexpected-end",
        )
        .field(first),
    );
    cases.push(broken(
        format!("{prefix}/one-byte-more"),
        name,
        &["DC-WIRE-003"],
        &[bytes.as_slice(), &[0]].concat(),
        "trailing-bytes",
    ));
    cases
}

/// A count in `field` that is over its limit, and one that is at it without its content.
#[must_use]
pub fn counts(
    prefix: &str,
    name: &'static str,
    structure: &Structure,
    path: &'static str,
    max: u64,
) -> Vec<Case> {
    let field = path.rsplit('.').next().unwrap_or(path).replace('_', "-");
    let start = structure.span(path).start;
    let head = &structure.bytes[..start];
    let with = |count: u64| [head, &count.to_le_bytes()].concat();
    vec![
        broken(
            format!("{prefix}/{field}-over-limit"),
            name,
            &["DC-WIRE-002", "DC-WIRE-007"],
            &with(max + 1),
            "over-limit",
        )
        .field(Some(path)),
        broken(
            format!("{prefix}/{field}-over-limit-by-far"),
            name,
            &["DC-WIRE-002", "DC-WIRE-007"],
            &with(u64::MAX),
            "over-limit",
        )
        .field(Some(path)),
        broken(
            format!("{prefix}/{field}-announced-only"),
            name,
            &["DC-WIRE-002", "DC-WIRE-029"],
            &with(max),
            "unexpected-end",
        )
        .field(Some(path)),
    ]
}

/// The extensions of `structure`, which it has none of, replaced by wrong ones.
#[must_use]
pub fn extensions(
    prefix: &str,
    name: &'static str,
    structure: &Structure,
    path: &'static str,
) -> Vec<Case> {
    let with = |items: &[(u16, &[u8])]| {
        structure.replace(path, &Structure::new().extensions(path, items).bytes)
    };
    let wrong = [
        (
            "extensions-descending",
            "DC-WIRE-020",
            with(&[(2, &[]), (1, &[])]),
        ),
        (
            "extensions-twice-the-same",
            "DC-WIRE-020",
            with(&[(7, &[1]), (7, &[2])]),
        ),
        ("extension-critical", "DC-WIRE-021", with(&[(0x8001, &[])])),
    ];
    wrong
        .into_iter()
        .map(|(slug, req, bytes)| {
            let req: &'static [&'static str] = match req {
                "DC-WIRE-020" => &["DC-WIRE-020"],
                _ => &["DC-WIRE-021"],
            };
            broken(format!("{prefix}/{slug}"), name, req, &bytes, "invalid").field(Some(path))
        })
        .collect()
}
