//! Streams besides the control stream (`30-transport` §4): questions and answers, refusals, datagrams.

use core::task::Poll;

use dchat_wire::Frame;
use dchat_wire::ping::Ping;
use tokio::time::timeout;

use super::super::case::{Case, Fault, Outcome, expect};
use super::super::frames::{self, codes, flagged, frame, ping};
use super::super::journal::End;
use super::super::partner::Partner;
use super::control::bodies;
use super::frame::pong;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "stream/ping",
            "PING is answered with PONG alone: the same nonce, no extensions, the end",
            &["DC-CONN-033"],
            exact_pong,
        ),
        Case::positive(
            "stream/ping-with-extensions",
            "a PING with ignorable extensions is answered without them",
            &["DC-CONN-033", "DC-WIRE-022"],
            ping_with_extensions,
        ),
        Case::positive(
            "stream/pings-beside-each-other",
            "64 questions on streams of their own are all answered",
            &["DC-CONN-033", "DC-CONN-004"],
            many_pings,
        ),
        Case::positive(
            "stream/three-and-one",
            "the peer lets 3 unidirectional streams and 1 bidirectional one be open at a time",
            &["DC-CONN-004"],
            three_and_one,
        ),
        Case::negative(
            "stream/places-come-back",
            "hundreds of streams that come to nothing, one after another, leave the places of later ones",
            &["DC-CONN-004"],
            places,
        ),
        Case::positive(
            "stream/reserved-before-and-behind",
            "frames without meaning around a question are skipped",
            &["DC-CONN-036", "DC-WIRE-013"],
            |partner| async move {
                let link = partner.link().await?;
                let nonce = partner.number();
                let reserved = flagged(0x5a2a, 0, &partner.bytes(20));
                let question = frame(frames::PING, &ping(nonce, &[]).bytes);
                pong(
                    &link,
                    &[reserved.clone(), reserved, question].concat(),
                    nonce,
                )
                .await
            },
        ),
        Case::negative(
            "stream/question-never-ends",
            "a question whose stream is not ended is answered or refused, and harms nobody",
            &["DC-CONN-034"],
            never_ends,
        )
        .takes(10),
        Case::negative(
            "stream/silent",
            "a stream whose first frame does not come is refused with TIMEOUT",
            &["DC-CONN-062"],
            silent,
        )
        .takes(10),
        Case::negative(
            "stream/question-reset",
            "a question that is reset in its middle harms nobody",
            &["DC-CONN-034"],
            |partner| async move {
                let link = partner.link().await?;
                for _ in 0..20 {
                    let (mut send, mut recv) = link.bi(&[16, 0, 0, 0, 4, 0, 1, 0, 1]).await?;
                    let _closed = send.reset(9_u32.into());
                    let _closed = recv.stop(9_u32.into());
                }
                link.lives().await
            },
        ),
        Case::negative(
            "stream/answer-stopped",
            "who does not want the answer gets none, and others do",
            &["DC-CONN-033"],
            |partner| async move {
                let link = partner.link().await?;
                for _ in 0..20 {
                    let question = frame(frames::PING, &ping(3, &[]).bytes);
                    let (mut send, mut recv) = link.bi(&question).await?;
                    let _closed = recv.stop(0_u32.into());
                    let _closed = send.finish();
                }
                link.lives().await
            },
        ),
        Case::positive(
            "stream/datagrams",
            "QUIC DATAGRAM frames of any content are ignored",
            &["DC-CONN-061"],
            datagrams,
        ),
        Case::positive(
            "stream/empty",
            "a bidirectional stream without a frame harms nobody",
            &["DC-CONN-036"],
            |partner| async move {
                let link = partner.link().await?;
                for _ in 0..5 {
                    drop(link.ask(&[]).await?);
                    drop(link.ask(&flagged(0x7777, 0, b"nothing else")).await?);
                }
                link.lives().await
            },
        ),
    ];
    for (name, code, body) in bodies().into_iter().chain([hello()]) {
        if code == frames::PING {
            continue;
        }
        let bytes = frame(code, &body);
        cases.push(Case::negative(
            format!(
                "stream/question-of-{}",
                name.to_lowercase().replace('_', "-")
            ),
            format!("a bidirectional stream that begins with {name} is refused with UNEXPECTED"),
            &["DC-CONN-035"],
            move |partner| {
                let bytes = bytes.clone();
                async move { refused(&partner, &bytes).await }
            },
        ));
    }
    for nonce in [0, 1, u64::MAX] {
        cases.push(Case::positive(
            format!("stream/ping-nonce-{nonce:x}"),
            "PONG has the nonce of PING, whatever it is",
            &["DC-CONN-033", "DC-WIRE-005"],
            move |partner| async move { partner.link().await?.ping(nonce).await },
        ));
    }
    cases
}

fn hello() -> (&'static str, u16, Vec<u8>) {
    let body = crate::structure::Structure::new()
        .fixed("Hello.versions", &[1, 0, 1, 0])
        .fixed("Hello.instance", &[1; 16])
        .u64("Hello.roles", 0)
        .list("Hello.capabilities", &[], true)
        .extensions("Hello.extensions", &[]);
    ("HELLO", frames::HELLO, body.bytes)
}

async fn exact_pong(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    for _ in 0..5 {
        let nonce = partner.number();
        let answer = link
            .ask(&frame(frames::PING, &ping(nonce, &[]).bytes))
            .await?;
        let is_only = answer.frames.len() == 1 && answer.end == End::Finished;
        let body = answer.frames.first().map(|frame| frame.body.clone());
        let is_exact = body == Some(ping(nonce, &[]).bytes);
        let expected = "one PONG with the nonce and no extensions, then the end";
        expect(
            is_only && is_exact,
            expected,
            format!("{answer}, body {body:?}"),
        )?;
    }
    Ok(())
}

async fn ping_with_extensions(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    let nonce = partner.number();
    let kinds: Vec<(u16, &[u8])> = (1..=16).map(|kind| (kind * 7, [1, 2].as_slice())).collect();
    let answer = link
        .ask(&frame(frames::PING, &ping(nonce, &kinds).bytes))
        .await?;
    match answer.single() {
        Some(Frame::Pong(Ping {
            nonce: same,
            extensions,
        })) if same == nonce => {
            let count = extensions.as_slice().len();
            expect(
                count == 0,
                "PONG without extensions",
                format!("{count} of them"),
            )
        }
        _ => Err(Fault::new("PONG", answer.to_string())),
    }
}

async fn many_pings(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    let asked = (0..64).map(|_| {
        let nonce = partner.number();
        let link = &link;
        async move { link.ping(nonce).await }
    });
    // A peer may let few be open at a time: then some wait for the answers of others.
    all(asked).await
}

/// Drives them beside each other, and gives the first fault.
async fn all(asked: impl Iterator<Item = impl Future<Output = Outcome>>) -> Outcome {
    let mut open: Vec<_> = asked.map(Box::pin).collect();
    core::future::poll_fn(|cx| {
        let mut first = Ok(());
        open.retain_mut(|question| match question.as_mut().poll(cx) {
            Poll::Pending => true,
            Poll::Ready(outcome) => {
                if first.is_ok() {
                    first = outcome;
                }
                false
            }
        });
        match first {
            Ok(()) if !open.is_empty() => Poll::Pending,
            outcome => Poll::Ready(outcome),
        }
    })
    .await
}

async fn three_and_one(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    // The control stream is the first.
    let _second = link.uni(&[]).await?;
    let _third = link.uni(&[]).await?;
    link.lives().await
}

async fn refused(partner: &Partner, bytes: &[u8]) -> Outcome {
    let link = partner.link().await?;
    let (send, recv) = link.bi(bytes).await?;
    let expected = "STOP_SENDING and RESET_STREAM with UNEXPECTED";
    let stopped = timeout(link.patience(), send.stopped()).await;
    let stopped = match stopped {
        Ok(Ok(code)) => code.map(quinn::VarInt::into_inner),
        Ok(Err(error)) => return Err(Fault::new(expected, error.to_string())),
        Err(_) => return Err(Fault::new(expected, "no STOP_SENDING")),
    };
    let answer = link.answer(send, recv).await?;
    let right = stopped == Some(codes::UNEXPECTED)
        && answer.end == End::Reset(codes::UNEXPECTED)
        && answer.frames.is_empty();
    expect(
        right,
        expected,
        format!("{answer}, stopped with {stopped:?}"),
    )?;
    link.lives().await
}

async fn never_ends(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    let (send, recv) = link.bi(&frame(frames::PING, &ping(8, &[]).bytes)).await?;
    let answer = link.answer(send, recv).await?;
    let is_pong = matches!(answer.single(), Some(Frame::Pong(_)));
    let is_refused = matches!(answer.end, End::Reset(codes::TIMEOUT | codes::UNEXPECTED));
    let expected = "PONG, or a reset with TIMEOUT";
    expect(is_pong || is_refused, expected, answer.to_string())?;
    link.lives().await
}

async fn silent(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    // A stream exists for the peer once something of it came: half a header.
    let (send, recv) = link.bi(&[16, 0]).await?;
    let Ok(answer) = link.answer(send, recv).await else {
        link.lives().await?;
        return Err(Fault::unsupported(
            "the peer does not refuse it, which it should",
        ));
    };
    let expected = "a reset with TIMEOUT";
    expect(
        answer.end == End::Reset(codes::TIMEOUT),
        expected,
        answer.to_string(),
    )?;
    link.lives().await
}

async fn datagrams(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    if link.quic().max_datagram_size().is_none() {
        return Err(Fault::unsupported("the peer takes no QUIC DATAGRAM frames"));
    }
    for len in [0, 1, 2, 9, 64, 500, 1000] {
        for first in [0, 1, 2, 3, 0x21, 0x40, 0xff] {
            let mut datagram = partner.bytes(len);
            if let Some(byte) = datagram.first_mut() {
                *byte = first;
            }
            let _full = link.quic().send_datagram(datagram.into());
        }
        link.lives().await?;
    }
    Ok(())
}

/// Rounds of streams that come to nothing: more streams than a peer lets be open at a time.
const ROUNDS: usize = 40;

async fn places(partner: Partner) -> Outcome {
    let mut link = partner.link().await?;
    let nothing = flagged(0x7777, 0, b"nothing else");
    let pong = frame(frames::PONG, &ping(5, &[]).bytes);
    for _ in 0..ROUNDS {
        // Ended without a frame that is known, reset, refused.
        let _closed = link.uni(&[]).await?.finish();
        let _closed = link.uni(&nothing).await?.finish();
        let _closed = link.uni(&nothing).await?.reset(9_u32.into());
        let mut refused = vec![link.uni(&pong).await?];
        let (mut send, mut recv) = link.bi(&nothing).await?;
        let _closed = send.reset(9_u32.into());
        let _closed = recv.stop(9_u32.into());
        let (send, _recv) = link.bi(&pong).await?;
        refused.push(send);
        for stream in &refused {
            // Its place is free when the peer has refused it, and this side has heard of that.
            let stopped = timeout(link.patience(), stream.stopped()).await;
            let what = "STOP_SENDING for a stream that may not begin so";
            let _code = stopped.map_err(|_| Fault::new(what, "none").by("DC-CONN-035"))?;
        }
    }
    let _second = link.uni(&nothing).await?;
    let _third = link.uni(&nothing).await?;
    link.lives().await?;
    link.reads_on(super::super::link::Marker::Malformed).await
}
