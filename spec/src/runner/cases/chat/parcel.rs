//! Parcels and their padding (`40-messaging` §4).

use super::super::super::case::{Case, Outcome, expect};
use super::super::super::chat::body::{padded, padded_length, padded_to, parcel};
use super::super::super::chat::{Content, Talk};
use super::super::super::frames::codes;
use super::super::super::partner::Partner;
use crate::structure::Structure;

type Make = fn(&Talk) -> Vec<u8>;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "parcel/padded",
            "every parcel of the peer's is padded to its step with zeros",
            &["DC-CHAT-030"],
            is_padded,
        ),
        Case::positive(
            "parcel/empty",
            "a parcel that says nothing is taken",
            &["DC-CHAT-030"],
            |partner| async move {
                let mut talk = partner.talk().await?;
                talk.send(&[], &[]).await?;
                talk.say("behind it").await?;
                talk.finish();
                Ok(())
            },
        ),
        Case::positive(
            "parcel/extension",
            "an extension of a parcel that nobody knows is ignored",
            &["DC-WIRE-022"],
            |partner| async move {
                let mut talk = partner.talk().await?;
                let entry = talk.person.log.say("beside it");
                let extensions: [(u16, &[u8]); 2] = [(0x0a0a, &[1; 32]), (0x7001, &[2; 900])];
                talk.send_plain(&padded(&parcel(&[], &[entry], &extensions)))
                    .await?;
                talk.delivered().await?;
                talk.finish();
                Ok(())
            },
        ),
        Case::positive(
            "parcel/longest",
            "a parcel of exactly 131072 bytes is taken",
            &["DC-CHAT-029"],
            longest,
        ),
    ];
    cases.extend(wrong().into_iter().map(|(name, about, req, make)| {
        Case::negative(
            format!("parcel/{name}"),
            format!("a plaintext that {about} closes with MALFORMED"),
            req,
            move |partner| async move {
                let mut talk = partner.talk().await?;
                talk.say("right").await?;
                let plaintext = make(&talk);
                talk.send_plain(&plaintext).await?;
                talk.violates(&partner, codes::MALFORMED).await
            },
        )
    }));
    cases
}

type Wrong = (&'static str, &'static str, &'static [&'static str], Make);

fn wrong() -> Vec<Wrong> {
    fn small(talk: &Talk) -> Structure {
        parcel(&[talk.person.log.frontier()], &[], &[])
    }
    fn with_extensions(talk: &Talk, extensions: &[(u16, &[u8])]) -> Vec<u8> {
        padded(&parcel(&[talk.person.log.frontier()], &[], extensions))
    }
    vec![
        ("no-parcel", "is no parcel", &["DC-CHAT-063"], |_| {
            b"hello".to_vec()
        }),
        ("nothing", "has no bytes", &["DC-CHAT-063"], |_| Vec::new()),
        (
            "unpadded",
            "is a parcel without padding",
            &["DC-CHAT-031"],
            |talk| small(talk).bytes,
        ),
        (
            "padded-too-little",
            "is padded a byte too little",
            &["DC-CHAT-031"],
            |talk| padded_to(&small(talk), 255),
        ),
        (
            "padded-too-much",
            "is padded to the next step but one",
            &["DC-CHAT-031"],
            |talk| padded_to(&small(talk), 272),
        ),
        (
            "padding-not-zero",
            "is padded with something else than zeros",
            &["DC-CHAT-031"],
            |talk| {
                let mut bytes = padded(&small(talk));
                if let Some(last) = bytes.last_mut() {
                    *last = 1;
                }
                bytes
            },
        ),
        ("cut", "is a parcel that is cut", &["DC-CHAT-063"], |talk| {
            let mut bytes = padded(&small(talk));
            bytes.pop();
            bytes
        }),
        (
            "with-more",
            "has a byte after the parcel",
            &["DC-WIRE-003"],
            |talk| [padded(&small(talk)), vec![0]].concat(),
        ),
        (
            "extension-critical",
            "has a critical extension",
            &["DC-WIRE-021"],
            |talk| with_extensions(talk, &[(0x8001, &[])]),
        ),
        (
            "extensions-descending",
            "has extensions out of order",
            &["DC-WIRE-020"],
            |talk| with_extensions(talk, &[(3, &[]), (2, &[])]),
        ),
        (
            "frontiers-17",
            "has 17 frontiers",
            &["DC-WIRE-007"],
            |talk| padded(&parcel(&vec![talk.person.log.frontier(); 17], &[], &[])),
        ),
        ("entries-65", "has 65 entries", &["DC-WIRE-007"], |talk| {
            let mut log = talk.person.log.clone();
            let entries: Vec<_> = (0..65).map(|_| log.say("one of too many")).collect();
            padded(&parcel(&[], &entries, &[]))
        }),
        (
            "heads-5",
            "has an entry with 5 heads",
            &["DC-WIRE-007"],
            |talk| {
                let log = &talk.person.log;
                let heads = vec![(log.author, [1; 16], 1, [2; 32]); 5];
                let content = Content {
                    heads,
                    ..Content::text("never to be seen")
                };
                padded(&parcel(&[], &[log.next(&content)], &[]))
            },
        ),
        (
            "body-too-long",
            "has an entry with a body of 66561 bytes",
            &["DC-WIRE-007"],
            |talk| {
                let content = Content {
                    kind: 0xfeed,
                    body: vec![0; 66_561],
                    ..Content::text("")
                };
                padded(&parcel(&[], &[talk.person.log.next(&content)], &[]))
            },
        ),
        (
            "content-neither-0-nor-1",
            "has an option that begins with 2",
            &["DC-WIRE-006"],
            |talk| {
                let mut entry = talk.person.log.next(&Content::text("x"));
                entry.content = None;
                let whole = padded(&parcel(&[], &[entry], &[]));
                // The count of frontiers and of entries, then the entry's fields before its content.
                let at = 8 + 8 + 16 + 8 + 32 + 32;
                [&whole[..at], &[2], &whole[at + 1..]].concat()
            },
        ),
    ]
}

async fn is_padded(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    for text in ["a", "b", "c"] {
        talk.say(text).await?;
    }
    for received in &talk.parcels {
        let padding = received.parcel.padding.len();
        let right = padded_length(received.len - padding) == received.len;
        let seen = format!("{} bytes, {padding} of them padding", received.len);
        expect(right, "a length of P(n)", seen)?;
    }
    talk.finish();
    Ok(())
}

async fn longest(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    // Two bodies of an unknown kind that fill it but for less than a step.
    let mut entries = Vec::new();
    for len in [66_560, 63_900] {
        let content = Content {
            kind: 0xfeed,
            body: vec![1; len],
            ..Content::text("")
        };
        entries.push(talk.person.log.append(&content));
    }
    let plaintext = padded(&parcel(&[], &entries, &[]));
    expect(
        plaintext.len() == 131_072,
        "131072 bytes",
        format!("{}", plaintext.len()),
    )?;
    talk.send_plain(&plaintext).await?;
    talk.delivered().await?;
    talk.finish();
    Ok(())
}
