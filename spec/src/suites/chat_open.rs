//! CHAT_OPEN bodies (`40-messaging` §2).

use crate::actor::{ALICE, filler};
use crate::case::{Case, Suite};
use crate::fault::{self, broken, whole};
use crate::structure::{Part, Structure, counted};

use super::record::device_record;

/// A CHAT_OPEN body of Alice's without extensions.
pub(super) fn chat_open(name: &str, invite: Option<&Part>, sessions: u8) -> Structure {
    let sessions: Vec<Part> = (0..sessions)
        .map(|first| Part::fixed(&filler(first)))
        .collect();
    Structure::new()
        .text("ChatOpen.name", name)
        .option("ChatOpen.invite", invite, false)
        .push("ChatOpen.device", &device_record(ALICE).part(), false)
        .list("ChatOpen.sessions", &sessions, true)
        .extensions("ChatOpen.extensions", &[])
}

fn proof() -> Structure {
    Structure::new()
        .fixed("InviteProof.invite", &filler(0x80)[..16])
        .fixed("InviteProof.mac", &filler(0xa0))
}

pub(super) fn suite() -> Suite {
    let plain = chat_open("Alice", None, 2);
    let mut cases = accepted();
    cases.extend(fault::cuts("chat-open", "ChatOpen", &plain));
    cases.extend(fault::counts(
        "chat-open",
        "ChatOpen",
        &plain,
        "ChatOpen.name",
        64,
    ));
    cases.extend(fault::counts(
        "chat-open",
        "ChatOpen",
        &plain,
        "ChatOpen.sessions",
        8,
    ));
    cases.extend(fault::extensions(
        "chat-open",
        "ChatOpen",
        &plain,
        "ChatOpen.extensions",
    ));
    cases.extend(refused(&plain));
    Suite {
        name: "chat-open",
        cases,
    }
}

fn accepted() -> Vec<Case> {
    let longest = "n".repeat(64);
    let names = [
        ("alice", "Alice"),
        ("no-name", ""),
        ("longest-name", longest.as_str()),
        ("chinese-name", "对聊"),
        ("emoji-name", "\u{1f469}\u{200d}\u{1f4bb}"),
        ("name-with-nul", "a\0b"),
        ("name-with-escape", "\u{1b}[31mred"),
        ("name-not-normalised", "e\u{301}"),
    ];
    let mut cases: Vec<Case> = names
        .into_iter()
        .map(|(slug, name)| {
            let body = chat_open(name, None, 0);
            whole(format!("chat-open/{slug}"), "ChatOpen", &body)
        })
        .collect();
    let proof = proof().part();
    cases.push(whole(
        "chat-open/with-proof",
        "ChatOpen",
        &chat_open("Bob", Some(&proof), 1),
    ));
    cases.push(whole(
        "chat-open/most-sessions",
        "ChatOpen",
        &chat_open("Alice", None, 8),
    ));
    cases
}

fn refused(plain: &Structure) -> Vec<Case> {
    let not_utf8: [(&str, &[u8]); 5] = [
        ("latin-1", &[0xe9]),
        ("overlong", &[0xc0, 0xaf]),
        ("surrogate", &[0xed, 0xa0, 0x80]),
        ("cut-character", &[0xe5, 0xaf]),
        ("above-unicode", &[0xf4, 0x90, 0x80, 0x80]),
    ];
    let mut cases: Vec<Case> = not_utf8
        .into_iter()
        .map(|(slug, name)| {
            let bytes = plain.replace("ChatOpen.name", &counted(name));
            let id = format!("chat-open/name-{slug}");
            broken(id, "ChatOpen", &["DC-WIRE-008"], &bytes, "invalid").field(Some("ChatOpen.name"))
        })
        .collect();
    let long = plain.replace("ChatOpen.name", &counted(&[b'n'; 65]));
    cases.push(
        broken(
            "chat-open/name-65",
            "ChatOpen",
            &["DC-WIRE-007"],
            &long,
            "over-limit",
        )
        .field(Some("ChatOpen.name")),
    );
    let option = plain.replace("ChatOpen.invite", &[2]);
    cases.push(
        broken(
            "chat-open/invite-2",
            "ChatOpen",
            &["DC-WIRE-006"],
            &option,
            "not-boolean",
        )
        .field(Some("ChatOpen.invite")),
    );
    let with_proof = chat_open("Bob", Some(&proof().part()), 0);
    let end = with_proof.span("ChatOpen.invite").end;
    cases.push(
        broken(
            "chat-open/cut-in-proof",
            "ChatOpen",
            &["DC-WIRE-001"],
            &with_proof.bytes[..end - 1],
            "unexpected-end",
        )
        .field(Some("InviteProof.mac")),
    );
    let device = plain.span("ChatOpen.device").start;
    let too_long = [&plain.bytes[..device], &4353_u64.to_le_bytes()].concat();
    cases.push(
        broken(
            "chat-open/device-4353",
            "ChatOpen",
            &["DC-WIRE-007"],
            &too_long,
            "over-limit",
        )
        .field(Some("SignedRecord.body")),
    );
    cases
}
