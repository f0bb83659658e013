//! Signed records: their structures, and what is believed (`20-identity` §4).

use crate::actor::{ALICE, Actor, BOB, filler};
use crate::case::{Case, Suite};
use crate::fault::{self, broken, whole};
use crate::json::Json;
use crate::structure::{Part, Structure, counted};

use super::address::{direct_v4, direct_v6, longest};
use super::peer_id::small_order;

const ADDRESS: u16 = 1;
const DEVICE: u16 = 2;
pub(super) const DAY: u64 = 24 * 60 * 60 * 1000;
pub(super) const SKEW: u64 = 10 * 60 * 1000;
/// Time of issue in all cases, 2026-11-01T00:00:00Z.
pub(super) const ISSUED: u64 = 1_793_491_200_000;

/// The fields of a record that the cases vary.
#[derive(Clone)]
struct Statement {
    signer: [u8; 32],
    kind: u16,
    sequence: u64,
    issued_at: u64,
    expires_at: u64,
    payload: Vec<u8>,
}

impl Statement {
    fn body(&self) -> Structure {
        Structure::new()
            .fixed("RecordBody.signer", &self.signer)
            .u16("RecordBody.kind", self.kind)
            .u64("RecordBody.sequence", self.sequence)
            .u64("RecordBody.issued_at", self.issued_at)
            .u64("RecordBody.expires_at", self.expires_at)
            .bytes("RecordBody.payload", &self.payload)
            .extensions("RecordBody.extensions", &[])
    }
}

pub(super) fn device_payload(extensions: &[(u16, &[u8])]) -> Structure {
    Structure::new()
        .fixed("DeviceRecord.identity_key", &filler(0x20))
        .fixed("DeviceRecord.signing_key", &filler(0x40))
        .fixed("DeviceRecord.fallback_key", &filler(0x60))
        .extensions("DeviceRecord.extensions", extensions)
}

pub(super) fn address_payload(addresses: &[Part]) -> Structure {
    Structure::new()
        .list("AddressRecord.addresses", addresses, true)
        .extensions("AddressRecord.extensions", &[])
}

fn device_statement() -> Statement {
    Statement {
        signer: ALICE.public(),
        kind: DEVICE,
        sequence: ISSUED,
        issued_at: ISSUED,
        expires_at: ISSUED + 30 * DAY,
        payload: device_payload(&[]).bytes,
    }
}

fn address_statement() -> Statement {
    Statement {
        signer: ALICE.public(),
        kind: ADDRESS,
        sequence: 7,
        issued_at: ISSUED,
        expires_at: ISSUED + DAY,
        payload: address_payload(&[direct_v4().part()]).bytes,
    }
}

/// A `DeviceRecord` of `actor` as others embed it.
pub(super) fn device_record(actor: Actor) -> Structure {
    device_record_of(actor, &device_payload(&[]))
}

/// A `DeviceRecord` of `actor` with these keys.
pub(super) fn device_record_of(actor: Actor, payload: &Structure) -> Structure {
    let statement = Statement {
        signer: actor.public(),
        payload: payload.bytes.clone(),
        ..device_statement()
    };
    actor.signed_record(&statement.body().bytes)
}

pub(super) fn suite() -> Suite {
    let mut cases = structures();
    cases.extend(believed());
    cases.extend(wrong_times());
    cases.extend(wrong_signatures());
    cases.extend(wrong_contents());
    Suite {
        name: "record",
        cases,
    }
}

fn structures() -> Vec<Case> {
    let device = device_payload(&[]);
    let addresses = address_payload(&[direct_v4().part(), direct_v6().part()]);
    let body = device_statement().body();
    let signed = device_record(ALICE);
    let most: Vec<Part> = (0..16).map(|_| longest().part()).collect();
    let mut cases = vec![
        whole("device-record/plain", "DeviceRecord", &device),
        whole(
            "device-record/extension",
            "DeviceRecord",
            &device_payload(&[(3, &[1])]),
        ),
        whole("address-record/two", "AddressRecord", &addresses),
        whole(
            "address-record/most",
            "AddressRecord",
            &address_payload(&most),
        ),
        whole("record-body/device", "RecordBody", &body),
        whole("signed-record/device", "SignedRecord", &signed),
    ];
    cases.extend(fault::cuts("device-record", "DeviceRecord", &device));
    cases.extend(fault::cuts("address-record", "AddressRecord", &addresses));
    cases.extend(fault::cuts("record-body", "RecordBody", &body));
    cases.extend(fault::cuts("signed-record", "SignedRecord", &signed));
    let none = address_payload(&[]);
    let list = "AddressRecord.addresses";
    cases.extend(fault::counts(
        "address-record",
        "AddressRecord",
        &none,
        list,
        16,
    ));
    let payload = "RecordBody.payload";
    cases.extend(fault::counts(
        "record-body",
        "RecordBody",
        &body,
        payload,
        4096,
    ));
    let signed_body = "SignedRecord.body";
    cases.extend(fault::counts(
        "signed-record",
        "SignedRecord",
        &signed,
        signed_body,
        4352,
    ));
    let extensions = "DeviceRecord.extensions";
    cases.extend(fault::extensions(
        "device-record",
        "DeviceRecord",
        &device,
        extensions,
    ));
    let alias = body.replace("RecordBody.signer", &small_order()[8]);
    cases.push(
        broken(
            "record-body/signer-no-key",
            "RecordBody",
            &["DC-ID-004"],
            &alias,
            "invalid",
        )
        .field(Some("RecordBody.signer")),
    );
    cases
}

fn opened(
    id: &str,
    statement: &Statement,
    payload: (&'static str, Json),
    now: u64,
    signed: &Structure,
) -> Case {
    let expected = Json::Object(vec![
        ("sequence", Json::decimal(statement.sequence)),
        ("issued_at", Json::decimal(statement.issued_at)),
        ("expires_at", Json::decimal(statement.expires_at)),
        ("payload", payload.1),
    ]);
    let case = Case::valid(
        format!("record/{id}"),
        "record",
        &["DC-ID-014", "DC-ID-017"],
        expected,
    );
    asked(case, &signed.bytes, payload.0, ALICE, now)
}

fn asked(case: Case, signed: &[u8], payload: &'static str, signer: Actor, now: u64) -> Case {
    case.with("bytes", Json::bytes(signed))
        .with("type", payload)
        .with("signer", Json::bytes(&signer.public()))
        .with("now", Json::decimal(now))
}

fn refused(id: &str, req: &'static [&'static str], error: &'static str) -> Case {
    Case::invalid(format!("record/{id}"), "record", req, error)
}

fn sign(statement: &Statement) -> Structure {
    ALICE.signed_record(&statement.body().bytes)
}

fn believed() -> Vec<Case> {
    let device = device_statement();
    let address = address_statement();
    let device_json = || ("DeviceRecord", device_payload(&[]).json());
    let address_json = (
        "AddressRecord",
        address_payload(&[direct_v4().part()]).json(),
    );
    let brief = Statement {
        expires_at: ISSUED + 1,
        ..device_statement()
    };
    let extremes = Statement {
        sequence: u64::MAX,
        issued_at: u64::MAX - 1,
        expires_at: u64::MAX,
        ..device_statement()
    };
    let extended = Statement {
        payload: device_payload(&[(3, &[1])]).bytes,
        ..device_statement()
    };
    let extended_json = ("DeviceRecord", device_payload(&[(3, &[1])]).json());
    vec![
        opened("device", &device, device_json(), ISSUED, &sign(&device)),
        opened("address", &address, address_json, ISSUED, &sign(&address)),
        opened(
            "last-moment",
            &device,
            device_json(),
            device.expires_at - 1,
            &sign(&device),
        ),
        opened(
            "clock-ahead",
            &device,
            device_json(),
            ISSUED - SKEW,
            &sign(&device),
        ),
        opened(
            "one-millisecond",
            &brief,
            device_json(),
            ISSUED,
            &sign(&brief),
        ),
        opened(
            "end-of-time",
            &extremes,
            device_json(),
            u64::MAX - 1,
            &sign(&extremes),
        ),
        opened(
            "unknown-extension",
            &extended,
            extended_json,
            ISSUED,
            &sign(&extended),
        ),
    ]
}

fn wrong_times() -> Vec<Case> {
    let with = |issued_at: u64, expires_at: u64| Statement {
        issued_at,
        expires_at,
        ..device_statement()
    };
    let all = [
        (
            "expired-now",
            device_statement(),
            ISSUED + 30 * DAY,
            "expired",
        ),
        ("expired-long-ago", device_statement(), u64::MAX, "expired"),
        (
            "from-the-future",
            device_statement(),
            ISSUED - SKEW - 1,
            "bad-times",
        ),
        ("now-is-0", device_statement(), 0, "bad-times"),
        ("no-life", with(ISSUED, ISSUED), ISSUED, "bad-times"),
        (
            "ends-before-it-begins",
            with(ISSUED, ISSUED - 1),
            ISSUED - 2,
            "bad-times",
        ),
        (
            "too-long-life",
            with(ISSUED, ISSUED + 30 * DAY + 1),
            ISSUED,
            "bad-times",
        ),
        ("for-ever", with(0, u64::MAX), ISSUED, "bad-times"),
    ];
    let mut cases: Vec<Case> = all
        .into_iter()
        .map(|(id, statement, now, error)| {
            let req: &'static [&'static str] = match id {
                "too-long-life" | "for-ever" => &["DC-ID-016", "DC-ID-017"],
                _ => &["DC-ID-017"],
            };
            let case = refused(id, req, error);
            asked(case, &sign(&statement).bytes, "DeviceRecord", ALICE, now)
        })
        .collect();
    let long = Statement {
        expires_at: ISSUED + DAY + 1,
        ..address_statement()
    };
    let case = refused("address-for-too-long", &["DC-ID-016"], "bad-times");
    cases.push(asked(
        case,
        &sign(&long).bytes,
        "AddressRecord",
        ALICE,
        ISSUED,
    ));
    cases
}

fn wrong_signatures() -> Vec<Case> {
    let body = device_statement().body().bytes;
    let good = ALICE.sign(crate::actor::RECORD, &body);
    let with = |signature: &[u8]| [counted(&body), signature.to_vec()].concat();
    let flipped = |bit: usize| {
        let mut signature = good;
        signature[bit / 8] ^= 1 << (bit % 8);
        with(&signature)
    };
    let mut changed = with(&good);
    changed[8 + 32 + 2] ^= 1;
    let all = [
        ("signature-first-bit", flipped(0)),
        ("signature-last-bit-of-r", flipped(255)),
        ("signature-first-bit-of-s", flipped(256)),
        ("signature-last-bit", flipped(511)),
        ("signature-zeros", with(&[0; 64])),
        (
            "signed-by-another",
            with(&BOB.sign(crate::actor::RECORD, &body)),
        ),
        (
            "signed-for-another-context",
            with(&ALICE.sign("dchat/1 other", &body)),
        ),
        ("signed-without-context", with(&bare_signature(&body))),
        ("body-changed", changed),
    ];
    all.into_iter()
        .map(|(id, signed)| {
            let case = refused(
                id,
                &["DC-ID-008", "DC-ID-014", "DC-ID-017"],
                "bad-signature",
            );
            asked(case, &signed, "DeviceRecord", ALICE, ISSUED)
        })
        .collect()
}

fn bare_signature(body: &[u8]) -> [u8; 64] {
    use ed25519_dalek::Signer as _;
    ALICE.key().sign(body).to_bytes()
}

fn wrong_contents() -> Vec<Case> {
    let good = sign(&device_statement()).bytes;
    let signed = |body: &[u8]| ALICE.signed_record(body).bytes;
    let with_payload = |payload: Vec<u8>| {
        sign(&Statement {
            payload,
            ..device_statement()
        })
        .bytes
    };
    let kind_3 = Statement {
        kind: 3,
        ..device_statement()
    };
    let body = device_statement().body().bytes;
    let longer = [body.as_slice(), &[0]].concat();
    let payload = device_payload(&[]).bytes;
    let critical = device_payload(&[(0x8003, &[])]).bytes;
    let all = [
        (
            "kind-of-another",
            "AddressRecord",
            ALICE,
            good.clone(),
            "wrong-kind",
        ),
        (
            "kind-unknown",
            "DeviceRecord",
            ALICE,
            sign(&kind_3).bytes,
            "wrong-kind",
        ),
        (
            "signer-is-another",
            "DeviceRecord",
            BOB,
            good,
            "wrong-signer",
        ),
        (
            "body-with-a-byte-more",
            "DeviceRecord",
            ALICE,
            signed(&longer),
            "trailing-bytes",
        ),
        (
            "body-cut",
            "DeviceRecord",
            ALICE,
            signed(&body[..40]),
            "unexpected-end",
        ),
        (
            "payload-empty",
            "DeviceRecord",
            ALICE,
            with_payload(Vec::new()),
            "unexpected-end",
        ),
        (
            "payload-cut",
            "DeviceRecord",
            ALICE,
            with_payload(payload[..103].to_vec()),
            "unexpected-end",
        ),
        (
            "payload-longer",
            "DeviceRecord",
            ALICE,
            with_payload([payload.as_slice(), &[0]].concat()),
            "trailing-bytes",
        ),
        (
            "payload-critical-extension",
            "DeviceRecord",
            ALICE,
            with_payload(critical),
            "invalid",
        ),
    ];
    all.into_iter()
        .map(|(id, payload, signer, bytes, error)| {
            asked(
                refused(id, &["DC-ID-017"], error),
                &bytes,
                payload,
                signer,
                ISSUED,
            )
        })
        .collect()
}
