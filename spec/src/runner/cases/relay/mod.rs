//! Relaying (`60-relay`): reservations, channels, refusals, and the datagrams of channels.

mod body;
mod channel;
mod datagram;
mod refuse;
mod reserve;

use std::sync::Arc;

use super::super::bodies::relay::{self, Carried, INCOMING, OPENED, REFUSED, ROLE, refusal_of};
use super::super::case::{Case, Fault, Outcome, Profile, expect};
use super::super::frames::frame;
use super::super::greeting::Greeting;
use super::super::identity::Identity;
use super::super::link::Link;
use super::super::partner::Partner;
use super::super::talk::Talk;
use super::super::tls::Dialing;

pub(super) fn cases() -> Vec<Case> {
    let cases = [
        reserve::cases(),
        channel::cases(),
        refuse::cases(),
        datagram::cases(),
        body::cases(),
    ];
    let of_relays = |case: Case| case.profile(Profile::Relay);
    cases.into_iter().flatten().map(of_relays).collect()
}

/// A connection with a relay; the case answers what it asks.
pub(crate) async fn at_relay(partner: &Partner, me: &Identity) -> Result<Link, Fault> {
    at_relay_as(partner, Dialing::of(me), me).await
}

async fn at_relay_as(partner: &Partner, dialing: Dialing, me: &Identity) -> Result<Link, Fault> {
    let link = at_any(partner, dialing, me).await?;
    if is_relay(&link) {
        Ok(link)
    } else {
        Err(Fault::unsupported("its HELLO does not have the role RELAY"))
    }
}

/// The same with a node that need not be one.
async fn at_any(partner: &Partner, mut dialing: Dialing, me: &Identity) -> Result<Link, Fault> {
    dialing.keeps_questions = true;
    let dialed = partner.dial(me, &dialing).await?;
    let mut link = dialed.map_err(|ending| {
        Fault::new("a handshake that succeeds", ending.to_string()).by("DC-CONN-010")
    })?;
    link.control(&Greeting::new(partner).bytes()).await;
    let hello = "HELLO and IDENTIFY";
    link.until(hello, |journal| journal.identifies().into_iter().next())
        .await?;
    Ok(link)
}

fn is_relay(link: &Link) -> bool {
    let hello = link.journal().hello();
    hello.is_some_and(|hello| hello.roles & ROLE != 0)
}

/// Asks for a reservation, and gets the body of the answer.
pub(crate) async fn reserved(
    link: &Link,
    lifetime_s: u32,
) -> Result<dchat_wire::relay::RelayReserved, Fault> {
    let question = frame(relay::RESERVE, &relay::reserve(lifetime_s, &[]).bytes);
    let answer = link.ask(&question).await?;
    match answer.single() {
        Some(dchat_wire::Frame::RelayReserved(reserved)) => Ok(reserved),
        _ => Err(Fault::new(
            "RELAY_RESERVED",
            seen(&answer.frames, &answer.to_string()),
        )),
    }
}

fn seen(frames: &[super::super::journal::RawFrame], otherwise: &str) -> String {
    let refused = frames.iter().find(|frame| frame.code == REFUSED);
    match refused.and_then(refusal_of) {
        Some((reason, retry)) => format!("RELAY_REFUSED with reason {reason}, retry after {retry}"),
        None => otherwise.to_owned(),
    }
}

/// Expects RELAY_REFUSED with this reason as the frame after `before` others, and then the end of the
/// stream.
pub(crate) async fn expect_refused(talk: &Talk, before: usize, reason: u16) -> Result<u32, Fault> {
    let frame = talk.nth(before, REFUSED).await?;
    let found = refusal_of(&frame);
    match found {
        Some((is, retry)) if is == reason => {
            talk.end().await?;
            Ok(retry)
        }
        _ => Err(Fault::new(
            format!("RELAY_REFUSED with reason {reason}"),
            format!("{found:?} (reason, retry)"),
        )),
    }
}

/// Asks for a channel.
pub(crate) async fn connect(link: &Link, peer: &[u8; 32]) -> Result<Talk, Fault> {
    let question = frame(relay::CONNECT, &relay::connect(peer, &[]).bytes);
    link.talk(&question).await
}

/// The `number`-th RELAY_INCOMING that comes on a link: who asks, the channel, and its stream.
pub(crate) async fn incoming(link: &Link, number: usize) -> Result<([u8; 32], u32, Talk), Fault> {
    let found = link.until("RELAY_INCOMING", |journal| {
        let stream = journal.questions(INCOMING).nth(number)?;
        Some((stream.number, stream.first_known()?.clone()))
    });
    let (stream, raw) = found.await?;
    let Some(dchat_wire::Frame::RelayIncoming(incoming)) = raw.decoded() else {
        return Err(Fault::new(
            "a RELAY_INCOMING that can be read",
            raw.to_string(),
        ));
    };
    let talk = link
        .join(stream)
        .ok_or_else(|| Fault::unsupported("the runner itself failed: a stream was joined twice"))?;
    Ok((*incoming.peer.public_key(), incoming.channel, talk))
}

/// One end of a channel.
pub(crate) struct Side {
    /// The connection to the relay.
    pub(crate) link: Arc<Link>,
    /// The stream of the channel.
    pub(crate) talk: Talk,
    /// Its name here.
    pub(crate) channel: u32,
}

impl Side {
    pub(crate) fn send(&self, datagram: &[u8]) -> Outcome {
        let sent = self.link.quic().send_datagram(datagram.to_vec().into());
        sent.map_err(|error| Fault::new("a relay that takes datagrams", error.to_string()))
    }

    /// The next datagram that is no waking one.
    pub(crate) async fn next(&self) -> Result<Carried, Fault> {
        next(&self.link).await
    }

    pub(crate) async fn expect(&self, packet: &[u8]) -> Outcome {
        let wanted = Carried::Whole {
            channel: self.channel,
            packet: packet.to_vec(),
        };
        let came = self.next().await?;
        let expected = format!(
            "a packet of {} bytes on channel {}",
            packet.len(),
            self.channel
        );
        expect(came == wanted, expected, short(&came)).map_err(|fault| fault.by("DC-RELAY-012"))
    }
}

fn short(carried: &Carried) -> String {
    match carried {
        Carried::Whole { channel, packet } => {
            format!("a packet of {} bytes on channel {channel}", packet.len())
        }
        Carried::Part {
            is_second,
            channel,
            number,
            part,
        } => format!(
            "part {} of {} bytes, number {number:#06x}, on channel {channel}",
            u8::from(*is_second) + 1,
            part.len()
        ),
        Carried::Other(bytes) => format!("{} bytes of another kind", bytes.len()),
    }
}

pub(crate) async fn next(link: &Link) -> Result<Carried, Fault> {
    let what = "a datagram of a channel";
    loop {
        let read = tokio::time::timeout(link.patience(), link.quic().read_datagram()).await;
        match read {
            Ok(Ok(datagram)) => {
                if let Some(carried) = Carried::read(&datagram) {
                    return Ok(carried);
                }
            }
            Ok(Err(error)) => return Err(Fault::new(what, error.to_string())),
            Err(_) => return Err(Fault::new(what, "none").by("DC-RELAY-012")),
        }
    }
}

/// Both ends of a channel between two new peers.
pub(crate) async fn channel(partner: &Partner) -> Result<(Side, Side), Fault> {
    let (one, other) = (partner.identity(), partner.identity());
    let one_link = Arc::new(at_relay(partner, &one).await?);
    let other_link = Arc::new(at_relay(partner, &other).await?);
    reserved(&other_link, 600).await?;
    between(&one_link, &other_link, 0).await
}

/// A channel from one to the other, who holds a reservation and got `before` questions already.
pub(crate) async fn between(
    one: &Arc<Link>,
    other: &Arc<Link>,
    before: usize,
) -> Result<(Side, Side), Fault> {
    let asked = connect(one, &other.me.public()).await?;
    let (_, theirs, mut answers) = incoming(other, before).await?;
    answers.say(&relay::accept()).await;
    let opened = asked.first(OPENED).await?;
    let Some(dchat_wire::Frame::RelayOpened(opened)) = opened.decoded() else {
        return Err(Fault::new(
            "a RELAY_OPENED that can be read",
            opened.to_string(),
        ));
    };
    let asker = Side {
        link: Arc::clone(one),
        talk: asked,
        channel: opened.channel,
    };
    let asked = Side {
        link: Arc::clone(other),
        talk: answers,
        channel: theirs,
    };
    Ok((asker, asked))
}
