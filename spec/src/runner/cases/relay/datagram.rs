//! The datagrams of channels (`60-relay` §5). One that is dropped is shown by one sent after it that
//! comes first.

use super::super::super::bodies::relay::{self, Carried, refusal};
use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::partner::Partner;
use super::super::super::tls::Dialing;
use super::{Side, at_relay_as, between, channel, expect_refused, reserved, short};

/// A datagram for a channel, which is dropped.
type Drops = fn(u32) -> Vec<u8>;

/// Another name than that of a channel.
type Rename = fn(u32) -> u32;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "relay/datagrams",
            "whole packets of many sizes come out under the channel's name, both ways, unchanged",
            &["DC-RELAY-012"],
            whole,
        ),
        Case::positive(
            "relay/parts",
            "parts come out with their numbers, and are not joined",
            &["DC-RELAY-012", "DC-RELAY-024"],
            parts,
        ),
        Case::positive(
            "relay/split",
            "a packet that does not fit the second connection comes in two parts alike in size",
            &["DC-RELAY-014", "DC-RELAY-023"],
            split,
        ),
        Case::negative(
            "relay/split-not-again",
            "a part that does not fit the second connection is dropped, not split",
            &["DC-RELAY-024"],
            split_again,
        ),
        Case::negative(
            "relay/datagram-of-another-pair",
            "the name of somebody else's channel carries nothing into it",
            &["DC-RELAY-021", "DC-RELAY-013"],
            of_another,
        ),
        Case::negative(
            "relay/datagram-after-the-end",
            "a channel that has ended carries nothing",
            &["DC-RELAY-013", "DC-RELAY-021"],
            after_the_end,
        ),
        Case::negative(
            "relay/datagram-before-the-answer",
            "a channel that is not accepted carries nothing",
            &["DC-RELAY-007", "DC-RELAY-013"],
            before_the_answer,
        ),
        Case::negative(
            "relay/datagram-flood",
            "a channel that is flooded does not take another's place",
            &["DC-RELAY-010", "DC-RELAY-011"],
            flood,
        ),
    ];
    let dropped: [(&str, &str, Drops); 8] = [
        ("empty", "an empty datagram", |_| Vec::new()),
        ("waking", "a datagram of one byte 0", |_| vec![0]),
        ("waking-long", "a datagram that begins with 0", |channel| {
            [&[0][..], &relay::whole(channel, b"no")].concat()
        }),
        ("without-packet", "a whole packet of no bytes", |channel| {
            relay::whole(channel, b"")
        }),
        ("part-without-bytes", "a part of no bytes", |channel| {
            relay::part(false, channel, 1, b"")
        }),
        (
            "cut-in-channel",
            "a datagram that ends in the channel",
            |channel| relay::whole(channel, b"")[..4].to_vec(),
        ),
        (
            "cut-in-number",
            "a part that ends in the number",
            |channel| relay::part(true, channel, 1, b"")[..6].to_vec(),
        ),
        ("of-kind-4", "a datagram of an unknown kind", |channel| {
            let mut bytes = relay::whole(channel, b"no");
            bytes[0] = 4;
            bytes
        }),
    ];
    for (slug, about, make) in dropped {
        cases.push(Case::negative(
            format!("relay/datagram-{slug}"),
            format!("{about} is dropped, and the channel goes on"),
            &["DC-RELAY-013", "DC-CONN-061"],
            move |partner| drops(partner, make),
        ));
    }
    let wrong: [(&str, Rename); 3] = [
        ("channel-next", |channel| channel.wrapping_add(1)),
        ("channel-largest", |_| u32::MAX),
        ("channel-high-bit", |channel| channel ^ 0x8000_0000),
    ];
    for (slug, make) in wrong {
        cases.push(Case::negative(
            format!("relay/datagram-{slug}"),
            "a packet under a name that no channel has is dropped",
            &["DC-RELAY-013", "DC-RELAY-021"],
            move |partner| async move {
                let (one, other) = channel(&partner).await?;
                one.send(&relay::whole(make(one.channel), b"no"))?;
                passes(&partner, &one, &other).await
            },
        ));
    }
    cases
}

/// The next thing to come out is a packet sent now.
async fn passes(partner: &Partner, one: &Side, other: &Side) -> Outcome {
    let packet = partner.bytes(50);
    one.send(&relay::whole(one.channel, &packet))?;
    other
        .expect(&packet)
        .await
        .map_err(|fault| fault.by("DC-RELAY-013"))?;
    one.link.lives().await
}

async fn drops(partner: Partner, make: fn(u32) -> Vec<u8>) -> Outcome {
    let (one, other) = channel(&partner).await?;
    one.send(&make(one.channel))?;
    passes(&partner, &one, &other).await
}

async fn whole(partner: Partner) -> Outcome {
    let (one, other) = channel(&partner).await?;
    for len in [1, 2, 63, 64, 600, 1000, 1100] {
        let packet = partner.bytes(len);
        one.send(&relay::whole(one.channel, &packet))?;
        other.expect(&packet).await?;
        let packet = partner.bytes(len);
        other.send(&relay::whole(other.channel, &packet))?;
        one.expect(&packet).await?;
    }
    Ok(())
}

async fn parts(partner: Partner) -> Outcome {
    let (one, other) = channel(&partner).await?;
    for (is_second, number) in [(true, 5), (false, 5), (false, 0x7fff), (true, 0)] {
        let bytes = partner.bytes(300);
        one.send(&relay::part(is_second, one.channel, number, &bytes))?;
        let wanted = Carried::Part {
            is_second,
            channel: other.channel,
            number,
            part: bytes,
        };
        let came = other.next().await?;
        expect(came == wanted, short(&wanted), short(&came))?;
    }
    Ok(())
}

/// A packet that fits the first connection of [`narrow`] and not the second.
const WIDE: usize = 1250;

/// A channel from a peer that sends packets of 1452 bytes to one that takes none above 1200.
async fn narrow(partner: &Partner) -> Result<(Side, Side), Fault> {
    let (one, other) = (partner.identity(), partner.identity());
    let mut sends = Dialing::of(&one);
    sends.first_packets = 1452;
    let mut takes = Dialing::of(&other);
    takes.takes_packets = 1200;
    let one = std::sync::Arc::new(at_relay_as(partner, sends, &one).await?);
    let other = std::sync::Arc::new(at_relay_as(partner, takes, &other).await?);
    reserved(&other, 600).await?;
    between(&one, &other, 0).await
}

async fn split(partner: Partner) -> Outcome {
    let (one, other) = narrow(&partner).await?;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let packet = partner.bytes(WIDE);
        one.send(&relay::whole(one.channel, &packet))?;
        let mut halves = [None, None];
        for _ in 0..2 {
            match other.next().await? {
                Carried::Part {
                    is_second,
                    channel,
                    number,
                    part,
                } if channel == other.channel => {
                    halves[usize::from(is_second)] = Some((number, part));
                }
                came => return Err(Fault::new("two parts of the packet", short(&came))),
            }
        }
        let [Some((number, first)), Some((again, second))] = halves else {
            return Err(Fault::new("a first and a second part", "one of them twice"));
        };
        expect(
            number == again,
            "both parts with one number",
            format!("{number} and {again}"),
        )
        .map_err(|fault| fault.by("DC-RELAY-023"))?;
        let joined = [first.as_slice(), &second].concat();
        expect(
            joined == packet,
            "parts that make the packet",
            "other bytes",
        )?;
        let apart = first.len().abs_diff(second.len());
        let seen = format!("{} and {} bytes", first.len(), second.len());
        expect(apart <= 1, "parts alike in size", seen)?;
        numbers.push(number);
    }
    let follow = numbers
        .windows(2)
        .all(|pair| pair[1] == (pair[0].wrapping_add(1) | 0x8000));
    let right = numbers.iter().all(|number| *number >= 0x8000) && follow;
    let expected = "numbers from 0x8000 on, one after another";
    expect(right, expected, format!("{numbers:04x?}")).map_err(|fault| fault.by("DC-RELAY-023"))
}

async fn split_again(partner: Partner) -> Outcome {
    let (one, other) = narrow(&partner).await?;
    one.send(&relay::part(false, one.channel, 3, &partner.bytes(WIDE)))?;
    let packet = partner.bytes(50);
    one.send(&relay::whole(one.channel, &packet))?;
    other
        .expect(&packet)
        .await
        .map_err(|fault| fault.by("DC-RELAY-024"))
}

async fn of_another(partner: Partner) -> Outcome {
    let (one, other) = channel(&partner).await?;
    let (third, fourth) = channel(&partner).await?;
    // Whichever names the relay gives, all near those of the first channel are tried.
    for name in 0..64 {
        if name != third.channel {
            third.send(&relay::whole(name, b"no"))?;
        }
    }
    if one.channel != third.channel {
        third.send(&relay::whole(one.channel, b"no"))?;
    }
    // All of them were handled before this one came out.
    let packet = partner.bytes(60);
    third.send(&relay::whole(third.channel, &packet))?;
    fourth.expect(&packet).await?;
    let packet = partner.bytes(61);
    one.send(&relay::whole(one.channel, &packet))?;
    other
        .expect(&packet)
        .await
        .map_err(|fault| fault.by("DC-RELAY-021"))?;
    let packet = partner.bytes(62);
    other.send(&relay::whole(other.channel, &packet))?;
    one.expect(&packet)
        .await
        .map_err(|fault| fault.by("DC-RELAY-021"))
}

async fn after_the_end(partner: Partner) -> Outcome {
    let (mut ended, end) = channel(&partner).await?;
    let (one, other) = between(&ended.link, &end.link, 1).await?;
    ended.talk.finish();
    expect_refused(&end.talk, 1, refusal::ENDED).await?;
    end.send(&relay::whole(end.channel, b"no"))?;
    ended.send(&relay::whole(ended.channel, b"no"))?;
    let packet = partner.bytes(70);
    one.send(&relay::whole(one.channel, &packet))?;
    other
        .expect(&packet)
        .await
        .map_err(|fault| fault.by("DC-RELAY-013"))?;
    other.send(&relay::whole(other.channel, &packet))?;
    one.expect(&packet)
        .await
        .map_err(|fault| fault.by("DC-RELAY-013"))
}

async fn before_the_answer(partner: Partner) -> Outcome {
    let (one, other) = channel(&partner).await?;
    let asked = super::connect(&one.link, &other.link.me.public()).await?;
    let (_, name, mut answers) = super::incoming(&other.link, 1).await?;
    other.send(&relay::whole(name, b"no"))?;
    let packet = partner.bytes(80);
    other.send(&relay::whole(other.channel, &packet))?;
    one.expect(&packet)
        .await
        .map_err(|fault| fault.by("DC-RELAY-007"))?;
    answers.say(&relay::accept()).await;
    asked.first(relay::OPENED).await.map(|_| ())
}

async fn flood(partner: Partner) -> Outcome {
    let (loud, flooded) = channel(&partner).await?;
    let (one, other) = channel(&partner).await?;
    let packet = partner.bytes(1000);
    for _ in 0..2000 {
        // What this side's own QUIC drops of them does not matter.
        loud.send(&relay::whole(loud.channel, &packet))?;
    }
    for _ in 0..8 {
        let packet = partner.bytes(40);
        one.send(&relay::whole(one.channel, &packet))?;
        other
            .expect(&packet)
            .await
            .map_err(|fault| fault.by("DC-RELAY-010"))?;
    }
    flooded.link.lives().await?;
    loud.link.lives().await
}
