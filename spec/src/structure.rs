//! Structures put down byte by byte, with the same value spelled out in JSON beside them
//! (`10-encoding` §2).

use crate::json::Json;

/// A value of any field type: its encoding, and how a vector writes it.
#[derive(Clone, Debug)]
pub struct Part {
    /// The encoding.
    pub bytes: Vec<u8>,
    /// The value.
    pub json: Json,
}

impl Part {
    /// A value whose encoding is `bytes` as they are.
    #[must_use]
    pub fn fixed(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            json: Json::bytes(bytes),
        }
    }

    /// A `u8`.
    #[must_use]
    pub fn u8(value: u8) -> Self {
        Self {
            bytes: vec![value],
            json: Json::Number(value.into()),
        }
    }

    /// A `u32`.
    #[must_use]
    pub fn u32(value: u32) -> Self {
        Self {
            bytes: value.to_le_bytes().to_vec(),
            json: Json::Number(value),
        }
    }

    /// A `u16`.
    #[must_use]
    pub fn u16(value: u16) -> Self {
        Self {
            bytes: value.to_le_bytes().to_vec(),
            json: Json::Number(value.into()),
        }
    }

    /// A `u64`.
    #[must_use]
    pub fn u64(value: u64) -> Self {
        Self {
            bytes: value.to_le_bytes().to_vec(),
            json: Json::decimal(value),
        }
    }
}

/// Where a field of a [`Structure`] lies.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// `Structure.field`.
    pub path: &'static str,
    /// Offset of its first byte.
    pub start: usize,
    /// Offset after its last byte.
    pub end: usize,
    /// Whether a cut in it is always reported as this field: not so where structures lie inside.
    pub plain: bool,
}

/// A structure under construction.
#[derive(Clone, Debug, Default)]
pub struct Structure {
    /// The encoding so far.
    pub bytes: Vec<u8>,
    /// The fields so far.
    pub fields: Vec<Span>,
    json: Vec<(&'static str, Json)>,
}

impl Structure {
    /// A structure without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value in JSON.
    #[must_use]
    pub fn json(&self) -> Json {
        Json::Object(self.json.clone())
    }

    /// The value of the field at `path` in JSON; `null` where there is none.
    #[must_use]
    pub fn value(&self, path: &str) -> Json {
        let at = self.fields.iter().position(|span| span.path == path);
        at.map_or(Json::Null, |at| self.json[at].1.clone())
    }

    /// The structure as a field of another.
    #[must_use]
    pub fn part(&self) -> Part {
        Part {
            bytes: self.bytes.clone(),
            json: self.json(),
        }
    }

    /// The field at `path`; an empty one at the end where there is none.
    #[must_use]
    pub fn span(&self, path: &str) -> Span {
        let end = self.bytes.len();
        let found = self.fields.iter().find(|span| span.path == path);
        found.copied().unwrap_or(Span {
            path: "",
            start: end,
            end,
            plain: false,
        })
    }

    /// The encoding with the bytes of a field replaced.
    #[must_use]
    pub fn replace(&self, path: &str, bytes: &[u8]) -> Vec<u8> {
        let span = self.span(path);
        [&self.bytes[..span.start], bytes, &self.bytes[span.end..]].concat()
    }

    /// The structure with another value of a field, where there is one at `path`.
    #[must_use]
    pub fn with(&self, path: &'static str, part: &Part) -> Self {
        let mut other = Self::new();
        for (span, (_, json)) in self.fields.iter().zip(&self.json) {
            let own = Part {
                bytes: self.bytes[span.start..span.end].to_vec(),
                json: json.clone(),
            };
            let part = if span.path == path { part } else { &own };
            other = other.push(span.path, part, span.plain);
        }
        other
    }

    /// Appends a value of any type. `path` is `Structure.field`.
    #[must_use]
    pub fn push(mut self, path: &'static str, part: &Part, plain: bool) -> Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&part.bytes);
        let name = path.rsplit('.').next().unwrap_or(path);
        self.json.push((name, part.json.clone()));
        let end = self.bytes.len();
        self.fields.push(Span {
            path,
            start,
            end,
            plain,
        });
        self
    }

    /// `u8`.
    #[must_use]
    pub fn u8(self, path: &'static str, value: u8) -> Self {
        let json = Json::Number(value.into());
        let bytes = vec![value];
        self.push(path, &Part { bytes, json }, true)
    }

    /// `u16`.
    #[must_use]
    pub fn u16(self, path: &'static str, value: u16) -> Self {
        self.push(path, &Part::u16(value), true)
    }

    /// `u32`.
    #[must_use]
    pub fn u32(self, path: &'static str, value: u32) -> Self {
        let json = Json::Number(value);
        let bytes = value.to_le_bytes().to_vec();
        self.push(path, &Part { bytes, json }, true)
    }

    /// `bool`.
    #[must_use]
    pub fn boolean(self, path: &'static str, value: bool) -> Self {
        let json = Json::Bool(value);
        let bytes = vec![value.into()];
        self.push(path, &Part { bytes, json }, true)
    }

    /// `u64`.
    #[must_use]
    pub fn u64(self, path: &'static str, value: u64) -> Self {
        self.push(path, &Part::u64(value), true)
    }

    /// `[N]`.
    #[must_use]
    pub fn fixed(self, path: &'static str, value: &[u8]) -> Self {
        self.push(path, &Part::fixed(value), true)
    }

    /// `Bytes`.
    #[must_use]
    pub fn bytes(self, path: &'static str, value: &[u8]) -> Self {
        let json = Json::bytes(value);
        let bytes = counted(value);
        self.push(path, &Part { bytes, json }, true)
    }

    /// `Text`.
    #[must_use]
    pub fn text(self, path: &'static str, value: &str) -> Self {
        let json = Json::from(value);
        let bytes = counted(value.as_bytes());
        self.push(path, &Part { bytes, json }, true)
    }

    /// `Option`. `plain` as in [`Span::plain`].
    #[must_use]
    pub fn option(self, path: &'static str, value: Option<&Part>, plain: bool) -> Self {
        let part = match value {
            None => Part {
                bytes: vec![0],
                json: Json::Null,
            },
            Some(part) => Part {
                bytes: [&[1], part.bytes.as_slice()].concat(),
                json: part.json.clone(),
            },
        };
        self.push(path, &part, plain || value.is_none())
    }

    /// `List`. `plain` as in [`Span::plain`].
    #[must_use]
    pub fn list(self, path: &'static str, items: &[Part], plain: bool) -> Self {
        let mut bytes = (items.len() as u64).to_le_bytes().to_vec();
        for item in items {
            bytes.extend_from_slice(&item.bytes);
        }
        let json = Json::List(items.iter().map(|item| item.json.clone()).collect());
        self.push(path, &Part { bytes, json }, plain || items.is_empty())
    }

    /// `Extensions`.
    #[must_use]
    pub fn extensions(self, path: &'static str, extensions: &[(u16, &[u8])]) -> Self {
        let items: Vec<Part> = extensions
            .iter()
            .map(|(kind, value)| {
                Self::new()
                    .u16("Extension.kind", *kind)
                    .bytes("Extension.value", value)
                    .part()
            })
            .collect();
        self.list(path, &items, false)
    }
}

/// A `u64` count and the bytes.
#[must_use]
pub fn counted(bytes: &[u8]) -> Vec<u8> {
    [(bytes.len() as u64).to_le_bytes().as_slice(), bytes].concat()
}
