//! A record of each kind: believed to its last moment, and refused for each reason (`20-identity` §4,
//! `registry` §6).

use crate::actor::{ALICE, Actor, BOB};
use crate::case::{Case, Suite};
use crate::json::Json;
use crate::structure::Structure;

use super::address::{direct_v4, direct_v6};
use super::record::{ISSUED, SKEW, address_payload, device_payload};
use super::{advert, relay};

const MINUTE: u64 = 60 * 1000;
const HOUR: u64 = 60 * MINUTE;

/// A kind of record: its name, its number, how long it may live, a payload.
struct Kind {
    name: &'static str,
    slug: &'static str,
    code: u16,
    life: u64,
    payload: Structure,
}

fn kinds() -> Vec<Kind> {
    let two = [direct_v4().part(), direct_v6().part()];
    let of = |name, slug, code, life, payload| Kind {
        name,
        slug,
        code,
        life,
        payload,
    };
    let sealed = [0x5e; 40];
    vec![
        of(
            "AddressRecord",
            "address",
            1,
            24 * HOUR,
            address_payload(&two),
        ),
        of(
            "DeviceRecord",
            "device",
            2,
            30 * 24 * HOUR,
            device_payload(&[]),
        ),
        of("Voucher", "voucher", 3, 2 * HOUR, relay::voucher()),
        of("RelayAdvert", "relay", 4, 2 * HOUR, advert::relay(1)),
        of(
            "ServiceAdvert",
            "service",
            5,
            24 * HOUR,
            advert::service("mirror", &two),
        ),
        of(
            "MailboxPointer",
            "mailbox",
            6,
            7 * 24 * HOUR,
            advert::mailbox(&two),
        ),
        of("Presence", "presence", 7, HOUR, advert::presence(&sealed)),
        of(
            "Rendezvous",
            "rendezvous",
            8,
            2 * HOUR,
            advert::rendezvous(&[9; 16], &sealed),
        ),
    ]
}

/// What a record says beside its payload.
#[derive(Clone, Copy)]
struct Statement {
    code: u16,
    life: u64,
}

fn signed(signer: Actor, statement: Statement, payload: &[u8]) -> Vec<u8> {
    let body = Structure::new()
        .fixed("RecordBody.signer", &signer.public())
        .u16("RecordBody.kind", statement.code)
        .u64("RecordBody.sequence", 7)
        .u64("RecordBody.issued_at", ISSUED)
        .u64("RecordBody.expires_at", ISSUED + statement.life)
        .bytes("RecordBody.payload", payload)
        .extensions("RecordBody.extensions", &[]);
    signer.signed_record(&body.bytes).bytes
}

pub(super) fn suite() -> Suite {
    let kinds = kinds();
    let others = kinds.iter().cycle().skip(1);
    Suite {
        name: "records",
        cases: kinds
            .iter()
            .zip(others)
            .flat_map(|(kind, other)| [believed(kind), refused(kind, other)].concat())
            .collect(),
    }
}

fn asked(case: Case, kind: &Kind, bytes: &[u8], now: u64) -> Case {
    case.with("bytes", Json::bytes(bytes))
        .with("type", kind.name)
        .with("signer", Json::bytes(&ALICE.public()))
        .with("now", Json::decimal(now))
}

fn believed(kind: &Kind) -> Vec<Case> {
    let longest = kind.life;
    [
        ("at-once", longest, ISSUED),
        ("last-moment", longest, ISSUED + longest - 1),
        ("clock-ahead", longest, ISSUED - SKEW),
        ("shortest-life", 1, ISSUED),
    ]
    .into_iter()
    .map(|(slug, life, now)| {
        let statement = Statement {
            code: kind.code,
            life,
        };
        let bytes = signed(ALICE, statement, &kind.payload.bytes);
        let expected = Json::Object(vec![
            ("sequence", Json::decimal(7)),
            ("issued_at", Json::decimal(ISSUED)),
            ("expires_at", Json::decimal(ISSUED + life)),
            ("payload", kind.payload.json()),
        ]);
        let req = &["DC-ID-014", "DC-ID-016", "DC-ID-017"];
        let case = Case::valid(
            format!("records/{}-{slug}", kind.slug),
            "record",
            req,
            expected,
        );
        asked(case, kind, &bytes, now)
    })
    .collect()
}

fn refused(kind: &Kind, other: &Kind) -> Vec<Case> {
    let payload = &kind.payload.bytes;
    let statement = Statement {
        code: kind.code,
        life: kind.life,
    };
    let good = signed(ALICE, statement, payload);
    let longer = Statement {
        life: kind.life + 1,
        ..statement
    };
    let other_kind = Statement {
        code: other.code,
        ..statement
    };
    let no_kind = Statement {
        code: 0,
        ..statement
    };
    let lifeless = Statement {
        life: 0,
        ..statement
    };
    let mut forged = good.clone();
    let last = forged.len() - 1;
    forged[last] ^= 0x01;
    let misused = {
        let body = &good[8..good.len() - 64];
        let signature = ALICE.sign("dchat/1 item", body);
        [&good[..good.len() - 64], &signature].concat()
    };
    let more = [payload.as_slice(), &[0]].concat();
    let less = &payload[..payload.len() - 1];
    let cut = &good[..good.len() - 1];
    let all: [(&str, Vec<u8>, u64, &str); 13] = [
        ("expired", good.clone(), ISSUED + kind.life, "expired"),
        (
            "from-the-future",
            good.clone(),
            ISSUED - SKEW - 1,
            "bad-times",
        ),
        (
            "too-long-life",
            signed(ALICE, longer, payload),
            ISSUED,
            "bad-times",
        ),
        (
            "no-life",
            signed(ALICE, lifeless, payload),
            ISSUED,
            "bad-times",
        ),
        (
            "other-kind",
            signed(ALICE, other_kind, payload),
            ISSUED,
            "wrong-kind",
        ),
        (
            "kind-0",
            signed(ALICE, no_kind, payload),
            ISSUED,
            "wrong-kind",
        ),
        (
            "other-signer",
            signed(BOB, statement, payload),
            ISSUED,
            "wrong-signer",
        ),
        ("signature-changed", forged, ISSUED, "bad-signature"),
        ("for-another-purpose", misused, ISSUED, "bad-signature"),
        (
            "payload-longer",
            signed(ALICE, statement, &more),
            ISSUED,
            "trailing-bytes",
        ),
        (
            "payload-cut",
            signed(ALICE, statement, less),
            ISSUED,
            "unexpected-end",
        ),
        (
            "payload-empty",
            signed(ALICE, statement, &[]),
            ISSUED,
            "unexpected-end",
        ),
        ("cut", cut.to_vec(), ISSUED, "unexpected-end"),
    ];
    all.into_iter()
        .map(|(slug, bytes, now, error)| {
            let req: &'static [&'static str] = match error {
                "bad-times" if slug == "too-long-life" => &["DC-ID-016", "DC-ID-017"],
                "bad-signature" => &["DC-ID-008", "DC-ID-014", "DC-ID-017"],
                _ => &["DC-ID-017"],
            };
            let id = format!("records/{}-{slug}", kind.slug);
            asked(Case::invalid(id, "record", req, error), kind, &bytes, now)
        })
        .collect()
}
