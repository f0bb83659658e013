//! The frames between a peer and its relay, and their datagrams (`60-relay`).

use crate::actor::{ALICE, BOB, RELAY, filler};
use crate::case::{Case, Suite};
use crate::fault::{self, broken, whole};
use crate::json::Json;
use crate::structure::Structure;

use super::record::ISSUED;

/// RELAY_RESERVE.
pub(super) fn reserve() -> Structure {
    Structure::new()
        .u32("RelayReserve.lifetime_s", 3600)
        .extensions("RelayReserve.extensions", &[])
}

/// A voucher of the relay for Alice, for half an hour.
pub(super) fn voucher() -> Structure {
    Structure::new()
        .push("Voucher.peer", &ALICE.part(), true)
        .extensions("Voucher.extensions", &[])
}

/// Its record, valid for half an hour.
pub(super) fn voucher_record() -> Structure {
    Structure::new()
        .fixed("RecordBody.signer", &RELAY.public())
        .u16("RecordBody.kind", 3)
        .u64("RecordBody.sequence", ISSUED)
        .u64("RecordBody.issued_at", ISSUED)
        .u64("RecordBody.expires_at", ISSUED + 30 * 60 * 1000)
        .bytes("RecordBody.payload", &voucher().bytes)
        .extensions("RecordBody.extensions", &[])
}

/// RELAY_RESERVED.
pub(super) fn reserved() -> Structure {
    let signed = RELAY.signed_record(&voucher_record().bytes);
    Structure::new()
        .u32("RelayReserved.lifetime_s", 1800)
        .u16("RelayReserved.channels", 16)
        .u32("RelayReserved.bytes_per_s", 1_000_000)
        .push("RelayReserved.voucher", &signed.part(), false)
        .extensions("RelayReserved.extensions", &[])
}

/// RELAY_REFUSED.
pub(super) fn refused(reason: u16) -> Structure {
    Structure::new()
        .u16("RelayRefused.reason", reason)
        .u32("RelayRefused.retry_after_s", 60)
        .extensions("RelayRefused.extensions", &[])
}

/// RELAY_CONNECT.
pub(super) fn connect() -> Structure {
    Structure::new()
        .push("RelayConnect.peer", &BOB.part(), true)
        .extensions("RelayConnect.extensions", &[])
}

/// RELAY_INCOMING.
pub(super) fn incoming() -> Structure {
    Structure::new()
        .push("RelayIncoming.peer", &ALICE.part(), true)
        .u32("RelayIncoming.channel", 7)
        .extensions("RelayIncoming.extensions", &[])
}

/// RELAY_ACCEPT.
pub(super) fn accept() -> Structure {
    Structure::new().extensions("RelayAccept.extensions", &[])
}

/// RELAY_OPENED.
pub(super) fn opened() -> Structure {
    Structure::new()
        .u32("RelayOpened.channel", 9)
        .u32("RelayOpened.bytes_per_s", 0)
        .extensions("RelayOpened.extensions", &[])
}

pub(super) fn suite() -> Suite {
    let mut cases = Vec::new();
    let bodies = [
        (
            "relay-reserve",
            "RelayReserve",
            reserve(),
            "RelayReserve.extensions",
        ),
        (
            "relay-reserved",
            "RelayReserved",
            reserved(),
            "RelayReserved.extensions",
        ),
        ("voucher", "Voucher", voucher(), "Voucher.extensions"),
        (
            "relay-connect",
            "RelayConnect",
            connect(),
            "RelayConnect.extensions",
        ),
        (
            "relay-incoming",
            "RelayIncoming",
            incoming(),
            "RelayIncoming.extensions",
        ),
        (
            "relay-accept",
            "RelayAccept",
            accept(),
            "RelayAccept.extensions",
        ),
        (
            "relay-opened",
            "RelayOpened",
            opened(),
            "RelayOpened.extensions",
        ),
        (
            "relay-refused",
            "RelayRefused",
            refused(3),
            "RelayRefused.extensions",
        ),
    ];
    for (slug, name, body, extensions) in &bodies {
        cases.push(whole(format!("{slug}/plain"), name, body));
        let faults = fault::cuts(slug, name, body)
            .into_iter()
            .chain(fault::extensions(slug, name, body, extensions));
        cases.extend(faults);
    }
    for reason in 1..=9 {
        cases.push(whole(
            format!("relay/refused-{reason}"),
            "RelayRefused",
            &refused(reason),
        ));
    }
    for reason in [0, 10, u16::MAX] {
        let bytes = refused(reason).bytes;
        cases.push(
            broken(
                format!("relay/refused-{reason}"),
                "RelayRefused",
                &["DC-RELAY-002"],
                &bytes,
                "invalid",
            )
            .field(Some("RelayRefused.reason")),
        );
    }
    cases.extend(datagrams());
    Suite {
        name: "relay",
        cases,
    }
}

/// A datagram of `kind` with what follows it.
fn datagram(kind: u8, rest: &[u8]) -> Vec<u8> {
    [&[kind], rest].concat()
}

fn datagrams() -> Vec<Case> {
    let packet = filler(0x40);
    let channel = [0x04, 0x03, 0x02, 0x01];
    let part = [channel.as_slice(), &[0x06, 0x05], &packet].concat();
    let read = |id: &str, kind: &'static str, bytes: &[u8], number: Json| {
        let expected = Json::Object(vec![
            ("kind", kind.into()),
            ("channel", Json::Number(0x0102_0304)),
            ("number", number),
            ("packet", Json::bytes(&packet)),
        ]);
        let id = format!("relay/datagram-{id}");
        Case::valid(id, "relay-datagram", &["DC-RELAY-012"], expected)
            .with("datagram", Json::bytes(bytes))
    };
    let dropped = |id: &str, bytes: &[u8]| {
        let id = format!("relay/datagram-{id}");
        Case::invalid(id, "relay-datagram", &["DC-RELAY-013"], "no-meaning")
            .with("datagram", Json::bytes(bytes))
    };
    let whole = [channel.as_slice(), &packet].concat();
    let number = Json::Number(0x0506);
    vec![
        read("whole", "whole", &datagram(1, &whole), Json::Null),
        read("first", "first", &datagram(2, &part), number.clone()),
        read("second", "second", &datagram(3, &part), number),
        dropped("wake", &datagram(0, &[])),
        dropped("wake-with-more", &datagram(0, &whole)),
        dropped("empty", &[]),
        dropped("whole-without-packet", &datagram(1, &channel)),
        dropped("whole-cut-in-channel", &datagram(1, &channel[..3])),
        dropped("first-without-packet", &datagram(2, &part[..6])),
        dropped("second-cut-in-number", &datagram(3, &part[..5])),
        dropped("kind-4", &datagram(4, &part)),
        dropped("kind-255", &datagram(255, &part)),
    ]
}
