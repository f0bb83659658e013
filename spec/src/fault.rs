//! The ways in which any structure can be broken, applied to a whole one, and the edges at which it
//! is whole still.

use crate::case::Case;
use crate::json::Json;
use crate::structure::{Part, Structure};

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
    let first = structure.fields.first().filter(|span| span.plain);
    let first = first.map(|span| span.path);
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

/// The name of a field, as ids of cases have it.
fn slug(path: &str) -> String {
    path.rsplit('.').next().unwrap_or(path).replace('_', "-")
}

/// The integer of any value in `path` at its least and its greatest.
#[must_use]
pub fn edges(
    prefix: &str,
    name: &'static str,
    structure: &Structure,
    path: &'static str,
) -> Vec<Case> {
    let span = structure.span(path);
    let ends = match span.end - span.start {
        1 => [Part::u8(0), Part::u8(u8::MAX)],
        2 => [Part::u16(0), Part::u16(u16::MAX)],
        4 => [Part::u32(0), Part::u32(u32::MAX)],
        _ => [Part::u64(0), Part::u64(u64::MAX)],
    };
    ["least", "greatest"]
        .into_iter()
        .zip(ends)
        .map(|(edge, part)| {
            let id = format!("{prefix}/{edge}-{}", slug(path));
            whole(id, name, &structure.with(path, &part))
        })
        .collect()
}

/// First bytes of a `bool` or an `Option` in `path` that are neither 0 nor 1.
#[must_use]
pub fn neither(
    prefix: &str,
    name: &'static str,
    structure: &Structure,
    path: &'static str,
) -> Vec<Case> {
    let at = structure.span(path).start;
    [2, u8::MAX]
        .into_iter()
        .map(|first| {
            let mut bytes = structure.bytes.clone();
            bytes[at] = first;
            let id = format!("{prefix}/{}-is-{first}", slug(path));
            broken(id, name, &["DC-WIRE-006"], &bytes, "not-boolean").field(Some(path))
        })
        .collect()
}

/// A code in `path` that is not assigned: the byte or the 16 bits there are `wrong`.
#[must_use]
pub fn unassigned(
    prefix: &str,
    name: &'static str,
    structure: &Structure,
    path: &'static str,
    wrong: u16,
) -> Case {
    let span = structure.span(path);
    let bytes = structure.replace(path, &wrong.to_le_bytes()[..span.end - span.start]);
    let id = format!("{prefix}/{}-is-{wrong}", slug(path));
    broken(id, name, &["DC-WIRE-001"], &bytes, "invalid").field(Some(path))
}

/// Kinds and values of extensions.
type Items<'a> = &'a [(u16, &'a [u8])];

/// Extensions of `structure`, which it has none of, that are right: unknown ones, a reserved one,
/// the longest, the most.
#[must_use]
pub fn extended(
    prefix: &str,
    name: &'static str,
    structure: &Structure,
    path: &'static str,
) -> Vec<Case> {
    let longest = [0x5a; 1024];
    let most: Vec<(u16, &[u8])> = (0..16).map(|kind| (kind, &[][..])).collect();
    let all: [(&str, Items<'_>); 4] = [
        ("extension-unknown", &[(7, &[1, 2, 3])]),
        ("extension-reserved", &[(0x1a2a, &[0xee; 32])]),
        ("extension-longest", &[(0x7fff, &longest)]),
        ("extensions-most", &most),
    ];
    all.into_iter()
        .map(|(slug, items)| {
            let extended = Structure::new().extensions(path, items);
            let whole_list = Part {
                bytes: extended.bytes.clone(),
                json: extended.value(path),
            };
            let mut case = whole(
                format!("{prefix}/{slug}"),
                name,
                &structure.with(path, &whole_list),
            );
            case.checks("DC-WIRE-020");
            case.checks("DC-WIRE-021");
            case.checks("DC-WIRE-022");
            case
        })
        .collect()
}

/// Extensions of `structure` that are over their limits.
#[must_use]
pub fn overextended(
    prefix: &str,
    name: &'static str,
    structure: &Structure,
    path: &'static str,
) -> Vec<Case> {
    let many: Vec<(u16, &[u8])> = (0..17).map(|kind| (kind, &[][..])).collect();
    let long = [0x5a; 1025];
    let all: [(&str, Items<'_>, &str); 2] = [
        ("extensions-too-many", &many, path),
        ("extension-too-long", &[(7, &long)], "Extension.value"),
    ];
    all.into_iter()
        .map(|(slug, items, field)| {
            let bytes = structure.replace(path, &Structure::new().extensions(path, items).bytes);
            let req = &["DC-WIRE-002", "DC-WIRE-007"];
            broken(format!("{prefix}/{slug}"), name, req, &bytes, "over-limit").field(Some(field))
        })
        .collect()
}
