//! Close codes (`registry` §3).

use crate::case::{Case, Suite};
use crate::json::Json;

const CODES: [(u64, &str, &str); 11] = [
    (0x00, "DONE", "done"),
    (0x01, "INTERNAL", "internal error"),
    (0x02, "MALFORMED", "malformed frame"),
    (0x03, "UNEXPECTED", "unexpected frame"),
    (0x04, "VERSION", "no common version"),
    (0x05, "UNSUPPORTED", "critical frame not supported"),
    (0x06, "DUPLICATE", "another connection was kept"),
    (0x07, "LIMIT", "limit exceeded"),
    (0x08, "TIMEOUT", "no HELLO in time"),
    (0x09, "REFUSED", "refused"),
    (0x0a, "MYSELF", "connected to itself"),
];

pub(super) fn suite() -> Suite {
    let mut cases: Vec<Case> = CODES
        .into_iter()
        .map(|(value, name, text)| {
            let expected = Json::Object(vec![("name", name.into()), ("text", text.into())]);
            let id = format!("close-code/{}", name.to_lowercase());
            Case::valid(id, "close-code", &["DC-REG-001"], expected)
                .with("value", Json::decimal(value))
        })
        .collect();
    let unknown = [0x0b, 0xff, 0x100, 0x1_0000_0000, (1 << 62) - 1];
    cases.extend(unknown.into_iter().map(|value: u64| {
        let id = format!("close-code/unknown-{value:x}");
        Case::invalid(id, "close-code", &["DC-CONN-054"], "unknown-code")
            .with("value", Json::decimal(value))
    }));
    Suite {
        name: "close-code",
        cases,
    }
}
