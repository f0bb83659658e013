//! ENVELOPE and UNDECRYPTABLE that close (`40-messaging` §2, §3 and §7.1).

use vodozemac::Curve25519PublicKey;
use vodozemac::olm::{Account, OlmMessage, SessionConfig};

use super::super::super::breaks::{self, Break};
use super::super::super::case::{Case, Fault};
use super::super::super::chat::Talk;
use super::super::super::chat::body::{envelope, padded, parcel};
use super::super::super::frames::{self, codes, frame};
use super::super::super::partner::own;
use crate::structure::{Structure, counted};

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = bodies()
        .into_iter()
        .map(|(what, code, broken)| {
            let Break {
                slug,
                about,
                req,
                bytes,
            } = broken;
            let bytes = frame(code, &bytes);
            Case::negative(
                format!("envelope/{}-{slug}", what.to_lowercase()),
                format!("{what} that {about} closes with MALFORMED"),
                req,
                move |partner| {
                    let bytes = bytes.clone();
                    async move {
                        let mut talk = partner.talk().await?;
                        talk.write(&bytes).await;
                        talk.violates(&partner, codes::MALFORMED).await
                    }
                },
            )
        })
        .collect();
    let wrong: Vec<(&str, &str, &'static [&'static str], Make)> = vec![
        (
            "no-olm-message",
            "bytes that are no Olm message",
            &["DC-CHAT-063"],
            |talk| Ok((session(talk)?, 1, b"hello".to_vec())),
        ),
        (
            "no-pre-key-message",
            "bytes that are no pre-key message",
            &["DC-CHAT-063"],
            |_| Ok(([0x11; 32], 0, vec![3; 200])),
        ),
        (
            "empty-message",
            "a message without bytes",
            &["DC-CHAT-063"],
            |talk| Ok((session(talk)?, 1, Vec::new())),
        ),
        (
            "other-session",
            "a pre-key message under another session than it opens",
            &["DC-CHAT-014", "DC-CHAT-063"],
            |talk| {
                talk.new_session()?;
                let (_, stage, message) = talk.encrypt(&padded(&parcel(&[], &[], &[])))?;
                Ok(([0x12; 32], stage, message))
            },
        ),
        (
            "other-device",
            "a session that another device opens",
            &["DC-CHAT-013", "DC-CHAT-063"],
            other_device,
        ),
    ];
    cases.extend(wrong.into_iter().map(|(name, about, req, make)| {
        Case::negative(
            format!("envelope/{name}"),
            format!("an ENVELOPE with {about} closes with MALFORMED"),
            req,
            move |partner| async move {
                let mut talk = partner.talk().await?;
                talk.say("right").await?;
                let (session, stage, message) = make(&mut talk)?;
                let body = envelope(&session, stage, &message);
                talk.write(&frame(frames::ENVELOPE, &body.bytes)).await;
                talk.violates(&partner, codes::MALFORMED).await
            },
        )
    }));
    cases
}

type Made = Result<([u8; 32], u8, Vec<u8>), Fault>;
type Make = fn(&mut Talk) -> Made;

fn session(talk: &Talk) -> Result<[u8; 32], Fault> {
    talk.current.ok_or_else(|| own("no session"))
}

fn other_device(talk: &mut Talk) -> Made {
    let other = Account::new();
    let session = other.create_outbound_session(
        SessionConfig::version_1(),
        Curve25519PublicKey::from_bytes(talk.device.identity_key),
        Curve25519PublicKey::from_bytes(talk.device.fallback_key),
    );
    let mut session = session.map_err(|error| own(error.to_string()))?;
    let message = session.encrypt(padded(&parcel(&[], &[], &[])));
    let Ok(OlmMessage::PreKey(message)) = message else {
        return Err(own("no pre-key message"));
    };
    let id = vodozemac::base64_decode(message.session_id());
    let id = id.ok().and_then(|id| id.try_into().ok());
    let id = id.ok_or_else(|| own("no session id"))?;
    Ok((id, 0, message.to_bytes()))
}

/// Bodies that do not decode.
fn bodies() -> Vec<(&'static str, u16, Break)> {
    let whole = envelope(&[5; 32], 1, &[6; 64]);
    let mut list = breaks::cuts(&whole);
    list.extend(breaks::extensions(&whole, "Envelope.extensions"));
    list.push(Break::new(
        "stage-2",
        "has the stage 2",
        &["DC-WIRE-017", "DC-WIRE-001"],
        whole.replace("Envelope.stage", &[2]),
    ));
    list.push(Break::new(
        "message-too-long",
        "has a message of 131585 bytes",
        &["DC-WIRE-007"],
        whole.replace("Envelope.message", &counted(&vec![3; 131_585])),
    ));
    let undecryptable = Structure::new()
        .fixed("Undecryptable.session", &[5; 32])
        .extensions("Undecryptable.extensions", &[]);
    let envelopes = list
        .into_iter()
        .map(|broken| ("ENVELOPE", frames::ENVELOPE, broken));
    let others = breaks::cuts(&undecryptable).into_iter();
    envelopes
        .chain(others.map(|broken| ("UNDECRYPTABLE", frames::UNDECRYPTABLE, broken)))
        .collect()
}
