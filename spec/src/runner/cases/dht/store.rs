//! What bounds a store (`70-dht` §7.3), and answers that do not hold everything (§4.3).

use std::collections::BTreeSet;

use super::super::super::bodies::dht::{self, refusal};
use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::clock;
use super::super::super::identity::Identity;
use super::super::super::partner::Partner;
use super::{at_server, expect_reason, get, put, rendezvous, sample, store, stored};
use crate::structure::Structure;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::negative(
            "dht/writer-quota",
            "one writer gets no more than its share, and others still get theirs",
            &["DC-DHT-034"],
            quota,
        ),
        Case::positive(
            "dht/get-in-parts",
            "records that do not fit one answer come when asked for again",
            &["DC-DHT-020"],
            in_parts,
        ),
        Case::negative(
            "dht/key-is-full",
            "a 65th record under one key is not kept",
            &["DC-DHT-034"],
            full,
        ),
        Case::negative(
            "dht/expires",
            "a record is gone when it has expired",
            &["DC-DHT-035"],
            expires,
        )
        .takes(2),
    ]
}

/// A device record of the longest kind.
fn large(partner: &Partner) -> super::Sample {
    let mut sample = sample(partner, "device");
    let value = vec![0x5a; 1024];
    let extensions: Vec<(u16, &[u8])> = (0x101..0x104)
        .map(|kind| (kind, value.as_slice()))
        .collect();
    let payload = Structure::new()
        .fixed("DeviceRecord.identity_key", &partner.bytes(32))
        .fixed("DeviceRecord.signing_key", &partner.identity().public())
        .fixed("DeviceRecord.fallback_key", &partner.bytes(32))
        .extensions("DeviceRecord.extensions", &extensions);
    sample.statement.payload = payload.bytes;
    // They leave room soon after.
    sample.statement.expires_at = sample.statement.issued_at + 60_000;
    sample
}

async fn quota(partner: Partner) -> Outcome {
    let link = at_server(&partner, &Identity::new(&partner.fresh())).await?;
    // Half as much again as one writer may have: 131072 bytes.
    for _ in 0..60 {
        let sample = large(&partner);
        match store(&link, &sample.key, &sample.record()).await? {
            Ok(_) => {}
            refused => {
                expect_reason(refused, refusal::WRITER_QUOTA)?;
                let other = at_server(&partner, &Identity::new(&partner.fresh())).await?;
                return stored(store(&other, &sample.key, &sample.record()).await?).map(|_| ());
            }
        }
    }
    Err(Fault::new(
        "WRITER_QUOTA",
        "60 records of 3.5 KB stored for one writer",
    ))
}

/// So many records of one signer under one key, with different slots.
async fn fill(
    partner: &Partner,
    count: usize,
) -> Result<(super::Link, super::Sample, Result<u32, u16>), Fault> {
    let link = at_server(partner, &Identity::new(&partner.fresh())).await?;
    let mut sample = sample(partner, "rendezvous");
    sample.statement.expires_at = sample.statement.issued_at + 60_000;
    let token = get(&link, &sample.key, &[]).await?.token;
    let mut last = Ok(0);
    for number in 0..count {
        let payload = rendezvous(&partner.array(), &partner.bytes(1024));
        sample.statement.payload = payload.bytes;
        last = put(&link, &sample.key, &token, &sample.record()).await?;
        if number < 64 {
            stored(last)?;
        }
    }
    Ok((link, sample, last))
}

async fn in_parts(partner: Partner) -> Outcome {
    let count = 40;
    let (link, sample, _) = fill(&partner, count).await?;
    let mut seen = BTreeSet::new();
    // An answer holds 28 of them at most; 16 rounds that choose at random would leave less than one in a
    // million out.
    for round in 0..32 {
        let have: Vec<[u8; 8]> = seen.iter().copied().take(32).collect();
        let values = get(&link, &sample.key, if round == 0 { &[] } else { &have }).await?;
        expect(
            usize::from(values.held) == count,
            format!("{count} records held"),
            values.held.to_string(),
        )?;
        for record in values.records.as_slice() {
            let mut short = [0; 8];
            short.copy_from_slice(&dht::digest(record)[..8]);
            seen.insert(short);
        }
        if seen.len() == count {
            return Ok(());
        }
    }
    Err(Fault::new(
        format!("{count} records"),
        seen.len().to_string(),
    ))
}

async fn full(partner: Partner) -> Outcome {
    let (link, sample, last) = fill(&partner, 65).await?;
    // One that takes another's place is stored; none is beside all others.
    if let Err(reason) = last {
        expect_reason(Err(reason), 12)?;
    }
    let held = get(&link, &sample.key, &[]).await?.held;
    expect(held <= 64, "at most 64 records", held.to_string())
}

async fn expires(partner: Partner) -> Outcome {
    let link = at_server(&partner, &Identity::new(&partner.fresh())).await?;
    let mut sample = sample(&partner, "presence");
    sample.statement.expires_at = clock::now_ms() + 1500;
    stored(store(&link, &sample.key, &sample.record()).await?)?;
    let held = get(&link, &sample.key, &[]).await?.held;
    if held != 1 && clock::now_ms() < sample.statement.expires_at {
        return Err(Fault::new("one record until it expires", held.to_string()));
    }
    // Asked just after its end: a correct peer has forgotten it by then.
    while clock::now_ms() <= sample.statement.expires_at {
        tokio::time::sleep(core::time::Duration::from_millis(100)).await;
    }
    let held = get(&link, &sample.key, &[]).await?.held;
    expect(held == 0, "no record after its expiry", held.to_string())
}
