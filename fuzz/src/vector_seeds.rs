//! Seeds that are test vectors of the specification, in the form their target takes.

use serde_json::Value;

use crate::seeds::{Add, from_hex};

/// A file of vectors, the operations in it that serve a target, and what goes before the input.
struct Source {
    file: &'static str,
    operations: &'static [&'static str],
    input: &'static str,
    target: &'static str,
    /// Before the bytes: the target's own operands.
    before: &'static [u8],
}

const SOURCES: &[Source] = &[
    Source {
        file: include_str!("../../spec/vectors/stream.json"),
        operations: &["stream"],
        input: "bytes",
        target: "frame_stream",
        before: &[2, 3, 200],
    },
    Source {
        file: include_str!("../../spec/vectors/stun.json"),
        operations: &["stun-answer", "stun-read"],
        input: "datagram",
        target: "stun",
        before: &[0, 192, 0, 2, 7, 5, 6, 7, 8, 9, 10, 11, 12],
    },
    Source {
        file: include_str!("../../spec/vectors/certificate.json"),
        operations: &["certificate"],
        input: "chain",
        target: "certificate",
        before: &[],
    },
    Source {
        file: include_str!("../../spec/vectors/relay.json"),
        operations: &["relay-datagram"],
        input: "datagram",
        target: "relay_datagram",
        before: &[7, 0, 0, 0],
    },
    Source {
        file: include_str!("../../spec/vectors/records.json"),
        operations: &["record"],
        input: "bytes",
        target: "signed_record",
        before: &[0],
    },
    Source {
        file: include_str!("../../spec/vectors/address.json"),
        operations: &["address-text"],
        input: "text",
        target: "address_invite",
        before: &[],
    },
    Source {
        file: include_str!("../../spec/vectors/nat.json"),
        operations: &["decode"],
        input: "bytes",
        target: "strict_decode",
        before: &[],
    },
    Source {
        file: include_str!("../../spec/vectors/gossip.json"),
        operations: &["decode"],
        input: "bytes",
        target: "strict_decode",
        before: &[],
    },
];

/// Longest seed kept, in bytes.
const LONGEST: usize = 2048;

/// Adds them. Of `decode` only what is valid: what is cut or too long is found at once.
pub(crate) fn vectors(add: &mut Add<'_>) {
    for source in SOURCES {
        let file: Value = serde_json::from_str(source.file).unwrap_or_default();
        for case in file["cases"].as_array().into_iter().flatten() {
            let operation = case["op"].as_str().unwrap_or_default();
            let useful = operation != "decode" || case["result"] == "valid";
            if !useful || !source.operations.contains(&operation) {
                continue;
            }
            let Some(bytes) = bytes_of(&case["input"][source.input], source.input) else {
                continue;
            };
            let seed = [source.before, &bytes].concat();
            if !bytes.is_empty() && seed.len() <= LONGEST {
                let id = case["id"].as_str().unwrap_or_default().replace('/', "-");
                add(source.target, &format!("vector-{id}"), seed);
            }
        }
    }
}

/// The input's bytes; `None` when the vector describes them instead of writing them out.
fn bytes_of(input: &Value, name: &str) -> Option<Vec<u8>> {
    match input {
        Value::String(text) if name == "text" => Some(text.clone().into_bytes()),
        Value::String(text) => Some(from_hex(text)),
        Value::Array(chain) if name == "chain" => bytes_of(chain.first()?, "der"),
        _ => None,
    }
}
