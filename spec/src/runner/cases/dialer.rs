//! The peer as a dialer (`30-transport` §2): what it shows, and whom it does not fall for.
//!
//! A peer dials its contacts: somebody who redeemed an invite tells in IDENTIFY where it listens, ends
//! the connection, and waits. Who does not dial again by itself is not judged.
//!
//! A peer dials again with growing pauses (`30-transport` §8), the longer the more connections in a row
//! were over soon. So somebody who had a few such stays connected for a while first.

use core::time::Duration;

use rustls::{NamedGroup, SignatureScheme};

use super::super::case::{Case, Fault, Outcome, Profile, expect};
use super::super::chat::Order;
use super::super::chat::person::Taken;
use super::super::chat::talk::CAN_CHAT;
use super::super::frames::codes;
use super::super::greeting::{Greeting, Identify};
use super::super::link::Ending;
use super::super::listener::{Listener, Listening};
use super::super::partner::Partner;
use super::super::tls::{Credential, Signs, key_of};
use crate::multiaddr::Multiaddr;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "dialer/comes-back",
            "the peer dials a contact again, and shows of itself what the documents say",
            &[
                "DC-CONN-009",
                "DC-CONN-010",
                "DC-CONN-016",
                "DC-CONN-019",
                "DC-CONN-015",
            ],
            comes_back,
        )
        .takes(3),
        Case::negative(
            "dialer/tokens-given",
            "the tokens that a listener gave are not shown to it on the next connection",
            &["DC-CONN-003"],
            tokens_given,
        )
        .takes(6),
    ];
    let wrong: Vec<(&str, &str, &'static [&'static str], Make)> = vec![
        (
            "dialer/another-peer",
            "a listener that is somebody else than was dialed",
            &["DC-CONN-012"],
            |partner, _| Listening::of(&partner.identity()),
        ),
        (
            "dialer/two-certificates",
            "a listener with two certificates",
            &["DC-ID-038", "DC-CONN-011"],
            |partner, person| {
                let me = &person.identity;
                let chain = vec![me.certificate(), partner.identity().certificate()];
                with(person, Credential::Chain(chain, Box::new(Signs::with(me))))
            },
        ),
        (
            "dialer/spoiled-signature",
            "a listener whose CertificateVerify is wrong",
            &["DC-CONN-011"],
            |_, person| {
                let me = &person.identity;
                let signs = Signs {
                    is_spoiled: true,
                    ..Signs::with(me)
                };
                with(
                    person,
                    Credential::Chain(vec![me.certificate()], Box::new(signs)),
                )
            },
        ),
        (
            "dialer/key-not-held",
            "a listener with the right certificate and another key",
            &["DC-CONN-011", "DC-CONN-012"],
            |partner, person| {
                let chain = vec![person.identity.certificate()];
                let signs = Signs::with(&partner.identity());
                with(person, Credential::Chain(chain, Box::new(signs)))
            },
        ),
        (
            "dialer/another-protocol",
            "a listener of another protocol",
            &["DC-CONN-009"],
            |_, person| Listening {
                alpn: vec![b"h3".to_vec()],
                ..Listening::of(&person.identity)
            },
        ),
    ];
    cases.extend(wrong.into_iter().map(|(id, about, req, make)| {
        let about = format!("{about} is left");
        Case::negative(id, about, req, move |partner| async move {
            let person = partner.subject.people.take(&partner, Order::Any).await?;
            let listening = make(&partner, &person);
            let (listener, _person) = expected(&partner, person, &listening).await?;
            let dialed = listener.accept(&partner).await;
            let ending = match dialed.ok_or_else(does_not_dial)? {
                Err(ending) => ending,
                Ok(link) => {
                    let ending = link.ending("a handshake that fails").await?;
                    let hello = link.journal().hello();
                    expect(hello.is_none(), "a handshake that fails", "HELLO")?;
                    ending
                }
            };
            // Who offers dchat/1 alone is turned away by this side where that is not spoken.
            let is_by_tls = ending.alert().is_some() || matches!(ending, Ending::Other(_));
            expect(
                is_by_tls,
                "a handshake that fails by TLS",
                ending.to_string(),
            )
        })
        .takes(3)
    }));
    cases
        .into_iter()
        .map(|case| case.profile(Profile::Chat))
        .collect()
}

type Make = fn(&Partner, &Taken) -> Listening;

fn with(person: &Taken, credential: Credential) -> Listening {
    Listening {
        credential,
        ..Listening::of(&person.identity)
    }
}

fn does_not_dial() -> Fault {
    Fault::unsupported("the peer does not dial its contacts by itself")
}

/// Cases that somebody may have been in before, whose connections were short: a pause that has doubled
/// with each of them is still shorter than the runner's patience.
const FEW: u32 = 2;
/// How long somebody stays connected who was in more: longer than a peer may take for a connection that
/// was none.
const STAYS: Duration = Duration::from_secs(12);

/// Makes the peer dial: tells it where somebody listens, and ends the connection with a code after
/// which it should dial again.
async fn expected(
    partner: &Partner,
    mut person: Taken,
    listening: &Listening,
) -> Result<(Listener, Taken), Fault> {
    let listener = Listener::start(partner, &person.identity, listening)?;
    let address = listener.address;
    if !address.ip().is_loopback() {
        return Err(Fault::unsupported(
            "the peer may not be able to dial this side",
        ));
    }
    let (mut link, _chat) = partner.contact(&mut person, &[CAN_CHAT]).await?;
    // Now that it is a contact: the peer may keep no addresses of strangers.
    let told = Identify {
        addresses: vec![Multiaddr::quic(address.ip(), address.port()).bytes],
        ..Identify::revision(2)
    };
    link.control(&told.push()).await;
    link.lives().await?;
    if person.restless > FEW {
        // Whether the peer keeps the connection for so long is its own affair.
        tokio::time::sleep(STAYS).await;
        person.restless = 0;
    }
    link.close(codes::INTERNAL, b"");
    Ok((listener, person))
}

async fn comes_back(partner: Partner) -> Outcome {
    let person = partner.subject.people.take(&partner, Order::Any).await?;
    let listening = Listening::of(&person.identity);
    let (listener, person) = expected(&partner, person, &listening).await?;
    let dialed = listener.accept(&partner).await.ok_or_else(does_not_dial)?;
    let mut link =
        dialed.map_err(|ending| Fault::new("a handshake that succeeds", ending.to_string()))?;
    let dialer = listener.dialer();
    let seen = format!("{:?}", dialer.server_name);
    expect(dialer.server_name.is_none(), "no server_name", seen)
        .map_err(|fault| fault.by("DC-CONN-016"))?;
    let seen = format!("{:?}", dialer.alpn);
    expect(
        dialer.alpn == [b"dchat/1"],
        "dchat/1 and no other protocol",
        seen,
    )?;
    let seen = format!("{:?}", dialer.schemes);
    expect(
        dialer.schemes == [SignatureScheme::ED25519],
        "ed25519 alone",
        seen,
    )
    .map_err(|fault| fault.by("DC-CONN-019"))?;
    let known = [NamedGroup::X25519, NamedGroup::X25519MLKEM768];
    let seen = format!("{:?}", dialer.groups);
    expect(
        dialer.groups.iter().all(|group| known.contains(group)),
        "no other key exchange",
        &seen,
    )
    .map_err(|fault| fault.by("DC-CONN-015"))?;
    expect(
        dialer.groups.contains(&NamedGroup::X25519),
        "X25519 among them",
        seen,
    )
    .map_err(|fault| fault.by("DC-CONN-013"))?;
    let keys: Vec<_> = dialer
        .chain
        .iter()
        .map(|certificate| key_of(certificate))
        .collect();
    expect(
        keys == [Some(partner.subject.peer)],
        "one certificate of the peer",
        format!("{keys:?}"),
    )
    .map_err(|fault| fault.by("DC-ID-037"))?;
    let mut greeting = Greeting::new(&partner);
    greeting.instance = person.instance;
    link.control(&greeting.bytes()).await;
    link.until("HELLO", |journal| journal.hello()).await?;
    link.lives().await?;
    link.leave();
    Ok(())
}

async fn tokens_given(partner: Partner) -> Outcome {
    let person = partner.subject.people.take(&partner, Order::Any).await?;
    let listening = Listening {
        tokens: 3,
        ..Listening::of(&person.identity)
    };
    let (listener, person) = expected(&partner, person, &listening).await?;
    let mut greeting = Greeting::new(&partner);
    greeting.instance = person.instance;
    for _ in 0..2 {
        let dialed = listener.accept(&partner).await.ok_or_else(does_not_dial)?;
        let mut link =
            dialed.map_err(|ending| Fault::new("a handshake that succeeds", ending.to_string()))?;
        link.control(&greeting.bytes()).await;
        link.until("HELLO", |journal| journal.hello()).await?;
        link.lives().await?;
        let given = link.quic().stats().frame_tx.new_token;
        expect(given == 3, "a runner that gives tokens", given.to_string())?;
        link.close(codes::INTERNAL, b"");
    }
    let shown = listener.tokens_shown();
    let seen = format!("a token in {shown} first packets");
    expect(shown == 0, "first packets without a token", seen)
}
