//! Who gets in, and CHAT_OPEN (`40-messaging` §1 and §2, `20-identity` §4 and §6).

use super::super::super::breaks::{self, Break};
use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::chat::body::envelope;
use super::super::super::chat::device::{Claims, LIFE};
use super::super::super::chat::person::proof;
use super::super::super::chat::talk::opening;
use super::super::super::chat::{ChatOpen, Device, Order, Talk, now};
use super::super::super::frames::{self, codes, flagged, frame, ping};
use super::super::super::greeting::Greeting;
use super::super::super::identity::Identity;
use super::super::super::partner::Partner;
use crate::structure::{Structure, counted};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = people();
    cases.extend(strangers());
    cases.extend(breaks_of_open());
    cases.extend(records());
    cases.extend(streams());
    cases
}

/// Those who redeemed an invite.
fn people() -> Vec<Case> {
    vec![
        Case::positive(
            "chat/redeem-smaller",
            "who redeems an invite is accepted; the side with the smaller PeerId makes the session",
            &["DC-ID-035", "DC-CHAT-011", "DC-CHAT-001"],
            |partner| async move {
                let mut talk = partner.talk_of(Order::Smaller).await?;
                talk.say("hello").await?;
                talk.finish();
                Ok(())
            },
        ),
        Case::positive(
            "chat/redeem-larger",
            "who redeems an invite is accepted; a peer with the smaller PeerId makes the session",
            &["DC-ID-035", "DC-CHAT-011", "DC-CHAT-001"],
            |partner| async move {
                let mut talk = partner.talk_of(Order::Larger).await?;
                talk.say("hello").await?;
                talk.finish();
                Ok(())
            },
        ),
        Case::positive(
            "chat/device-record",
            "the peer's CHAT_OPEN holds a record of its device that lives at most 30 days",
            &["DC-ID-016", "DC-ID-017", "DC-CHAT-007"],
            |partner| async move {
                // The record is verified when the talk opens.
                let talk = partner.talk().await?;
                let sessions = talk.theirs.sessions.as_slice();
                let mut unique = sessions.to_vec();
                unique.sort_unstable();
                unique.dedup();
                let seen = format!("{} sessions", sessions.len());
                expect(unique.len() == sessions.len(), "each session once", seen)?;
                talk.finish();
                Ok(())
            },
        ),
        Case::positive(
            "chat/contact-is-told",
            "IDENTIFY for a contact may hold addresses, without breaking the form of any",
            &["DC-ID-020", "DC-CONN-027"],
            |partner| async move {
                let talk = partner.talk().await?;
                let count = talk.link.journal().identifies().len();
                expect(count > 0, "an IDENTIFY that decodes", "none")?;
                talk.finish();
                Ok(())
            },
        ),
        Case::positive(
            "chat/sent-proof-again",
            "a contact that shows its used proof again stays a contact",
            &["DC-CHAT-006"],
            |partner| async move {
                let talk = partner.talk().await?;
                let invite = partner.subject.people.redeemed_invite();
                let invite = invite.ok_or_else(|| Fault::unsupported("no invite was redeemed"))?;
                talk.link.leave();
                let (person, peer) = (talk.person, partner.subject.peer);
                let mut open = opening(&person, Vec::new());
                open.proof = Some(proof(&invite, &peer, &person.identity.public()));
                let mut talk = Talk::open_with(&partner, person, &open.frame()).await?;
                talk.begin().await?;
                talk.finish();
                Ok(())
            },
        ),
    ]
}

/// A CHAT_OPEN of somebody nobody knows. The identity is the same in every round: a peer remembers
/// those who ask, and how many it remembers is bounded.
fn stranger(partner: &Partner, salt: u8) -> Identity {
    let mut seed = partner.subject.peer;
    seed[0] ^= salt;
    Identity::new(&blake3::derive_key(
        "dchat/1 2026-11 conformance stranger",
        &seed,
    ))
}

fn stranger_open(me: &Identity, proof: Option<([u8; 16], [u8; 32])>) -> ChatOpen {
    ChatOpen {
        name: "Stranger".to_owned(),
        proof,
        device: Device::new().record(me),
        sessions: Vec::new(),
    }
}

/// Sends CHAT_OPEN and an ENVELOPE behind it, which only somebody accepted may: the close is what is
/// ordered after anything that the first has brought about.
async fn is_not_accepted(
    partner: &Partner,
    me: &Identity,
    proof: Option<([u8; 16], [u8; 32])>,
) -> Outcome {
    let link = partner.link_with(me, &Greeting::new(partner)).await?;
    let open = stranger_open(me, proof).frame();
    let early = frame(frames::ENVELOPE, &envelope(&[1; 32], 1, &[2; 90]).bytes);
    let _chat = link.uni(&[open, early].concat()).await?;
    let code = link
        .expect_close_with(&[codes::UNEXPECTED, codes::LIMIT])
        .await;
    let code = code.map_err(|fault| fault.by("DC-CHAT-002"))?;
    if code == codes::LIMIT {
        return Err(Fault::unsupported("the peer keeps no more requests"));
    }
    let opened = link.journal().chat().is_some();
    expect(
        !opened,
        "no chat stream to somebody who is not accepted",
        "CHAT_OPEN",
    )
    .map_err(|fault| fault.by("DC-CHAT-001"))
}

type MakeProof = fn(&Partner, &Identity) -> Result<Option<([u8; 16], [u8; 32])>, Fault>;

fn strangers() -> Vec<Case> {
    let proofs: Vec<(&str, &str, &'static [&'static str], MakeProof)> = vec![
        (
            "chat/stranger",
            "a stranger is not talked with, and may say nothing behind CHAT_OPEN",
            &["DC-CHAT-002", "DC-CHAT-001"],
            |_, _| Ok(None),
        ),
        (
            "chat/proof-of-no-invite",
            "a proof of an invite that there is not is as good as none",
            &["DC-CHAT-006", "DC-ID-035"],
            |partner, _| Ok(Some((partner.array(), partner.array()))),
        ),
        (
            "chat/proof-forged",
            "a forged proof of an invite is as good as none",
            &["DC-ID-035", "DC-CHAT-006"],
            |partner, _| {
                let (invite, _) = invite(partner)?;
                Ok(Some((invite.id, partner.array())))
            },
        ),
        (
            "chat/proof-spoiled",
            "a proof with one wrong bit is as good as none",
            &["DC-ID-035", "DC-CHAT-006"],
            |partner, me| {
                let (invite, _) = invite(partner)?;
                let (id, mut mac) = proof(&invite, &partner.subject.peer, &me.public());
                mac[31] ^= 0x80;
                Ok(Some((id, mac)))
            },
        ),
        (
            "chat/proof-of-another",
            "a proof that was made for another redeemer is as good as none",
            &["DC-ID-035", "DC-CHAT-006"],
            |partner, _| {
                let (invite, _) = invite(partner)?;
                let other = partner.identity().public();
                Ok(Some(proof(&invite, &partner.subject.peer, &other)))
            },
        ),
        (
            "chat/proof-turned-round",
            "a proof with inviter and redeemer exchanged is as good as none",
            &["DC-ID-035", "DC-CHAT-006"],
            |partner, me| {
                let (invite, _) = invite(partner)?;
                Ok(Some(proof(&invite, &me.public(), &partner.subject.peer)))
            },
        ),
    ];
    let mut cases: Vec<Case> = proofs
        .into_iter()
        .enumerate()
        .map(|(salt, (id, about, req, make))| {
            Case::negative(id, about, req, move |partner| async move {
                let me = stranger(&partner, salt as u8);
                let proof = make(&partner, &me)?;
                is_not_accepted(&partner, &me, proof).await
            })
        })
        .collect();
    cases.push(Case::negative(
        "chat/proof-used",
        "an invite that somebody has redeemed is none for anybody else",
        &["DC-ID-031", "DC-CHAT-006"],
        |partner| async move {
            // Somebody has, by the time this has them.
            partner.talk().await?.finish();
            let invite = partner.subject.people.redeemed_invite();
            let invite = invite.ok_or_else(|| Fault::unsupported("it needs an --invite"))?;
            let me = stranger(&partner, 0x80);
            let proof = proof(&invite, &partner.subject.peer, &me.public());
            is_not_accepted(&partner, &me, Some(proof)).await
        },
    ));
    cases
}

fn invite(partner: &Partner) -> Result<(dchat_wire::invite::Invite, bool), Fault> {
    let found = partner.subject.people.any_invite();
    found.ok_or_else(|| Fault::unsupported("it needs an --invite"))
}

/// Bodies that close before anybody asks who sends them.
fn breaks_of_open() -> Vec<Case> {
    let me = Identity::new(&[0x33; 32]);
    let whole = stranger_open(&me, None).body();
    let mut list = breaks::cuts(&whole);
    list.extend(breaks::counts(&whole, "ChatOpen.sessions", 8));
    list.extend(breaks::extensions(&whole, "ChatOpen.extensions"));
    let wrong: Vec<(&str, &str, &'static [&'static str], Vec<u8>)> = vec![
        (
            "name-65",
            "has a name of 65 bytes",
            &["DC-WIRE-007"],
            whole.replace("ChatOpen.name", &counted(&[b'n'; 65])),
        ),
        (
            "name-not-utf8",
            "has a name that is not UTF-8",
            &["DC-WIRE-008"],
            whole.replace("ChatOpen.name", &counted(&[b'n', 0xff])),
        ),
        (
            "name-of-surrogates",
            "has a name of surrogates",
            &["DC-WIRE-008"],
            whole.replace("ChatOpen.name", &counted(&[0xed, 0xa0, 0x80])),
        ),
        (
            "proof-neither-0-nor-1",
            "has an option that begins with 7",
            &["DC-WIRE-006"],
            whole.replace("ChatOpen.invite", &[7]),
        ),
    ];
    list.extend(
        wrong
            .into_iter()
            .map(|(slug, about, req, bytes)| Break::new(slug, about, req, bytes)),
    );
    list.into_iter()
        .map(|broken| {
            let Break {
                slug,
                about,
                req,
                bytes,
            } = broken;
            Case::negative(
                format!("chat/open-{slug}"),
                format!("CHAT_OPEN that {about} closes with MALFORMED"),
                req,
                move |partner| {
                    let bytes = frame(frames::CHAT_OPEN, &bytes);
                    async move {
                        let link = partner.link().await?;
                        let _chat = link.uni(&bytes).await?;
                        link.expect_close(codes::MALFORMED).await
                    }
                },
            )
        })
        .collect()
}

type WrongRecord = (
    &'static str,
    &'static str,
    &'static [&'static str],
    fn(Claims, &Identity) -> Vec<u8>,
);

/// Records that are not believed (`20-identity` §4), of somebody who is accepted.
fn records() -> Vec<Case> {
    let wrong: Vec<WrongRecord> = vec![
        (
            "signature",
            "with a wrong signature",
            &["DC-ID-017", "DC-CHAT-008"],
            |claims, me| {
                let mut record = claims.signed_by(me);
                if let Some(last) = record.last_mut() {
                    *last ^= 1;
                }
                record
            },
        ),
        (
            "signed-by-another",
            "that another key signed",
            &["DC-ID-017"],
            |claims, _| claims.signed_by(&Identity::new(&[0x44; 32])),
        ),
        (
            "of-another",
            "of another peer, which that one signed",
            &["DC-ID-017"],
            |claims, _| {
                let other = Identity::new(&[0x45; 32]);
                let signer = other.public();
                Claims { signer, ..claims }.signed_by(&other)
            },
        ),
        (
            "expired",
            "that has expired",
            &["DC-ID-017"],
            |claims, me| {
                let times = Claims {
                    issued_at: now() - 3_600_000,
                    expires_at: now() - 60_000,
                    ..claims
                };
                times.signed_by(me)
            },
        ),
        (
            "from-the-future",
            "issued an hour from now",
            &["DC-ID-017"],
            |claims, me| {
                let issued_at = now() + 3_600_000;
                let expires_at = issued_at + 60_000;
                Claims {
                    issued_at,
                    expires_at,
                    ..claims
                }
                .signed_by(me)
            },
        ),
        (
            "too-long-lived",
            "that lives longer than 30 days",
            &["DC-ID-017", "DC-ID-016"],
            |claims, me| {
                let expires_at = claims.issued_at + LIFE + 1;
                Claims {
                    expires_at,
                    ..claims
                }
                .signed_by(me)
            },
        ),
        (
            "backwards",
            "that expires before it is issued",
            &["DC-ID-017"],
            |claims, me| {
                let expires_at = claims.issued_at - 1;
                Claims {
                    expires_at,
                    ..claims
                }
                .signed_by(me)
            },
        ),
        (
            "of-another-kind",
            "of the kind of addresses",
            &["DC-ID-017"],
            |claims, me| Claims { kind: 1, ..claims }.signed_by(me),
        ),
        (
            "body-cut",
            "whose body is cut",
            &["DC-ID-017"],
            |claims, me| {
                let body = claims.body().bytes;
                me.signed_record(&body[..body.len() - 1]).bytes
            },
        ),
        (
            "context-other",
            "signed for another purpose",
            &["DC-ID-008"],
            |claims, me| {
                let body = claims.body().bytes;
                Structure::new()
                    .bytes("SignedRecord.body", &body)
                    .fixed("SignedRecord.signature", &me.sign("dchat/1 item", &body))
                    .bytes
            },
        ),
    ];
    wrong
        .into_iter()
        .map(|(name, about, req, make)| {
            Case::negative(
                format!("chat/record-{name}"),
                format!("a contact's CHAT_OPEN with a record {about} closes with MALFORMED"),
                req,
                move |partner| async move {
                    // Accepted first, so that nothing but the record is wrong.
                    let talk = partner.talk().await?;
                    talk.link.leave();
                    let mut person = talk.person;
                    let claims = person.device.claims(&person.identity);
                    let mut open = opening(&person, Vec::new());
                    open.device = make(claims, &person.identity);
                    let link = partner.link_of(&person).await?;
                    let _chat = link.uni(&open.frame()).await?;
                    link.expect_close(codes::MALFORMED).await?;
                    person.sure();
                    Ok(())
                },
            )
        })
        .collect()
}

/// What may come on a chat stream.
fn streams() -> Vec<Case> {
    let wrong: Vec<(&str, &str, u64, Vec<u8>)> = vec![
        (
            "ping",
            "PING",
            codes::UNEXPECTED,
            frame(frames::PING, &ping(1, &[]).bytes),
        ),
        (
            "identify",
            "IDENTIFY_PUSH",
            codes::UNEXPECTED,
            super::super::super::greeting::Identify::revision(2).push(),
        ),
        (
            "unknown-critical",
            "an unknown critical frame",
            codes::UNSUPPORTED,
            frame(0x7777, &[]),
        ),
        (
            "too-long",
            "an ENVELOPE over its limit",
            codes::MALFORMED,
            frames::header(135_681, frames::ENVELOPE, 1),
        ),
    ];
    let mut cases: Vec<Case> = wrong
        .into_iter()
        .map(|(name, about, code, bytes)| {
            let req: &'static [&'static str] = match code {
                codes::UNSUPPORTED => &["DC-WIRE-014"],
                codes::MALFORMED => &["DC-WIRE-015"],
                _ => &["DC-CHAT-063"],
            };
            Case::negative(
                format!("chat/stream-{name}"),
                format!("{about} on a chat stream closes with {}", codes::name(code)),
                req,
                move |partner| {
                    let bytes = bytes.clone();
                    async move {
                        let mut talk = partner.talk().await?;
                        talk.write(&bytes).await;
                        talk.violates(&partner, code).await
                    }
                },
            )
        })
        .collect();
    cases.extend([
        Case::negative(
            "chat/open-twice",
            "a second CHAT_OPEN on one stream closes with UNEXPECTED",
            &["DC-CHAT-007", "DC-CHAT-063"],
            |partner| async move {
                let mut talk = partner.talk().await?;
                let open = opening(&talk.person, Vec::new());
                talk.write(&open.frame()).await;
                talk.violates(&partner, codes::UNEXPECTED).await
            },
        ),
        Case::positive(
            "chat/stream-unknown",
            "frames of unknown types on a chat stream are skipped",
            &["DC-CONN-036", "DC-WIRE-013"],
            |partner| async move {
                let mut talk = partner.talk().await?;
                talk.write(&flagged(0x0a0a, 0, &[1; 32])).await;
                talk.write(&flagged(0x7001, 0xfffe, &[2; 3000])).await;
                talk.say("behind what nobody knows").await?;
                talk.finish();
                Ok(())
            },
        ),
        Case::positive(
            "chat/stream-replaced",
            "a new chat stream replaces the one before, and all begins again",
            &["DC-CONN-037"],
            |partner| async move {
                let person = partner
                    .subject
                    .people
                    .take(&partner, Order::Smaller)
                    .await?;
                let mut talk = partner.talk_as(person).await?;
                talk.say("on the first stream").await?;
                let open = opening(&talk.person, Vec::new());
                talk.chat = talk.link.uni(&open.frame()).await?;
                talk.parcels.clear();
                talk.begin().await?;
                talk.say("on the second stream").await?;
                talk.finish();
                Ok(())
            },
        ),
        Case::positive(
            "chat/stream-ended",
            "when the chat stream of one side ends, the connection goes on",
            &["DC-CONN-037"],
            |partner| async move {
                let mut talk = partner.talk().await?;
                talk.say("the last word").await?;
                let _closed = talk.chat.finish();
                talk.link.lives().await?;
                talk.finish();
                Ok(())
            },
        ),
        Case::positive(
            "chat/stream-reset",
            "when the chat stream of one side is reset, the connection goes on",
            &["DC-CONN-037"],
            |partner| async move {
                let mut talk = partner.talk().await?;
                talk.say("the last word").await?;
                let _closed = talk.chat.reset(0_u32.into());
                talk.link.lives().await?;
                talk.finish();
                Ok(())
            },
        ),
        Case::positive(
            "chat/newer-connection",
            "the conversation goes on over a newer connection",
            &["DC-CONN-040", "DC-CONN-042"],
            |partner| async move {
                let mut talk = partner.talk().await?;
                talk.say("on the first connection").await?;
                let first = talk.link;
                let mut next = partner.talk_as(talk.person).await?;
                first.expect_close(codes::DUPLICATE).await?;
                next.say("on the second connection").await?;
                next.finish();
                Ok(())
            },
        ),
    ]);
    cases
}
