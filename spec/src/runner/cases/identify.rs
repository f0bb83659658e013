//! IDENTIFY and IDENTIFY_PUSH (`30-transport` §3).

use std::net::SocketAddr;

use dchat_wire::Address;
use dchat_wire::identify::Identify as Said;

use super::super::case::{Case, Fault, Outcome, Profile, expect};
use super::super::chat::Order;
use super::super::chat::talk::CAN_CHAT;
use super::super::frames::codes;
use super::super::greeting::{Greeting, Identify};
use super::super::link::{Link, Marker};
use super::super::partner::{Partner, own};
use super::super::probe::SHORTEST;
use super::probe;
use crate::actor::{ALICE, BOB};
use crate::multiaddr::Multiaddr;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::positive(
            "identify/once",
            "the peer sends IDENTIFY once, of revision 1, and later ones as pushes",
            &["DC-CONN-027"],
            once,
        ),
        Case::positive(
            "identify/observed",
            "the peer tells where it sees this side, without a PeerId",
            &["DC-CONN-027", "DC-ID-020"],
            observed,
        ),
        Case::positive(
            "identify/nothing-for-strangers",
            "a stranger is told no address of the peer's",
            &["DC-CONN-029"],
            strangers,
        ),
        Case::positive(
            "identify/every-form",
            "addresses of every form are taken, 16 of them",
            &["DC-ID-020", "DC-WIRE-007"],
            every_form,
        ),
        Case::positive(
            "identify/old-revision",
            "pushes of a revision that is not higher are ignored",
            &["DC-CONN-028"],
            |partner| async move {
                let mut link = partner.link().await?;
                let pushes = [9, 9, 3, 1, 0, u64::MAX, 10];
                let bytes = pushes
                    .into_iter()
                    .flat_map(|n| Identify::revision(n).push());
                link.control(&bytes.collect::<Vec<u8>>()).await;
                link.lives().await?;
                link.reads_on(Marker::Unsupported).await
            },
        ),
        Case::positive(
            "identify/32-pushes",
            "32 pushes at once are not too many",
            &["DC-CONN-059"],
            |partner| async move {
                let mut link = partner.link().await?;
                link.control(&pushes(32)).await;
                link.lives().await?;
                link.reads_on(Marker::Unsupported).await
            },
        ),
        Case::negative(
            "identify/unchanged",
            "IDENTIFY comes once, and no push when nothing has changed, whatever this side says",
            &["DC-CONN-027"],
            unchanged,
        ),
        Case::positive(
            "identify/moved",
            "a contact that moves is told the address it is seen at now, and all others again",
            &["DC-CONN-027", "DC-CONN-053"],
            moved,
        )
        .profile(Profile::Chat)
        .takes(3),
        Case::negative(
            "identify/asked-from-elsewhere",
            "questions (ASK) from another address do not make it the one a peer is told it is seen at",
            &["DC-CONN-053"],
            asked_from_elsewhere,
        ),
        Case::negative(
            "identify/flood",
            "a flood of pushes is closed with LIMIT or ignored",
            &["DC-CONN-059"],
            flood,
        ),
        Case::negative(
            "identify/second",
            "a second IDENTIFY closes with UNEXPECTED",
            &["DC-CONN-030"],
            |partner| async move {
                let mut link = partner.link().await?;
                link.control(&Identify::revision(2).first()).await;
                link.expect_close(codes::UNEXPECTED).await
            },
        ),
    ]
}

fn pushes(count: u64) -> Vec<u8> {
    (2..2 + count)
        .flat_map(|revision| Identify::revision(revision).push())
        .collect()
}

async fn once(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    link.lives().await?;
    let identifies = link.journal().identifies();
    let kinds: Vec<(bool, u64)> = identifies
        .iter()
        .map(|(push, i)| (*push, i.revision))
        .collect();
    let right = kinds
        .iter()
        .enumerate()
        .all(|(index, (push, revision))| *push == (index > 0) && *revision == index as u64 + 1);
    link.leave();
    let expected = "IDENTIFY of revision 1, then pushes of revisions larger by one";
    expect(
        right && !kinds.is_empty(),
        expected,
        format!("{kinds:?} (whether a push, revision)"),
    )
}

async fn observed(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    let first = link.journal().identifies().into_iter().next();
    let observed = first.and_then(|(_, identify)| identify.observed);
    let expected = "an address without a PeerId in `observed`";
    let seen = format!("{observed:?}");
    if observed.is_none() {
        return Err(Fault::unsupported(
            "it does not say where it sees this side",
        ));
    }
    let Some(Address::Direct { socket, peer: None }) = observed else {
        return Err(Fault::new(expected, seen));
    };
    let port = own_address(&link)?.port();
    link.leave();
    if !partner.subject.address.ip().is_loopback() && socket.port() != port {
        return Err(Fault::unsupported("something between translates ports"));
    }
    let right = socket.port() == port && socket.ip().is_loopback() == is_local(&partner);
    expect(right, format!("port {port} of this side's address"), seen)
}

fn is_local(partner: &Partner) -> bool {
    partner.subject.address.ip().is_loopback()
}

fn own_address(link: &Link) -> Result<SocketAddr, Fault> {
    let address = quinn::AsyncUdpSocket::local_addr(&*link.tap);
    address.map_err(|error| own(error.to_string()))
}

async fn strangers(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    link.lives().await?;
    let identifies = link.journal().identifies();
    link.leave();
    let told = identifies
        .iter()
        .find(|(_, identify)| !identify.addresses.as_slice().is_empty());
    expect(
        told.is_none(),
        "no address for a stranger",
        format!("{told:?}"),
    )
}

async fn every_form(partner: Partner) -> Outcome {
    let ip = |text: &str| text.parse().map_err(|_| own("no address"));
    let direct = |text, port| ip(text).map(|ip| Multiaddr::quic(ip, port));
    let forms = [
        direct("192.0.2.7", 4001)?,
        direct("10.1.2.3", 1)?,
        direct("127.0.0.1", 65535)?,
        direct("2001:db8::7", 4001)?,
        direct("fe80::1", 4001)?,
        direct("192.0.2.8", 4001)?.p2p(ALICE),
        direct("192.0.2.9", 4001)?.p2p(ALICE).circuit(),
        direct("2001:db8::9", 4001)?.p2p(ALICE).circuit().p2p(BOB),
    ];
    let addresses: Vec<Vec<u8>> = forms
        .iter()
        .chain(&forms)
        .map(|form| form.bytes.clone())
        .collect();
    let mut greeting = Greeting::new(&partner);
    greeting.identify.addresses = addresses;
    greeting.identify.observed = Some(forms[3].bytes.clone());
    let mut link = partner.link_with(&partner.identity(), &greeting).await?;
    link.lives().await?;
    link.reads_on(Marker::Unsupported).await
}

async fn flood(partner: Partner) -> Outcome {
    let mut link = partner.link().await?;
    link.control(&pushes(2000)).await;
    // LIMIT, or all of them ignored: then the frame behind them is the one that counts.
    link.control(&super::super::frames::frame(0x7777, &[]))
        .await;
    let wanted = [codes::LIMIT, codes::UNSUPPORTED];
    link.expect_close_with(&wanted).await.map(|_| ())
}

/// Goes on from another port until the peer says that it sees this side elsewhere; all that it said.
async fn moves(partner: &Partner, link: &Link) -> Result<Vec<(bool, Said)>, Fault> {
    let before = link.journal().identifies();
    let before = before.last().and_then(|(_, last)| last.observed);
    link.move_to(partner.socket()?)?;
    link.lives().await?;
    let what = "IDENTIFY_PUSH with the address that this side has moved to";
    let said = link.until(what, |journal| {
        let said = journal.identifies();
        let observed = said.last()?.1.observed;
        (observed.is_some() && observed != before).then_some(said)
    });
    let said = said.await?;
    if is_local(partner) {
        let here = own_address(link)?;
        let observed = said.last().and_then(|(_, last)| last.observed);
        let seen = format!("{observed:?}");
        expect(
            observed == Some(Address::direct(here)),
            here.to_string(),
            seen,
        )?;
    }
    Ok(said)
}

/// Of IDENTIFY and its pushes, each has to say something new.
fn each_is_news(said: &[(bool, Said)]) -> Outcome {
    let content = |(_, one): &(bool, Said)| (one.observed, one.addresses.as_slice().to_vec());
    let is_news = |pair: &[(bool, Said)]| match pair {
        [one, next] => next.0 && content(one) != content(next),
        _ => false,
    };
    expect(
        said.windows(2).all(is_news),
        "IDENTIFY once, then a push for each change of its content and no other",
        format!("{said:?}"),
    )
}

async fn unchanged(partner: Partner) -> Outcome {
    let mut link = partner.link().await?;
    for (revision, port) in (2..12).zip(4000..) {
        let claims = Identify {
            observed: Some(Multiaddr::quic([192, 0, 2, 7].into(), port).bytes),
            addresses: vec![Multiaddr::quic([192, 0, 2, 8].into(), port).bytes],
            ..Identify::revision(revision)
        };
        link.control(&claims.push()).await;
        link.lives().await?;
    }
    // Pushes come in the order of the changes: one that had no reason comes before this one.
    each_is_news(&moves(&partner, &link).await?)
}

async fn moved(partner: Partner) -> Outcome {
    let mut person = partner.subject.people.take(&partner, Order::Any).await?;
    let (link, _chat) = partner.contact(&mut person, &[CAN_CHAT]).await?;
    let what = "addresses of the peer for a contact";
    let known = link.until(what, |journal| {
        let last = journal.identifies().pop()?.1.addresses;
        (!last.as_slice().is_empty()).then(|| last.as_slice().to_vec())
    });
    let known = known.await?;
    let said = moves(&partner, &link).await?;
    let last = said
        .last()
        .map(|(_, last)| last.addresses.as_slice().to_vec());
    expect(
        last.as_ref() == Some(&known),
        format!("a push that says all of it: {known:?}"),
        format!("{last:?}"),
    )?;
    each_is_news(&said)
}

async fn asked_from_elsewhere(partner: Partner) -> Outcome {
    let link = partner.link().await?;
    let (aside, _endpoint) = probe::listen(&partner)?;
    for _ in 0..3 {
        probe::ask(&partner, &link, &aside, SHORTEST).await?;
    }
    link.lives().await?;
    let said = moves(&partner, &link).await?;
    each_is_news(&said)?;
    let aside =
        quinn::AsyncUdpSocket::local_addr(&*aside).map_err(|error| own(error.to_string()))?;
    let told = said
        .iter()
        .any(|(_, one)| one.observed == Some(Address::direct(aside)));
    expect(!told, "nothing of an address that has only asked", "it")
}
