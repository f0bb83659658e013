//! The first inputs of the targets about rooms and groups.

use dchat_wire::Frame;

use crate::gossip as samples;
use crate::seeds::Add;

pub(crate) fn gossip(add: &mut Add<'_>) {
    nodes(add);
    sketches(add);
    memberships(add);
}

/// So many steps, each made of its number.
fn steps(count: u8, step: impl Fn(u8) -> Vec<u8>) -> Vec<u8> {
    (0..count).flat_map(step).collect()
}

fn nodes(add: &mut Add<'_>) {
    // Step, member, other, operands.
    let say = |count: u8| steps(count, |n| vec![0, n, 0, n]);
    let flow = |count: u8| steps(count, |_| vec![3, 0, 0, 0]);
    let lose = |count: u8| steps(count, |n| vec![8, 0, 0, n]);
    let turn = |count: u8| steps(count, |n| vec![3, 0, 0, n.wrapping_mul(37)]);
    let wait = steps(3, |_| vec![14, 0, 0, 0x9f]);
    let cut = |on: u8| steps(2, |n| vec![9, n, 2 + n, on, 9, n, 3 - n, on]);
    for (name, script) in [
        ("talk", [say(20), flow(200), say(8), flow(120)].concat()),
        (
            "loss",
            [flow(40), say(12), lose(40), flow(60), wait.clone()].concat(),
        ),
        ("out-of-order", [flow(40), say(20), turn(150)].concat()),
        (
            "twice",
            [flow(40), say(6), steps(40, |n| vec![7, 0, 0, n]), flow(120)].concat(),
        ),
        (
            "split",
            [
                flow(60),
                cut(1),
                say(16),
                flow(60),
                cut(0),
                wait.clone(),
                flow(40),
            ]
            .concat(),
        ),
        (
            "restart",
            [
                flow(60),
                say(8),
                flow(30),
                steps(8, |n| vec![11, n, 0, n, 0, n, 0, n]),
                flow(60),
            ]
            .concat(),
        ),
        (
            "fork",
            [
                flow(60),
                say(8),
                flow(60),
                steps(3, |n| vec![12, n, n + 1]),
                flow(60),
            ]
            .concat(),
        ),
        (
            "full-queues",
            [
                flow(60),
                steps(12, |n| vec![10, n, n / 4, 1]),
                say(12),
                flow(40),
                wait.clone(),
            ]
            .concat(),
        ),
    ] {
        for choice in [0, 7] {
            let input = [&[choice], script.as_slice()].concat();
            add("gossip_nodes", &format!("{name}-{choice}"), input);
        }
    }
    for frame in samples::frames() {
        let bytes = frame.to_bytes();
        if matches!(frame, Frame::GroupOperations(_)) || bytes.len() > 500 {
            continue;
        }
        let lie = [&[13, 1, 2][..], &(bytes.len() as u16).to_le_bytes(), &bytes].concat();
        let script = [&[0][..], &flow(60), &say(4), &lie, &flow(60)].concat();
        let name = format!("lie-{}", frame.frame_type().name().to_lowercase());
        add("gossip_nodes", &name, script);
    }
}

fn sketches(add: &mut Add<'_>) {
    // First, count, alike (two), how many others, each log and sequence (four).
    let held = |count: u8, others: &[[u8; 5]]| {
        let others_count = [others.len() as u8];
        [&[0, count, 9, 0][..], &others_count, &others.concat()].concat()
    };
    let few = [[3, 1, 0, 0, 0], [200, 7, 0, 0, 0]];
    let many: Vec<[u8; 5]> = (0..31).map(|n| [n * 8, n, n, 0, 0]).collect();
    for (name, ours, theirs) in [
        ("equal", held(100, &[]), held(100, &[])),
        ("few", held(100, &[]), held(100, &few)),
        ("many", held(200, &[]), held(200, &many)),
        ("nothing-here", held(0, &[]), held(20, &[])),
        ("nothing-there", held(20, &[]), held(0, &[])),
        ("other-rooms", held(100, &many), held(250, &few)),
    ] {
        let of = |tail: &[u8]| [&[0][..], &ours, &theirs, tail].concat();
        add("gossip_sketch", name, of(&[1, 2, 3, 4, 5, 10]));
        add(
            "gossip_sketch",
            &format!("{name}-few-cells"),
            of(&[1, 2, 3, 4, 5, 0]),
        );
        let damaged = [1, 2, 3, 4, 5, 40, 2, 9, 0, 0x40, 50, 0, 1];
        add("gossip_sketch", &format!("{name}-damaged"), of(&damaged));
    }
    let items = |count: u8| steps(count, |n| vec![n, 1, n, n]);
    for (name, run, tricks) in [
        ("whole", [0_u8, 0], &[][..]),
        ("long", [0xd0, 7], &[]),
        ("lies", [0xd0, 7], &[0, 1, 4, 1, 0, 1, 9, 0, 1, 8, 8, 0]),
        ("silence", [0xd0, 7], &[0, 2, 0, 2, 3, 3, 0]),
        ("gone", [0xd0, 7], &[0, 0xff, 0, 0xff]),
    ] {
        let script = [&[1, 100][..], &items(100), &run, &[5], tricks].concat();
        add("gossip_sketch", &format!("archive-{name}"), script);
    }
}

fn memberships(add: &mut Add<'_>) {
    // Step, author, seen, deed (of seven), cut, subject or seat, text.
    let create = [0, 0xff, 0, 1, 1];
    let invite = |by: u8, whom: u8, seen: u8| vec![1, by, seen, 0, 0, whom, 0];
    let accept = |who: u8, seen: u8| vec![1, who, seen, 1, 0, 0, 40 + who];
    let remove = |by: u8, whom: u8, seen: u8| vec![1, by, seen, 3, 0, whom, 0];
    let promote = |by: u8, whom: u8, seen: u8| vec![1, by, seen, 4, 0, whom, 0];
    let rename = |by: u8, seen: u8| vec![1, by, seen, 5, 0, 1];
    let basis = [
        create.to_vec(),
        invite(0, 1, 1),
        accept(1, 1),
        invite(0, 2, 1),
        accept(2, 1),
        promote(0, 1, 1),
    ]
    .concat();
    for (name, rest) in [
        ("three", Vec::new()),
        ("removal", [remove(0, 1, 1), rename(2, 1)].concat()),
        (
            "removal-wins",
            [remove(0, 1, 1), remove(1, 2, 2), rename(1, 1)].concat(),
        ),
        ("each-other", [remove(0, 1, 1), remove(1, 0, 2)].concat()),
        (
            "ring",
            [
                promote(0, 2, 1),
                remove(0, 1, 1),
                remove(1, 2, 2),
                remove(2, 0, 4),
            ]
            .concat(),
        ),
        (
            "again",
            [remove(0, 2, 1), invite(1, 2, 1), accept(2, 1)].concat(),
        ),
        (
            "without-right",
            [rename(2, 1), invite(2, 3, 1), accept(3, 1)].concat(),
        ),
        ("strangers", [rename(4, 1), accept(5, 1)].concat()),
        (
            "by-the-removed",
            [remove(0, 1, 1), invite(1, 3, 2), accept(3, 1)].concat(),
        ),
        (
            "long",
            steps(40, |n| {
                vec![n, n % 6, n.wrapping_mul(37), n % 7, 1, n % 5, n, 1]
            }),
        ),
        (
            "wrong",
            steps(12, |n| vec![0xf0 + n, n % 6, 1, n, n % 7, 1, n % 5, n, 1]),
        ),
    ] {
        for orders in [0, 5] {
            let input = [&[orders][..], &basis, &rest].concat();
            add("group_membership", &format!("{name}-{orders}"), input);
        }
    }
}
