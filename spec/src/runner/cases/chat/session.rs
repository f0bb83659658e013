//! Sessions (`40-messaging` §3): who makes them, which is used, and what happens when one is lost.

use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::chat::body::envelope;
use super::super::super::chat::body::{padded, parcel, undecryptable};
use super::super::super::chat::{Order, Talk};
use super::super::super::frames::{self, codes, frame};
use super::super::super::partner::Partner;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::positive(
            "session/stages-of-the-maker",
            "the side that made a session sends stage 0 until it has an answer, then stage 1",
            &["DC-CHAT-020"],
            stages_of_the_maker,
        ),
        Case::positive(
            "session/stages-of-the-other",
            "the side that did not make a session sends stage 1 only",
            &["DC-CHAT-020", "DC-CHAT-055"],
            stages_of_the_other,
        ),
        Case::positive(
            "session/kept",
            "a session that both sides list is used again on the next connection",
            &["DC-CHAT-010"],
            kept,
        ),
        Case::positive(
            "session/unknown-listed",
            "sessions that the peer does not know are passed over",
            &["DC-CHAT-011", "DC-CHAT-010"],
            unknown_listed,
        ),
        Case::positive(
            "session/lost-message",
            "messages that are lost or come late on their way do not stop the ratchet",
            &["DC-CHAT-012"],
            lost_message,
        ),
        Case::positive(
            "session/made-in-the-middle",
            "a session that the partner makes in the middle of a connection is used from then on",
            &["DC-CHAT-013", "DC-CHAT-055"],
            made_in_the_middle,
        ),
        Case::positive(
            "session/undecryptable-heard",
            "who is told that a session is lost makes a new one and says its frontiers",
            &["DC-CHAT-024"],
            undecryptable_heard,
        ),
        Case::negative(
            "session/undecryptable-of-no-session",
            "a complaint about a session that nobody has sent with is ignored",
            &["DC-CHAT-056"],
            undecryptable_of_none,
        ),
        Case::negative(
            "session/undecryptable-twice",
            "a second complaint about the same session is ignored",
            &["DC-CHAT-056"],
            undecryptable_twice,
        ),
        Case::negative(
            "session/undecryptable-without-end",
            "complaints without end are closed with LIMIT",
            &["DC-CHAT-058"],
            undecryptable_without_end,
        ),
        Case::negative(
            "session/unknown",
            "an ENVELOPE of a session that is not known brings UNDECRYPTABLE, once",
            &["DC-CHAT-023"],
            unknown,
        ),
        Case::negative(
            "session/unknown-many",
            "ENVELOPEs of many sessions that are not known are closed with LIMIT",
            &["DC-CHAT-058"],
            unknown_many,
        ),
        Case::negative(
            "session/mac",
            "a message with a wrong MAC brings UNDECRYPTABLE, and a new session cures it",
            &["DC-CHAT-021", "DC-CHAT-023"],
            wrong_mac,
        ),
        Case::negative(
            "session/replayed",
            "a message that comes again brings UNDECRYPTABLE and is not taken twice",
            &["DC-CHAT-019", "DC-CHAT-023"],
            replayed,
        ),
        Case::negative(
            "session/many-made",
            "more new sessions than 8 on one connection are closed with LIMIT",
            &["DC-CHAT-058"],
            many_made,
        ),
    ]
}

async fn stages_of_the_maker(partner: Partner) -> Outcome {
    let mut talk = partner.talk_of(Order::Larger).await?;
    let first = talk.parcels[0].is_opening;
    expect(
        first,
        "stage 0 in the first ENVELOPE of a new session",
        "stage 1",
    )?;
    for number in 0..3 {
        talk.say(&format!("answer {number}")).await?;
    }
    let last = talk.parcels.last().map(|received| received.is_opening);
    expect(
        last == Some(false),
        "stage 1 once a message was decrypted",
        "stage 0",
    )?;
    let current = talk.current;
    let same = talk
        .parcels
        .iter()
        .all(|received| Some(received.session) == current);
    expect(same, "one session all along", "several")?;
    talk.finish();
    Ok(())
}

async fn stages_of_the_other(partner: Partner) -> Outcome {
    let mut talk = partner.talk_of(Order::Smaller).await?;
    talk.say("one").await?;
    talk.say("two").await?;
    let current = talk.current;
    for received in &talk.parcels {
        let seen = format!(
            "stage 0: {}, session as made: {}",
            received.is_opening,
            Some(received.session) == current
        );
        let right = !received.is_opening && Some(received.session) == current;
        expect(
            right,
            "stage 1 with the session that the partner made",
            seen,
        )?;
    }
    talk.finish();
    Ok(())
}

async fn kept(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("before").await?;
    let session = talk
        .current
        .ok_or_else(|| Fault::unsupported("no session"))?;
    let mut next = talk.again(&partner, vec![session]).await?;
    let listed = next.theirs.sessions.as_slice().first().copied();
    expect(
        listed == Some(session),
        "the session that was used last, first in the list",
        "another",
    )?;
    next.adopt(session);
    let own = next.person.log.frontier();
    next.send(&[own], &[]).await?;
    let what = "a parcel with the session that both sides list";
    let first = next
        .until(what, |talk| talk.parcels.first().cloned())
        .await?;
    expect(
        first.session == session && !first.is_opening,
        what,
        "a new session",
    )?;
    next.say("after").await?;
    next.finish();
    Ok(())
}

async fn unknown_listed(partner: Partner) -> Outcome {
    for order in [Order::Smaller, Order::Larger] {
        let person = partner.subject.people.take(&partner, order).await?;
        let unknown = (0..8).map(|_| partner.array()).collect();
        let mut talk = Talk::open(&partner, person, unknown).await?;
        talk.begin().await?;
        talk.say("in a new session").await?;
        talk.finish();
    }
    Ok(())
}

async fn lost_message(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("one").await?;
    let nothing = padded(&parcel(&[], &[], &[]));
    let mut late = Vec::new();
    for _ in 0..30 {
        late.push(talk.sealed(&nothing)?);
    }
    talk.say("two").await?;
    // Those that a receiver keeps keys for, in another order.
    let told = talk.undecryptable.len();
    talk.write(&late[29]).await;
    talk.write(&late[3]).await;
    talk.say("three").await?;
    expect(
        talk.undecryptable.len() == told,
        "late messages decrypted",
        "UNDECRYPTABLE",
    )?;
    talk.finish();
    Ok(())
}

async fn made_in_the_middle(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("in the first session").await?;
    let session = talk.new_session()?;
    let own = talk.person.log.frontier();
    talk.send(&[own], &[]).await?;
    talk.say("in the second session").await?;
    let last = talk.parcels.last().map(|received| received.session);
    expect(
        last == Some(session),
        "an answer with the new session",
        "one with another",
    )?;
    talk.finish();
    Ok(())
}

async fn undecryptable_heard(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("before").await?;
    let lost = talk
        .current
        .ok_or_else(|| Fault::unsupported("no session"))?;
    talk.forget(&lost);
    talk.write(&undecryptable(&lost)).await;
    let what = "an ENVELOPE that opens a new session";
    let session = talk
        .until(what, |talk| talk.current.filter(|session| *session != lost))
        .await?;
    let first = talk
        .parcels
        .iter()
        .find(|received| received.session == session);
    let right =
        first.is_some_and(|first| first.is_opening && first.parcel.entries.as_slice().is_empty());
    expect(
        right,
        "frontiers and no entries first in the new session",
        "something else",
    )?;
    talk.say("after").await?;
    talk.finish();
    Ok(())
}

async fn undecryptable_of_none(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    for _ in 0..3 {
        let unknown = partner.array();
        talk.write(&undecryptable(&unknown)).await;
    }
    let current = talk.current;
    talk.say("nothing has happened").await?;
    expect(
        talk.current == current,
        "the session goes on",
        "a new session",
    )?;
    talk.finish();
    Ok(())
}

async fn undecryptable_twice(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("before").await?;
    let lost = talk
        .current
        .ok_or_else(|| Fault::unsupported("no session"))?;
    talk.write(&[undecryptable(&lost), undecryptable(&lost)].concat())
        .await;
    let what = "an ENVELOPE that opens a new session";
    let made = talk
        .until(what, |talk| talk.current.filter(|session| *session != lost))
        .await?;
    talk.write(&undecryptable(&lost)).await;
    talk.say("after").await?;
    expect(
        talk.current == Some(made),
        "one new session",
        "more than one",
    )?;
    talk.finish();
    Ok(())
}

async fn undecryptable_without_end(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("before").await?;
    for made in 0..20_u32 {
        let Some(current) = talk.current else { break };
        talk.forget(&current);
        talk.write(&undecryptable(&current)).await;
        let what = "a new session, or a close with LIMIT";
        let next = talk.until(what, |talk| {
            talk.current.filter(|session| *session != current)
        });
        if next.await.is_err() {
            talk.link.expect_close(codes::LIMIT).await?;
            // The first of the connection counts as well, if this side made it.
            let made = made + u32::from(talk.makes_session());
            expect(made >= 8, "8 new sessions at least", format!("{made}"))?;
            talk.person.sure();
            return Ok(());
        }
    }
    Err(Fault::unsupported(
        "the peer makes 20 sessions, which it should not",
    ))
}

async fn unknown(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    let session: [u8; 32] = partner.array();
    // Of stage 1 with a session that is not known nothing else is looked at.
    let body = envelope(&session, 1, &partner.bytes(100));
    for _ in 0..3 {
        talk.write(&frame(frames::ENVELOPE, &body.bytes)).await;
    }
    talk.say("behind it").await?;
    let told = talk.undecryptable.clone();
    let seen = format!("{} of them", told.len());
    expect(
        told == [session],
        "one UNDECRYPTABLE with that session",
        seen,
    )?;
    talk.finish();
    Ok(())
}

async fn unknown_many(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    for _ in 0..40 {
        let session: [u8; 32] = partner.array();
        let body = envelope(&session, 1, &partner.bytes(100));
        talk.write(&frame(frames::ENVELOPE, &body.bytes)).await;
    }
    should_limit(talk).await
}

async fn many_made(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    for _ in 0..20 {
        talk.new_session()?;
        let own = talk.person.log.frontier();
        talk.send(&[own], &[]).await?;
    }
    should_limit(talk).await
}

/// LIMIT, or a peer that goes on although it should not.
async fn should_limit(mut talk: Talk) -> Outcome {
    match talk.link.lives().await {
        // Questions and chats are read beside each other: the close may come after the answer.
        Ok(()) => match talk.say("still here").await {
            Ok(()) => Err(Fault::unsupported("the peer goes on, which it should not")),
            Err(_) => talk.link.expect_close(codes::LIMIT).await,
        },
        Err(_) => talk.link.expect_close(codes::LIMIT).await,
    }
}

async fn wrong_mac(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("before").await?;
    let nothing = padded(&parcel(&[], &[], &[]));
    let (session, stage, mut message) = talk.encrypt(&nothing)?;
    if let Some(last) = message.last_mut() {
        *last ^= 1;
    }
    let body = envelope(&session, stage, &message);
    talk.write(&frame(frames::ENVELOPE, &body.bytes)).await;
    let what = "UNDECRYPTABLE with the session of the message";
    let told = talk
        .until(what, |talk| talk.undecryptable.first().copied())
        .await?;
    expect(told == session, what, "another session")?;
    talk.new_session()?;
    let own = talk.person.log.frontier();
    talk.send(&[own], &[]).await?;
    talk.say("cured").await?;
    talk.finish();
    Ok(())
}

async fn replayed(partner: Partner) -> Outcome {
    let mut talk = partner.talk().await?;
    talk.say("before").await?;
    let entry = talk.person.log.say("once");
    let sealed = talk.sealed(&padded(&parcel(&[], &[entry], &[])))?;
    talk.write(&sealed).await;
    talk.delivered().await?;
    let session = talk.current;
    talk.write(&sealed).await;
    let what = "UNDECRYPTABLE with the session of the message";
    let told = talk
        .until(what, |talk| talk.undecryptable.first().copied())
        .await?;
    expect(Some(told) == session, what, "another session")?;
    talk.new_session()?;
    let own = talk.person.log.frontier();
    talk.send(&[own], &[]).await?;
    talk.say("cured").await?;
    talk.finish();
    Ok(())
}
