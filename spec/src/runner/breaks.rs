//! The ways in which any body can be broken, as far as a peer over the network can be shown them: every
//! one must be answered with MALFORMED (DC-WIRE-017).

use crate::structure::Structure;

/// A broken body.
#[derive(Clone, Debug)]
pub struct Break {
    /// What is wrong, as the end of a case's id.
    pub slug: String,
    /// What is wrong, for people.
    pub about: String,
    /// The requirements it breaks.
    pub req: &'static [&'static str],
    /// The body.
    pub bytes: Vec<u8>,
}

impl Break {
    /// One.
    #[must_use]
    pub fn new(
        slug: impl Into<String>,
        about: impl Into<String>,
        req: &'static [&'static str],
        bytes: Vec<u8>,
    ) -> Self {
        Self {
            slug: slug.into(),
            about: about.into(),
            req,
            bytes,
        }
    }
}

/// `body` without its last byte in each field, empty, and with a byte too many.
#[must_use]
pub fn cuts(body: &Structure) -> Vec<Break> {
    let bytes = &body.bytes;
    let fields = body.fields.iter().filter(|span| span.end > span.start);
    let mut breaks: Vec<Break> = fields
        .map(|span| {
            Break::new(
                format!("cut-in-{}", slug(span.path)),
                format!("ends inside {}", span.path),
                &["DC-WIRE-017", "DC-WIRE-001"],
                bytes[..span.end - 1].to_vec(),
            )
        })
        .collect();
    breaks.push(Break::new(
        "empty",
        "has no bytes",
        &["DC-WIRE-017", "DC-WIRE-001"],
        Vec::new(),
    ));
    breaks.push(Break::new(
        "one-byte-more",
        "has a byte after its end",
        &["DC-WIRE-003", "DC-WIRE-017"],
        [bytes.as_slice(), &[0]].concat(),
    ));
    breaks
}

/// Wrong counts in the field at `path`, of a type whose count is at most `max`.
#[must_use]
pub fn counts(body: &Structure, path: &'static str, max: u64) -> Vec<Break> {
    let head = &body.bytes[..body.span(path).start];
    let with = |count: u64| [head, &count.to_le_bytes()].concat();
    let field = slug(path);
    vec![
        Break::new(
            format!("{field}-over-limit"),
            format!("has a count over the limit of {path}"),
            &["DC-WIRE-007", "DC-WIRE-002"],
            with(max + 1),
        ),
        Break::new(
            format!("{field}-over-limit-by-far"),
            format!("has the largest count there is in {path}"),
            &["DC-WIRE-002", "DC-WIRE-007"],
            with(u64::MAX),
        ),
        Break::new(
            format!("{field}-announced-only"),
            format!("announces all that {path} may hold, and holds nothing"),
            &["DC-WIRE-002", "DC-WIRE-029"],
            with(max),
        ),
    ]
}

/// Wrong extensions in the field at `path`.
#[must_use]
pub fn extensions(body: &Structure, path: &'static str) -> Vec<Break> {
    let with = |items: &[(u16, &[u8])]| {
        body.replace(path, &Structure::new().extensions(path, items).bytes)
    };
    let many: Vec<(u16, &[u8])> = (0x100..0x111).map(|kind| (kind, [].as_slice())).collect();
    let long = [0; 1025];
    let mut breaks = vec![
        Break::new(
            "extensions-descending",
            "has extensions out of order",
            &["DC-WIRE-020"],
            with(&[(0x0202, &[]), (0x0101, &[])]),
        ),
        Break::new(
            "extension-twice",
            "has one extension twice",
            &["DC-WIRE-020"],
            with(&[(0x0707, &[1]), (0x0707, &[2])]),
        ),
        Break::new(
            "extension-critical",
            "has a critical extension that nobody knows",
            &["DC-WIRE-021"],
            with(&[(0x8001, &[])]),
        ),
        Break::new(
            "extension-critical-reserved",
            "has a critical extension of a reserved kind",
            &["DC-WIRE-021"],
            with(&[(0x8a0a, &[])]),
        ),
        Break::new(
            "extensions-seventeen",
            "has 17 extensions",
            &["DC-WIRE-007"],
            with(&many),
        ),
        Break::new(
            "extension-too-long",
            "has an extension of 1025 bytes",
            &["DC-WIRE-007"],
            with(&[(0x0101, &long)]),
        ),
    ];
    breaks.extend(counts(body, path, 16));
    breaks
}

fn slug(path: &str) -> String {
    path.rsplit('.').next().unwrap_or(path).replace('_', "-")
}
