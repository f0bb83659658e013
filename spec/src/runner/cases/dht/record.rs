//! What no store believes, and in which order it looks (`70-dht` §6.2 and §7.2).

use super::super::super::bodies::dht::{Statement, refusal};
use super::super::super::case::{Case, Outcome, expect};
use super::super::super::partner::Partner;
use super::{KINDS, Sample, at_server, bytes_of, expect_reason, get, plain, sample, store, stored};
use crate::structure::Structure;

const REQ: &[&str] = &["DC-DHT-027", "DC-DHT-028"];
/// How far a signer's clock may be ahead, in milliseconds.
const SKEW: u64 = 600_000;

type Spoil = fn(&mut Sample);

/// Name, what is wrong, how it becomes so, and the reason of the refusal.
const WRONG: [(&str, &str, Spoil, u16); 17] = [
    (
        "kind-0",
        "kind 0",
        |it| it.statement.kind = 0,
        refusal::BAD_RECORD,
    ),
    (
        "kind-voucher",
        "the kind of vouchers",
        |it| it.statement.kind = 3,
        refusal::BAD_RECORD,
    ),
    (
        "kind-9",
        "a kind nobody knows",
        |it| it.statement.kind = 9,
        refusal::BAD_RECORD,
    ),
    (
        "expired-at-issue",
        "an expiry that is not after its issue",
        |it| it.statement.expires_at = it.statement.issued_at,
        refusal::EXPIRED,
    ),
    (
        "backwards",
        "an expiry before its issue",
        |it| it.statement.expires_at = it.statement.issued_at - 1,
        refusal::EXPIRED,
    ),
    (
        "too-long-a-life",
        "a life a millisecond longer than its kind allows",
        |it| it.statement.expires_at = it.statement.issued_at + it.life + 1,
        refusal::EXPIRED,
    ),
    (
        "endless",
        "the latest expiry there is",
        |it| it.statement.expires_at = u64::MAX,
        refusal::EXPIRED,
    ),
    (
        "expired",
        "a time that is over",
        |it| {
            it.statement.issued_at -= 2000;
            it.statement.expires_at = it.statement.issued_at + 1000;
        },
        refusal::EXPIRED,
    ),
    (
        "from-the-future",
        "an issue 20 minutes ahead",
        |it| {
            it.statement.issued_at += 2 * SKEW;
            it.statement.expires_at = it.statement.issued_at + 1000;
        },
        refusal::EXPIRED,
    ),
    (
        "payload-empty",
        "no payload",
        |it| it.statement.payload.clear(),
        refusal::BAD_RECORD,
    ),
    (
        "payload-cut",
        "a payload without its last byte",
        |it| {
            it.statement.payload.pop();
        },
        refusal::BAD_RECORD,
    ),
    (
        "payload-and-more",
        "a payload with a byte after its end",
        |it| it.statement.payload.push(0),
        refusal::BAD_RECORD,
    ),
    (
        "payload-too-long",
        "a payload longer than its kind allows",
        |it| it.statement.payload = vec![0; it.payload + 1],
        refusal::BAD_RECORD,
    ),
    (
        "body-too-long",
        "a body longer than its kind allows",
        |it| {
            let value = vec![0; 1024];
            it.statement.extensions = (0x100..0x104).map(|kind| (kind, value.clone())).collect();
        },
        refusal::BAD_RECORD,
    ),
    (
        "critical-extension",
        "a critical extension",
        |it| it.statement.extensions = vec![(0x8001, Vec::new())],
        refusal::BAD_RECORD,
    ),
    (
        "nobody",
        "a signer that is nobody's key",
        |it| {
            it.statement.signer = [0; 32];
            it.statement.signer[0] = 1;
        },
        refusal::BAD_RECORD,
    ),
    (
        "wrong-key",
        "the key of another",
        |it| it.key[31] ^= 1,
        refusal::WRONG_KEY,
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::negative(
            "dht/record-without-addresses",
            "an AddressRecord without an address is a BAD_RECORD",
            REQ,
            |partner| {
                let spoil: Spoil = |it| {
                    let payload = Structure::new()
                        .list("AddressRecord.addresses", &[], true)
                        .extensions("AddressRecord.extensions", &[]);
                    it.statement.payload = payload.bytes;
                };
                refused(partner, "address", spoil, refusal::BAD_RECORD)
            },
        ),
        Case::negative(
            "dht/record-shard-4",
            "a RelayAdvert of a fifth shard is a BAD_RECORD",
            REQ,
            |partner| {
                let spoil: Spoil = |it| it.statement.payload[0] = 4;
                refused(partner, "relay", spoil, refusal::BAD_RECORD)
            },
        ),
        Case::negative(
            "dht/record-body-empty",
            "a record whose body has no bytes is a BAD_RECORD",
            REQ,
            |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                let signer = partner.identity();
                let put = store(&link, &partner.array(), &signer.signed_record(&[])).await?;
                expect_reason(put, refusal::BAD_RECORD)
            },
        ),
        Case::negative(
            "dht/order-kind-before-times",
            "of an unknown kind that has expired, too, the kind is named",
            REQ,
            |partner| {
                let spoil: Spoil = |it| {
                    it.statement.kind = 77;
                    it.statement.expires_at = 0;
                };
                refused(partner, "address", spoil, refusal::BAD_RECORD)
            },
        ),
        Case::negative(
            "dht/order-length-before-life",
            "of a record too long that lives too long, too, the length is named",
            REQ,
            |partner| {
                let spoil: Spoil = |it| {
                    it.statement.payload = vec![0; it.payload + 1];
                    it.statement.expires_at = u64::MAX;
                };
                refused(partner, "address", spoil, refusal::BAD_RECORD)
            },
        ),
        Case::negative(
            "dht/order-life-before-payload",
            "of a life too long with a broken payload, too, the life is named",
            REQ,
            |partner| {
                let spoil: Spoil = |it| {
                    it.statement.payload.pop();
                    it.statement.expires_at = u64::MAX;
                };
                refused(partner, "address", spoil, refusal::EXPIRED)
            },
        ),
        Case::negative(
            "dht/order-payload-before-key",
            "of a broken payload under a wrong key, too, the payload is named",
            REQ,
            |partner| {
                let spoil: Spoil = |it| {
                    it.statement.payload.pop();
                    it.key[0] ^= 1;
                };
                refused(partner, "address", spoil, refusal::BAD_RECORD)
            },
        ),
        Case::negative(
            "dht/order-key-before-expiry",
            "of a wrong key on an expired record, too, the key is named",
            REQ,
            |partner| {
                let spoil: Spoil = |it| {
                    it.key[0] ^= 1;
                    it.statement.issued_at -= 2000;
                    it.statement.expires_at = it.statement.issued_at + 1000;
                };
                refused(partner, "address", spoil, refusal::WRONG_KEY)
            },
        ),
        Case::negative(
            "dht/order-expiry-before-signature",
            "of an expired record with a false signature, too, the expiry is named",
            REQ,
            |partner| async move {
                let mut wrong = sample(&partner, "address");
                wrong.statement.issued_at -= 2000;
                wrong.statement.expires_at = wrong.statement.issued_at + 1000;
                forged(&partner, wrong, refusal::EXPIRED).await
            },
        ),
        Case::negative(
            "dht/order-held-before-signature",
            "an older record with a false signature is OUTDATED before it is looked at closer",
            &["DC-DHT-032"],
            |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                let mut sample = sample(&partner, "address");
                stored(store(&link, &sample.key, &sample.record()).await?)?;
                sample.statement.sequence -= 1;
                sample.signer = partner.identity();
                let put = store(&link, &sample.key, &sample.record()).await?;
                expect_reason(put, refusal::OUTDATED)
            },
        ),
        Case::negative(
            "dht/forged-newer",
            "a newer record with a false signature replaces nothing",
            &["DC-DHT-027", "DC-DHT-032"],
            newer,
        ),
        Case::negative(
            "dht/forged-rival",
            "a rival with a false signature is no evidence",
            &["DC-DHT-027", "DC-DHT-033"],
            rival,
        ),
        Case::negative(
            "dht/forged-body",
            "a record changed after it was signed is a BAD_SIGNATURE",
            REQ,
            |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                let sample = sample(&partner, "address");
                let mut changed = sample.clone();
                changed.statement.sequence += 1;
                let signed = sample.record();
                let [.., signature] = signed.fields.as_slice() else {
                    return Err(super::Fault::unsupported("the runner itself failed"));
                };
                let signature = &signed.bytes[signature.start..];
                let forged = Structure::new()
                    .bytes("SignedRecord.body", &changed.statement.body().bytes)
                    .fixed("SignedRecord.signature", signature);
                let put = store(&link, &sample.key, &forged).await?;
                expect_reason(put, refusal::BAD_SIGNATURE)
            },
        ),
        Case::positive(
            "dht/record-ahead",
            "a record issued nine minutes ahead is stored",
            &["DC-DHT-027"],
            |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                let mut sample = sample(&partner, "address");
                sample.statement.issued_at += SKEW - 60_000;
                sample.statement.expires_at += SKEW;
                stored(store(&link, &sample.key, &sample.record()).await?).map(|_| ())
            },
        ),
        Case::positive(
            "dht/record-with-extension",
            "a record with an extension nobody knows is stored and found with it",
            &["DC-DHT-027", "DC-WIRE-022"],
            |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                let mut sample = sample(&partner, "address");
                sample.statement.extensions = vec![(0x0123, partner.bytes(20))];
                stored(store(&link, &sample.key, &sample.record()).await?)?;
                let values = get(&link, &sample.key, &[]).await?;
                let right = bytes_of(&values) == [plain(&sample.record())];
                expect(right, "the record as it was put", "another")
            },
        ),
    ];
    for (slug, about, spoil, reason) in WRONG {
        cases.push(Case::negative(
            format!("dht/record-{slug}"),
            format!(
                "a record with {about} is refused with {}",
                refusal::name(reason)
            ),
            REQ,
            move |partner| refused(partner, "address", spoil, reason),
        ));
    }
    for slug in KINDS {
        cases.push(Case::negative(
            format!("dht/forged-{slug}"),
            format!("a record of the kind {slug} signed by another is a BAD_SIGNATURE"),
            REQ,
            move |partner| async move {
                let sample = sample(&partner, slug);
                forged(&partner, sample, refusal::BAD_SIGNATURE).await
            },
        ));
        if slug != "address" {
            cases.push(Case::negative(
                format!("dht/life-of-{slug}"),
                format!("a record of the kind {slug} that lives too long is EXPIRED"),
                REQ,
                move |partner| {
                    let spoil: Spoil =
                        |it| it.statement.expires_at = it.statement.issued_at + it.life + 1;
                    refused(partner, slug, spoil, refusal::EXPIRED)
                },
            ));
            cases.push(Case::negative(
                format!("dht/payload-of-{slug}-too-long"),
                format!("a payload over the limit of the kind {slug} is a BAD_RECORD"),
                REQ,
                move |partner| {
                    let spoil: Spoil = |it| {
                        // One over 4096 bytes is no record at all.
                        it.statement.payload = vec![0; (it.payload + 1).min(4096)];
                    };
                    refused(partner, slug, spoil, refusal::BAD_RECORD)
                },
            ));
        }
    }
    cases
}

async fn refused(partner: Partner, slug: &'static str, spoil: Spoil, reason: u16) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let mut sample = sample(&partner, slug);
    spoil(&mut sample);
    let record = sample.record();
    expect_reason(store(&link, &sample.key, &record).await?, reason)?;
    not_held(&link, &sample.key, &record).await
}

async fn forged(partner: &Partner, mut sample: Sample, reason: u16) -> Outcome {
    let link = at_server(partner, &partner.identity()).await?;
    sample.signer = partner.identity();
    let record = sample.record();
    expect_reason(store(&link, &sample.key, &record).await?, reason)?;
    not_held(&link, &sample.key, &record).await
}

async fn not_held(link: &super::Link, key: &[u8; 32], record: &Structure) -> Outcome {
    let values = get(link, key, &[]).await?;
    let is_held = bytes_of(&values).contains(&plain(record));
    expect(!is_held, "nothing stored of what was refused", "the record")
        .map_err(|fault| fault.by("DC-DHT-032"))
}

async fn newer(partner: Partner) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let held = sample(&partner, "address");
    stored(store(&link, &held.key, &held.record()).await?)?;
    let mut forged = held.clone();
    forged.statement.sequence += 1;
    forged.signer = partner.identity();
    let put = store(&link, &held.key, &forged.record()).await?;
    expect_reason(put, refusal::BAD_SIGNATURE)?;
    let right = bytes_of(&get(&link, &held.key, &[]).await?) == [plain(&held.record())];
    expect(right, "what was held before", "something else")
}

async fn rival(partner: Partner) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let held = sample(&partner, "address");
    stored(store(&link, &held.key, &held.record()).await?)?;
    let mut forged = held.clone();
    forged.statement = Statement {
        expires_at: held.statement.expires_at + 1000,
        ..held.statement.clone()
    };
    forged.signer = partner.identity();
    let put = store(&link, &held.key, &forged.record()).await?;
    expect_reason(put, refusal::BAD_SIGNATURE)?;
    let right = bytes_of(&get(&link, &held.key, &[]).await?) == [plain(&held.record())];
    expect(right, "what was held before", "something else")
}
