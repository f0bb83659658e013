//! Every derivation: contexts, conversations, entries, proofs and keys (`registry` §5).

use crate::actor::{ALICE, Actor, BOB, CAROL, filler};
use crate::case::{Case, Suite};
use crate::json::Json;

use super::parcel::content;

pub(super) const PAIR: &str = "dchat/1 2026-11 pair conversation";
const ENTRY: &str = "dchat/1 2026-11 entry hash";
const ENTRY_ID: &str = "dchat/1 2026-11 entry id";
const INVITE_PROOF: &str = "dchat/1 2026-11 invite proof";
const INVITE_CHECK: &str = "dchat/1 2026-11 invite checksum";
const RESET_KEY: &str = "dchat/1 2026-11 stateless reset key";
const PROBE: &str = "dchat/1 2026-11 path probe";
pub(super) const POSITION: &str = "dchat/1 2026-11 dht position";
pub(super) const DHT_KEY: &str = "dchat/1 2026-11 dht key";
pub(super) const RECORD: &str = "dchat/1 2026-11 record digest";
pub(super) const BLINDED_SIGNER: &str = "dchat/1 2026-11 blinded signer";
pub(super) const BLINDED_SEAL: &str = "dchat/1 2026-11 blinded seal";
pub(super) const PULSE: &str = "dchat/1 2026-11 pulse";
pub(super) const LOG: &str = "dchat/1 2026-11 room log";
pub(super) const ITEM: &str = "dchat/1 2026-11 item hash";
pub(super) const ITEM_BODY: &str = "dchat/1 2026-11 item body";
pub(super) const FRONTIER: &str = "dchat/1 2026-11 frontier";
pub(super) const MEMBERSHIP: &str = "dchat/1 2026-11 membership operation";
pub(super) const ROOM_SECRET: &str = "dchat/1 2026-11 room secret";
pub(super) const ROOM_KEY: &str = "dchat/1 2026-11 room key";
pub(super) const ROOM: &str = "dchat/1 2026-11 room";
pub(super) const ROOM_OPEN: &str = "dchat/1 2026-11 room open";
pub(super) const ROOM_RENDEZVOUS: &str = "dchat/1 2026-11 room rendezvous";
pub(super) const ROOM_BODY: &str = "dchat/1 2026-11 room body";
pub(super) const ROOM_NONCE: &str = "dchat/1 2026-11 room nonce";
pub(super) const ROOM_AUTHOR: &str = "dchat/1 2026-11 room author";

/// `derive(context, parts)`.
pub(super) fn derive(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    blake3::derive_key(context, &parts.concat())
}

/// The check of an invite's body.
pub(super) fn invite_check(body: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = derive(INVITE_CHECK, &[body]);
    [a, b, c, d]
}

/// The MAC of a probe's other bytes, before and after it.
pub(super) fn probe_mac(key: &[u8; 32], before: &[u8], after: &[u8]) -> [u8; 16] {
    let key = derive(PROBE, &[key]);
    let digest = blake3::keyed_hash(&key, &[before, after].concat());
    let mut mac = [0; 16];
    mac.copy_from_slice(&digest.as_bytes()[..16]);
    mac
}

pub(super) fn suite() -> Suite {
    let mut cases = contexts();
    cases.extend(pairs());
    cases.extend(entry_ids());
    cases.extend(entry_hashes());
    cases.extend(proofs());
    cases.extend(checks_and_keys());
    Suite {
        name: "digest",
        cases,
    }
}

fn contexts() -> Vec<Case> {
    let all = [
        ("pair", PAIR),
        ("entry", ENTRY),
        ("entry-id", ENTRY_ID),
        ("invite-proof", INVITE_PROOF),
        ("invite-check", INVITE_CHECK),
        ("reset-key", RESET_KEY),
        ("probe", PROBE),
        ("position", POSITION),
        ("dht-key", DHT_KEY),
        ("record", RECORD),
        ("blinded-signer", BLINDED_SIGNER),
        ("blinded-seal", BLINDED_SEAL),
        ("pulse", PULSE),
        ("log", LOG),
        ("item", ITEM),
        ("item-body", ITEM_BODY),
        ("frontier", FRONTIER),
        ("membership", MEMBERSHIP),
        ("room-secret", ROOM_SECRET),
        ("room-key", ROOM_KEY),
        ("room", ROOM),
        ("room-open", ROOM_OPEN),
        ("room-rendezvous", ROOM_RENDEZVOUS),
        ("room-body", ROOM_BODY),
        ("room-nonce", ROOM_NONCE),
        ("room-author", ROOM_AUTHOR),
    ];
    // Lengths at which BLAKE3 changes its ways: block, chunk, several chunks, an uneven tree.
    let lengths = [
        ("nothing", 0),
        ("block", 64),
        ("chunk", 1024),
        ("chunk-and-one", 1025),
        ("tree", 5000),
    ];
    let mut cases = Vec::new();
    for (slug, context) in all {
        cases.push(derivation(&format!("{slug}-abc"), context, &[b"a", b"bc"]));
    }
    for (slug, len) in lengths {
        let input: Vec<u8> = (0..len).map(|index| (index % 251) as u8).collect();
        cases.push(derivation(&format!("pair-{slug}"), PAIR, &[&input]));
    }
    for (slug, context) in all {
        let wrong = derive("dchat/1 2026-11 no such context", &[b"abc"]);
        let case = Case::invalid(
            format!("derive/{slug}-wrong-context"),
            "derive",
            &["DC-ID-001"],
            "mismatch",
        );
        cases.push(deriving(case, context, &[b"abc"]).with("claimed", Json::bytes(&wrong)));
    }
    cases
}

fn derivation(slug: &str, context: &str, parts: &[&[u8]]) -> Case {
    let digest = Json::bytes(&derive(context, parts));
    let expected = Json::Object(vec![("digest", digest)]);
    let case = Case::valid(format!("derive/{slug}"), "derive", &["DC-ID-001"], expected);
    deriving(case, context, parts)
}

fn deriving(case: Case, context: &str, parts: &[&[u8]]) -> Case {
    let parts = parts.iter().map(|part| Json::bytes(part)).collect();
    case.with("context", context)
        .with("parts", Json::List(parts))
}

fn conversation(one: Actor, other: Actor) -> [u8; 32] {
    let mut keys = [one.public(), other.public()];
    keys.sort_unstable();
    derive(PAIR, &[&keys[0], &keys[1]])
}

fn pairs() -> Vec<Case> {
    let case = |id: &str, one: Actor, other: Actor| {
        let digest = Json::bytes(&conversation(one, other));
        let expected = Json::Object(vec![("conversation", digest)]);
        between(
            Case::valid(id, "pair", &["DC-CHAT-037"], expected),
            one,
            other,
        )
    };
    let mut keys = [ALICE.public(), BOB.public()];
    keys.sort_unstable();
    let wrong_order = derive(PAIR, &[&keys[1], &keys[0]]);
    let wrong = |id: &str, claimed: &[u8]| {
        let case = Case::invalid(id, "pair", &["DC-CHAT-037"], "mismatch");
        between(case, ALICE, BOB).with("claimed", Json::bytes(claimed))
    };
    vec![
        case("pair/alice-bob", ALICE, BOB),
        case("pair/bob-alice", BOB, ALICE),
        case("pair/alice-carol", ALICE, CAROL),
        wrong("pair/larger-first", &wrong_order),
        wrong("pair/of-others", &conversation(ALICE, CAROL)),
        wrong("pair/no-context", blake3::hash(&keys.concat()).as_bytes()),
    ]
}

fn between(case: Case, one: Actor, other: Actor) -> Case {
    case.with("one", Json::bytes(&one.public()))
        .with("other", Json::bytes(&other.public()))
}

fn entry_id(author: Actor, incarnation: &[u8], seq: u64) -> Vec<u8> {
    let conversation = conversation(ALICE, BOB);
    let seq = seq.to_le_bytes();
    derive(
        ENTRY_ID,
        &[&conversation, &author.public(), incarnation, &seq],
    )[..16]
        .to_vec()
}

fn in_log(case: Case, author: Actor, incarnation: &[u8], seq: u64) -> Case {
    case.with("conversation", Json::bytes(&conversation(ALICE, BOB)))
        .with("author", Json::bytes(&author.public()))
        .with("incarnation", Json::bytes(incarnation))
        .with("seq", Json::decimal(seq))
}

fn entry_ids() -> Vec<Case> {
    let log = &filler(0x30)[..16];
    let other = &filler(0x31)[..16];
    let case = |slug: &str, author: Actor, log: &[u8], seq: u64| {
        let expected = Json::Object(vec![("id", Json::bytes(&entry_id(author, log, seq)))]);
        let id = format!("entry-id/{slug}");
        in_log(
            Case::valid(id, "entry-id", &["DC-CHAT-037"], expected),
            author,
            log,
            seq,
        )
    };
    let wrong = |slug: &str, claimed: &[u8]| {
        let case = Case::invalid(
            format!("entry-id/{slug}"),
            "entry-id",
            &["DC-CHAT-037"],
            "mismatch",
        );
        in_log(case, ALICE, log, 1).with("claimed", Json::bytes(claimed))
    };
    vec![
        case("alice-1", ALICE, log, 1),
        case("alice-2", ALICE, log, 2),
        case("alice-max", ALICE, log, u64::MAX),
        case("bob-1", BOB, log, 1),
        case("alice-other-incarnation", ALICE, other, 1),
        wrong("of-another-author", &entry_id(BOB, log, 1)),
        wrong("of-another-incarnation", &entry_id(ALICE, other, 1)),
        wrong("of-the-next", &entry_id(ALICE, log, 2)),
        wrong("big-endian", &entry_id(ALICE, log, 1_u64.swap_bytes())),
    ]
}

/// Of an entry in the log of `author` that `filler(0x30)` names.
pub(super) fn entry_hash(author: Actor, seq: u64, prev: &[u8; 32], content: &[u8]) -> [u8; 32] {
    let conversation = conversation(ALICE, BOB);
    let (author, log) = (author.public(), filler(0x30));
    derive(
        ENTRY,
        &[
            &conversation,
            &author,
            &log[..16],
            &seq.to_le_bytes(),
            prev,
            content,
        ],
    )
}

fn entry_hashes() -> Vec<Case> {
    let log = &filler(0x30)[..16];
    let zeros = [0; 32];
    let first = content(1, None, b"hello").bytes;
    let second = content(1, Some(1), "再见".as_bytes()).bytes;
    let long = content(1, None, &[b'a'; 65_536]).bytes;
    let chained = entry_hash(ALICE, 1, &zeros, &first);
    let case = |slug: &str, seq: u64, prev: &[u8; 32], content: &[u8]| {
        let hash = Json::bytes(&entry_hash(ALICE, seq, prev, content));
        let id = format!("entry-hash/{slug}");
        let expected = Json::Object(vec![("hash", hash)]);
        in_log(
            Case::valid(id, "entry-hash", &["DC-CHAT-037"], expected),
            ALICE,
            log,
            seq,
        )
        .with("prev", Json::bytes(prev))
        .with("content", Json::bytes(content))
    };
    let wrong = |slug: &str, claimed: &[u8; 32]| {
        let id = format!("entry-hash/{slug}");
        in_log(
            Case::invalid(id, "entry-hash", &["DC-CHAT-037"], "mismatch"),
            ALICE,
            log,
            2,
        )
        .with("prev", Json::bytes(&chained))
        .with("content", Json::bytes(&second))
        .with("claimed", Json::bytes(claimed))
    };
    let mut flipped = entry_hash(ALICE, 2, &chained, &second);
    flipped[31] ^= 0x80;
    let invalid_content = in_log(
        Case::invalid(
            "entry-hash/content-cut",
            "entry-hash",
            &["DC-WIRE-001"],
            "unexpected-end",
        ),
        ALICE,
        log,
        1,
    )
    .with("prev", Json::bytes(&zeros))
    .with("content", Json::bytes(&first[..first.len() - 1]));
    vec![
        case("first", 1, &zeros, &first),
        case("second", 2, &chained, &second),
        case("longest-text", 3, &chained, &long),
        wrong("other-author", &entry_hash(BOB, 2, &chained, &second)),
        wrong("other-seq", &entry_hash(ALICE, 3, &chained, &second)),
        wrong("other-prev", &entry_hash(ALICE, 2, &zeros, &second)),
        wrong("other-content", &entry_hash(ALICE, 2, &chained, &first)),
        wrong("last-bit", &flipped),
        invalid_content,
    ]
}

fn proof(secret: &[u8; 32], inviter: Actor, redeemer: Actor) -> [u8; 32] {
    let key = derive(INVITE_PROOF, &[secret]);
    let message = [inviter.public(), redeemer.public()].concat();
    *blake3::keyed_hash(&key, &message).as_bytes()
}

fn proofs() -> Vec<Case> {
    let secret = filler(0xc0);
    let of = |case: Case, inviter: Actor, redeemer: Actor| {
        case.with("secret", Json::bytes(&secret))
            .with("inviter", Json::bytes(&inviter.public()))
            .with("redeemer", Json::bytes(&redeemer.public()))
    };
    let case = |slug: &str, inviter: Actor, redeemer: Actor| {
        let mac = Json::bytes(&proof(&secret, inviter, redeemer));
        let id = format!("invite-proof/{slug}");
        let expected = Json::Object(vec![("mac", mac)]);
        of(
            Case::valid(id, "invite-proof", &["DC-ID-035"], expected),
            inviter,
            redeemer,
        )
    };
    let wrong = |slug: &str, claimed: &[u8; 32]| {
        let id = format!("invite-proof/{slug}");
        let case = Case::invalid(id, "invite-proof", &["DC-ID-035"], "mismatch");
        of(case, ALICE, BOB).with("claimed", Json::bytes(claimed))
    };
    vec![
        case("alice-invites-bob", ALICE, BOB),
        case("bob-invites-alice", BOB, ALICE),
        wrong("roles-swapped", &proof(&secret, BOB, ALICE)),
        wrong("shown-by-another", &proof(&secret, ALICE, CAROL)),
        wrong("made-for-another", &proof(&secret, CAROL, BOB)),
        wrong("another-secret", &proof(&filler(0xc1), ALICE, BOB)),
        wrong("zeros", &[0; 32]),
    ]
}

fn checks_and_keys() -> Vec<Case> {
    let check = |slug: &str, body: &[u8]| {
        let expected = Json::Object(vec![("check", Json::bytes(&invite_check(body)))]);
        Case::valid(
            format!("invite-check/{slug}"),
            "invite-check",
            &["DC-ID-028"],
            expected,
        )
        .with("body", Json::bytes(body))
    };
    let reset = |slug: &str, seed: [u8; 32]| {
        let expected = Json::Object(vec![("key", Json::bytes(&derive(RESET_KEY, &[&seed])))]);
        Case::valid(
            format!("reset-key/{slug}"),
            "reset-key",
            &["DC-CONN-007"],
            expected,
        )
        .with("seed", Json::bytes(&seed))
    };
    vec![
        check("nothing", b""),
        check("one", &[1]),
        Case::invalid(
            "invite-check/wrong",
            "invite-check",
            &["DC-ID-028"],
            "mismatch",
        )
        .with("body", Json::bytes(&[1]))
        .with("claimed", Json::bytes(&invite_check(b""))),
        reset("alice", ALICE.seed()),
        reset("bob", BOB.seed()),
        Case::invalid(
            "reset-key/seed-itself",
            "reset-key",
            &["DC-CONN-007"],
            "mismatch",
        )
        .with("seed", Json::bytes(&ALICE.seed()))
        .with("claimed", Json::bytes(&ALICE.seed())),
    ]
}
