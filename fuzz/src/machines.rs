//! The first inputs of the targets about NATs and relays: datagrams of the specification's vectors,
//! and scripts that take a state machine through what it is for.

use std::net::SocketAddr;

use dchat_nat::stun::{self, Change, TransactionId};
use dchat_wire::nat::reach_datagram;

use crate::seeds::{Add, from_hex};

/// Of a script: an address, see `Script::socket`.
const PEER: [u8; 3] = [0, 1, 9];
const OTHER: [u8; 3] = [0, 0x42, 9];
const PRIVATE: [u8; 3] = [2, 7, 9];
const V6: [u8; 3] = [3, 1, 9];
/// A NAT class: none of translation and filter, endpoint-independent, port-dependent and random,
/// sequential by two, and by block.
const OPEN: [u8; 9] = [1, 1, 1, 0, 0, 0, 0, 0, 0];
const CONE: [u8; 9] = [2, 4, 1, 0, 0, 0, 0, 0, 0];
const RANDOM: [u8; 9] = [4, 4, 4, 0, 0, 0, 0, 0, 0];
const SEQUENTIAL: [u8; 9] = [4, 4, 2, 2, 0, 0, 0, 0, 0];
const BLOCK: [u8; 9] = [4, 4, 3, 0, 0, 0, 0x80, 0, 2];

pub(crate) fn machines(add: &mut Add<'_>) {
    stun_messages(add);
    relay_datagrams(add);
    reassembly(add);
    agents(add);
    classifiers(add);
    demultiplexers(add);
    relays(add);
}

fn script(steps: &[&[u8]]) -> Vec<u8> {
    steps.concat()
}

fn stun_messages(add: &mut Add<'_>) {
    let id = TransactionId(*b"transaction!");
    let mut message = |name: &str, flags: u8, bytes: &[u8]| {
        add("stun", name, [&[flags], id.0.as_slice(), bytes].concat());
    };
    let question = stun::request(id, Change::Nothing);
    message("request", 0, &question);
    message("change-port", 0, &stun::request(id, Change::Port));
    message("change-both", 1, &stun::request(id, Change::AddressAndPort));
    let from = [
        SocketAddr::new([20, 0, 0, 1].into(), 4001),
        SocketAddr::new([0x2400, 1, 0, 0, 0, 0, 0, 1].into(), 4001),
    ];
    for (name, from) in ["answer-v4", "answer-v6"].into_iter().zip(from) {
        let answer = stun::answer(&question, from).unwrap_or_default();
        message(name, 0, &answer);
    }
    // What follows gets its header from the target: attributes alone.
    message("no-attributes", 0, &[]);
    message("attribute-change", 0, &from_hex("0003000400000006"));
    message("attribute-unknown", 1, &from_hex("0024000412345678"));
    let mapped = "00200008000121129e12a443";
    message("attribute-mapped", 2, &from_hex(mapped));
    let old = "0001000800010fa1140000010005000800010fa214000002";
    message("attribute-old", 2, &from_hex(old));
    message("attribute-error", 4, &from_hex("0009000400000414"));
    message("indication", 6, &[]);
    let integrity = format!("00080014{}", "ab".repeat(20));
    message("attribute-integrity", 0, &from_hex(&integrity));
    let many = "00250000".repeat(40);
    message("attributes-too-many", 0, &from_hex(&many));
}

/// Those of the specification's vectors, and that of REACH.
fn relay_datagrams(add: &mut Add<'_>) {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../spec/vectors/relay.json")).unwrap_or_default();
    for case in vectors["cases"].as_array().into_iter().flatten() {
        if let Some(datagram) = case["input"]["datagram"].as_str() {
            let name = case["id"].as_str().unwrap_or_default();
            let name = name.replace("relay/datagram-", "");
            let bytes = [&[9, 8, 7, 6], from_hex(datagram).as_slice()].concat();
            add("relay_datagram", &name, bytes);
        }
    }
    let reach = reach_datagram::seal(&[0x70; 16]);
    add(
        "relay_datagram",
        "reach",
        [&[0; 4], reach.as_slice()].concat(),
    );
}

fn reassembly(add: &mut Add<'_>) {
    // Step 2: number and side, part, eighths of the length, filling. Step 3: channel, length,
    // largest datagram, which part first.
    let first = [2, 5, 0, 0, 10, 1].as_slice();
    let second = [2, 5, 0, 1, 10, 2].as_slice();
    let mut script = |name: &str, steps: &[&[u8]]| add("reassembly", name, steps.concat());
    script("in-order", &[first, second]);
    script("turned", &[second, first]);
    script("twice", &[first, first, second, second]);
    script("superseded", &[first, &[2, 5, 0, 0, 11, 3], second]);
    script("too-late", &[first, &[0, 0xa0], second]);
    script("large", &[&[2, 5, 0, 0, 180, 1], &[2, 5, 0, 1, 180, 1]]);
    let far = [1, 0, 0x10, 0, 1, 0, 7].as_slice();
    script("far-apart", &[first, far, second]);
    script("both-sides", &[first, &[2, 5, 1, 0, 10, 1], second]);
    let flood: Vec<u8> = (0..70).flat_map(|n| [1, n, 0, 0, 1, 0, n]).collect();
    script("flood", &[&flood]);
    let cut = [3, 0xb0, 5, 0x4c, 5, 1, 2, 3, 4, 0].as_slice();
    let turned = [3, 0xb0, 5, 0x4c, 5, 1, 2, 3, 4, 1].as_slice();
    script("cut", &[cut, turned]);
    script("whole", &[&[3, 0x90, 1, 0x4c, 5, 1, 2, 3, 4, 0]]);
    script("does-not-fit", &[&[3, 0xb0, 5, 0x40, 0, 1, 2, 3, 4, 0]]);
}

fn agents(add: &mut Add<'_>) {
    let ours = |class: [u8; 9]| script(&[&[0], &class, &[2, 0], &PRIVATE, &[2], &PEER]);
    let theirs = |generation: u8, class: [u8; 9]| {
        let kinds: [&[u8]; 6] = [&[3, 0], &PRIVATE, &[2], &OTHER, &[0], &V6];
        script(&[&[1, generation], &class, &kinds.concat()])
    };
    // An answer's fields: from where, socket, milliseconds; a question's: socket, from where.
    let answered = script(&[&[5], &OTHER, &[0, 30]]);
    let asked = script(&[&[6, 0], &OTHER]);
    let punch =
        |round: u8, answers: u8| script(&[&[3, 1], &OTHER, &[2, 0, 4, 0, round, answers, 1, 0]]);
    let (short, long, late) = ([10, 0x60], [10, 0xe3], [10, 0xff]);
    let mut script = |name: &str, steps: &[&[u8]]| add("agent", name, steps.concat());
    for (name, class) in [
        ("open", OPEN),
        ("cone", CONE),
        ("random", RANDOM),
        ("sequential", SEQUENTIAL),
        ("block", BLOCK),
    ] {
        let there = theirs(1, class);
        for (of, flags, own) in [
            ("cone", 0xf0, CONE),
            ("random", 0xf1, RANDOM),
            ("sequential", 0xf0, SEQUENTIAL),
        ] {
            let name = format!("{of}-meets-{name}");
            let sampled = crate::machines::script(&[&[7, 1], &PEER]);
            let steps: [&[u8]; 9] = [
                &[flags],
                &ours(own),
                &there,
                &short,
                &sampled,
                &punch(1, 0),
                &long,
                &punch(1, 1),
                &late,
            ];
            script(&name, &steps);
        }
    }
    script(
        "direct",
        &[
            &[0],
            &ours(CONE),
            &theirs(1, CONE),
            &short,
            &answered,
            &long,
            &[8],
            &late,
        ],
    );
    script(
        "asked-first",
        &[
            &[0],
            &ours(CONE),
            &asked,
            &short,
            &theirs(2, CONE),
            &answered,
            &long,
        ],
    );
    script(
        "network-changed",
        &[&[0], &ours(CONE), &theirs(1, CONE), &short, &[9], &long],
    );
    script("relay-only", &[&[7], &ours(CONE), &theirs(1, CONE), &long]);
    script("nobody-there", &[&[0xf0], &ours(CONE), &long]);
}

fn classifiers(add: &mut Add<'_>) {
    // Two servers of STUN and a node, one address of ours, no gateway, a seed.
    let servers = [[0, 1, 5], [0, 0x41, 5], [0, 0x81, 5]];
    let begin = script(&[
        &[3, 0],
        &servers[0],
        &[0],
        &servers[1],
        &[1],
        &servers[2],
        &[1],
        &PRIVATE,
        &[0, 7],
    ]);
    // Answers to the n-th question: from who was asked, what it saw, and no other address.
    let seen = |question: u8, host: u8, port: u8| [1, question, 1, 0, host, port, 0];
    let wait = [9, 200].as_slice();
    let mut script = |name: &str, steps: &[&[u8]]| {
        let steps = [&[begin.as_slice()], steps].concat();
        add("classifier", name, steps.concat());
    };
    script("silence", &[]);
    let same: Vec<u8> = (0..16).flat_map(|n| seen(n, 3, 9)).collect();
    script("one-address", &[&same, wait, &same, wait, &same]);
    let each: Vec<u8> = (0..16).flat_map(|n| seen(n, 3, 9 + n)).collect();
    script("port-by-port", &[&each, wait, &each, wait, &each]);
    let kept: Vec<u8> = (0..16).flat_map(|n| seen(n, n & 3, 9)).collect();
    script("liars", &[&kept, wait, &kept]);
    let other: Vec<u8> = (0..16u8)
        .flat_map(|n| [1, n, 1, 0, 3, 9, 1, 0, 0xc2, 6])
        .collect();
    script("other-addresses", &[&other, wait, &other, wait, &other]);
    let reached: Vec<u8> = (0..4u8)
        .flat_map(|n| [[4, n, 0, 0xc3, 9, 1, 0].as_slice(), &[6, n, 0]].concat())
        .collect();
    script("reached", &[&same, wait, &reached, wait, &reached]);
    let back: Vec<u8> = (0..20u8).flat_map(|n| [5, n, 0, 0, 3, 9]).collect();
    script("hairpin", &[&same, wait, &same, wait, &back]);
    script("gateway", &[&[7, 1, 2, 9, 9], &same, wait]);
    script("fresh-ports", &[&[7, 0, 128, 4, 0, 7, 0, 129, 5, 0], &each]);
}

fn demultiplexers(add: &mut Add<'_>) {
    // A way is an address and a byte that is no channel's.
    let way = |addr: [u8; 3]| script(&[&addr, &[0]]);
    let initial = |addr: [u8; 3], scid: u8| script(&[&[1], &way(addr), &[scid]]);
    let short =
        |addr: [u8; 3], of: u8, known: u8| script(&[&[2], &way(addr), &[100, 0, of, known]]);
    let ask = |addr: [u8; 3], of: u8| script(&[&[4, of, 255], &way(addr), &[of + 1, 0, 0, 0]]);
    let answer = |of: u8, back: u8| script(&[&[6, of, back, 0], &PEER]);
    let data = [8, 200, 0, 0, 0].as_slice();
    let offer = |of: u8| script(&[&[10, 3], &PEER, &OTHER, &V6, &[of]]);
    let (short_time, long_time) = ([17, 0x63], [17, 0xc3]);
    let agent = script(&[&[12, 224], &[1], &CONE, &[1, 2], &PEER, &[1]]);
    let theirs = script(&[&[13, 1], &CONE, &[2, 2], &OTHER, &[0], &V6, &[1]]);
    let mut script = |name: &str, steps: &[&[u8]]| add("demux", name, steps.concat());
    script(
        "initials",
        &[
            &initial(PEER, 1),
            &initial(PEER, 2),
            &initial(OTHER, 1),
            &initial(V6, 1),
        ],
    );
    let flood: Vec<u8> = (0..40u8)
        .flat_map(|n| initial([0, n & 3, n + 1], n))
        .collect();
    script("flood", &[&flood]);
    script(
        "accepted",
        &[
            &initial(PEER, 1),
            &[11],
            &way(PEER),
            &[9, 0],
            &short(PEER, 2, 1),
            data,
        ],
    );
    script(
        "known-id",
        &[
            &short(OTHER, 0, 1),
            &short_time,
            &answer(0, 0),
            data,
            &long_time,
        ],
    );
    script("unknown-id", &[&short(PEER, 0, 0), &short(OTHER, 0, 0)]);
    script(
        "asked",
        &[&ask(PEER, 0), &answer(0, 0), &ask(PEER, 0), &long_time],
    );
    script(
        "roams",
        &[
            &short(PEER, 0, 1),
            &answer(0, 0),
            &short_time,
            &short(PEER, 0, 1),
            data,
        ],
    );
    script(
        "offered",
        &[
            &offer(0),
            &short_time,
            &answer(0, 0),
            &answer(0, 1),
            &long_time,
            data,
        ],
    );
    script(
        "doubt",
        &[
            data,
            &long_time,
            data,
            &answer(0, 0),
            &long_time,
            data,
            &long_time,
        ],
    );
    script(
        "interfaces",
        &[
            &[11],
            &way(PEER),
            &[0],
            &short_time,
            &answer(0, 0),
            &long_time,
        ],
    );
    script(
        "upgraded",
        &[
            &agent,
            &theirs,
            &short_time,
            &answer(1, 0),
            &short_time,
            &answer(1, 0),
            data,
        ],
    );
    script(
        "relay-gone",
        &[data, &[11], &way(PEER), &[11], data, &long_time],
    );
    script(
        "released",
        &[
            &[11],
            &way(PEER),
            &[7, 0],
            &short(PEER, 0, 1),
            data,
            &long_time,
        ],
    );
    script(
        "noise",
        &[
            &[0],
            &way(PEER),
            &[4, 0, 0x21, 1, 2, 3, 1],
            &[0],
            &way(V6),
            &[0, 0, 0],
        ],
    );
}

fn relays(add: &mut Add<'_>) {
    // Connections take datagrams of 1300 bytes; two peers in two subnets.
    let up = |peer: u8| [0, 0x14, 5, peer, peer];
    let room = |conn: u8| [14, 0x70, 0x17, 0, conn];
    let reserve = |conn: u8| [2, 0x10, 0x0e, conn];
    let connect = |conn: u8, peer: u8| [4, peer, conn];
    let accept = [6, 0].as_slice();
    let send = |caller: u8, kind: u8| [11, caller, kind, 0xb0, 4, 0];
    let part = |caller: u8| [11, caller, 200, 0x40, 1, 0, 7, 0];
    let both = [up(0), up(1)].concat();
    let pair = script(&[&both, &room(0), &room(1), &reserve(1), &connect(0, 1)]);
    let wait = [15, 40, 0xd3].as_slice();
    let mut script = |name: &str, steps: &[&[u8]]| add("relay_core", name, steps.concat());
    script("reserve", &[&both, &reserve(0), &reserve(1), &reserve(1)]);
    script("no-reservation", &[&both, &connect(0, 1)]);
    script("declined", &[&pair, &[8, 5, 1, 0, 0, 0, 0]]);
    script("no-answer", &[&pair, wait]);
    script(
        "both-ways",
        &[&pair, accept, &send(1, 0), &send(0, 0), &part(1), &part(0)],
    );
    script("not-yet-open", &[&pair, &send(0, 0), accept, &send(0, 0)]);
    script(
        "no-room",
        &[
            &pair,
            accept,
            &send(1, 0),
            &[14, 0, 0, 0, 1],
            &send(1, 0),
            &room(1),
        ],
    );
    let smaller = [14, 0x20, 3, 1, 1].as_slice();
    script("split", &[&pair, accept, smaller, &send(1, 0), &room(1)]);
    script("ended", &[&pair, accept, &[9, 1, 0], &send(1, 0)]);
    script(
        "gone",
        &[&pair, accept, &send(1, 0), &[1, 1], &send(1, 0), &up(1)],
    );
    script("policy", &[&pair, accept, &[15, 3, 1, 2], &send(1, 0)]);
    script("idle", &[&pair, accept, &[15, 40, 0xf3]]);
    script(
        "strange",
        &[
            &pair,
            accept,
            &[10, 0, 0],
            &[10, 2, 0],
            &[9, 0, 0],
            &[10, 1, 0],
        ],
    );
    script(
        "forged",
        &[&pair, accept, &[13, 0, 7, 0, 1, 9, 0, 0, 0, 1, 1]],
    );
    let many: Vec<u8> = (0..8).flat_map(|_| send(1, 0)).collect();
    script(
        "flood",
        &[&pair, accept, &[14, 0, 0, 0, 1], &many, &room(1)],
    );
}
