//! What a relay says no to, and how (`60-relay` §1 and §3).

use super::super::super::bodies::relay::{self, refusal, refusal_of};
use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::frames::{self, codes, frame, ping};
use super::super::super::link::Link;
use super::super::super::partner::Partner;
use super::super::super::tls::Dialing;
use super::{at_any, at_relay, connect, expect_refused, incoming, is_relay, reserved};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::negative(
            "relay/none-reserve",
            "a node without the role answers RELAY_RESERVE with NOT_A_RELAY",
            &["DC-RELAY-001"],
            |partner| async move {
                let question = frame(relay::RESERVE, &relay::reserve(600, &[]).bytes);
                no_relay(partner, question).await
            },
        ),
        Case::negative(
            "relay/none-connect",
            "a node without the role answers RELAY_CONNECT with NOT_A_RELAY",
            &["DC-RELAY-001"],
            |partner| async move {
                let peer = partner.identity().public();
                let question = frame(relay::CONNECT, &relay::connect(&peer, &[]).bytes);
                no_relay(partner, question).await
            },
        ),
        Case::negative(
            "relay/no-reservation",
            "RELAY_CONNECT to a peer without a reservation: NO_RESERVATION, ask again later",
            &["DC-RELAY-007", "DC-RELAY-022"],
            |partner| async move {
                let link = at_relay(&partner, &partner.identity()).await?;
                let nobody = partner.identity().public();
                no_reservation(&link, &nobody).await
            },
        ),
        Case::negative(
            "relay/no-reservation-but-connected",
            "RELAY_CONNECT to a peer that is connected and has not reserved: NO_RESERVATION",
            &["DC-RELAY-007"],
            |partner| async move {
                let other = at_relay(&partner, &partner.identity()).await?;
                let link = at_relay(&partner, &partner.identity()).await?;
                no_reservation(&link, &other.me.public()).await?;
                other.lives().await?;
                let asked = other.journal().questions(relay::INCOMING).count();
                expect(asked == 0, "no RELAY_INCOMING", format!("{asked}"))
            },
        ),
        Case::negative(
            "relay/no-reservation-away",
            "RELAY_CONNECT to a peer with a reservation that has left: NO_RESERVATION",
            &["DC-RELAY-003"],
            away,
        ),
        Case::negative(
            "relay/no-reservation-the-relay",
            "RELAY_CONNECT to the relay itself: NO_RESERVATION",
            &["DC-RELAY-007"],
            |partner| async move {
                let link = at_relay(&partner, &partner.identity()).await?;
                no_reservation(&link, &partner.subject.peer).await
            },
        ),
        Case::negative(
            "relay/no-answer",
            "a peer that answers nothing for 5 s: NO_ANSWER to the asker, ENDED to the asked",
            &["DC-RELAY-009"],
            no_answer,
        )
        .takes(5),
        Case::negative(
            "relay/no-answer-is-final",
            "RELAY_ACCEPT that comes after NO_ANSWER opens nothing",
            &["DC-RELAY-009", "DC-RELAY-007"],
            too_late,
        )
        .takes(5),
        Case::negative(
            "relay/refusal-not-assigned",
            "RELAY_REFUSED with a reason without a meaning closes with MALFORMED",
            &["DC-RELAY-002", "DC-WIRE-017"],
            |partner| not_assigned(partner, 10),
        ),
        Case::negative(
            "relay/refusal-0",
            "RELAY_REFUSED with reason 0 closes with MALFORMED",
            &["DC-RELAY-002", "DC-WIRE-017"],
            |partner| not_assigned(partner, 0),
        ),
        Case::negative(
            "relay/incoming-from-a-stranger",
            "RELAY_INCOMING from somebody who is no relay of the peer's is not accepted",
            &["DC-RELAY-027"],
            from_stranger,
        ),
    ];
    let reasons = [
        (1, "not-a-relay"),
        (2, "not-allowed"),
        (4, "limited"),
        (6, "declined"),
        (9, "shutting-down"),
    ];
    for (reason, slug) in reasons {
        cases.push(Case::negative(
            format!("relay/declined-as-{slug}"),
            format!("the asked refuses with reason {reason}: the asker hears DECLINED"),
            &["DC-RELAY-007"],
            move |partner| declined(partner, reason),
        ));
    }
    cases
}

async fn no_relay(partner: Partner, question: Vec<u8>) -> Outcome {
    let me = partner.identity();
    let link = at_any(&partner, Dialing::of(&me), &me).await?;
    if is_relay(&link) {
        return Err(Fault::unsupported("it is a relay"));
    }
    let talk = link.talk(&question).await?;
    let retry = expect_refused(&talk, 0, refusal::NOT_A_RELAY).await?;
    // Asking again makes no sense, or it may: both can be meant.
    let _ = retry;
    link.lives().await
}

async fn no_reservation(link: &Link, peer: &[u8; 32]) -> Outcome {
    let asked = connect(link, peer).await?;
    let retry = expect_refused(&asked, 0, refusal::NO_RESERVATION).await?;
    let expected = "when to ask again: the peer may come";
    expect(retry > 0, expected, "0, for never").map_err(|fault| fault.by("DC-RELAY-022"))?;
    link.lives().await
}

async fn away(partner: Partner) -> Outcome {
    let other = at_relay(&partner, &partner.identity()).await?;
    reserved(&other, 600).await?;
    let link = at_relay(&partner, &partner.identity()).await?;
    other.leave();
    // The relay learns of it when the close arrives, and until then asks whoever has left: that ends
    // with NO_ANSWER, at the latest after 5 s.
    for _ in 0..8 {
        let asked = connect(&link, &other.me.public()).await?;
        let refused = asked.first(relay::REFUSED).await?;
        match refusal_of(&refused) {
            Some((refusal::NO_RESERVATION, _)) => return Ok(()),
            Some((refusal::NO_ANSWER, _)) => {}
            other => return Err(Fault::new("NO_RESERVATION", format!("{other:?}"))),
        }
    }
    Err(Fault::new("NO_RESERVATION", "NO_ANSWER eight times"))
}

async fn no_answer(partner: Partner) -> Outcome {
    let other = at_relay(&partner, &partner.identity()).await?;
    reserved(&other, 600).await?;
    let link = at_relay(&partner, &partner.identity()).await?;
    let asked = connect(&link, &other.me.public()).await?;
    let (_, _, silent) = incoming(&other, 0).await?;
    expect_refused(&asked, 0, refusal::NO_ANSWER).await?;
    expect_refused(&silent, 1, refusal::ENDED).await?;
    link.lives().await?;
    other.lives().await
}

async fn too_late(partner: Partner) -> Outcome {
    let other = at_relay(&partner, &partner.identity()).await?;
    reserved(&other, 600).await?;
    let link = at_relay(&partner, &partner.identity()).await?;
    let asked = connect(&link, &other.me.public()).await?;
    let (_, _, mut late) = incoming(&other, 0).await?;
    expect_refused(&asked, 0, refusal::NO_ANSWER).await?;
    late.say(&relay::accept()).await;
    late.finish();
    // A question after it is answered: nothing was opened before.
    other.lives().await?;
    link.lives().await?;
    let opened = |stream: &super::super::super::journal::Stream| {
        Some(stream.known().any(|frame| frame.code == relay::OPENED))
    };
    let opened = asked.until("the stream of the question", opened).await?;
    expect(!opened, "no RELAY_OPENED", "one after NO_ANSWER")
}

async fn not_assigned(partner: Partner, reason: u16) -> Outcome {
    let other = at_relay(&partner, &partner.identity()).await?;
    reserved(&other, 600).await?;
    let link = at_relay(&partner, &partner.identity()).await?;
    let asked = connect(&link, &other.me.public()).await?;
    let (_, _, mut answers) = incoming(&other, 0).await?;
    answers.say(&relay::refused(reason, 0)).await;
    other.expect_close(codes::MALFORMED).await?;
    // Whose connection is gone has not answered.
    expect_refused(&asked, 0, refusal::NO_ANSWER).await?;
    link.lives().await
}

async fn from_stranger(partner: Partner) -> Outcome {
    let me = partner.identity();
    let link = at_any(&partner, Dialing::of(&me), &me).await?;
    let who = partner.identity().public();
    let question = frame(relay::INCOMING, &relay::incoming(&who, 7).bytes);
    let mut talk = link.talk(&question).await?;
    talk.finish();
    talk.end().await?;
    let accepted = talk
        .until("the end of the stream", |stream| {
            Some(stream.known().any(|frame| frame.code == relay::ACCEPT))
        })
        .await?;
    expect(!accepted, "no RELAY_ACCEPT", "RELAY_ACCEPT")?;
    // The stream is refused, not the connection.
    let question = frame(frames::PING, &ping(5, &[]).bytes);
    link.ask(&question).await.map(|_| ())
}

async fn declined(partner: Partner, reason: u16) -> Outcome {
    let other = at_relay(&partner, &partner.identity()).await?;
    reserved(&other, 600).await?;
    let link = at_relay(&partner, &partner.identity()).await?;
    let asked = connect(&link, &other.me.public()).await?;
    let (_, _, mut answers) = incoming(&other, 0).await?;
    answers.say(&relay::refused(reason, 30)).await;
    answers.finish();
    expect_refused(&asked, 0, refusal::DECLINED).await?;
    link.lives().await?;
    other.lives().await
}
