//! Reservations (`60-relay` §2).

use dchat_wire::relay::{RelayReserved, Voucher};

use super::super::super::bodies::relay::{self, REFUSED, refusal_of};
use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::clock;
use super::super::super::frames::frame;
use super::super::super::link::Link;
use super::super::super::partner::Partner;
use super::{at_relay, connect, incoming, reserved};

/// Longest life of a voucher in seconds.
const LONGEST: u32 = 7200;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "relay/reserve-renewed",
            "each voucher has a higher sequence than the one before, for the same peer and others",
            &["DC-RELAY-018"],
            renewed,
        ),
        Case::positive(
            "relay/reservation-moves",
            "a reservation is kept for a peer that comes back over another connection",
            &["DC-RELAY-003"],
            moves,
        ),
        Case::positive(
            "relay/reserve-with-extension",
            "RELAY_RESERVE with an extension nobody knows is answered like any other",
            &["DC-WIRE-022", "DC-RELAY-017"],
            with_extension,
        ),
        Case::negative(
            "relay/reserve-flood",
            "more requests of one peer than 32 at once are refused with LIMITED",
            &["DC-RELAY-026", "DC-RELAY-022"],
            flood,
        ),
    ];
    let asked = [
        ("usual", 1800, "half an hour"),
        ("of-60-s", 60, "the least"),
        ("of-61-s", 61, "a second more than the least"),
        ("of-2-h", LONGEST, "two hours"),
    ];
    for (slug, seconds, about) in asked {
        cases.push(Case::positive(
            format!("relay/reserve-{slug}"),
            format!("asked for {about} it grants a reservation, with a voucher for it"),
            &["DC-RELAY-017"],
            move |partner| granted(partner, seconds),
        ));
    }
    let tempting = [
        ("of-0", 0, "no time"),
        ("of-1-s", 1, "a second"),
        (
            "over-2-h",
            LONGEST + 1,
            "a second more than a voucher lives",
        ),
        ("forever", u32::MAX, "136 years"),
    ];
    for (slug, seconds, about) in tempting {
        cases.push(Case::negative(
            format!("relay/reserve-{slug}"),
            format!("asked for {about} it grants 60 s to two hours"),
            &["DC-RELAY-017"],
            move |partner| granted(partner, seconds),
        ));
    }
    cases
}

/// A voucher is the relay's, for this peer, and as long as what is granted.
fn check(
    reserved: &RelayReserved,
    asked: u32,
    link: &Link,
    partner: &Partner,
) -> Result<u64, Fault> {
    let most = asked.clamp(60, LONGEST);
    let granted = reserved.lifetime_s;
    expect(
        (60..=most).contains(&granted),
        format!("60 to {most} s when {asked} s are asked for"),
        format!("{granted} s"),
    )?;
    let signer = dchat_wire::PeerId::from_public_key(partner.subject.peer);
    let signer = signer.map_err(|error| Fault::unsupported(error.to_string()))?;
    let now = clock::now_ms();
    let voucher = reserved.voucher.open::<Voucher>(&signer, now);
    let voucher = voucher.map_err(|error| {
        Fault::new("a voucher signed by the relay", error.to_string()).by("DC-RELAY-004")
    })?;
    let seen = "a voucher for somebody else";
    expect(
        *voucher.payload.peer.public_key() == link.me.public(),
        "a voucher for whoever asked",
        seen,
    )
    .map_err(|fault| fault.by("DC-RELAY-004"))?;
    Ok(voucher.sequence)
}

async fn granted(partner: Partner, asked: u32) -> Outcome {
    let link = at_relay(&partner, &partner.identity()).await?;
    let reserved = reserved(&link, asked).await?;
    check(&reserved, asked, &link, &partner)?;
    link.leave();
    Ok(())
}

async fn renewed(partner: Partner) -> Outcome {
    let links = [
        at_relay(&partner, &partner.identity()).await?,
        at_relay(&partner, &partner.identity()).await?,
    ];
    let mut before = None;
    for link in [&links[0], &links[0], &links[1], &links[0]] {
        let reserved = reserved(link, 600).await?;
        let sequence = check(&reserved, 600, link, &partner)?;
        let expected = format!("a sequence above {before:?}");
        let is_higher = before.is_none_or(|before| sequence > before);
        expect(is_higher, expected, sequence.to_string())?;
        before = Some(sequence);
    }
    links.iter().for_each(Link::leave);
    Ok(())
}

async fn moves(partner: Partner) -> Outcome {
    let me = partner.identity();
    let first = at_relay(&partner, &me).await?;
    reserved(&first, 600).await?;
    first.leave();
    let second = at_relay(&partner, &me).await?;
    // An answer shows that it has taken HELLO in.
    second.lives().await?;
    let asker = at_relay(&partner, &partner.identity()).await?;
    let _asked = connect(&asker, &me.public()).await?;
    let (who, _, _) = incoming(&second, 0).await?;
    let seen = "RELAY_INCOMING from somebody else";
    expect(
        who == asker.me.public(),
        "RELAY_INCOMING from the asker",
        seen,
    )
}

async fn with_extension(partner: Partner) -> Outcome {
    let link = at_relay(&partner, &partner.identity()).await?;
    let value = partner.bytes(9);
    let body = relay::reserve(600, &[(0x0123, &value), (0x0a0a, &[])]);
    let answer = link.ask(&frame(relay::RESERVE, &body.bytes)).await?;
    match answer.single() {
        Some(dchat_wire::Frame::RelayReserved(reserved)) => {
            check(&reserved, 600, &link, &partner).map(|_| ())
        }
        _ => Err(Fault::new("RELAY_RESERVED", answer.to_string())),
    }
}

async fn flood(partner: Partner) -> Outcome {
    let link = at_relay(&partner, &partner.identity()).await?;
    let question = frame(relay::RESERVE, &relay::reserve(600, &[]).bytes);
    let mut granted = 0;
    // Sixteen times what one peer gets at once: however slowly they go out, the relay's 4 a second
    // do not keep up.
    for _ in 0..512 {
        let answer = link.ask(&question).await?;
        let refused = answer.frames.iter().find(|frame| frame.code == REFUSED);
        let Some((reason, retry)) = refused.and_then(refusal_of) else {
            granted += 1;
            continue;
        };
        let seen = format!("reason {reason} after {granted} grants");
        expect(reason == relay::refusal::LIMITED, "LIMITED", seen)?;
        let seen = "a wait of 0 s, which is for never";
        return expect(retry > 0, "when to ask again", seen)
            .map_err(|fault| fault.by("DC-RELAY-022"));
    }
    Err(Fault::new("LIMITED", format!("{granted} grants in a row")))
}
