//! The questions and answers of the DHT (`70-dht` §4).

use crate::actor::{ALICE, Actor, BOB, CAROL, RELAY, filler};
use crate::case::{Case, Suite};
use crate::fault::{self, broken, whole};
use crate::json::Json;
use crate::structure::{Part, Structure};

use super::record::device_record;

/// A `Socket`: an address in 16 bytes and a port, and how a vector writes it.
pub(super) fn socket(ip: [u8; 16], port: u16, text: &str) -> Part {
    Part {
        bytes: [ip.as_slice(), &port.to_be_bytes()].concat(),
        json: text.into(),
    }
}

/// An IPv4 address mapped into IPv6.
fn mapped([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

/// 2001:db8::`last`.
fn documentation(last: u8) -> [u8; 16] {
    let mut ip = [0; 16];
    ip[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    ip[15] = last;
    ip
}

/// 192.0.2.7:4001
pub(super) fn v4() -> Part {
    socket(mapped([192, 0, 2, 7]), 4001, "192.0.2.7:4001")
}

/// [2001:db8::7]:4001
pub(super) fn v6() -> Part {
    socket(documentation(7), 4001, "[2001:db8::7]:4001")
}

/// Sockets that name no one host.
fn nowhere() -> [(&'static str, Part); 6] {
    let mut multicast_v6 = [0; 16];
    multicast_v6[0] = 0xff;
    multicast_v6[15] = 1;
    [
        ("port-0", socket(mapped([192, 0, 2, 7]), 0, "")),
        ("unspecified-v4", socket(mapped([0; 4]), 4001, "")),
        ("unspecified-v6", socket([0; 16], 4001, "")),
        ("multicast-v4", socket(mapped([224, 0, 0, 1]), 4001, "")),
        (
            "multicast-v4-last",
            socket(mapped([239, 255, 255, 255]), 4001, ""),
        ),
        ("multicast-v6", socket(multicast_v6, 4001, "")),
    ]
}

pub(super) fn node(actor: Actor, nonce: u64, at: &Part, other: Option<&Part>) -> Structure {
    Structure::new()
        .fixed("Node.key", &actor.public())
        .u64("Node.nonce", nonce)
        .push("Node.socket", at, true)
        .option("Node.other", other, true)
}

pub(super) fn server(nonce: u64, at: &Part, other: Option<&Part>) -> Structure {
    Structure::new()
        .u64("Server.nonce", nonce)
        .push("Server.socket", at, true)
        .option("Server.other", other, true)
}

fn tails(known: &[u32]) -> Vec<Part> {
    known
        .iter()
        .map(|tail| Part {
            bytes: tail.to_le_bytes().to_vec(),
            json: Json::Number(*tail),
        })
        .collect()
}

pub(super) fn find_of(want: u8, known: &[u32], server: Option<&Structure>) -> Structure {
    Structure::new()
        .fixed("DhtFind.target", &filler(0x10))
        .u8("DhtFind.want", want)
        .list("DhtFind.known", &tails(known), true)
        .option(
            "DhtFind.server",
            server.map(Structure::part).as_ref(),
            false,
        )
        .extensions("DhtFind.extensions", &[])
}

/// DHT_FIND.
pub(super) fn find() -> Structure {
    find_of(20, &[], None)
}

pub(super) fn nodes_of(nodes: &[Structure], server: Option<&Structure>) -> Structure {
    let nodes: Vec<Part> = nodes.iter().map(Structure::part).collect();
    Structure::new()
        .list("DhtNodes.nodes", &nodes, false)
        .option(
            "DhtNodes.server",
            server.map(Structure::part).as_ref(),
            false,
        )
        .extensions("DhtNodes.extensions", &[])
}

/// DHT_NODES.
pub(super) fn nodes() -> Structure {
    nodes_of(&[node(BOB, 77, &v4(), None)], None)
}

fn get_of(known: &[u32], have: &[[u8; 8]], server: Option<&Structure>) -> Structure {
    let have: Vec<Part> = have.iter().map(|digest| Part::fixed(digest)).collect();
    Structure::new()
        .fixed("DhtGet.key", &filler(0x30))
        .u8("DhtGet.want", 20)
        .list("DhtGet.known", &tails(known), true)
        .list("DhtGet.have", &have, true)
        .option("DhtGet.server", server.map(Structure::part).as_ref(), false)
        .extensions("DhtGet.extensions", &[])
}

/// DHT_GET.
pub(super) fn get() -> Structure {
    get_of(&[], &[], None)
}

fn values_of(records: &[Structure], held: u16, nodes: &[Structure]) -> Structure {
    let records: Vec<Part> = records.iter().map(Structure::part).collect();
    let nodes: Vec<Part> = nodes.iter().map(Structure::part).collect();
    Structure::new()
        .list("DhtValues.records", &records, false)
        .u16("DhtValues.held", held)
        .fixed("DhtValues.token", &[0x74; 16])
        .list("DhtValues.nodes", &nodes, false)
        .option("DhtValues.server", None, false)
        .extensions("DhtValues.extensions", &[])
}

/// DHT_VALUES.
pub(super) fn values() -> Structure {
    values_of(
        &[device_record(ALICE)],
        1,
        &[node(BOB, 77, &v4(), Some(&v6()))],
    )
}

/// DHT_PUT.
pub(super) fn put() -> Structure {
    Structure::new()
        .fixed("DhtPut.key", &filler(0x30))
        .fixed("DhtPut.token", &[0x74; 16])
        .push("DhtPut.record", &device_record(ALICE).part(), false)
        .extensions("DhtPut.extensions", &[])
}

/// DHT_STORED.
pub(super) fn stored() -> Structure {
    Structure::new()
        .u32("DhtStored.keep_s", 7200)
        .extensions("DhtStored.extensions", &[])
}

/// DHT_REFUSED.
pub(super) fn refused(reason: u16) -> Structure {
    Structure::new()
        .u16("DhtRefused.reason", reason)
        .u32("DhtRefused.retry_after_s", 30)
        .extensions("DhtRefused.extensions", &[])
}

pub(super) fn suite() -> Suite {
    let mut cases = plain();
    cases.extend(particular());
    cases.extend(limits());
    cases.extend(refusals());
    cases.extend(sockets());
    Suite { name: "dht", cases }
}

/// One of each, and what any structure can suffer.
fn plain() -> Vec<Case> {
    let bodies = [
        ("dht-find", "DhtFind", find(), "DhtFind.extensions"),
        ("dht-nodes", "DhtNodes", nodes(), "DhtNodes.extensions"),
        ("dht-get", "DhtGet", get(), "DhtGet.extensions"),
        ("dht-values", "DhtValues", values(), "DhtValues.extensions"),
        ("dht-put", "DhtPut", put(), "DhtPut.extensions"),
        ("dht-stored", "DhtStored", stored(), "DhtStored.extensions"),
        (
            "dht-refused",
            "DhtRefused",
            refused(1),
            "DhtRefused.extensions",
        ),
    ];
    let mut cases = Vec::new();
    for (slug, name, body, extensions) in &bodies {
        cases.push(whole(format!("{slug}/plain"), name, body));
        cases.extend(fault::cuts(slug, name, body));
        cases.extend(fault::extensions(slug, name, body, extensions));
    }
    let node = node(BOB, 77, &v4(), Some(&v6()));
    cases.push(whole("dht-node/both-families", "Node", &node));
    cases.extend(fault::cuts("dht-node", "Node", &node));
    let server = server(77, &v6(), Some(&v4()));
    cases.push(whole("dht-server/both-families", "Server", &server));
    cases.extend(fault::cuts("dht-server", "Server", &server));
    cases
}

/// What the fields can say beyond the least.
fn particular() -> Vec<Case> {
    let claim = server(u64::MAX, &v4(), Some(&v6()));
    let three = [
        node(BOB, 0, &v4(), None),
        node(CAROL, 1, &v6(), None),
        node(RELAY, u64::MAX, &v6(), Some(&v4())),
    ];
    let known = [0, 1, 0x0102_0304, u32::MAX];
    let have = [[0x11; 8], [0x22; 8]];
    let mut cases = vec![
        whole("dht/find-none", "DhtFind", &find_of(0, &[], None)),
        whole("dht/find-most", "DhtFind", &find_of(u8::MAX, &[], None)),
        whole("dht/find-known", "DhtFind", &find_of(20, &known, None)),
        whole(
            "dht/find-by-a-server",
            "DhtFind",
            &find_of(1, &[], Some(&claim)),
        ),
        whole("dht/nodes-none", "DhtNodes", &nodes_of(&[], None)),
        whole(
            "dht/nodes-three",
            "DhtNodes",
            &nodes_of(&three, Some(&claim)),
        ),
        whole(
            "dht/get-by-a-server",
            "DhtGet",
            &get_of(&known, &have, Some(&claim)),
        ),
        whole("dht/values-none", "DhtValues", &values_of(&[], 0, &[])),
        whole(
            "dht/values-left-out",
            "DhtValues",
            &values_of(&[], 2, &three),
        ),
    ];
    let options = [
        ("dht-find/server-2", "DhtFind", find(), "DhtFind.server"),
        ("dht-nodes/server-2", "DhtNodes", nodes(), "DhtNodes.server"),
        ("dht-get/server-2", "DhtGet", get(), "DhtGet.server"),
        (
            "dht-values/server-2",
            "DhtValues",
            values(),
            "DhtValues.server",
        ),
        (
            "dht-node/other-2",
            "Node",
            node(BOB, 1, &v4(), None),
            "Node.other",
        ),
        (
            "dht-server/other-2",
            "Server",
            server(1, &v4(), None),
            "Server.other",
        ),
    ];
    for (id, name, body, field) in options {
        let bytes = body.replace(field, &[2]);
        let case = broken(id, name, &["DC-WIRE-006"], &bytes, "not-boolean");
        cases.push(case.field(Some(field)));
    }
    cases
}

/// Lists that are full, and longer ones.
fn limits() -> Vec<Case> {
    let full_nodes: Vec<Structure> = (0..20)
        .map(|index| node(BOB, index, &v4(), Some(&v6())))
        .collect();
    let tails: Vec<u32> = (0..32).collect();
    let digests: Vec<[u8; 8]> = (0..32).map(|index| [index; 8]).collect();
    let records: Vec<Structure> = (0..32).map(|_| device_record(ALICE)).collect();
    let mut cases = vec![
        whole("dht/find-most-known", "DhtFind", &find_of(20, &tails, None)),
        whole(
            "dht/get-most-known",
            "DhtGet",
            &get_of(&tails, &digests, None),
        ),
        whole("dht/nodes-most", "DhtNodes", &nodes_of(&full_nodes, None)),
        whole(
            "dht/values-most",
            "DhtValues",
            &values_of(&records, u16::MAX, &full_nodes),
        ),
    ];
    let (nothing_found, nothing_held) = (nodes_of(&[], None), values_of(&[], 0, &[]));
    for (slug, name, body, field, max) in [
        ("dht-find", "DhtFind", find(), "DhtFind.known", 32),
        ("dht-get", "DhtGet", get(), "DhtGet.known", 32),
        ("dht-get", "DhtGet", get(), "DhtGet.have", 32),
        ("dht-nodes", "DhtNodes", nothing_found, "DhtNodes.nodes", 20),
        (
            "dht-values",
            "DhtValues",
            nothing_held.clone(),
            "DhtValues.records",
            32,
        ),
        (
            "dht-values",
            "DhtValues",
            nothing_held,
            "DhtValues.nodes",
            20,
        ),
    ] {
        cases.extend(fault::counts(slug, name, &body, field, max));
    }
    cases
}

fn refusals() -> Vec<Case> {
    let mut cases = Vec::new();
    for reason in 1..=14 {
        let id = format!("dht/refused-{reason}");
        cases.push(whole(id, "DhtRefused", &refused(reason)));
    }
    for reason in [0, 15, u16::MAX] {
        let id = format!("dht/refused-{reason}");
        let bytes = refused(reason).bytes;
        let case = broken(id, "DhtRefused", &["DC-DHT-001"], &bytes, "invalid");
        cases.push(case.field(Some("DhtRefused.reason")));
    }
    cases
}

fn sockets() -> Vec<Case> {
    let most = socket(
        [0xfe; 16],
        u16::MAX,
        "[fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe]:65535",
    );
    let loopback = socket(mapped([127, 0, 0, 1]), 1, "127.0.0.1:1");
    // Not mapped: the old embedding of IPv4 is an IPv6 address as any other.
    let compatible = socket(
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 7],
        1,
        "[::c000:207]:1",
    );
    let mut cases = vec![
        whole("dht/socket-largest", "Server", &server(0, &most, None)),
        whole("dht/socket-loopback", "Server", &server(0, &loopback, None)),
        whole(
            "dht/socket-compatible",
            "Server",
            &server(0, &compatible, None),
        ),
    ];
    for (slug, wrong) in nowhere() {
        let in_server = [
            ("Server.socket", server(0, &wrong, None)),
            ("Server.other", server(0, &v4(), Some(&wrong))),
        ];
        for (field, body) in in_server {
            let place = field.rsplit('.').next().unwrap_or(field);
            let id = format!("dht-server/{place}-{slug}");
            let case = broken(id, "Server", &["DC-DHT-002"], &body.bytes, "invalid");
            cases.push(case.field(Some(field)));
        }
        let body = nodes_of(&[node(BOB, 0, &wrong, None)], None);
        let id = format!("dht-nodes/socket-{slug}");
        let case = broken(id, "DhtNodes", &["DC-DHT-002"], &body.bytes, "invalid");
        cases.push(case.field(Some("Node.socket")));
    }
    cases
}
