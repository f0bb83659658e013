//! Who is near (`70-dht` §3 and §4.2): answers, their bounds, and whom a node names.

use super::super::super::bodies::dht::{self, DIFFICULTY, K, refusal};
use super::super::super::case::{Case, Fault, Outcome, expect};
use super::super::super::frames::{codes, frame};
use super::super::super::journal::{End, Journal, Stream};
use super::super::super::link::Link;
use super::super::super::partner::Partner;
use super::{at_any, at_server, expect_reason, find, nodes, reason, told};
use crate::structure::Part;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::positive(
            "dht/find",
            "DHT_FIND is answered with at most as many nodes as are wanted, nearest first",
            &["DC-DHT-018"],
            finds,
        ),
        Case::positive(
            "dht/find-none",
            "DHT_FIND that wants none is answered with none: a sign of life",
            &["DC-DHT-018"],
            |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                let found = find(&link, &partner.array(), 0, &[]).await?;
                expect(
                    found.nodes.is_empty(),
                    "no node",
                    found.nodes.len().to_string(),
                )
            },
        ),
        Case::negative(
            "dht/find-255",
            "DHT_FIND that wants 255 is answered with at most 20, and nobody twice",
            &["DC-DHT-018"],
            |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                let found = find(&link, &partner.array(), 255, &[]).await?;
                let mut keys: Vec<_> = found.nodes.iter().map(|node| node.key).collect();
                keys.sort_unstable();
                keys.dedup();
                let right = keys.len() == found.nodes.len() && keys.len() <= K;
                expect(
                    right,
                    "at most 20 nodes, each once",
                    found.nodes.len().to_string(),
                )
            },
        ),
        Case::positive(
            "dht/serves-says-so",
            "who serves says so in its first answer, with a nonce that is accepted and its address",
            &["DC-DHT-016", "DC-DHT-004"],
            says_so,
        ),
        Case::negative(
            "dht/serves-says-so-once",
            "who serves does not say so again when nothing has changed",
            &["DC-DHT-016"],
            |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                // The first answer that has a place for it came above.
                let before = find(&link, &[1; 32], 0, &[]).await?.server;
                let again = find(&link, &[2; 32], 0, &[]).await?.server;
                expect(
                    again.is_none(),
                    "no word of it",
                    format!("{before:?}, {again:?}"),
                )
            },
        ),
        Case::negative(
            "dht/client",
            "a client refuses each question with NOT_SERVING",
            &["DC-DHT-005"],
            client,
        ),
        Case::positive(
            "dht/asker-that-serves",
            "at an address that is not public any nonce is accepted of who is there, too",
            &["DC-DHT-009"],
            any_nonce,
        ),
        Case::negative(
            "dht/asker-without-puzzle",
            "who says it serves with a nonce that is not accepted gets BAD_PUZZLE",
            &["DC-DHT-008"],
            bad_puzzle,
        ),
        Case::positive(
            "dht/question-ended",
            "who says that it serves is asked on streams that end after the question",
            &["DC-CONN-034"],
            question_ended,
        )
        .takes(3),
        Case::negative(
            "dht/not-asked-without-capability",
            "who says that it serves and has no capability DHT is asked nothing",
            &["DC-DHT-003"],
            not_asked,
        )
        .takes(3),
        Case::negative(
            "dht/flood",
            "more questions of one asker than 200 at once are refused with TOO_MANY",
            &["DC-DHT-021", "DC-DHT-022"],
            flood,
        ),
        Case::negative(
            "dht/flood-of-one-asker-only",
            "a flood of one asker leaves another its answers",
            &["DC-DHT-021"],
            |partner| async move {
                let other = at_server(&partner, &partner.identity()).await?;
                flood(partner.clone()).await?;
                find(&other, &partner.array(), 20, &[]).await.map(|_| ())
            },
        ),
    ];
    let nowhere: [(&str, &str, [u8; 18]); 5] = [
        ("port-0", "port 0", at([127, 0, 0, 1], 0)),
        ("unspecified", "no address", at([0; 4], 4001)),
        ("multicast", "a multicast address", at([224, 0, 0, 1], 4001)),
        ("unspecified-v6", "no IPv6 address", v6([0; 16])),
        ("multicast-v6", "a multicast IPv6 address", {
            let mut ip = [0; 16];
            (ip[0], ip[15]) = (0xff, 1);
            v6(ip)
        }),
    ];
    for (slug, about, socket) in nowhere {
        cases.push(Case::negative(
            format!("dht/asker-at-{slug}"),
            format!("who says it serves at {about} is cut off with MALFORMED"),
            &["DC-DHT-002", "DC-WIRE-017"],
            move |partner| async move {
                let link = at_server(&partner, &partner.identity()).await?;
                let server = dht::server_at(0, &Part::fixed(&socket));
                let question = dht::find(&[0; 32], 0, &[], Some(&server));
                let bytes = frame(dht::FIND, &question.bytes);
                let (mut send, _recv) = link.bi(&bytes).await?;
                let _closed = send.finish();
                link.expect_close(codes::MALFORMED).await
            },
        ));
    }
    cases
}

fn at([a, b, c, d]: [u8; 4], port: u16) -> [u8; 18] {
    let [high, low] = port.to_be_bytes();
    [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d, high, low,
    ]
}

fn v6(ip: [u8; 16]) -> [u8; 18] {
    let mut socket = [0; 18];
    socket[..16].copy_from_slice(&ip);
    socket[17] = 1;
    socket
}

async fn finds(partner: Partner) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    for want in [1, 6, 20] {
        let target = partner.array();
        let found = find(&link, &target, want, &[]).await?;
        let seen = format!("{} nodes", found.nodes.len());
        expect(
            found.nodes.len() <= usize::from(want),
            format!("at most {want}"),
            seen,
        )?;
        let mut last = [0; 32];
        for node in found.nodes.as_slice() {
            let mine = node.key == link.me.public() || node.key == partner.subject.peer;
            expect(!mine, "neither the asker nor the answerer", "one of them")?;
            let (_, position) = dht::pass(&node.key, node.nonce);
            let distance = dht::distance(&position, &target);
            expect(
                distance >= last,
                "nodes that lie nearest first",
                "another order",
            )?;
            last = distance;
        }
    }
    Ok(())
}

async fn says_so(partner: Partner) -> Outcome {
    // Another connection first, so that it serves for sure when this one asks first.
    at_server(&partner, &partner.identity()).await?.leave();
    let link = at_any(&partner, &partner.identity()).await?;
    let found = find(&link, &partner.array(), 1, &[]).await?;
    let Some(server) = found.server else {
        return Err(Fault::new("that it serves", "no word of it"));
    };
    let is_public = !is_local(partner.subject.address.ip());
    let (zeros, _) = dht::pass(&partner.subject.peer, server.nonce);
    let seen = format!("a nonce with {zeros} zero bits");
    expect(
        !is_public || zeros >= DIFFICULTY,
        "a nonce that is accepted",
        seen,
    )
    .map_err(|fault| fault.by("DC-DHT-007"))?;
    let named = [Some(server.socket), server.other];
    let has = named
        .into_iter()
        .flatten()
        .any(|socket| socket.addr() == partner.subject.address);
    let expected = format!("the address it was asked at, {}", partner.subject.address);
    expect(has, expected, format!("{named:?}")).map_err(|fault| fault.by("DC-DHT-004"))
}

/// Whether an address is not public.
fn is_local(ip: std::net::IpAddr) -> bool {
    match ip {
        std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        std::net::IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
    }
}

async fn client(partner: Partner) -> Outcome {
    // Nobody has told it where it is seen: only a node that serves at once does not refuse.
    let me = partner.identity();
    let mut greeting = super::greeting(&partner);
    greeting.identify.observed = None;
    let link = partner.link_with(&me, &greeting).await?;
    let first = dht::find(&partner.array(), 20, &[], None);
    let answer = link.ask(&frame(dht::FIND, &first.bytes)).await?;
    if reason(&answer) != Some(refusal::NOT_SERVING) {
        return Err(Fault::unsupported("it serves"));
    }
    let question = dht::get(&partner.array(), 20, &[]);
    let answer = link.ask(&frame(dht::GET, &question.bytes)).await?;
    let refuses = |answer| reason(answer) == Some(refusal::NOT_SERVING);
    // Another partner may have told it in between.
    if !refuses(&answer) && at_server(&partner, &partner.identity()).await.is_ok() {
        return Err(Fault::unsupported("it has begun to serve"));
    }
    expect(refuses(&answer), "NOT_SERVING", told(&answer))
}

async fn any_nonce(partner: Partner) -> Outcome {
    if !is_local(partner.subject.address.ip()) {
        return Err(Fault::unsupported("it is asked at a public address"));
    }
    let link = at_server(&partner, &partner.identity()).await?;
    let here = link.tap_address()?;
    for nonce in [0, 77, u64::MAX] {
        let server = dht::server(nonce, here);
        let question = dht::find(&partner.array(), 1, &[], Some(&server));
        nodes(link.ask(&frame(dht::FIND, &question.bytes)).await?)?;
    }
    Ok(())
}

async fn bad_puzzle(partner: Partner) -> Outcome {
    if is_local(partner.subject.address.ip()) {
        return Err(Fault::unsupported(
            "it is asked at an address that needs no puzzle",
        ));
    }
    let link = at_server(&partner, &partner.identity()).await?;
    let here = link.tap_address()?;
    let key = link.me.public();
    // All but one in 4096.
    let nonce = (0..).find(|nonce| dht::pass(&key, *nonce).0 < DIFFICULTY);
    let server = dht::server(nonce.unwrap_or_default(), here);
    let question = dht::find(&partner.array(), 1, &[], Some(&server));
    let answer = link.ask(&frame(dht::FIND, &question.bytes)).await?;
    expect_reason(reason(&answer).map_or(Ok(0), Err), refusal::BAD_PUZZLE)
}

async fn flood(partner: Partner) -> Outcome {
    let link = at_server(&partner, &partner.identity()).await?;
    let question = dht::find(&partner.array(), 0, &[], None);
    let bytes = frame(dht::FIND, &question.bytes);
    // Ten at a time: however slow the way, they come faster than 20 a second.
    for _ in 0..200 {
        let ask = || link.ask(&bytes);
        let answers = tokio::join!(
            ask(),
            ask(),
            ask(),
            ask(),
            ask(),
            ask(),
            ask(),
            ask(),
            ask(),
            ask()
        );
        let (a, b, c, d, e, f, g, h, i, j) = answers;
        for answer in [a, b, c, d, e, f, g, h, i, j] {
            match reason(&answer?) {
                None => {}
                Some(refusal::TOO_MANY) => return Ok(()),
                Some(other) => return Err(Fault::new("TOO_MANY", refusal::name(other))),
            }
        }
    }
    Err(Fault::new("TOO_MANY", "2000 answers"))
}

/// Says that this side serves where the peer sees it, which may want to make sure of that.
async fn serves(partner: &Partner, link: &Link) -> Outcome {
    let server = dht::server(0, link.tap_address()?);
    let question = dht::find(&partner.array(), 1, &[], Some(&server));
    link.ask(&frame(dht::FIND, &question.bytes)).await?;
    Ok(())
}

/// Questions of the peer about the table.
fn asked(journal: &Journal) -> impl Iterator<Item = &Stream> {
    [dht::FIND, dht::GET, dht::PUT]
        .into_iter()
        .flat_map(|code| journal.questions(code))
}

async fn question_ended(partner: Partner) -> Outcome {
    if !is_local(partner.subject.address.ip()) {
        return Err(Fault::unsupported("it is asked at a public address"));
    }
    let link = at_server(&partner, &partner.identity()).await?;
    serves(&partner, &link).await?;
    let what = "the end of a question's stream";
    let ended = link.until(what, |journal| {
        let stream = asked(journal).next()?;
        Some((stream.end?, stream.known().count()))
    });
    let (end, count) = ended.await?;
    let seen = format!("{end:?} after {count}");
    expect(
        (end, count) == (End::Finished, 1),
        "one question and the end of the stream",
        seen,
    )
}

async fn not_asked(partner: Partner) -> Outcome {
    if !is_local(partner.subject.address.ip()) {
        return Err(Fault::unsupported("it is asked at a public address"));
    }
    // It serves by now, and knows so.
    at_server(&partner, &partner.identity()).await?.leave();
    let mut greeting = super::greeting(&partner);
    greeting.capabilities = vec![1];
    let plain = partner.link_with(&partner.identity(), &greeting).await?;
    serves(&partner, &plain).await?;
    plain.lives().await?;
    // One that has it says the same later, and is asked.
    let able = at_server(&partner, &partner.identity()).await?;
    serves(&partner, &able).await?;
    let what = "a question to who says that it serves";
    able.until(what, |journal| asked(journal).next().map(|_| ()))
        .await?;
    plain.lives().await?;
    let count = asked(&plain.journal()).count();
    let pulses = plain.tap.came().others;
    let pulses = pulses.iter().filter(|one| one.bytes.first() == Some(&0x24));
    let seen = format!("{count} questions and {} pulses", pulses.clone().count());
    expect(count == 0 && pulses.count() == 0, "nothing", seen)
}
