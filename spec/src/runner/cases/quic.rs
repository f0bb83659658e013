//! QUIC below streams (`30-transport` §1): first packets, sizes, versions, and what is not QUIC.

use core::time::Duration;

use tokio::time::Instant;

use super::super::case::{Case, Fault, Outcome, expect};
use super::super::initial::{
    First, INITIAL, Reply, SMALLEST, VERSION_1, read_parameters, read_varint,
};
use super::super::partner::{Partner, own};
use super::super::tls::Dialing;

pub(super) fn cases() -> Vec<Case> {
    let mut cases =
        vec![
        Case::positive(
            "quic/fixed-bit",
            "every QUIC packet of the peer's has the fixed bit set",
            &["DC-CONN-001"],
            |partner| async move {
                let link = partner.link().await?;
                for nonce in 0..10 {
                    link.ping(nonce).await?;
                }
                let came = link.tap.came();
                let seen = format!("{} of {} without it", came.without_fixed_bit, came.quic);
                expect(came.without_fixed_bit == 0, "the fixed bit on each packet", seen)
            },
        ),
        Case::positive(
            "quic/no-grease-quic-bit",
            "the peer does not send the transport parameter grease_quic_bit",
            &["DC-CONN-001"],
            |partner| async move {
                let list = parameters(&partner).await?;
                let sent = list.iter().any(|(id, _)| *id == 0x2ab2);
                expect(!sent, "no grease_quic_bit", "it")
            },
        )
        .alone(),
        Case::positive(
            "quic/stream-limits",
            "the peer lets at least 3 unidirectional and 1 bidirectional stream be open",
            &["DC-CONN-004"],
            |partner| async move {
                let list = parameters(&partner).await?;
                let limit = |wanted| {
                    let found = list.iter().find(|(id, _)| *id == wanted);
                    let value = found.and_then(|(_, value)| read_varint(value));
                    value.map_or(0, |(value, _)| value)
                };
                let (bi, uni) = (limit(0x08), limit(0x09));
                let seen = format!("{uni} unidirectional and {bi} bidirectional");
                expect(uni >= 3 && bi >= 1, "3 unidirectional and 1 bidirectional", &seen)?;
                // A bound so high is none (RFC 9000 §4.6 allows up to 2^60).
                expect(uni < 1 << 20 && bi < 1 << 20, "a bound on streams", seen)
                    .map_err(|fault| fault.by("DC-CONN-057"))
            },
        )
        .alone(),
        Case::positive(
            "quic/idle-timeout",
            "the peer's idle timeout is 30 seconds",
            &["DC-CONN-039"],
            |partner| async move {
                let list = parameters(&partner).await?;
                let found = list.iter().find(|(id, _)| *id == 0x01);
                let value = found.and_then(|(_, value)| read_varint(value));
                match value {
                    Some((30_000, _)) => Ok(()),
                    Some((ms @ 1..30_000, _)) => Err(Fault::new("30000 ms", format!("{ms} ms"))),
                    other => Err(Fault::unsupported(format!("it is {other:?} ms, not 30000"))),
                }
            },
        )
        .alone(),
        Case::negative(
            "quic/idle-timeout-of-a-second",
            "to a dialer with an idle timeout of a second the peer's own is none the shorter",
            &["DC-CONN-039"],
            |partner| async move {
                let mut first = First::idling(&partner, &partner.identity(), 1000).await?;
                let encoded = first.parameters(partner.subject.patience).await?;
                let list = read_parameters(&encoded);
                let found = list.iter().find(|(id, _)| *id == 0x01);
                // None, or 0: it waits for ever.
                let value = found.and_then(|(_, value)| read_varint(value));
                let value = value.map_or(0, |(value, _)| value);
                let seen = format!("{value} ms");
                expect(value == 0 || value >= 30_000, "30 s or more", seen)
            },
        )
        .alone(),
        Case::positive(
            "quic/junk-token",
            "a token that the peer has not given is no hindrance",
            &["DC-CONN-003"],
            |partner| async move {
                let me = partner.identity();
                let dialing = Dialing {
                    token: Some(partner.bytes(60)),
                    ..Dialing::of(&me)
                };
                let dialed = partner.dial(&me, &dialing).await?;
                let link = dialed.map_err(|ending| {
                    Fault::new("a handshake that succeeds", ending.to_string())
                })?;
                link.leave();
                Ok(())
            },
        ),
        Case::positive(
            "quic/no-datagrams",
            "a dialer that takes no QUIC DATAGRAM frames gets through",
            &["DC-CONN-061"],
            |partner| async move {
                let me = partner.identity();
                let dialing = Dialing {
                    has_datagrams: false,
                    ..Dialing::of(&me)
                };
                let dialed = partner.dial(&me, &dialing).await?;
                let mut link = dialed.map_err(|ending| {
                    Fault::new("a handshake that succeeds", ending.to_string())
                })?;
                link.control(&super::super::Greeting::new(&partner).bytes()).await;
                link.lives().await
            },
        ),
        Case::negative(
            "quic/tls-1.2-alone",
            "a dialer that offers TLS 1.2 alone fails",
            &["DC-CONN-008"],
            |partner| async move {
                refused_hello(&partner, |hello| {
                    replace(hello, &[0x00, 0x2b, 0x00, 0x03, 0x02, 0x03, 0x04], 6, 0x03)
                })
                .await
            },
        )
        .alone(),
        Case::negative(
            "quic/hello-of-junk",
            "a ClientHello that is none fails",
            &["DC-GEN-003"],
            |partner| async move {
                refused_hello(&partner, |hello| {
                    hello[4..].fill(0xa5);
                    Some(())
                })
                .await
            },
        )
        .alone(),
        Case::negative(
            "quic/unknown-version",
            "a first packet of an unknown version is answered with the versions there are, or not",
            &["DC-CONN-006"],
            unknown_version,
        )
        .alone(),
        Case::negative(
            "quic/small-first-packet",
            "a first packet in a datagram of less than 1200 bytes starts no handshake",
            &["DC-CONN-006"],
            |partner| async move {
                dropped(&partner, |first| {
                    first.packet(INITIAL, VERSION_1, &first.hello, SMALLEST - 1)
                })
                .await
            },
        )
        .alone(),
        Case::negative(
            "quic/fixed-bit-cleared",
            "a first packet without the fixed bit is dropped",
            &["DC-CONN-001"],
            |partner| async move {
                dropped(&partner, |first| {
                    first.packet(INITIAL & !0x40, VERSION_1, &first.hello, SMALLEST)
                })
                .await
            },
        )
        .alone(),
        Case::negative(
            "quic/spoiled-first-packet",
            "a first packet that does not authenticate is dropped",
            &["DC-CONN-006"],
            |partner| async move {
                dropped(&partner, |first| {
                    let mut packet = first.packet(INITIAL, VERSION_1, &first.hello, SMALLEST)?;
                    if let Some(last) = packet.last_mut() {
                        *last ^= 1;
                    }
                    Ok(packet)
                })
                .await
            },
        )
        .alone(),
        Case::negative(
            "quic/amplification",
            "an address that never answers gets at most three times what it sent",
            &["DC-CONN-006"],
            amplification,
        )
        .alone()
        .takes(4),
        Case::negative(
            "quic/unfinished-handshakes",
            "200 handshakes that are never finished keep nobody out",
            &["DC-CONN-005", "DC-CONN-057"],
            unfinished,
        )
        .alone()
        .takes(6),
        Case::negative(
            "quic/many-connections",
            "who connects under ever new names is stopped at some point, and others are not",
            &["DC-CONN-057", "DC-CONN-058"],
            many_connections,
        )
        .alone()
        .takes(5),
    ];
    for first in [
        0x00_u8, 0x0f, 0x1f, 0x20, 0x23, 0x24, 0x25, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff,
    ] {
        cases.push(Case::negative(
            format!("quic/junk-{first:02x}"),
            format!("datagrams of junk that begin with {first:#04x} bring no more than they are"),
            &["DC-GEN-003", "DC-CONN-006"],
            move |partner| async move { junk(&partner, first).await },
        ));
    }
    cases
}

async fn parameters(partner: &Partner) -> Result<Vec<(u64, Vec<u8>)>, Fault> {
    let mut first = First::new(partner, &partner.identity()).await?;
    let encoded = first.parameters(partner.subject.patience).await?;
    Ok(read_parameters(&encoded))
}

/// Puts a byte at `offset` of a place in the ClientHello.
fn replace(hello: &mut [u8], place: &[u8], offset: usize, byte: u8) -> Option<()> {
    let at = hello
        .windows(place.len())
        .position(|window| window == place)?;
    *hello.get_mut(at + offset)? = byte;
    Some(())
}

async fn refused_hello(
    partner: &Partner,
    change: impl FnOnce(&mut Vec<u8>) -> Option<()>,
) -> Outcome {
    let mut first = First::new(partner, &partner.identity()).await?;
    let mut hello = first.hello.clone();
    change(&mut hello).ok_or_else(|| own("another ClientHello than it knows"))?;
    let packet = first.packet(INITIAL, VERSION_1, &hello, SMALLEST)?;
    let expected = "a handshake that fails by TLS (CRYPTO_ERROR)";
    match first.ask(&packet, partner.subject.patience).await? {
        Some(Reply::Closed(0x100..=0x1ff)) => {}
        Some(Reply::Retry) => return Err(Fault::unsupported("the peer asks for a Retry")),
        Some(other) => return Err(Fault::new(expected, format!("{other:?}"))),
        None => return Err(Fault::new(expected, "nothing")),
    }
    partner.link().await?.lives().await
}

async fn unknown_version(partner: Partner) -> Outcome {
    let mut first = First::new(&partner, &partner.identity()).await?;
    let packet = first.packet(INITIAL, 0x1a2a_3a4a, &first.hello, SMALLEST)?;
    let reply = first.ask(&packet, Duration::from_secs(3)).await?;
    let right = match &reply {
        None => true,
        Some(Reply::Versions(versions)) => versions.contains(&VERSION_1),
        Some(_) => false,
    };
    let expected = "Version Negotiation with version 1, or nothing";
    expect(right, expected, format!("{reply:?}"))?;
    let seen = format!("{} bytes for {}", first.received, first.sent);
    expect(
        first.received <= first.sent,
        "no more bytes than were sent",
        seen,
    )
}

/// A packet that must not be answered, and behind it on the same path the right one.
async fn dropped(
    partner: &Partner,
    make: impl FnOnce(&First) -> Result<Vec<u8>, Fault>,
) -> Outcome {
    let mut wrong = First::new(partner, &partner.identity()).await?;
    let packet = make(&wrong)?;
    for _ in 0..3 {
        wrong.send(&packet).await?;
    }
    // Somebody else's handshake is done by the time at which an answer to it had to be here.
    partner.link().await?.lives().await?;
    wrong
        .count_until(Instant::now() + Duration::from_millis(200))
        .await;
    if wrong.was_asked_to_retry {
        return Err(Fault::unsupported("the peer asks for a Retry"));
    }
    let seen = format!("{} bytes", wrong.received);
    expect(wrong.received == 0, "no answer", seen)
}

async fn amplification(partner: Partner) -> Outcome {
    let mut first = First::new(&partner, &partner.identity()).await?;
    let packet = first.packet(INITIAL, VERSION_1, &first.hello, SMALLEST)?;
    first.send(&packet).await?;
    // Long enough for several retransmissions. Who sends more later is not found out.
    first
        .count_until(Instant::now() + Duration::from_secs(3))
        .await;
    let seen = format!("{} bytes for {}", first.received, first.sent);
    expect(first.received > 0, "an answer", &seen)?;
    expect(
        first.received <= 3 * first.sent,
        "at most three times as many bytes",
        seen,
    )
}

async fn unfinished(partner: Partner) -> Outcome {
    let mut open = Vec::new();
    for _ in 0..200 {
        let mut first = First::new(&partner, &partner.identity()).await?;
        let packet = first.packet(INITIAL, VERSION_1, &first.hello, SMALLEST)?;
        first.send(&packet).await?;
        open.push(first);
    }
    partner.link().await?.lives().await
}

async fn many_connections(partner: Partner) -> Outcome {
    /// More than a person's device has reason to hold.
    const MANY: usize = 1000;
    let mut links = Vec::new();
    let mut stopped = None;
    for number in 0..MANY {
        let me = partner.identity();
        let link = match partner.dial(&me, &Dialing::of(&me)).await {
            Ok(Ok(mut link)) => {
                link.control(&super::super::Greeting::new(&partner).bytes())
                    .await;
                link
            }
            Ok(Err(ending)) => {
                stopped = Some((number, ending.to_string()));
                break;
            }
            Err(_) => {
                stopped = Some((number, "no answer".to_owned()));
                break;
            }
        };
        // It goes on, or it is closed: whichever comes first.
        if link.lives().await.is_err() {
            link.expect_close(super::super::codes::LIMIT).await?;
            stopped = Some((number, "LIMIT".to_owned()));
            break;
        }
        links.push(link);
    }
    let Some((number, _)) = stopped else {
        return Err(Fault::unsupported(format!(
            "{MANY} connections are not too many for it"
        )));
    };
    expect(number >= 8, "some connections", format!("{number}"))?;
    // Those that were let in are kept, or given up for newer ones with the same code.
    for link in &links {
        if let Some(error) = link.quic().close_reason() {
            let ending = super::super::Ending::from(error);
            let is_limit = matches!(ending, super::super::Ending::Closed(7, _));
            expect(
                is_limit,
                "a connection that goes on, or LIMIT",
                ending.to_string(),
            )?;
        }
        link.leave();
    }
    drop(links);
    // Room again, once it has heard so.
    let deadline = Instant::now() + partner.subject.patience;
    loop {
        let link = partner.link().await;
        match link {
            Ok(link) => return link.lives().await,
            Err(fault) if Instant::now() > deadline => return Err(fault),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn junk(partner: &Partner, first: u8) -> Outcome {
    let mut one = First::new(partner, &partner.identity()).await?;
    for len in [1, 2, 8, 9, 20, 21, 63, 64, 65, 100, 300, 1200, 1400] {
        let mut datagram = partner.bytes(len);
        datagram[0] = first;
        one.send(&datagram).await?;
    }
    partner.link().await?.lives().await?;
    one.count_until(Instant::now() + Duration::from_millis(200))
        .await;
    let seen = format!("{} bytes for {}", one.received, one.sent);
    expect(
        one.received <= one.sent,
        "no more bytes than were sent",
        seen,
    )
}
