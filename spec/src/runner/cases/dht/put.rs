//! Storing and finding again, and what is held of one name (`70-dht` §4.3, §4.4 and §7.2).

use super::super::super::bodies::dht::{self, refusal};
use super::super::super::case::{Case, Outcome, expect};
use super::super::super::partner::Partner;
use super::{KINDS, at_server, bytes_of, expect_reason, get, plain, put, sample, store, stored};

/// What a token is made into.
type MakesUp = fn([u8; 16]) -> [u8; 16];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "dht/put-same-again",
            "the very same record is stored again",
            &["DC-DHT-032"],
            same_again,
        ),
        Case::positive(
            "dht/put-newer",
            "a higher sequence replaces what is held",
            &["DC-DHT-032"],
            newer,
        ),
        Case::negative(
            "dht/put-older",
            "a lower sequence is OUTDATED and changes nothing",
            &["DC-DHT-032"],
            older,
        ),
        Case::negative(
            "dht/put-contradiction",
            "another record with the same sequence is a CONFLICT, and both are given out",
            &["DC-DHT-033", "DC-DHT-032"],
            contradiction,
        ),
        Case::negative(
            "dht/put-third-of-a-sequence",
            "a third record with the same sequence is a CONFLICT and not kept",
            &["DC-DHT-034", "DC-DHT-032"],
            third,
        ),
        Case::positive(
            "dht/put-newer-after-contradiction",
            "a higher sequence replaces two records that contradict each other",
            &["DC-DHT-032"],
            settled,
        ),
        Case::positive(
            "dht/put-two-slots",
            "two Rendezvous of one signer with different slots are kept both",
            &["DC-DHT-032", "DC-DHT-027"],
            slots,
        ),
        Case::positive(
            "dht/get-what-is-had",
            "a record the asker has is counted and left out",
            &["DC-DHT-020", "DC-DHT-018"],
            had,
        ),
        Case::positive(
            "dht/get-nothing",
            "under a key without records there are none, and a token",
            &["DC-DHT-018", "DC-DHT-029"],
            |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                let values = get(&link, &partner.array(), &[]).await?;
                let seen = format!("{} records, {} held", values.records.len(), values.held);
                expect(
                    values.records.is_empty() && values.held == 0,
                    "nothing",
                    seen,
                )
            },
        ),
        Case::positive(
            "dht/token-of-the-same-asker",
            "a token serves the same asker over another connection",
            &["DC-DHT-030"],
            |partner| async move {
                let me = partner.identity();
                let first = at_server(&partner, &me).await?;
                let sample = sample(&partner, "address");
                let token = get(&first, &sample.key, &[]).await?.token;
                first.leave();
                let second = at_server(&partner, &me).await?;
                stored(put(&second, &sample.key, &token, &sample.record()).await?).map(|_| ())
            },
        ),
        Case::negative(
            "dht/token-of-another",
            "somebody else's token is a BAD_TOKEN",
            &["DC-DHT-029", "DC-DHT-031"],
            |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                let other = at_server(&partner, &partner.identity()).await?;
                let sample = sample(&partner, "address");
                let token = get(&other, &sample.key, &[]).await?.token;
                let put = put(&link, &sample.key, &token, &sample.record()).await?;
                expect_reason(put, refusal::BAD_TOKEN)
            },
        ),
        Case::negative(
            "dht/token-of-another-key",
            "a token for another key is a BAD_TOKEN",
            &["DC-DHT-029", "DC-DHT-031"],
            |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                let sample = sample(&partner, "address");
                let token = get(&link, &partner.array(), &[]).await?.token;
                let put = put(&link, &sample.key, &token, &sample.record()).await?;
                expect_reason(put, refusal::BAD_TOKEN)
            },
        ),
    ];
    let made_up: [(&str, MakesUp); 3] = [
        ("zeros", |_| [0; 16]),
        ("one-bit-off", |mut token| {
            token[15] ^= 0x80;
            token
        }),
        ("reversed", |mut token| {
            token.reverse();
            token
        }),
    ];
    for (slug, make) in made_up {
        cases.push(Case::negative(
            format!("dht/token-{slug}"),
            "a token that was never given is a BAD_TOKEN, and nothing is stored",
            &["DC-DHT-031"],
            move |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                let sample = sample(&partner, "device");
                let token = make(get(&link, &sample.key, &[]).await?.token);
                let put = put(&link, &sample.key, &token, &sample.record()).await?;
                expect_reason(put, refusal::BAD_TOKEN)?;
                let held = get(&link, &sample.key, &[]).await?.held;
                expect(held == 0, "nothing stored", format!("{held} records"))
            },
        ));
    }
    for slug in KINDS {
        cases.push(Case::positive(
            format!("dht/put-{slug}"),
            format!("a record of the kind {slug} is stored under its key and found unchanged"),
            &["DC-DHT-027", "DC-DHT-028"],
            move |partner| found(partner, slug),
        ));
    }
    cases
}

async fn found(partner: Partner, slug: &'static str) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let sample = sample(&partner, slug);
    let keep = stored(store(&link, &sample.key, &sample.record()).await?)?;
    let left = (sample.statement.expires_at - sample.statement.issued_at) / 1000;
    let seen = format!("{keep} s for one that holds {left} s");
    expect(u64::from(keep) <= left, "not kept beyond its expiry", seen)
        .map_err(|fault| fault.by("DC-DHT-035"))?;
    let other = at_server(&partner, &partner.identity()).await?;
    let mut have = Vec::new();
    // A topic holds what others put as well.
    for _ in 0..8 {
        let values = get(&other, &sample.key, &have).await?;
        if bytes_of(&values).contains(&plain(&sample.record())) {
            return Ok(());
        }
        if values.records.is_empty() {
            break;
        }
        let digests = values.records.as_slice().iter().map(|record| {
            let mut short = [0; 8];
            short.copy_from_slice(&dht::digest(record)[..8]);
            short
        });
        have.extend(digests);
        have.truncate(32);
    }
    Err(super::Fault::new(
        "the record that was stored",
        "others or none",
    ))
}

async fn same_again(partner: Partner) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let sample = sample(&partner, "address");
    for _ in 0..3 {
        stored(store(&link, &sample.key, &sample.record()).await?)?;
    }
    let held = get(&link, &sample.key, &[]).await?.held;
    expect(held == 1, "one record", held.to_string())
}

async fn newer(partner: Partner) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let mut sample = sample(&partner, "address");
    stored(store(&link, &sample.key, &sample.record()).await?)?;
    sample.statement.sequence += 1;
    sample.statement.expires_at += 1000;
    stored(store(&link, &sample.key, &sample.record()).await?)?;
    let values = get(&link, &sample.key, &[]).await?;
    let right = bytes_of(&values) == [plain(&sample.record())] && values.held == 1;
    expect(
        right,
        "the newer record alone",
        format!("{} records", values.held),
    )
}

async fn older(partner: Partner) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let newer = sample(&partner, "address");
    stored(store(&link, &newer.key, &newer.record()).await?)?;
    let mut older = newer.clone();
    older.statement.sequence -= 1;
    expect_reason(
        store(&link, &older.key, &older.record()).await?,
        refusal::OUTDATED,
    )?;
    let values = get(&link, &newer.key, &[]).await?;
    let right = bytes_of(&values) == [plain(&newer.record())];
    expect(
        right,
        "the newer record alone",
        format!("{} records", values.held),
    )
}

/// One record and others of the same name and sequence.
fn rivals(partner: &Partner, count: u64) -> Vec<super::Sample> {
    let first = sample(partner, "address");
    (0..count)
        .map(|number| {
            let mut rival = first.clone();
            rival.statement.expires_at += number * 1000;
            rival
        })
        .collect()
}

async fn contradiction(partner: Partner) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let rivals = rivals(&partner, 2);
    let key = rivals[0].key;
    stored(store(&link, &key, &rivals[0].record()).await?)?;
    expect_reason(
        store(&link, &key, &rivals[1].record()).await?,
        refusal::CONFLICT,
    )?;
    let values = get(&link, &key, &[]).await?;
    let mut seen = bytes_of(&values);
    let mut wanted = vec![plain(&rivals[0].record()), plain(&rivals[1].record())];
    seen.sort_unstable();
    wanted.sort_unstable();
    expect(
        seen == wanted,
        "both records",
        format!("{} of them", seen.len()),
    )
    .map_err(|fault| fault.by("DC-DHT-033"))
}

async fn third(partner: Partner) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let rivals = rivals(&partner, 3);
    let key = rivals[0].key;
    stored(store(&link, &key, &rivals[0].record()).await?)?;
    for rival in &rivals[1..] {
        expect_reason(
            store(&link, &key, &rival.record()).await?,
            refusal::CONFLICT,
        )?;
    }
    let values = get(&link, &key, &[]).await?;
    let has_third = bytes_of(&values).contains(&plain(&rivals[2].record()));
    let right = values.held == 2 && !has_third;
    expect(
        right,
        "the first two records",
        format!("{} records", values.held),
    )
}

async fn settled(partner: Partner) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let rivals = rivals(&partner, 2);
    let key = rivals[0].key;
    stored(store(&link, &key, &rivals[0].record()).await?)?;
    expect_reason(
        store(&link, &key, &rivals[1].record()).await?,
        refusal::CONFLICT,
    )?;
    let mut newer = rivals[1].clone();
    newer.statement.sequence += 1;
    stored(store(&link, &key, &newer.record()).await?)?;
    let values = get(&link, &key, &[]).await?;
    let right = bytes_of(&values) == [plain(&newer.record())];
    expect(
        right,
        "the newer record alone",
        format!("{} records", values.held),
    )
}

async fn slots(partner: Partner) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let one = sample(&partner, "rendezvous");
    let mut other = one.clone();
    other.statement.payload = super::rendezvous(&partner.array(), &partner.bytes(256)).bytes;
    stored(store(&link, &one.key, &one.record()).await?)?;
    stored(store(&link, &one.key, &other.record()).await?)?;
    let held = get(&link, &one.key, &[]).await?.held;
    expect(held == 2, "two records", held.to_string())
}

async fn had(partner: Partner) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let sample = sample(&partner, "address");
    stored(store(&link, &sample.key, &sample.record()).await?)?;
    let values = get(&link, &sample.key, &[]).await?;
    let [record] = values.records.as_slice() else {
        return Err(super::Fault::new(
            "one record",
            values.records.len().to_string(),
        ));
    };
    let mut short = [0; 8];
    short.copy_from_slice(&dht::digest(record)[..8]);
    let values = get(&link, &sample.key, &[short]).await?;
    let seen = format!("{} given, {} held", values.records.len(), values.held);
    expect(
        values.records.is_empty() && values.held == 1,
        "none given, one held",
        seen,
    )
}
