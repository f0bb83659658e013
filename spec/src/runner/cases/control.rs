//! The control stream (`30-transport` §3): what may come on it, in which order, and its end.

use core::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::super::case::{Case, Fault, Outcome, expect};
use super::super::frames::{self, codes, flagged, frame, ping};
use super::super::greeting::{Greeting, Identify};
use super::super::partner::Partner;
use crate::structure::Structure;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::negative(
            "control/second-stream",
            "a second control stream closes with UNEXPECTED",
            &["DC-CONN-030", "DC-CONN-020"],
            |partner| async move {
                let link = partner.link().await?;
                let _second = link.uni(&Greeting::new(&partner).bytes()).await?;
                link.expect_close(codes::UNEXPECTED).await
            },
        ),
        Case::negative(
            "control/ends",
            "the end of the control stream closes with UNEXPECTED",
            &["DC-CONN-031"],
            |partner| async move {
                let mut link = partner.link().await?;
                link.control_stream().map(quinn::SendStream::finish);
                link.expect_close(codes::UNEXPECTED).await
            },
        ),
        Case::negative(
            "control/reset",
            "a reset of the control stream closes with UNEXPECTED",
            &["DC-CONN-031"],
            |partner| async move {
                let mut link = partner.link().await?;
                // A reset takes with it what has not been read: HELLO has to be.
                link.lives().await?;
                link.control_stream()
                    .map(|control| control.reset(0_u32.into()));
                link.expect_close(codes::UNEXPECTED).await
            },
        ),
        Case::negative(
            "control/ends-after-hello",
            "a control stream that ends behind HELLO closes with UNEXPECTED",
            &["DC-CONN-031"],
            |partner| async move {
                let mut link = partner.handshake(&partner.identity()).await?;
                link.control(&Greeting::new(&partner).hello()).await;
                link.control_stream().map(quinn::SendStream::finish);
                link.expect_close(codes::UNEXPECTED).await
            },
        ),
        Case::negative(
            "control/ends-inside-a-frame",
            "a control stream that ends inside a frame closes with MALFORMED",
            &["DC-WIRE-019"],
            |partner| async move {
                let mut link = partner.link().await?;
                let push = Identify::revision(2).push();
                link.control(&push[..push.len() - 1]).await;
                link.control_stream().map(quinn::SendStream::finish);
                link.expect_close(codes::MALFORMED).await
            },
        ),
        Case::negative(
            "control/push-before-identify",
            "IDENTIFY_PUSH before IDENTIFY closes with UNEXPECTED",
            &["DC-CONN-030"],
            |partner| async move {
                let mut link = partner.handshake(&partner.identity()).await?;
                let bytes = [
                    Greeting::new(&partner).hello(),
                    Identify::revision(1).push(),
                ];
                link.control(&bytes.concat()).await;
                link.expect_close(codes::UNEXPECTED).await
            },
        ),
        Case::negative(
            "control/nothing-before-hello",
            "a question is not answered when HELLO never comes",
            &["DC-CONN-021", "DC-CONN-022"],
            nothing_before_hello,
        )
        .takes(5),
        Case::positive(
            "control/question-before-hello",
            "a question that overtakes HELLO waits for it and is answered",
            &["DC-CONN-021"],
            question_before_hello,
        ),
        Case::negative(
            "control/hello-trickles",
            "a HELLO that comes byte by byte and not in time closes with TIMEOUT",
            &["DC-CONN-022"],
            hello_trickles,
        )
        .takes(5),
        Case::positive(
            "control/hello-late",
            "a HELLO that comes a second after the handshake is in time",
            &["DC-CONN-022"],
            |partner| async move {
                let mut link = partner.handshake(&partner.identity()).await?;
                // The case is the wait itself.
                tokio::time::sleep(Duration::from_secs(1)).await;
                link.control(&Greeting::new(&partner).bytes()).await;
                link.lives().await
            },
        )
        .takes(1),
        Case::positive(
            "control/empty-stream",
            "a unidirectional stream without a frame is no control stream",
            &["DC-WIRE-019"],
            |partner| async move {
                let mut link = partner.handshake(&partner.identity()).await?;
                drop(link.uni(&[]).await?.finish());
                link.control(&Greeting::new(&partner).bytes()).await;
                link.lives().await
            },
        ),
        Case::positive(
            "control/reserved-before-hello",
            "frames without meaning before HELLO are skipped",
            &["DC-CONN-036", "DC-WIRE-013"],
            |partner| async move {
                let mut link = partner.handshake(&partner.identity()).await?;
                let skipped = [flagged(0x3a4a, 0, &[9; 30]), flagged(0x7001, 0, &[])].concat();
                link.control(&[skipped, Greeting::new(&partner).bytes()].concat())
                    .await;
                link.lives().await
            },
        ),
    ];
    for (name, code, body) in bodies() {
        let bytes = frame(code, &body);
        if !matches!(code, frames::HELLO | frames::IDENTIFY_PUSH) {
            let bytes = bytes.clone();
            cases.push(Case::negative(
                format!("control/{}-on-it", slug(name)),
                format!("{name} on the control stream behind IDENTIFY closes with UNEXPECTED"),
                &["DC-CONN-030"],
                move |partner| {
                    let bytes = bytes.clone();
                    async move {
                        let mut link = partner.link().await?;
                        link.control(&bytes).await;
                        link.expect_close(codes::UNEXPECTED).await
                    }
                },
            ));
        }
        if code != frames::HELLO {
            cases.push(Case::negative(
                format!("control/{}-first", slug(name)),
                format!(
                    "a unidirectional stream that begins with {name} is refused, HELLO may follow"
                ),
                &["DC-CONN-035"],
                move |partner| {
                    let bytes = bytes.clone();
                    async move { refused_then_hello(&partner, &bytes).await }
                },
            ));
        }
    }
    cases
}

fn slug(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

/// Correct bodies of frames that do not begin a unidirectional stream, or do not stand there.
pub(super) fn bodies() -> Vec<(&'static str, u16, Vec<u8>)> {
    let undecryptable = Structure::new()
        .fixed("Undecryptable.session", &[7; 32])
        .extensions("Undecryptable.extensions", &[]);
    let envelope = Structure::new()
        .fixed("Envelope.session", &[7; 32])
        .u8("Envelope.stage", 1)
        .bytes("Envelope.message", &[3; 40])
        .extensions("Envelope.extensions", &[]);
    vec![
        (
            "IDENTIFY",
            frames::IDENTIFY,
            Identify::revision(1).body().bytes,
        ),
        (
            "IDENTIFY_PUSH",
            frames::IDENTIFY_PUSH,
            Identify::revision(2).body().bytes,
        ),
        ("PING", frames::PING, ping(1, &[]).bytes),
        ("PONG", frames::PONG, ping(1, &[]).bytes),
        ("ENVELOPE", frames::ENVELOPE, envelope.bytes),
        ("UNDECRYPTABLE", frames::UNDECRYPTABLE, undecryptable.bytes),
    ]
}

/// A stream that may not begin so is stopped with UNEXPECTED, and the connection comes up all the same.
async fn refused_then_hello(partner: &Partner, bytes: &[u8]) -> Outcome {
    let mut link = partner.handshake(&partner.identity()).await?;
    let stream = link.uni(bytes).await?;
    link.control(&Greeting::new(partner).bytes()).await;
    let what = "STOP_SENDING with UNEXPECTED";
    let stopped = tokio::time::timeout(link.patience(), stream.stopped()).await;
    match stopped {
        Ok(Ok(Some(code))) if code.into_inner() == codes::UNEXPECTED => {}
        Ok(Ok(Some(code))) => {
            let seen = format!("STOP_SENDING with {}", codes::name(code.into_inner()));
            return Err(Fault::new(what, seen));
        }
        Ok(Ok(None)) => return Err(Fault::new(what, "a stream that was read to its end")),
        Ok(Err(error)) => return Err(Fault::new(what, error.to_string())),
        Err(_) => return Err(Fault::new(what, "nothing")),
    }
    link.lives().await
}

async fn nothing_before_hello(partner: Partner) -> Outcome {
    let link = partner.handshake(&partner.identity()).await?;
    let (mut send, mut recv) = link.bi(&frame(frames::PING, &ping(5, &[]).bytes)).await?;
    let _closed = send.finish();
    link.expect_close(codes::TIMEOUT).await?;
    let answer = recv.read_chunk(1024, true).await;
    let answered = matches!(answer, Ok(Some(_)));
    expect(!answered, "no answer before HELLO", "an answer to PING")
}

async fn question_before_hello(partner: Partner) -> Outcome {
    let mut link = partner.handshake(&partner.identity()).await?;
    let nonce = partner.number();
    let (mut send, recv) = link
        .bi(&frame(frames::PING, &ping(nonce, &[]).bytes))
        .await?;
    let _closed = send.finish();
    link.control(&Greeting::new(&partner).bytes()).await;
    let answer = link.answer(send, recv).await?;
    match answer.single() {
        Some(dchat_wire::Frame::Pong(pong)) if pong.nonce == nonce => Ok(()),
        _ => Err(Fault::new("PONG once HELLO has come", answer.to_string())),
    }
}

async fn hello_trickles(partner: Partner) -> Outcome {
    let mut link = partner.handshake(&partner.identity()).await?;
    let bytes = Greeting::new(&partner).bytes();
    let quic = link.quic().clone();
    let trickle = async {
        let mut tick = interval(Duration::from_millis(300));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // So many that the last comes long after the peer has to have closed.
        for byte in &bytes[..bytes.len().min(60)] {
            tick.tick().await;
            link.control(&[*byte]).await;
        }
    };
    tokio::select! {
        () = trickle => {}
        _ = quic.closed() => {}
    }
    link.expect_close(codes::TIMEOUT).await
}
