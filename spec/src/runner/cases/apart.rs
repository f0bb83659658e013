//! What deliberate defects (`defects.md`) showed that no other case sees: where two names, or two
//! nodes, have to differ before a mix-up shows.

use std::sync::Arc;

use super::super::bodies::{dht, relay};
use super::super::case::{Case, Fault, Outcome, Profile, expect};
use super::super::frames::frame;
use super::super::partner::Partner;
use super::dht::{at_server, find};
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
        Case::positive(
            "dht/find-among-many",
            "of several nodes the nearest is named first, and nobody to itself",
            &["DC-DHT-018"],
            among_many,
        )
        .profile(Profile::Dht),
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

/// Nodes that say they serve where they are seen, so that nobody has to look whether they are there.
const NODES: usize = 8;

async fn among_many(partner: Partner) -> Outcome {
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        let link = at_server(&partner, &partner.identity()).await?;
        let server = dht::server(0, link.tap_address()?);
        let question = dht::find(&partner.array(), 0, &[], Some(&server));
        link.ask(&frame(dht::FIND, &question.bytes)).await?;
        nodes.push(link);
    }
    let mut named = 0;
    for link in &nodes {
        let me = link.me.public();
        let (_, target) = dht::pass(&me, 0);
        let found = find(link, &target, 20, &[]).await?;
        let mut last = [0; 32];
        for node in found.nodes.as_slice() {
            expect(node.key != me, "an answer without the asker", "the asker")?;
            let (_, position) = dht::pass(&node.key, node.nonce);
            let distance = dht::distance(&position, &target);
            expect(distance >= last, "the nearest first", "another order")?;
            last = distance;
        }
        named = named.max(found.nodes.len());
    }
    if named < 2 {
        return Err(Fault::unsupported("it names nobody it has just met"));
    }
    Ok(())
}
