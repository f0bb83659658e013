//! Bodies that must be refused (`10-encoding` §2 and §5), of the frames every node reads: each closes
//! with MALFORMED, and nothing of it is used.

use super::super::breaks::{self, Break};
use super::super::case::{Case, Outcome};
use super::super::frames::{self, codes, frame, ping};
use super::super::greeting::{Greeting, Identify};
use super::super::partner::Partner;
use crate::structure::{Part, Structure, counted};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(hello_breaks().into_iter().map(|broken| {
        negative("hello", broken, |partner, body| async move {
            let mut link = partner.handshake(&partner.identity()).await?;
            link.control(&frame(frames::HELLO, &body)).await;
            link.expect_close(codes::MALFORMED).await
        })
    }));
    cases.extend(identify_breaks().into_iter().map(|broken| {
        negative("identify", broken, |partner, body| async move {
            let mut link = partner.handshake(&partner.identity()).await?;
            let greeting = Greeting::new(&partner);
            let bytes = [greeting.hello(), frame(frames::IDENTIFY, &body)].concat();
            link.control(&bytes).await;
            link.expect_close(codes::MALFORMED).await
        })
    }));
    let pushes = breaks::cuts(&Identify::revision(2).body());
    cases.extend(pushes.into_iter().map(|broken| {
        negative("push", broken, |partner, body| async move {
            let mut link = partner.link().await?;
            link.control(&frame(frames::IDENTIFY_PUSH, &body)).await;
            link.expect_close(codes::MALFORMED).await
        })
    }));
    let question = ping(1, &[]);
    let pings = breaks::cuts(&question)
        .into_iter()
        .chain(breaks::extensions(&question, "Ping.extensions"));
    cases.extend(pings.map(|broken| {
        negative("ping", broken, |partner, body| async move {
            let link = partner.link().await?;
            let (mut send, _recv) = link.bi(&frame(frames::PING, &body)).await?;
            let _closed = send.finish();
            link.expect_close(codes::MALFORMED).await
        })
    }));
    cases
}

fn negative<R>(
    what: &str,
    broken: Break,
    run: impl Fn(Partner, Vec<u8>) -> R + Clone + Send + Sync + 'static,
) -> Case
where
    R: Future<Output = Outcome> + Send + 'static,
{
    let Break {
        slug,
        about,
        req,
        bytes,
    } = broken;
    let name = match what {
        "push" => "IDENTIFY_PUSH".to_owned(),
        other => other.to_uppercase(),
    };
    Case::negative(
        format!("body/{what}-{slug}"),
        format!("{name} that {about} closes with MALFORMED"),
        req,
        move |partner| run(partner, bytes.clone()),
    )
}

/// A HELLO of nobody in particular.
fn hello(versions: (u16, u16), capabilities: &[u16]) -> Structure {
    let parts: Vec<Part> = capabilities
        .iter()
        .map(|&number| Part::u16(number))
        .collect();
    let (low, high) = versions;
    Structure::new()
        .fixed(
            "Hello.versions",
            &[low.to_le_bytes(), high.to_le_bytes()].concat(),
        )
        .fixed("Hello.instance", &[0x5a; 16])
        .u64("Hello.roles", 0)
        .list("Hello.capabilities", &parts, true)
        .extensions("Hello.extensions", &[])
}

fn hello_breaks() -> Vec<Break> {
    let whole = hello((1, 1), &[1]);
    let mut list = breaks::cuts(&whole);
    list.extend(breaks::counts(&whole, "Hello.capabilities", 64));
    list.extend(breaks::extensions(&whole, "Hello.extensions"));
    let many: Vec<u16> = (1..=65).collect();
    let wrong = [
        ("versions-from-0", "speaks version 0", hello((0, 1), &[1])),
        (
            "versions-backwards",
            "has its versions backwards",
            hello((2, 1), &[1]),
        ),
        (
            "capabilities-descending",
            "has capabilities out of order",
            hello((1, 1), &[3, 1]),
        ),
        (
            "capability-twice",
            "has one capability twice",
            hello((1, 1), &[1, 1]),
        ),
        (
            "capabilities-65",
            "has 65 capabilities",
            hello((1, 1), &many),
        ),
    ];
    list.extend(wrong.into_iter().map(|(slug, about, body)| {
        Break::new(slug, about, &["DC-WIRE-001", "DC-WIRE-017"], body.bytes)
    }));
    list
}

/// An IDENTIFY that observes `observed` and lists `addresses`, binary multiaddrs.
fn identify(observed: Option<&[u8]>, addresses: &[&[u8]]) -> Vec<u8> {
    let identify = Identify {
        revision: 1,
        observed: observed.map(<[u8]>::to_vec),
        addresses: addresses.iter().map(|bytes| bytes.to_vec()).collect(),
        extensions: Vec::new(),
    };
    identify.body().bytes
}

/// `/ip4/192.0.2.7/udp/4001/quic-v1`.
const ADDRESS: [u8; 11] = [4, 192, 0, 2, 7, 0x91, 0x02, 0x0f, 0xa1, 0xcd, 0x03];

fn identify_breaks() -> Vec<Break> {
    let whole = Identify::revision(1).body();
    let mut list = breaks::cuts(&whole);
    list.extend(breaks::counts(&whole, "Identify.addresses", 16));
    list.extend(breaks::extensions(&whole, "Identify.extensions"));
    let tag = whole.replace("Identify.observed", &[2]);
    list.push(Break::new(
        "observed-neither-0-nor-1",
        "has an option that begins with 2",
        &["DC-WIRE-006"],
        tag,
    ));
    let seventeen = [ADDRESS.as_slice(); 17];
    list.push(Break::new(
        "addresses-17",
        "lists 17 addresses",
        &["DC-WIRE-007"],
        identify(None, &seventeen),
    ));
    let long = whole.replace(
        "Identify.observed",
        &[&[1], counted(&[0; 129]).as_slice()].concat(),
    );
    list.push(Break::new(
        "address-too-long",
        "holds an address of 129 bytes",
        &["DC-WIRE-007"],
        long,
    ));
    for (slug, about, req, address) in addresses() {
        list.push(Break::new(
            format!("observed-{slug}"),
            format!("observes {about}"),
            req,
            identify(Some(&address), &[]),
        ));
        list.push(Break::new(
            format!("address-{slug}"),
            format!("lists {about} behind a good address"),
            req,
            identify(None, &[&ADDRESS, &address]),
        ));
    }
    list
}

type WrongAddress = (&'static str, &'static str, &'static [&'static str], Vec<u8>);

/// Addresses that may not travel (`20-identity` §5).
fn addresses() -> Vec<WrongAddress> {
    let with = |ip: &[u8], udp: &[u8], rest: &[u8]| [ip, udp, rest].concat();
    let ip4 = [4, 192, 0, 2, 7];
    let udp = [0x91, 0x02, 0x0f, 0xa1];
    let quic = [0xcd, 0x03];
    let p2p = |key: &[u8]| {
        let prefix = [0xa5, 0x03, 38, 0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
        [prefix.as_slice(), key].concat()
    };
    let ip6 = |bytes: [u8; 16]| [&[0x29], bytes.as_slice()].concat();
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7];
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let form: &'static [&'static str] = &["DC-ID-020"];
    let host: &'static [&'static str] = &["DC-ID-023"];
    vec![
        ("of-no-bytes", "an address without bytes", form, Vec::new()),
        (
            "without-quic",
            "an address without quic-v1",
            form,
            with(&ip4, &udp, &[]),
        ),
        (
            "of-tcp",
            "an address of TCP",
            form,
            with(&ip4, &[6, 0x0f, 0xa1], &[]),
        ),
        (
            "cut",
            "an address that is cut",
            form,
            ADDRESS[..10].to_vec(),
        ),
        (
            "with-more",
            "an address with a byte after it",
            form,
            with(&ip4, &udp, &[0xcd, 0x03, 0]),
        ),
        (
            "with-long-varint",
            "an address with a varint that is longer than it has to be",
            &["DC-ID-021"],
            with(&ip4, &udp, &[0xcd, 0x83, 0x00]),
        ),
        (
            "mapped",
            "an IPv4 address written as an IPv6 address",
            &["DC-ID-022"],
            with(&ip6(mapped), &udp, &quic),
        ),
        (
            "port-0",
            "an address with port 0",
            host,
            with(&ip4, &[0x91, 0x02, 0, 0], &quic),
        ),
        (
            "unspecified",
            "the address 0.0.0.0",
            host,
            with(&[4, 0, 0, 0, 0], &udp, &quic),
        ),
        (
            "unspecified-v6",
            "the address ::",
            host,
            with(&ip6([0; 16]), &udp, &quic),
        ),
        (
            "multicast",
            "a multicast address",
            host,
            with(&[4, 224, 0, 0, 251], &udp, &quic),
        ),
        (
            "of-no-key",
            "an address of a peer whose key has small order",
            &["DC-ID-024"],
            with(&ADDRESS, &p2p(&neutral), &[]),
        ),
    ]
}
