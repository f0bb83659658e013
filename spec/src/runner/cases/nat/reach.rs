//! REACH (`50-nat` §2).

use std::net::SocketAddr;

use dchat_wire::Frame;

use super::super::super::bodies::multiaddr;
use super::super::super::bodies::nat::{self, CAN_REACH, REACH, from, result};
use super::super::super::breaks::{self, Break};
use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::frames::{codes, frame};
use super::super::super::link::Link;
use super::super::super::partner::Partner;
use super::super::super::udp::Udp;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "nat/reach-here",
            "REACH from here has one datagram sent from the usual socket",
            &["DC-NAT-005", "DC-NAT-021"],
            here,
        ),
        Case::positive(
            "nat/reach-port",
            "REACH from another port has one sent from another port, or is answered with unable",
            &["DC-NAT-005"],
            other_port,
        ),
        Case::positive(
            "nat/reach-node",
            "REACH from another node asks one in another subnet, or is answered with unable",
            &["DC-NAT-007"],
            other_node,
        ),
        Case::negative(
            "nat/reach-low-port",
            "REACH to a port below 1024 is forbidden",
            &["DC-NAT-021"],
            |partner| async move {
                let link = at_node(&partner).await?;
                let to = SocketAddr::new(link.tap_address()?.ip(), 1023);
                forbidden(&partner, &link, from::HERE, to).await
            },
        ),
        Case::negative(
            "nat/reach-port-53",
            "REACH to the port of name servers is forbidden from another port, too",
            &["DC-NAT-021"],
            |partner| async move {
                let link = at_node(&partner).await?;
                let to = SocketAddr::new(link.tap_address()?.ip(), 53);
                forbidden(&partner, &link, from::PORT, to).await
            },
        ),
        Case::negative(
            "nat/reach-flood",
            "questions beyond a bound are limited, and so are the datagrams",
            &["DC-NAT-006", "DC-NAT-005"],
            flood,
        ),
    ];
    let elsewhere: [(&str, [u8; 4]); 3] = [
        ("documentation", [192, 0, 2, 7]),
        ("neighbour", [127, 0, 0, 2]),
        ("private", [10, 1, 2, 3]),
    ];
    for (slug, ip) in elsewhere {
        for (name, code) in [("port", from::PORT), ("node", from::NODE)] {
            cases.push(Case::negative(
                format!("nat/reach-{name}-to-{slug}"),
                format!(
                    "REACH from another {name} to an address that is not the asker's: forbidden"
                ),
                &["DC-NAT-005"],
                move |partner| async move {
                    let link = at_node(&partner).await?;
                    forbidden(&partner, &link, code, (ip, 4001).into()).await
                },
            ));
        }
    }
    let nowhere: [(&str, [u8; 4]); 4] = [
        ("multicast", [224, 0, 0, 1]),
        ("broadcast", [255, 255, 255, 255]),
        ("unspecified", [0, 0, 0, 0]),
        ("reserved", [240, 0, 0, 1]),
    ];
    for (slug, ip) in nowhere {
        cases.push(Case::negative(
            format!("nat/reach-to-{slug}"),
            "REACH to an address that is no single host's is not carried out",
            &["DC-NAT-021"],
            move |partner| async move {
                let link = at_node(&partner).await?;
                nobody(&partner, &link, (ip, 4001).into()).await
            },
        ));
    }
    cases.extend(broken());
    cases
}

async fn at_node(partner: &Partner) -> Result<Link, Fault> {
    let link = partner.link().await?;
    let hello = link.journal().hello();
    let can = hello.is_some_and(|hello| hello.capabilities.as_slice().contains(&CAN_REACH));
    if can {
        Ok(link)
    } else {
        Err(Fault::unsupported(
            "its HELLO does not have the capability REACH",
        ))
    }
}

/// Asks, and gets the result.
async fn ask(link: &Link, token: &[u8; 16], code: u8, target: SocketAddr) -> Result<u8, Fault> {
    let body = nat::reach(token, code, &multiaddr(target, None));
    let answer = link.ask(&frame(REACH, &body.bytes)).await?;
    let reached = answer
        .frames
        .iter()
        .find(|frame| frame.code == nat::REACHED);
    match (
        answer.single(),
        reached.and_then(|frame| frame.body.first()),
    ) {
        (Some(Frame::Reached(_)), Some(result)) => Ok(*result),
        _ => Err(Fault::new("REACHED", answer.to_string())),
    }
}

fn is_reach(datagram: &[u8], token: &[u8; 16]) -> bool {
    let wanted = [&[0x23], token.as_slice(), &[0; 47]].concat();
    datagram == wanted
}

/// Expects the datagram of a REACH that was carried out, and that none follows it.
async fn arrived(
    partner: &Partner,
    link: &Link,
    udp: &Udp,
    token: &[u8; 16],
) -> Result<SocketAddr, Fault> {
    let (bytes, sender) = udp.next("a REACH datagram").await?;
    let seen = format!("{} bytes: {bytes:02x?}", bytes.len());
    expect(
        is_reach(&bytes, token),
        "64 bytes: 0x23, the token, zeros",
        seen,
    )?;
    // A second datagram of the same question would come before that of a second question.
    let second = partner.array();
    if ask(link, &second, from::HERE, udp.address()?).await? == result::SENT {
        let (bytes, _) = udp.next("a REACH datagram").await?;
        let expected = "one datagram for each REACH";
        expect(is_reach(&bytes, &second), expected, "two for the first")?;
    }
    Ok(sender)
}

async fn here(partner: Partner) -> Outcome {
    let link = at_node(&partner).await?;
    let (udp, token) = (local(&partner)?, partner.array());
    let said = ask(&link, &token, from::HERE, udp.address()?).await?;
    if said == result::LIMITED {
        return Err(Fault::unsupported("others asked for all that it sends"));
    }
    expect(said == result::SENT, "sent", format!("result {said}"))?;
    let sender = arrived(&partner, &link, &udp, &token).await?;
    let usual = partner.subject.address;
    expect(
        sender == usual,
        format!("from {usual}"),
        format!("from {sender}"),
    )
}

/// A socket whose address is that of the connection; only where nothing translates between.
fn local(partner: &Partner) -> Result<Udp, Fault> {
    let udp = Udp::new(partner)?;
    if udp.address()?.ip().is_unspecified() {
        return Err(Fault::unsupported("the own address is not known"));
    }
    Ok(udp)
}

async fn other_port(partner: Partner) -> Outcome {
    let link = at_node(&partner).await?;
    let (udp, token) = (local(&partner)?, partner.array());
    match ask(&link, &token, from::PORT, udp.address()?).await? {
        result::SENT => {
            let sender = arrived(&partner, &link, &udp, &token).await?;
            let usual = partner.subject.address;
            expect(sender != usual, "from another port", "from the usual one")
        }
        result::UNABLE => Ok(()),
        result::LIMITED => Err(Fault::unsupported("others asked for all that it sends")),
        other => Err(Fault::new("sent or unable", format!("result {other}"))),
    }
}

async fn other_node(partner: Partner) -> Outcome {
    let link = at_node(&partner).await?;
    let (udp, token) = (local(&partner)?, partner.array());
    match ask(&link, &token, from::NODE, udp.address()?).await? {
        result::SENT => arrived(&partner, &link, &udp, &token).await.map(|_| ()),
        result::UNABLE => Ok(()),
        result::LIMITED => Err(Fault::unsupported("others asked for all that it sends")),
        other => Err(Fault::new("sent or unable", format!("result {other}"))),
    }
}

async fn forbidden(partner: &Partner, link: &Link, code: u8, to: SocketAddr) -> Outcome {
    let said = ask(link, &partner.array(), code, to).await?;
    expect(
        said == result::FORBIDDEN,
        "forbidden",
        format!("result {said}"),
    )?;
    link.lives().await
}

/// Such an address is either refused with the frame, or as a target.
async fn nobody(partner: &Partner, link: &Link, to: SocketAddr) -> Outcome {
    let body = nat::reach(&partner.array(), from::HERE, &multiaddr(to, None));
    let (mut send, recv) = link.bi(&frame(REACH, &body.bytes)).await?;
    let _closed = send.finish();
    match link.answer(send, recv).await {
        // A connection that is closed may end the stream first.
        Ok(answer) if !answer.frames.is_empty() => {
            let reached = answer
                .frames
                .iter()
                .find(|frame| frame.code == nat::REACHED);
            let said = reached.and_then(|frame| frame.body.first().copied());
            let right = matches!(said, Some(result::FORBIDDEN | result::UNABLE));
            expect(right, "forbidden or unable", format!("result {said:?}"))
        }
        _ => link.expect_close(codes::MALFORMED).await,
    }
}

async fn flood(partner: Partner) -> Outcome {
    let link = at_node(&partner).await?;
    let udp = local(&partner)?;
    let mut sent = 0;
    for _ in 0..400 {
        match ask(&link, &partner.array(), from::HERE, udp.address()?).await? {
            result::SENT => sent += 1,
            result::LIMITED => {
                let mut came = 0;
                while udp.came().await?.is_some() {
                    came += 1;
                }
                let seen = format!("{came} for {sent}");
                return expect(came <= sent, "at most one datagram for each", seen)
                    .map_err(|fault| fault.by("DC-NAT-005"));
            }
            other => return Err(Fault::new("sent or limited", format!("result {other}"))),
        }
    }
    Err(Fault::new("limited", "400 datagrams in a row"))
}

fn broken() -> Vec<Case> {
    let target = multiaddr(([127, 0, 0, 1], 4001).into(), None);
    let reach = nat::reach(&[7; 16], from::HERE, &target);
    let mut list = breaks::cuts(&reach);
    list.extend(breaks::extensions(&reach, "Reach.extensions"));
    list.push(Break::new(
        "from-3",
        "is from a place that has no code",
        &["DC-NAT-001", "DC-WIRE-017"],
        reach.replace("Reach.from", &[3]),
    ));
    list.push(Break::new(
        "target-empty",
        "has a target of no bytes",
        &["DC-WIRE-017"],
        reach.replace("Reach.target", &0_u64.to_le_bytes()),
    ));
    list.into_iter()
        .map(|broken| {
            let bytes = frame(REACH, &broken.bytes);
            Case::negative(
                format!("nat/reach-body-{}", broken.slug),
                format!("REACH that {} closes with MALFORMED", broken.about),
                broken.req,
                move |partner| {
                    let bytes = bytes.clone();
                    async move {
                        let link = partner.link().await?;
                        let (mut send, _recv) = link.bi(&bytes).await?;
                        let _closed = send.finish();
                        link.expect_close(codes::MALFORMED).await
                    }
                },
            )
        })
        .collect()
}
