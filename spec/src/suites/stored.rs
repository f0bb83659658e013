//! Records as a node that stores them judges them, and their digests (`70-dht` §6).

use crate::actor::{ALICE, Actor, BOB, RECORD as SIGNATURE, filler};
use crate::case::{Case, Suite};
use crate::json::Json;
use crate::structure::{Part, Structure, counted};

use super::address::{direct_v4, longest};
use super::advert;
use super::digest::{RECORD, derive};
use super::position::dht_key;
use super::record::ISSUED;

const HOUR: u64 = 60 * 60 * 1000;
const SKEW: u64 = 10 * 60 * 1000;

/// A record of one kind, as it should be.
#[derive(Clone)]
struct Statement {
    slug: &'static str,
    kind: u16,
    payload: Vec<u8>,
    /// Longest life in hours.
    hours: u64,
    /// Most bytes of the payload.
    most: usize,
    /// What the key is of.
    name: Vec<u8>,
    slot: [u8; 16],
}

impl Statement {
    fn key(&self) -> [u8; 32] {
        dht_key(self.kind, &self.name)
    }

    fn body(&self, issued: u64, expires: u64) -> Vec<u8> {
        Structure::new()
            .fixed("RecordBody.signer", &ALICE.public())
            .u16("RecordBody.kind", self.kind)
            .u64("RecordBody.sequence", 9)
            .u64("RecordBody.issued_at", issued)
            .u64("RecordBody.expires_at", expires)
            .bytes("RecordBody.payload", &self.payload)
            .extensions("RecordBody.extensions", &[])
            .bytes
    }

    fn whole(&self) -> Vec<u8> {
        self.body(ISSUED, ISSUED + self.hours * HOUR)
    }
}

fn address(addresses: &[Part], extensions: &[(u16, &[u8])]) -> Vec<u8> {
    Structure::new()
        .list("AddressRecord.addresses", addresses, true)
        .extensions("AddressRecord.extensions", extensions)
        .bytes
}

fn statements() -> [Statement; 7] {
    let signer = ALICE.public().to_vec();
    let of = |slug, kind, payload: Structure, hours, most, name: &[u8]| Statement {
        slug,
        kind,
        payload: payload.bytes,
        hours,
        most,
        name: name.to_vec(),
        slot: [0; 16],
    };
    let device = Structure::new()
        .fixed("DeviceRecord.identity_key", &filler(0x20))
        .fixed("DeviceRecord.signing_key", &filler(0x40))
        .fixed("DeviceRecord.fallback_key", &filler(0x60))
        .extensions("DeviceRecord.extensions", &[]);
    let addresses = [direct_v4().part()];
    let listed = Structure::new()
        .list("AddressRecord.addresses", &addresses, true)
        .extensions("AddressRecord.extensions", &[]);
    let sealed = [0x5e; 256];
    let mut rendezvous = of(
        "rendezvous",
        8,
        advert::rendezvous(&[9; 16], &sealed),
        2,
        1152,
        &signer,
    );
    rendezvous.slot = [9; 16];
    [
        of("address", 1, listed, 24, 2304, &signer),
        of("device", 2, device, 720, 4096, &signer),
        of("relay", 4, advert::relay(3), 2, 256, &[3]),
        of(
            "service",
            5,
            advert::service("mirror", &addresses),
            24,
            1024,
            b"mirror",
        ),
        of(
            "mailbox",
            6,
            advert::mailbox(&addresses),
            168,
            1024,
            &signer,
        ),
        of("presence", 7, advert::presence(&sealed), 1, 1152, &signer),
        rendezvous,
    ]
}

pub(super) fn suite() -> Suite {
    let mut cases = Vec::new();
    for statement in statements() {
        cases.extend(believed(&statement));
        cases.extend(refused(&statement));
    }
    cases.extend(particular());
    cases.extend(digests());
    Suite {
        name: "stored",
        cases,
    }
}

fn signed(actor: Actor, body: &[u8]) -> Vec<u8> {
    actor.signed_record(body).bytes
}

fn asked(case: Case, record: &[u8], key: &[u8; 32], now: u64) -> Case {
    case.with("bytes", Json::bytes(record))
        .with("key", Json::bytes(key))
        .with("now", Json::decimal(now))
}

fn digest(record: &[u8]) -> [u8; 32] {
    // The body follows its count of eight bytes, the signature the body.
    let (body, signature) = record[8..].split_at(record.len() - 8 - 64);
    derive(RECORD, &[signature, body])
}

const REQ: &[&str] = &["DC-DHT-027", "DC-DHT-028"];

fn believed(statement: &Statement) -> Vec<Case> {
    let body = statement.whole();
    let record = signed(ALICE, &body);
    let expires = ISSUED + statement.hours * HOUR;
    let at = |slug: &str, now: u64| {
        let expected = Json::Object(vec![
            ("kind", Json::Number(statement.kind.into())),
            ("signer", Json::bytes(&ALICE.public())),
            ("slot", Json::bytes(&statement.slot)),
            ("sequence", Json::decimal(9)),
            ("issued_at", Json::decimal(ISSUED)),
            ("expires_at", Json::decimal(expires)),
            ("digest", Json::bytes(&digest(&record))),
        ]);
        let id = format!("stored/{}-{slug}", statement.slug);
        asked(
            Case::valid(id, "stored-record", REQ, expected),
            &record,
            &statement.key(),
            now,
        )
    };
    vec![at("fresh", ISSUED), at("last-moment", expires - 1)]
}

fn refused(statement: &Statement) -> Vec<Case> {
    let longest = statement.hours * HOUR;
    let key = statement.key();
    let body = statement.whole();
    let good = signed(ALICE, &body);
    let mut forged = good.clone();
    let last = forged.len() - 1;
    forged[last - 40] ^= 1;
    let mut elsewhere = key;
    elsewhere[0] ^= 0x80;
    let other_kind = dht_key(statement.kind + 1, &statement.name);
    let cut = Statement {
        payload: statement.payload[..statement.payload.len() - 1].to_vec(),
        ..statement.clone()
    };
    let long = Statement {
        payload: vec![0; statement.most.min(4095) + 1],
        ..statement.clone()
    };
    let too_long_life = statement.body(ISSUED, ISSUED + longest + 1);
    let no_life = statement.body(ISSUED, ISSUED);
    [
        ("expired", "expired", good.clone(), key, ISSUED + longest),
        (
            "from-the-future",
            "expired",
            good.clone(),
            key,
            ISSUED - SKEW - 1,
        ),
        (
            "too-long-a-life",
            "expired",
            signed(ALICE, &too_long_life),
            key,
            ISSUED,
        ),
        ("no-life", "expired", signed(ALICE, &no_life), key, ISSUED),
        ("elsewhere", "wrong-key", good.clone(), elsewhere, ISSUED),
        ("of-another-kind", "wrong-key", good, other_kind, ISSUED),
        ("forged", "bad-signature", forged, key, ISSUED),
        (
            "signed-by-another",
            "bad-signature",
            signed(BOB, &body),
            key,
            ISSUED,
        ),
        (
            "payload-cut",
            "bad-record",
            signed(ALICE, &cut.whole()),
            key,
            ISSUED,
        ),
        (
            "payload-too-long",
            "bad-record",
            signed(ALICE, &long.whole()),
            key,
            ISSUED,
        ),
    ]
    .into_iter()
    .map(|(slug, error, record, key, now)| {
        let id = format!("stored/{}-{slug}", statement.slug);
        asked(
            Case::invalid(id, "stored-record", REQ, error),
            &record,
            &key,
            now,
        )
    })
    .collect()
}

/// What goes before what, and the limits that only one kind meets.
fn particular() -> Vec<Case> {
    let [plain, _, relay, ..] = statements();
    let key = plain.key();
    let now = ISSUED;
    let with = |payload: Vec<u8>| Statement {
        payload,
        ..plain.clone()
    };
    let of = |statement: &Statement| signed(ALICE, &statement.whole());
    let most: Vec<Part> = (0..16).map(|_| longest().part()).collect();
    let fits = with(address(&most, &[(1, &[0; 256])]));
    let over = with(address(&most, &[(1, &[0; 1024])]));
    let nowhere = with(address(&[], &[]));
    let voucher = Statement {
        kind: 3,
        ..plain.clone()
    };
    let unknown = Statement {
        kind: 999,
        ..plain.clone()
    };
    let shard = Statement {
        payload: advert::relay(4).bytes,
        name: vec![4],
        ..relay
    };
    let unsigned_and_late = [counted(&plain.whole()), vec![0; 64]].concat();
    let late = ISSUED + 24 * HOUR;
    let mut cases = vec![
        ("voucher", "bad-record", of(&voucher), voucher.key(), now),
        (
            "unknown-kind",
            "bad-record",
            of(&unknown),
            unknown.key(),
            now,
        ),
        ("shard-4", "bad-record", of(&shard), shard.key(), now),
        (
            "body-cut",
            "bad-record",
            signed(ALICE, &plain.whole()[..40]),
            key,
            now,
        ),
        ("address-over-its-limit", "bad-record", of(&over), key, now),
        ("address-of-nowhere", "bad-record", of(&nowhere), key, now),
        (
            "key-before-time",
            "wrong-key",
            unsigned_and_late.clone(),
            [0; 32],
            late,
        ),
        (
            "time-before-signature",
            "expired",
            unsigned_and_late,
            key,
            late,
        ),
    ]
    .into_iter()
    .map(|(slug, error, record, key, now)| {
        let id = format!("stored/{slug}");
        asked(
            Case::invalid(id, "stored-record", REQ, error),
            &record,
            &key,
            now,
        )
    })
    .collect::<Vec<_>>();
    cases.extend(believed(&Statement {
        slug: "address-most",
        ..fits
    }));
    cases
}

fn digests() -> Vec<Case> {
    let [plain, other, ..] = statements();
    let record = signed(ALICE, &plain.whole());
    let wrong = |slug: &str, claimed: &[u8]| {
        let id = format!("record-digest/{slug}");
        Case::invalid(id, "record-digest", &["DC-DHT-020"], "mismatch")
            .with("bytes", Json::bytes(&record))
            .with("claimed", Json::bytes(claimed))
    };
    let signature = ALICE.sign(SIGNATURE, &plain.whole());
    let body = plain.whole();
    let mut cases: Vec<Case> = statements()
        .iter()
        .map(|statement| {
            let record = signed(ALICE, &statement.whole());
            let expected = Json::Object(vec![("digest", Json::bytes(&digest(&record)))]);
            let id = format!("record-digest/{}", statement.slug);
            Case::valid(id, "record-digest", &["DC-DHT-020"], expected)
                .with("bytes", Json::bytes(&record))
        })
        .collect();
    cases.extend([
        wrong("of-another", &digest(&signed(ALICE, &other.whole()))),
        wrong("of-the-body", &derive(RECORD, &[&body])),
        wrong("body-first", &derive(RECORD, &[&body, &signature])),
        wrong("of-the-encoding", &derive(RECORD, &[&record])),
        Case::invalid(
            "record-digest/cut",
            "record-digest",
            &["DC-WIRE-001"],
            "unexpected-end",
        )
        .with("bytes", Json::bytes(&record[..record.len() - 1])),
    ]);
    cases
}
