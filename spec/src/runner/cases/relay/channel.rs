//! Channels: how they begin and end (`60-relay` §3).

use super::super::super::bodies::relay::{self, OPENED, refusal};
use super::super::super::case::{Case, Outcome, expect};
use super::super::super::frames::{self, codes, frame, ping};
use super::super::super::partner::Partner;
use super::super::super::talk::Talk;
use super::{Side, at_relay, between, channel, connect, expect_refused, incoming, reserved};

/// How somebody leaves a stream or says what it may not.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Finishes,
    Resets,
    Speaks,
    Disconnects,
}

impl Leaving {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Finishes, "finishes", "ends its side of the stream"),
        (Self::Resets, "resets", "resets its side of the stream"),
        (Self::Speaks, "speaks", "says anything more"),
        (Self::Disconnects, "disconnects", "closes its connection"),
    ];

    async fn happens(self, talk: &mut Talk, link: &super::super::super::link::Link) {
        match self {
            Self::Finishes => talk.finish(),
            Self::Resets => talk.reset(codes::DONE),
            Self::Speaks => talk.say(&frame(frames::PONG, &ping(1, &[]).bytes)).await,
            Self::Disconnects => link.leave(),
        }
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "relay/channel",
            "RELAY_CONNECT reaches the peer with the asker's name, and RELAY_ACCEPT opens",
            &["DC-RELAY-007", "DC-RELAY-008"],
            opens,
        ),
        Case::positive(
            "relay/channel-back",
            "one peer is asked and asks back, and both channels work",
            &["DC-RELAY-012", "DC-RELAY-008"],
            both_ways,
        ),
        Case::positive(
            "relay/channels-of-one-pair",
            "four channels of one pair, each carrying its own",
            &["DC-RELAY-012", "DC-RELAY-010"],
            four,
        ),
        Case::negative(
            "relay/channels-of-one-pair-too-many",
            "a fifth channel of one pair is refused with LIMITED",
            &["DC-RELAY-010", "DC-RELAY-022"],
            five,
        ),
        Case::negative(
            "relay/unanswered-too-many",
            "a peer that answers none of 16 RELAY_INCOMING gets no 17th",
            &["DC-RELAY-010"],
            unanswered,
        ),
    ];
    for (leaving, slug, about) in Leaving::ALL {
        cases.push(Case::negative(
            format!("relay/open-asker-{slug}"),
            format!("the asker {about}: the channel ends, and the asked hears ENDED"),
            &["DC-RELAY-008"],
            move |partner| open(partner, leaving, true),
        ));
        cases.push(Case::negative(
            format!("relay/open-asked-{slug}"),
            format!("the asked {about}: the channel ends, and the asker hears ENDED"),
            &["DC-RELAY-008"],
            move |partner| open(partner, leaving, false),
        ));
        cases.push(Case::negative(
            format!("relay/asked-asker-{slug}"),
            format!("the asker {about} before the answer: the asked hears ENDED"),
            &["DC-RELAY-008"],
            move |partner| withdrawn(partner, leaving),
        ));
        cases.push(Case::negative(
            format!("relay/asked-asked-{slug}"),
            format!("the asked {about} instead of answering: the asker hears NO_ANSWER"),
            &["DC-RELAY-007"],
            move |partner| unwilling(partner, leaving),
        ));
    }
    cases
}

async fn opens(partner: Partner) -> Outcome {
    let one = at_relay(&partner, &partner.identity()).await?;
    let other = at_relay(&partner, &partner.identity()).await?;
    reserved(&other, 600).await?;
    let asked = connect(&one, &other.me.public()).await?;
    let (who, _, mut answers) = incoming(&other, 0).await?;
    let seen = "another name";
    expect(
        who == one.me.public(),
        "RELAY_INCOMING with the asker's name",
        seen,
    )?;
    // Before the answer nothing is open: the first word on the asker's stream is RELAY_OPENED.
    answers.say(&relay::accept()).await;
    asked.first(OPENED).await?;
    one.lives().await?;
    other.lives().await
}

async fn both_ways(partner: Partner) -> Outcome {
    let (one, other) = channel(&partner).await?;
    reserved(&one.link, 600).await?;
    let (back, forth) = between(&other.link, &one.link, 0).await?;
    let differ = back.channel != other.channel && forth.channel != one.channel;
    expect(differ, "another name for another channel", "one name twice")?;
    let [a, b]: [[u8; 40]; 2] = [partner.array(), partner.array()];
    one.send(&relay::whole(one.channel, &a))?;
    other.expect(&a).await?;
    back.send(&relay::whole(back.channel, &b))?;
    forth.expect(&b).await
}

async fn several(partner: &Partner, count: usize) -> Result<Vec<(Side, Side)>, super::Fault> {
    let mut sides = vec![channel(partner).await?];
    for number in 1..count {
        let (one, other) = (sides[0].0.link.clone(), sides[0].1.link.clone());
        sides.push(between(&one, &other, number).await?);
    }
    Ok(sides)
}

async fn four(partner: Partner) -> Outcome {
    let sides = several(&partner, 4).await?;
    for (one, other) in &sides {
        let packet = partner.bytes(77);
        one.send(&relay::whole(one.channel, &packet))?;
        other.expect(&packet).await?;
        let packet = partner.bytes(78);
        other.send(&relay::whole(other.channel, &packet))?;
        one.expect(&packet).await?;
    }
    Ok(())
}

async fn five(partner: Partner) -> Outcome {
    let sides = several(&partner, 4).await?;
    let asked = connect(&sides[0].0.link, &sides[0].1.link.me.public()).await?;
    let retry = expect_refused(&asked, 0, refusal::LIMITED).await?;
    expect(retry > 0, "when to ask again", "never").map_err(|fault| fault.by("DC-RELAY-022"))?;
    // The others go on.
    let (one, other) = &sides[3];
    let packet = partner.bytes(99);
    one.send(&relay::whole(one.channel, &packet))?;
    other.expect(&packet).await
}

async fn unanswered(partner: Partner) -> Outcome {
    let silent = at_relay(&partner, &partner.identity()).await?;
    reserved(&silent, 600).await?;
    let mut askers = Vec::new();
    for _ in 0..5 {
        askers.push(at_relay(&partner, &partner.identity()).await?);
    }
    // Streams that are dropped end.
    let mut kept = Vec::new();
    for (number, asker) in (0..16).map(|number| (number, &askers[number / 4])) {
        let asked = connect(asker, &silent.me.public()).await?;
        kept.push((asked, incoming(&silent, number).await?));
    }
    let last = connect(&askers[4], &silent.me.public()).await?;
    // FULL or LIMITED: which of them a limit is named by is not said for this one.
    let refused = last.first(relay::REFUSED).await?;
    let reason = relay::refusal_of(&refused).map(|(reason, _)| reason);
    expect(
        matches!(reason, Some(3 | 4)),
        "FULL or LIMITED",
        format!("reason {reason:?}"),
    )
}

async fn open(partner: Partner, leaving: Leaving, is_asker: bool) -> Outcome {
    let (one, other) = channel(&partner).await?;
    let (mut leaves, stays) = if is_asker { (one, other) } else { (other, one) };
    leaving.happens(&mut leaves.talk, &leaves.link).await;
    // After RELAY_OPENED or RELAY_INCOMING.
    expect_refused(&stays.talk, 1, refusal::ENDED).await?;
    stays.link.lives().await
}

async fn withdrawn(partner: Partner, leaving: Leaving) -> Outcome {
    let one = at_relay(&partner, &partner.identity()).await?;
    let other = at_relay(&partner, &partner.identity()).await?;
    reserved(&other, 600).await?;
    let mut asked = connect(&one, &other.me.public()).await?;
    let (_, _, waits) = incoming(&other, 0).await?;
    leaving.happens(&mut asked, &one).await;
    expect_refused(&waits, 1, refusal::ENDED).await?;
    other.lives().await
}

async fn unwilling(partner: Partner, leaving: Leaving) -> Outcome {
    let one = at_relay(&partner, &partner.identity()).await?;
    let other = at_relay(&partner, &partner.identity()).await?;
    reserved(&other, 600).await?;
    let asked = connect(&one, &other.me.public()).await?;
    let (_, _, mut answers) = incoming(&other, 0).await?;
    leaving.happens(&mut answers, &other).await;
    expect_refused(&asked, 0, refusal::NO_ANSWER).await?;
    one.lives().await
}
