//! What deliberate defects (`defects.md`) showed that no other case sees: where two names have to
//! differ before a mix-up shows.

use std::sync::Arc;

use super::super::bodies::relay;
use super::super::case::{Case, Fault, Outcome, Profile, expect};
use super::super::partner::Partner;
use super::relay::{at_relay, between, connect, expect_refused, reserved};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::negative(
            "relay/no-reservation-but-known",
            "RELAY_CONNECT to a peer that uses the relay and has not reserved: NO_RESERVATION",
            &["DC-RELAY-007"],
            known,
        )
        .profile(Profile::Relay),
        Case::positive(
            "relay/datagrams-of-a-second-channel",
            "a datagram comes out under the name that its channel has there, not where it came in",
            &["DC-RELAY-012"],
            second_channel,
        )
        .profile(Profile::Relay),
    ]
}

async fn known(partner: Partner) -> Outcome {
    let other = at_relay(&partner, &partner.identity()).await?;
    let nobody = partner.identity().public();
    let asked = connect(&other, &nobody).await?;
    expect_refused(&asked, 0, relay::refusal::NO_RESERVATION).await?;
    let link = at_relay(&partner, &partner.identity()).await?;
    let asked = connect(&link, &other.me.public()).await?;
    expect_refused(&asked, 0, relay::refusal::NO_RESERVATION).await?;
    other.lives().await?;
    let asked = other.journal().questions(relay::INCOMING).count();
    expect(asked == 0, "no RELAY_INCOMING", format!("{asked}"))
}

async fn second_channel(partner: Partner) -> Outcome {
    let one = Arc::new(at_relay(&partner, &partner.identity()).await?);
    let first = Arc::new(at_relay(&partner, &partner.identity()).await?);
    let second = Arc::new(at_relay(&partner, &partner.identity()).await?);
    reserved(&first, 600).await?;
    reserved(&second, 600).await?;
    let _before = between(&one, &first, 0).await?;
    let (asker, asked) = between(&one, &second, 0).await?;
    if asker.channel == asked.channel {
        let why = "the relay gives the channel one name on both connections";
        return Err(Fault::unsupported(why));
    }
    let packet = partner.bytes(60);
    asker.send(&relay::whole(asker.channel, &packet))?;
    asked.expect(&packet).await?;
    let packet = partner.bytes(61);
    asked.send(&relay::whole(asked.channel, &packet))?;
    asker.expect(&packet).await
}
