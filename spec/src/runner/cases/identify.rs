//! IDENTIFY and IDENTIFY_PUSH (`30-transport` §3).

use std::net::SocketAddr;

use dchat_wire::Address;

use super::super::case::{Case, Fault, Outcome, expect};
use super::super::frames::codes;
use super::super::greeting::{Greeting, Identify};
use super::super::link::{Link, Marker};
use super::super::partner::Partner;
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
    address.map_err(|error| super::super::partner::own(error.to_string()))
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
    let ip = |text: &str| {
        text.parse()
            .map_err(|_| super::super::partner::own("no address"))
    };
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
