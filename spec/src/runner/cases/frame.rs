//! Frames (`10-encoding` §4): headers, lengths, flags, unknown types, splits and ends, on the streams
//! where every node has to read them.

use core::time::Duration;

use dchat_wire::Frame;

use super::super::case::{Case, Fault, Outcome};
use super::super::frames::{
    self, CRITICAL, KINDS, Place, UNKNOWN_LIMIT, codes, flagged, frame, header, ping,
};
use super::super::link::{Link, Marker};
use super::super::partner::Partner;

/// Types without a meaning: an ordinary one, a reserved one, the first and the last.
const UNKNOWN: [(u16, &str); 4] = [
    (0x7777, "ordinary"),
    (0x0a0a, "reserved"),
    (0x0000, "zero"),
    (0xffff, "last"),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "frame/largest-ping",
            "a PING of exactly the longest body is answered",
            &["DC-WIRE-015", "DC-CONN-033"],
            largest_ping,
        ),
        Case::positive(
            "frame/split-into-bytes",
            "a PING whose bytes come one by one is answered",
            &["DC-WIRE-018"],
            split,
        ),
        Case::positive(
            "frame/many-in-one-write",
            "pushes that come in one piece are all read",
            &["DC-WIRE-018"],
            joined,
        ),
        Case::positive(
            "frame/unknown-longest",
            "an unknown frame of the longest body is skipped",
            &["DC-WIRE-013", "DC-WIRE-016"],
            |partner| async move {
                let body = vec![0xa5; UNKNOWN_LIMIT as usize];
                skipped_before_ping(&partner, &flagged(0x7777, 0, &body)).await
            },
        ),
        Case::negative(
            "frame/unknown-too-long",
            "an unknown frame longer than any may be closes with MALFORMED",
            &["DC-WIRE-016", "DC-WIRE-015"],
            |partner| async move {
                on_control(
                    &partner,
                    &header(UNKNOWN_LIMIT + 1, 0x7777, 0),
                    codes::MALFORMED,
                )
                .await
            },
        ),
        Case::negative(
            "frame/unknown-critical-too-long",
            "an unknown critical frame closes with UNSUPPORTED, whatever its length",
            &["DC-WIRE-014"],
            |partner| async move {
                on_control(
                    &partner,
                    &header(u32::MAX, 0x7777, CRITICAL),
                    codes::UNSUPPORTED,
                )
                .await
            },
        ),
        Case::negative(
            "frame/length-of-all-ones",
            "a known frame with the largest length there is closes with MALFORMED",
            &["DC-WIRE-015"],
            |partner| async move {
                let bytes = header(u32::MAX, frames::IDENTIFY_PUSH, CRITICAL);
                on_control(&partner, &bytes, codes::MALFORMED).await
            },
        ),
    ];
    for (flags, name) in [(0, "none"), (0xfffe, "all-but-critical"), (0xffff, "all")] {
        cases.push(Case::positive(
            format!("frame/flags-{name}"),
            "flags of a known type are ignored",
            &["DC-WIRE-012"],
            move |partner| async move {
                let link = partner.link().await?;
                let nonce = partner.number();
                let question = flagged(frames::PING, flags, &ping(nonce, &[]).bytes);
                pong(&link, &question, nonce).await
            },
        ));
    }
    for (code, name) in UNKNOWN {
        cases.extend(unknown(code, name));
    }
    cases.extend(KINDS.iter().map(too_long));
    cases.extend(ends());
    cases
}

fn unknown(code: u16, name: &str) -> Vec<Case> {
    vec![
        Case::positive(
            format!("frame/unknown-{name}-on-control"),
            format!("an ignorable frame of type {code:#06x} on the control stream is skipped"),
            &["DC-WIRE-013", "DC-CONN-036"],
            move |partner| async move {
                let mut link = partner.link().await?;
                link.control(&flagged(code, 0, &partner.bytes(77))).await;
                // Not UNSUPPORTED: that is how the frame itself would be answered wrongly.
                link.reads_on(Marker::Unexpected).await
            },
        ),
        Case::positive(
            format!("frame/unknown-{name}-before-ping"),
            format!("an ignorable frame of type {code:#06x} before a question is skipped"),
            &["DC-WIRE-013", "DC-CONN-036"],
            move |partner| async move {
                let bytes = flagged(code, 0, &partner.bytes(33));
                skipped_before_ping(&partner, &bytes).await
            },
        ),
        Case::negative(
            format!("frame/unknown-{name}-critical-on-control"),
            format!("a critical frame of type {code:#06x} on the control stream: UNSUPPORTED"),
            &["DC-WIRE-014"],
            move |partner| async move {
                on_control(&partner, &frame(code, &[1, 2, 3]), codes::UNSUPPORTED).await
            },
        ),
        Case::negative(
            format!("frame/unknown-{name}-critical-first-on-uni"),
            format!("a unidirectional stream that begins with a critical {code:#06x}: UNSUPPORTED"),
            &["DC-WIRE-014"],
            move |partner| async move {
                let link = partner.link().await?;
                let _stream = link.uni(&frame(code, &[])).await?;
                link.expect_close(codes::UNSUPPORTED).await
            },
        ),
        Case::negative(
            format!("frame/unknown-{name}-critical-first-on-bi"),
            format!("a bidirectional stream that begins with a critical {code:#06x}: UNSUPPORTED"),
            &["DC-WIRE-014"],
            move |partner| async move {
                let link = partner.link().await?;
                let _stream = link.bi(&frame(code, &[])).await?;
                link.expect_close(codes::UNSUPPORTED).await
            },
        ),
    ]
}

/// A header that announces a byte too much for its type, on a stream on which the type may stand.
fn too_long(kind: &frames::Kind) -> Case {
    let kind = *kind;
    let slug = kind.name.to_lowercase().replace('_', "-");
    Case::negative(
        format!("frame/too-long-{slug}"),
        format!(
            "{} of {} bytes closes with MALFORMED",
            kind.name,
            kind.limit + 1
        ),
        &["DC-WIRE-015"],
        move |partner| async move {
            let bytes = header(kind.limit + 1, kind.code, CRITICAL);
            let mut link = partner.link().await?;
            // Streams stay open: their end would be malformed too.
            let (mut uni, mut bi) = (None, None);
            match kind.place {
                Place::Control => link.control(&bytes).await,
                Place::Chat => uni = Some(link.uni(&bytes).await?),
                Place::Question | Place::Answer | Place::Room => bi = Some(link.bi(&bytes).await?),
            }
            let closed = link.expect_close(codes::MALFORMED).await;
            drop((uni, bi));
            closed
        },
    )
}

/// Streams that end inside a frame.
fn ends() -> Vec<Case> {
    let ping = frame(frames::PING, &ping(1, &[]).bytes);
    let cuts = [
        (1, "a-byte"),
        (7, "header"),
        (8, "before-body"),
        (23, "body"),
    ];
    let mut cases = Vec::new();
    for (at, name) in cuts {
        let bytes = ping[..at].to_vec();
        cases.push(Case::negative(
            format!("frame/question-ends-in-{name}"),
            format!("a question that ends after {at} of 24 bytes closes with MALFORMED"),
            &["DC-WIRE-019"],
            move |partner| {
                let bytes = bytes.clone();
                async move {
                    let link = partner.link().await?;
                    let (mut send, _recv) = link.bi(&bytes).await?;
                    let _closed = send.finish();
                    link.expect_close(codes::MALFORMED).await
                }
            },
        ));
        let bytes = ping[..at].to_vec();
        cases.push(Case::negative(
            format!("frame/uni-ends-in-{name}"),
            format!("a unidirectional stream that ends after {at} bytes of a frame: MALFORMED"),
            &["DC-WIRE-019"],
            move |partner| {
                let bytes = bytes.clone();
                async move {
                    let link = partner.link().await?;
                    let mut send = link.uni(&bytes).await?;
                    let _closed = send.finish();
                    link.expect_close(codes::MALFORMED).await
                }
            },
        ));
    }
    cases.push(Case::negative(
        "frame/unknown-ends-inside",
        "a stream that ends inside a frame that is skipped closes with MALFORMED",
        &["DC-WIRE-019"],
        |partner| async move {
            let link = partner.link().await?;
            let bytes = [header(100, 0x7777, 0), vec![0; 99]].concat();
            let (mut send, _recv) = link.bi(&bytes).await?;
            let _closed = send.finish();
            link.expect_close(codes::MALFORMED).await
        },
    ));
    cases
}

/// A question that must be answered with PONG.
pub(super) async fn pong(link: &Link, question: &[u8], nonce: u64) -> Outcome {
    let answer = link.ask(question).await?;
    match answer.single() {
        Some(Frame::Pong(pong)) if pong.nonce == nonce => {
            link.leave();
            Ok(())
        }
        _ => Err(Fault::new(
            "PONG with the nonce of the PING",
            answer.to_string(),
        )),
    }
}

async fn skipped_before_ping(partner: &Partner, bytes: &[u8]) -> Outcome {
    let link = partner.link().await?;
    let nonce = partner.number();
    let question = frame(frames::PING, &ping(nonce, &[]).bytes);
    pong(&link, &[bytes, &question].concat(), nonce).await
}

async fn on_control(partner: &Partner, bytes: &[u8], code: u64) -> Outcome {
    let mut link = partner.link().await?;
    link.control(bytes).await;
    link.expect_close(code).await
}

async fn largest_ping(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    let nonce = partner.number();
    // 8 of the nonce, 8 of the count, 10 before the value.
    let value = partner.bytes(1024 - 26);
    let body = ping(nonce, &[(0x0101, &value)]).bytes;
    pong(&link, &frame(frames::PING, &body), nonce).await
}

async fn split(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    let nonce = partner.number();
    let (mut send, recv) = link.bi(&[]).await?;
    for byte in frame(frames::PING, &ping(nonce, &[]).bytes) {
        let _closed = send.write_all(&[byte]).await;
        // Lets the byte travel alone; nothing is waited for.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let _closed = send.finish();
    let answer = link.answer(send, recv).await?;
    match answer.single() {
        Some(Frame::Pong(pong)) if pong.nonce == nonce => Ok(()),
        _ => Err(Fault::new("PONG", answer.to_string())),
    }
}

async fn joined(partner: Partner) -> Outcome {
    let mut link = partner.link().await?;
    let push = |revision| super::super::greeting::Identify::revision(revision).push();
    let bytes: Vec<u8> = (2..10).flat_map(push).collect();
    link.control(&bytes).await;
    link.reads_on(Marker::Unsupported).await
}
