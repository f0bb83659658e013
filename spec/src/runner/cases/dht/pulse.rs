//! Pulses (`70-dht` §10). What is dropped is shown by what is answered after it.

use super::super::super::bodies::dht;
use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::link::Link;
use super::super::super::partner::Partner;
use super::{at_server, find};

/// Length of a datagram.
const LEN: usize = 33;

/// What is done to a pulse that was right.
type Spoil = fn(Vec<u8>) -> Vec<u8>;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![Case::positive(
        "dht/pulse",
        "a pulse of a peer that asked before is answered with its id and nonce",
        &["DC-DHT-042", "DC-DHT-051"],
        |partner| async move {
            let (link, exported) = known(&partner).await?;
            for _ in 0..3 {
                answered(&link, &exported, partner.array()).await?;
            }
            Ok(())
        },
    )];
    let wrong: [(&str, &str, Spoil); 7] = [
        ("short", "a byte too few", |mut bytes| {
            bytes.pop();
            bytes
        }),
        ("long", "a byte too many", |mut bytes| {
            bytes.push(0);
            bytes
        }),
        ("kind-alone", "one byte", |bytes| bytes[..1].to_vec()),
        ("unknown-id", "an id nobody has", |mut bytes| {
            bytes[1] ^= 0xff;
            bytes
        }),
        ("false-mac", "a MAC with one bit wrong", |mut bytes| {
            bytes[LEN - 1] ^= 1;
            bytes
        }),
        (
            "other-nonce",
            "a nonce that the MAC is not of",
            |mut bytes| {
                bytes[9] ^= 1;
                bytes
            },
        ),
        ("kind-changed", "the kind of an answer", |mut bytes| {
            bytes[0] = 0x25;
            bytes
        }),
    ];
    for (slug, about, spoil) in wrong {
        cases.push(Case::negative(
            format!("dht/pulse-{slug}"),
            format!("a pulse with {about} is dropped"),
            &["DC-DHT-043", "DC-DHT-051"],
            move |partner| async move {
                let (link, exported) = known(&partner).await?;
                let bad = spoil(dht::pulse(0x24, &exported, partner.array()));
                send(&link, &bad)?;
                answered(&link, &exported, partner.array()).await
            },
        ));
    }
    cases.push(Case::negative(
        "dht/pulse-answer-unasked",
        "an answer to nothing is not answered",
        &["DC-DHT-044", "DC-DHT-042"],
        |partner| async move {
            let (link, exported) = known(&partner).await?;
            send(&link, &dht::pulse(0x25, &exported, partner.array()))?;
            answered(&link, &exported, partner.array()).await
        },
    ));
    cases
}

/// A connection by which the peer knows a key, and what TLS exports for it.
async fn known(partner: &Partner) -> Result<(Link, [u8; 40]), Fault> {
    let link = at_server(partner, &partner.identity()).await?;
    find(&link, &partner.array(), 0, &[]).await?;
    let mut exported = [0; 40];
    let label = b"EXPORTER-dchat/1-pulse";
    link.quic()
        .export_keying_material(&mut exported, label, b"")
        .map_err(|_| Fault::unsupported("the runner itself failed: TLS exports nothing"))?;
    Ok((link, exported))
}

fn send(link: &Link, datagram: &[u8]) -> Outcome {
    let sent = link.tap.send(datagram, link.to);
    sent.map_err(|error| Fault::unsupported(format!("the runner itself failed: {error}")))
}

/// Sends a pulse until it is answered, for datagrams may get lost; the first answer that ever comes is
/// this one's.
async fn answered(link: &Link, exported: &[u8; 40], nonce: [u8; 8]) -> Outcome {
    let question = dht::pulse(0x24, exported, nonce);
    let wanted = dht::pulse(0x25, exported, nonce);
    let before = pulses(link).len();
    let deadline = tokio::time::Instant::now() + link.patience();
    while tokio::time::Instant::now() < deadline {
        send(link, &question)?;
        let next = link.tap.until(|came| {
            let pulses = came
                .others
                .iter()
                .filter(|one| one.bytes.first() == Some(&0x25));
            pulses.clone().nth(before).map(|one| one.bytes.clone())
        });
        let again = core::time::Duration::from_secs(1);
        if let Ok(came) = tokio::time::timeout(again, next).await {
            let seen = format!("{} bytes of another", came.len());
            return expect(came == wanted, "the answer of the right question", seen);
        }
    }
    Err(Fault::new("an answer to a pulse", "none").by("DC-DHT-042"))
}

fn pulses(link: &Link) -> Vec<Vec<u8>> {
    let came = link.tap.came().others;
    let pulses = came
        .into_iter()
        .filter(|one| one.bytes.first() == Some(&0x25));
    pulses.map(|one| one.bytes).collect()
}
