//! Addresses in both forms (`20-identity` §5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::actor::{ALICE, BOB, PEER_PREFIX, RELAY};
use crate::case::{Case, Suite};
use crate::json::Json;
use crate::multiaddr::Multiaddr;
use crate::structure::Structure;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
const PORT: u16 = 4001;

/// `/ip4/192.0.2.7/udp/4001/quic-v1`.
pub(super) fn direct_v4() -> Multiaddr {
    Multiaddr::quic(V4, PORT)
}

/// `/ip6/2001:db8::1/udp/4001/quic-v1`.
pub(super) fn direct_v6() -> Multiaddr {
    Multiaddr::quic(V6, PORT)
}

/// Bob behind the relay.
pub(super) fn relayed() -> Multiaddr {
    let relay = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
    Multiaddr::quic(relay, PORT).p2p(RELAY).circuit().p2p(BOB)
}

/// The longest form: IPv6 and two peers.
pub(super) fn longest() -> Multiaddr {
    direct_v6().p2p(RELAY).circuit().p2p(BOB)
}

pub(super) fn suite() -> Suite {
    let mut cases = Vec::new();
    for (slug, address) in accepted() {
        cases.extend(both_ways(slug, &address));
    }
    cases.extend(respelled());
    cases.extend(refused_bytes());
    cases.extend(refused_text());
    Suite {
        name: "address",
        cases,
    }
}

fn accepted() -> Vec<(&'static str, Multiaddr)> {
    let v4 = |octets: [u8; 4]| Multiaddr::quic(IpAddr::V4(octets.into()), PORT);
    let v6 = |segments: [u16; 8]| Multiaddr::quic(IpAddr::V6(segments.into()), PORT);
    vec![
        ("ip4", direct_v4()),
        ("ip4-with-peer", direct_v4().p2p(ALICE)),
        ("ip6", direct_v6()),
        ("ip6-with-peer", direct_v6().p2p(ALICE)),
        ("relayed", relayed()),
        ("relay-without-peer", direct_v4().p2p(RELAY).circuit()),
        ("longest", longest()),
        ("loopback-4", v4([127, 0, 0, 1])),
        ("loopback-6", v6([0, 0, 0, 0, 0, 0, 0, 1])),
        ("port-1", Multiaddr::quic(V4, 1)),
        ("port-65535", Multiaddr::quic(V4, u16::MAX)),
        ("below-multicast", v4([223, 255, 255, 255])),
        ("above-multicast", v4([240, 0, 0, 1])),
        ("link-local-6", v6([0xfe80, 0, 0, 0, 0, 0, 0, 1])),
        ("zeros-in-the-middle", v6([0x2001, 0xdb8, 0, 0, 1, 0, 0, 1])),
        ("one-zero-group", v6([0x2001, 0xdb8, 0, 1, 1, 1, 1, 1])),
        ("nat64", v6([0x64, 0xff9b, 0, 0, 0, 0, 0xc000, 0x0207])),
    ]
}

fn both_ways(slug: &str, address: &Multiaddr) -> [Case; 2] {
    let text = ("text", Json::from(address.text.as_str()));
    let bytes = ("bytes", Json::bytes(&address.bytes));
    let expected = Json::Object(vec![text.clone(), bytes.clone()]);
    let from_text = Case::valid(
        format!("address/{slug}"),
        "address-text",
        &["DC-ID-020", "DC-ID-021", "DC-ID-025"],
        expected,
    );
    let from_bytes = Case::valid(
        format!("address/{slug}-bytes"),
        "address-bytes",
        &["DC-ID-020", "DC-ID-021"],
        Json::Object(vec![text.clone()]),
    );
    [
        from_text.with("text", text.1),
        from_bytes.with("bytes", bytes.1),
    ]
}

/// Text that is not as we write it, but means an address.
fn respelled() -> Vec<Case> {
    let all = [
        (
            "mapped-is-ip4",
            "/ip6/::ffff:192.0.2.7/udp/4001/quic-v1",
            direct_v4(),
        ),
        (
            "upper-case-ip6",
            "/ip6/2001:DB8::1/udp/4001/quic-v1",
            direct_v6(),
        ),
        (
            "long-ip6",
            "/ip6/2001:db8:0:0:0:0:0:1/udp/4001/quic-v1",
            direct_v6(),
        ),
    ];
    all.into_iter()
        .map(|(slug, text, address)| {
            let expected = Json::Object(vec![
                ("text", Json::from(address.text)),
                ("bytes", Json::bytes(&address.bytes)),
            ]);
            let req = &["DC-ID-025", "DC-ID-027"];
            Case::valid(format!("address/{slug}"), "address-text", req, expected).with("text", text)
        })
        .collect()
}

fn refused_bytes() -> Vec<Case> {
    let v4 = |octets: [u8; 4]| Multiaddr::quic(IpAddr::V4(octets.into()), PORT);
    let v6 = |segments: [u16; 8]| Multiaddr::quic(IpAddr::V6(segments.into()), PORT);
    let start = || Multiaddr::default().ip(V4);
    let peer = |key: &[u8; 32]| [&[38], PEER_PREFIX.as_slice(), key].concat();
    let small_order = peer(&[0; 32]);
    let rsa = [&[0x22, 0x12, 0x20], ALICE.public().as_slice()].concat();
    let all = [
        ("empty", Multiaddr::default()),
        ("ip-only", start()),
        ("no-quic", start().udp(PORT)),
        ("no-udp", start().quic_v1()),
        (
            "tcp",
            start().add("", &[0x06], &PORT.to_be_bytes()).quic_v1(),
        ),
        ("old-quic", start().udp(PORT).add("", &[0xcc, 0x03], &[])),
        (
            "dns",
            Multiaddr::default()
                .add("", &[0x36], b"\x09localhost")
                .udp(PORT)
                .quic_v1(),
        ),
        (
            "ip6zone",
            Multiaddr::default()
                .add("", &[0x2a], b"\x04eth0")
                .ip(V6)
                .udp(PORT)
                .quic_v1(),
        ),
        ("port-0", Multiaddr::quic(V4, 0)),
        ("unspecified-4", v4([0; 4])),
        ("unspecified-6", v6([0; 8])),
        ("lowest-multicast-4", v4([224, 0, 0, 0])),
        ("highest-multicast-4", v4([239, 255, 255, 255])),
        ("multicast-6", v6([0xff02, 0, 0, 0, 0, 0, 0, 1])),
        ("mapped", v6([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0207])),
        (
            "long-varint",
            Multiaddr::default()
                .add("", &[0x84, 0x00], &[192, 0, 2, 7])
                .udp(PORT)
                .quic_v1(),
        ),
        (
            "long-varint-of-udp",
            start()
                .add("", &[0x91, 0x82, 0x00], &PORT.to_be_bytes())
                .quic_v1(),
        ),
        ("circuit-without-relay", direct_v4().circuit().p2p(BOB)),
        ("two-peers", direct_v4().p2p(ALICE).p2p(BOB)),
        (
            "two-relays",
            direct_v4().p2p(RELAY).circuit().p2p(ALICE).circuit(),
        ),
        ("circuit-twice", direct_v4().p2p(RELAY).circuit().circuit()),
        (
            "cut",
            Multiaddr {
                text: String::new(),
                bytes: relayed().bytes[..90].to_vec(),
            },
        ),
        (
            "peer-of-small-order",
            direct_v4().add("", &[0xa5, 0x03], &small_order),
        ),
        (
            "peer-of-another-kind",
            direct_v4().add("", &[0xa5, 0x03], &rsa),
        ),
        (
            "relay-of-small-order",
            direct_v4().add("", &[0xa5, 0x03], &small_order).circuit(),
        ),
        ("garbage-behind", direct_v4().add("", &[0xff], &[])),
    ];
    let mut cases: Vec<Case> = all
        .into_iter()
        .map(|(slug, address)| {
            let id = format!("address/{slug}-refused");
            let req: &'static [&'static str] = match slug {
                "long-varint" | "long-varint-of-udp" => &["DC-ID-021"],
                "mapped" => &["DC-ID-022"],
                "port-0"
                | "unspecified-4"
                | "unspecified-6"
                | "multicast-6"
                | "lowest-multicast-4"
                | "highest-multicast-4" => &["DC-ID-023"],
                "peer-of-small-order" | "peer-of-another-kind" | "relay-of-small-order" => {
                    &["DC-ID-024"]
                }
                _ => &["DC-ID-020"],
            };
            Case::invalid(id, "address-bytes", req, "invalid")
                .with("bytes", Json::bytes(&address.bytes))
        })
        .collect();
    cases.push(
        Case::invalid(
            "address/129-bytes",
            "address-bytes",
            &["DC-WIRE-007"],
            "over-limit",
        )
        .with("bytes", Json::bytes(&[4; 129])),
    );
    cases.push(
        Case::invalid(
            "address/128-bytes-of-nonsense",
            "address-bytes",
            &["DC-ID-020"],
            "invalid",
        )
        .with("bytes", Json::bytes(&[4; 128])),
    );
    cases.push(count_in_a_body());
    cases
}

/// A list whose count of bytes is over the bytes left: the length inside an address is checked.
fn count_in_a_body() -> Case {
    let mut address = direct_v4().part();
    address.bytes[0] = 13;
    let body = Structure::new()
        .u64("Identify.revision", 1)
        .option("Identify.observed", Some(&address), true)
        .bytes;
    crate::fault::broken(
        "address/length-over-the-bytes-left",
        "Identify",
        &["DC-WIRE-002"],
        &body,
        "unexpected-end",
    )
    .field(Some("Identify.observed"))
}

fn refused_text() -> Vec<Case> {
    let peer = ALICE.text();
    let all = [
        ("text-empty", String::new()),
        ("text-no-slash", "ip4/192.0.2.7/udp/4001/quic-v1".to_owned()),
        ("text-host-and-port", "192.0.2.7:4001".to_owned()),
        ("text-ip-only", "/ip4/192.0.2.7".to_owned()),
        ("text-no-quic", "/ip4/192.0.2.7/udp/4001".to_owned()),
        ("text-tcp", "/ip4/192.0.2.7/tcp/4001".to_owned()),
        ("text-old-quic", "/ip4/192.0.2.7/udp/4001/quic".to_owned()),
        ("text-dns", "/dns4/example.org/udp/4001/quic-v1".to_owned()),
        (
            "text-port-65536",
            "/ip4/192.0.2.7/udp/65536/quic-v1".to_owned(),
        ),
        (
            "text-octet-256",
            "/ip4/192.0.2.256/udp/4001/quic-v1".to_owned(),
        ),
        (
            "text-ip6-as-ip4",
            "/ip4/2001:db8::1/udp/4001/quic-v1".to_owned(),
        ),
        (
            "text-circuit-without-relay",
            "/ip4/192.0.2.7/udp/4001/quic-v1/p2p-circuit".to_owned(),
        ),
        (
            "text-cut-peer",
            format!("/ip4/192.0.2.7/udp/4001/quic-v1/p2p/{}", &peer[..51]),
        ),
        (
            "text-two-peers",
            format!("/ip4/192.0.2.7/udp/4001/quic-v1/p2p/{peer}/p2p/{peer}"),
        ),
        (
            "text-peer-missing",
            "/ip4/192.0.2.7/udp/4001/quic-v1/p2p".to_owned(),
        ),
    ];
    all.into_iter()
        .map(|(slug, text)| {
            let id = format!("address/{slug}");
            Case::invalid(id, "address-text", &["DC-ID-026"], "not-an-address").with("text", text)
        })
        .collect()
}
