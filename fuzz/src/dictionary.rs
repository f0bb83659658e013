//! Words that a mutation by chance would take long to find, for libFuzzer's `-dict`.
//!
//! Numbers come from the registry of the specification as it is read here; the rest are a few
//! values that many inputs hold.

use std::collections::BTreeSet;
use std::fmt::Write as _;

const REGISTRY: &str = include_str!("../../spec/registry.md");

/// Words of no registry: a key, multiaddrs in bytes and in text, a STUN header and its attributes.
const OTHERS: &[(&str, &[u8])] = &[
    // The public key of the seed 01 01 …, and the prefix of its multihash.
    (
        "key",
        b"\x8a\x88\xe3\xdd\x74\x09\xf1\x95\xfd\x52\xdb\x2d\x3c\xba\x5d\x72\xca\x67\x09\xbf\x1d\x94\
          \x12\x1b\xf3\x74\x88\x01\xb4\x0f\x6f\x5c",
    ),
    ("p2p", b"\xa5\x03\x26\x00\x24\x08\x01\x12\x20"),
    ("ip4", b"\x04\xc0\xa8\x01\x17"),
    ("ip6", b"\x29\x20\x01\x0d\xb8"),
    ("udp", b"\x91\x02\x0f\xa1"),
    ("quic", b"\xcd\x03"),
    ("circuit", b"\xa2\x02"),
    (
        "mapped",
        b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff",
    ),
    ("ip4_text", b"/ip4/192.168.1.23"),
    ("ip6_text", b"/ip6/2001:db8::1"),
    ("udp_text", b"/udp/4001/quic-v1"),
    ("p2p_text", b"/p2p/12D3KooW"),
    ("circuit_text", b"/p2p-circuit"),
    ("scheme", b"dchat:"),
    ("spki", b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"),
    ("stun_cookie", b"\x21\x12\xa4\x42"),
    ("stun_mapped", b"\x00\x01\x00\x08\x00\x01"),
    ("stun_change", b"\x00\x03\x00\x04\x00\x00\x00\x06"),
    ("stun_integrity", b"\x00\x08\x00\x14"),
    ("stun_xor_mapped", b"\x00\x20\x00\x08\x00\x01"),
    ("stun_software", b"\x80\x22"),
    ("stun_fingerprint", b"\x80\x28\x00\x04"),
    ("greased_frame", b"\x1a\x2a\x00\x00"),
    ("greased_extension", b"\x5a\x3a"),
    ("critical_extension", b"\x01\x80"),
    ("none", b"\x00\x00\x00\x00\x00\x00\x00\x00"),
    ("one", b"\x01\x00\x00\x00\x00\x00\x00\x00"),
    ("most", b"\xff\xff\xff\xff\xff\xff\xff\xff"),
];

/// The dictionary, in libFuzzer's form.
#[must_use]
pub fn dictionary() -> String {
    let mut text = String::from(
        "# Made by `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.\n\n# Frame headers: type and CRITICAL.\n",
    );
    let mut word = |name: &str, bytes: &[u8]| {
        let escaped: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        // A String takes whatever is written to it.
        let _ = writeln!(text, "{name}=\"{escaped}\"");
    };
    for row in rows("## 1. Frame types") {
        if let (Some(code), Some(name)) = (hexadecimal(row[0]), row.get(1)) {
            let [low, high] = code.to_le_bytes();
            word(&name.to_lowercase(), &[low, high, 1, 0]);
        }
    }
    for row in rows("## 8. Record kinds") {
        if let (Ok(kind), Some(name)) = (row[0].parse::<u16>(), row.get(1)) {
            word(
                &format!("kind_{}", name.to_lowercase()),
                &kind.to_le_bytes(),
            );
        }
    }
    // Counts at a limit and one over it.
    let limits: BTreeSet<u64> = rows("## 11. Limits")
        .filter_map(|row| row.get(1)?.parse().ok())
        .flat_map(|limit: u64| [limit, limit + 1])
        .collect();
    for limit in limits {
        word(&format!("count_{limit}"), &limit.to_le_bytes());
    }
    for row in rows("## 10. Other values") {
        let byte = row.get(1).and_then(|value| hexadecimal(value));
        if let (Some(rest), Some(byte)) = (row[0].strip_prefix("first byte of "), byte) {
            let name: String = rest
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() {
                        c.to_ascii_lowercase()
                    } else {
                        '_'
                    }
                })
                .collect();
            word(&name, &byte.to_le_bytes()[..1]);
        }
    }
    for (name, bytes) in OTHERS {
        word(name, bytes);
    }
    text
}

/// The cells of the tables below a heading of the registry.
fn rows(heading: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let section = REGISTRY.split_once(heading).map_or("", |(_, rest)| rest);
    let section = section.split_once("\n## ").map_or(section, |(own, _)| own);
    section.lines().filter_map(|line| {
        let cells = line.strip_prefix('|')?.strip_suffix('|')?;
        Some(
            cells
                .split('|')
                .map(|cell| cell.trim().trim_matches('`'))
                .collect(),
        )
    })
}

fn hexadecimal(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::{dictionary, rows};
    use dchat_wire::FrameType;

    #[test]
    fn the_kept_file_is_the_one_its_command_makes() {
        let kept = std::fs::read_to_string(crate::root().with_file_name("dictionary")).unwrap();
        assert_eq!(kept, dictionary());
    }

    #[test]
    fn every_frame_type_is_a_word() {
        let types = rows("## 1. Frame types").filter(|row| row[0].starts_with("0x"));
        assert_eq!(types.count(), FrameType::ALL.len());
        for frame_type in FrameType::ALL {
            let [low, high] = (*frame_type as u16).to_le_bytes();
            let word = format!("=\"\\x{low:02x}\\x{high:02x}\\x01\\x00\"\n");
            assert!(dictionary().contains(&word), "{frame_type:?}");
        }
    }
}
