//! Sender keys: sessions as they are handed over, and messages under them (`81-groups` §5.1).

use crate::actor::filler;
use crate::case::{Case, Suite};
use crate::json::Json;
use crate::megolm::Session;

fn session() -> Session {
    Session {
        seed: [0x71; 32],
        index: 0,
        parts: [filler(0x10), filler(0x40), filler(0x70), filler(0xa0)],
    }
}

fn asked(case: Case, export: &[u8], messages: &[Vec<u8>]) -> Case {
    let messages = messages
        .iter()
        .map(|message| Json::bytes(message))
        .collect();
    case.with("session", Json::bytes(export))
        .with("messages", Json::List(messages))
}

fn reads(slug: &str, from: u32, said: &[(u32, &[u8])]) -> Case {
    let session = session();
    let messages: Vec<Vec<u8>> = said
        .iter()
        .map(|(index, text)| session.at(*index).message(text))
        .collect();
    let plaintexts = said.iter().map(|(_, text)| Json::bytes(text)).collect();
    let indices = said.iter().map(|(index, _)| Json::Number(*index)).collect();
    let expected = Json::Object(vec![
        ("plaintexts", Json::List(plaintexts)),
        ("indices", Json::List(indices)),
    ]);
    let req: &'static [&'static str] = if from > 0 {
        &["DC-GROUP-013", "DC-GROUP-020"]
    } else {
        &["DC-GROUP-013"]
    };
    let case = Case::valid(format!("megolm/{slug}"), "megolm-decrypt", req, expected);
    asked(case, &session.at(from).export(), &messages)
}

pub(super) fn suite() -> Suite {
    let hello = &b"hello"[..];
    let mut cases = vec![
        reads("first", 0, &[(0, hello)]),
        reads("nothing-said", 0, &[(0, b"")]),
        reads("a-block", 0, &[(0, &[0x42; 16])]),
        reads("long", 0, &[(0, &[0x42; 1000])]),
        reads(
            "one-after-another",
            0,
            &[(0, hello), (1, b"again"), (2, b"and again")],
        ),
        reads(
            "out-of-order",
            0,
            &[(2, hello), (0, b"before"), (1, b"between")],
        ),
        reads("the-same-twice", 0, &[(1, hello), (1, hello)]),
        reads("handed-over-later", 5, &[(5, hello), (7, b"later")]),
        reads("last-of-the-fourth-part", 0, &[(255, hello)]),
        reads("third-part-turns", 0, &[(256, hello), (257, b"and on")]),
        reads("handed-over-at-the-turn", 256, &[(256, hello)]),
        reads("third-part-turns-twice", 200, &[(512, hello)]),
        reads(
            "second-part-turns",
            65_535,
            &[(65_535, hello), (65_536, b"and on")],
        ),
    ];
    cases.extend(unread());
    cases.extend(malformed());
    Suite {
        name: "megolm",
        cases,
    }
}

fn refused(slug: &str, error: &'static str, export: &[u8], message: Vec<u8>) -> Case {
    let req: &'static [&'static str] = match slug {
        "before-the-first-index" => &["DC-GROUP-020"],
        _ => &["DC-GROUP-013"],
    };
    let case = Case::invalid(format!("megolm/{slug}"), "megolm-decrypt", req, error);
    asked(case, export, &[message])
}

/// What is whole and does not open.
fn unread() -> Vec<Case> {
    let session = session();
    let export = session.export();
    let other = Session {
        seed: [0x72; 32],
        ..session.clone()
    };
    let other_ratchet = Session {
        parts: [filler(0x11); 4],
        ..session.clone()
    };
    let unsigned = session.unsigned(b"hello");
    let changed = |at: usize| {
        let mut bytes = unsigned.clone();
        bytes[at] ^= 1;
        session.signed(&bytes)
    };
    let mut forged = session.message(b"hello");
    let last = forged.len() - 1;
    forged[last - 40] ^= 1;
    // The index of another message, with everything signed anew by the sender itself.
    let mut renumbered = unsigned.clone();
    renumbered[2] = 1;
    let mac = unsigned.len() - 1;
    let no = "undecryptable";
    vec![
        refused(
            "before-the-first-index",
            no,
            &session.at(5).export(),
            session.at(4).message(b"hello"),
        ),
        refused("signature-changed", no, &export, forged),
        refused(
            "signed-by-another-session",
            no,
            &export,
            other.message(b"hello"),
        ),
        refused(
            "under-another-ratchet",
            no,
            &export,
            other_ratchet.message(b"hello"),
        ),
        refused("mac-changed", no, &export, changed(mac)),
        refused("ciphertext-changed", no, &export, changed(8)),
        refused("index-changed", no, &export, session.signed(&renumbered)),
    ]
}

fn malformed() -> Vec<Case> {
    let session = session();
    let export = session.export();
    let good = session.message(b"hello");
    let version = |version: u8| {
        let mut bytes = session.unsigned(b"hello");
        bytes[0] = version;
        session.signed(&bytes)
    };
    let bad = "bad-megolm-message";
    let mut version_2 = export.clone();
    version_2[0] = 2;
    let longer = [export.as_slice(), &[0]].concat();
    let no_session = "bad-megolm-session";
    vec![
        refused("empty", bad, &export, Vec::new()),
        refused("version-alone", bad, &export, vec![3]),
        refused("version-2", bad, &export, version(2)),
        refused("version-4", bad, &export, version(4)),
        refused(
            "shorter-than-a-signature",
            bad,
            &export,
            good[..60].to_vec(),
        ),
        refused("session-version-2", no_session, &version_2, good.clone()),
        refused("session-cut", no_session, &export[..164], good.clone()),
        refused("session-longer", no_session, &longer, good.clone()),
        refused("session-empty", no_session, &[], good),
    ]
}
