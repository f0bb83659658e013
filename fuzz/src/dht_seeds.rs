//! The first inputs of the targets about the DHT: records of every kind, and scripts that take table,
//! store and node through what they are for.

use dchat_wire::record::SignedRecord;
use dchat_wire::{codec, encode};

use crate::samples;
use crate::seeds::Add;

pub(crate) fn dht(add: &mut Add<'_>) {
    records(add);
    tables(add);
    stores(add);
    nodes(add);
}

fn records(add: &mut Add<'_>) {
    let signed = [
        ("address", samples::signed_addresses()),
        ("device", samples::signed_device()),
        ("relay", issue(&samples::relay_advert())),
        ("service", issue(&samples::service_advert())),
        ("mailbox", issue(&samples::mailbox_pointer())),
        ("presence", issue(&samples::presence())),
        ("rendezvous", issue(&samples::rendezvous())),
        ("voucher", issue(&samples::voucher())),
    ];
    for (name, record) in signed {
        let bytes = codec::encode(&record);
        add("dht_record", name, [&[0], bytes.as_slice()].concat());
        let body = record.body.as_slice();
        add("dht_record", &format!("{name}-body"), [&[1], body].concat());
    }
    // Any bytes make a record; those of an invite are varied enough.
    for kind in 0..9 {
        let bytes = encode(&samples::invite());
        let made = [&[2, kind], bytes.as_slice()].concat();
        add("dht_record", &format!("kind-{kind}"), made);
    }
    fn issue<P: dchat_wire::record::Payload>(payload: &P) -> SignedRecord {
        SignedRecord::issue(&samples::identity(1), 1, samples::NOW, u64::MAX, payload)
    }
}

/// So many steps, each made of its number.
fn steps(count: u16, step: impl Fn(u8) -> Vec<u8>) -> Vec<u8> {
    (0..count).flat_map(|number| step(number as u8)).collect()
}

fn tables(add: &mut Add<'_>) {
    // A step that offers somebody: bits shared, what follows, subnet, round trip.
    let offer = |depth: u8, noise: u8, subnet: u8, rtt: u8| vec![0, depth, noise, subnet, rtt];
    let near = steps(60, |n| offer(n / 2, n.wrapping_mul(37) | 1, 0, n % 3));
    let far = steps(60, |n| offer(n % 4, n.wrapping_mul(91) | 1, n, 0));
    let asks = [14, 1, 3, 7, 0, 20, 14, 0, 9, 9, 9, 9].as_slice();
    let losses = steps(30, |n| vec![8, n, 8, n, 11, 0x90, 3]);
    for (name, choice) in [
        ("small", 0),
        ("default", 1),
        ("limited", 2),
        ("limited-default", 3),
    ] {
        let of = |parts: &[&[u8]]| [&[choice], parts.concat().as_slice()].concat();
        add("table", &format!("{name}-near"), of(&[&near, asks]));
        add("table", &format!("{name}-far"), of(&[&far, asks]));
        add(
            "table",
            &format!("{name}-lost"),
            of(&[&near, &losses, &far, asks]),
        );
    }
    let moves = steps(40, |n| vec![7, n, n, 1, n / 8]);
    add(
        "table",
        "moved",
        [&[2], far.as_slice(), &moves, &far].concat(),
    );
    let doubt = [&[0], near.as_slice(), &[12], &losses, &[10, 3, 10, 4]].concat();
    add("table", "doubt", doubt);
}

fn stores(add: &mut Add<'_>) {
    // A put: the record, and who writes it where: 0x40 under another key, bits 4 and 5 the subnet, 8
    // far, the rest the writer.
    let all = |flags: u8| steps(160, move |n| vec![0, n, flags]);
    let many = steps(160, |n| vec![0, n, n % 8]);
    let values = steps(20, |n| vec![4, n.wrapping_mul(9), 2, n, n + 1]);
    let wait = [5, 0xff, 13, 5, 0xff, 13].as_slice();
    for (name, script) in [
        ("one-writer", [all(0), values.clone()].concat()),
        ("one-subnet", [all(0x11), values.clone()].concat()),
        ("far", [all(9), wait.to_vec(), values.clone()].concat()),
        (
            "many-writers",
            [many.clone(), wait.to_vec(), values.clone()].concat(),
        ),
        ("misplaced", [all(0x40), values].concat()),
        ("newest-first", steps(160, |n| vec![0, 159 - n, n % 8])),
    ] {
        add("dht_store", name, [&[0], script.as_slice()].concat());
    }
    // Everybody relays, from three subnets and from none.
    let crowd = steps(256, |n| vec![0, n, n & 7 | (n % 3 % 2 * 16)]);
    let crowd = [crowd, steps(20, |n| vec![4, 40, 1, n])].concat();
    add("dht_store", "crowd", [&[2], crowd.as_slice()].concat());
    let round = |count: u8, first: u8| vec![6, count, first, 1, 40];
    let answers = steps(40, |n| vec![7, n % 4, n % 6, 3, n, n + 7, n + 50, n]);
    let long = [5, 0xff, 13].as_slice();
    for (name, count) in [("alone", 0), ("few", 9), ("crowd", 79)] {
        let script = [
            &[1],
            many.as_slice(),
            long,
            &round(count, 5),
            &answers,
            long,
            &round(count, 6),
            &answers,
            &[6, count / 2, 5, 0, 0],
            &answers,
        ]
        .concat();
        add("dht_store", &format!("repair-{name}"), script);
    }
}

fn nodes(add: &mut Add<'_>) {
    let met = steps(60, |n| vec![11, 1, n, n % 3, 0]);
    let hearsay = steps(20, |n| vec![11, 0, n, 1, 0]);
    let seeds = steps(6, |n| vec![13, n + 100, 0]);
    // The first under way, honestly, with two nodes.
    let answers = steps(60, |n| {
        vec![4, n % 12, 1, 2, n, 1, n + 1, 2, n, 0, 0, 0, 0, 0]
    });
    let wait = [19, 0x9f, 19, 0xbf].as_slice();
    let serve = [14, 2].as_slice();
    let asks = steps(40, |n| {
        vec![15, n % 4, n, 0, 1, 0, n, 0, 20, 1, n, 0, n % 4, n, 1, n]
    });
    for (name, script) in [
        (
            "join",
            [&seeds, answers.as_slice(), wait, &answers].concat(),
        ),
        ("find", [&met, &[0, 0, 7, 1][..], &answers, wait].concat()),
        ("get", [&met, &[1, 30][..], &answers, wait].concat()),
        ("put", [&met, &[2, 30][..], &answers, &answers].concat()),
        (
            "many",
            [&met, &steps(12, |n| vec![n % 3, n, n, 1])[..], &answers].concat(),
        ),
        ("serve", [serve, &met, &asks].concat()),
        ("hearsay", [&hearsay[..], wait, &answers, wait].concat()),
        (
            "silence",
            [&met, &[0, 0, 7, 1][..], wait, wait, wait, wait].concat(),
        ),
        ("resumed", [&met, &[14, 0][..], &answers, wait].concat()),
        ("leave", [&met, &[0, 0, 7, 1, 14, 1][..], &answers].concat()),
        (
            "years",
            [&met, &[19, 0, 18, 0xff, 0xff, 19, 0][..], &answers].concat(),
        ),
    ] {
        for (kind, choice) in [("", 0), ("-small", 2), ("-static", 1)] {
            let input = [&[choice], script.as_slice()].concat();
            add("dht_core", &format!("{name}{kind}"), input);
        }
    }
}
