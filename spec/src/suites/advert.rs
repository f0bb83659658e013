//! Payloads of the records that lead to somebody (`70-dht` §6).

use crate::case::{Case, Suite};
use crate::fault::{self, broken, whole};
use crate::structure::{Part, Structure};

use super::address::{direct_v4, direct_v6, longest};
use super::dht::{v4, v6};

/// RELAY.
pub(super) fn relay(shard: u8) -> Structure {
    relay_at(shard, &v4(), Some(&v6()))
}

fn relay_at(shard: u8, socket: &Part, other: Option<&Part>) -> Structure {
    Structure::new()
        .u8("RelayAdvert.shard", shard)
        .push("RelayAdvert.socket", socket, true)
        .option("RelayAdvert.other", other, true)
        .extensions("RelayAdvert.extensions", &[])
}

/// SERVICE.
pub(super) fn service(name: &str, addresses: &[Part]) -> Structure {
    Structure::new()
        .text("ServiceAdvert.name", name)
        .list("ServiceAdvert.addresses", addresses, true)
        .extensions("ServiceAdvert.extensions", &[])
}

/// MAILBOX.
pub(super) fn mailbox(mailboxes: &[Part]) -> Structure {
    Structure::new()
        .list("MailboxPointer.mailboxes", mailboxes, true)
        .extensions("MailboxPointer.extensions", &[])
}

/// PRESENCE.
pub(super) fn presence(sealed: &[u8]) -> Structure {
    Structure::new()
        .bytes("Presence.sealed", sealed)
        .extensions("Presence.extensions", &[])
}

/// RENDEZVOUS.
pub(super) fn rendezvous(slot: &[u8; 16], sealed: &[u8]) -> Structure {
    Structure::new()
        .fixed("Rendezvous.slot", slot)
        .bytes("Rendezvous.sealed", sealed)
        .extensions("Rendezvous.extensions", &[])
}

pub(super) fn suite() -> Suite {
    let two = [direct_v4().part(), direct_v6().part()];
    let sealed = [0x5e; 40];
    let bodies = [
        (
            "relay-advert",
            "RelayAdvert",
            relay(0),
            "RelayAdvert.extensions",
        ),
        (
            "service-advert",
            "ServiceAdvert",
            service("mirror", &two),
            "ServiceAdvert.extensions",
        ),
        (
            "mailbox-pointer",
            "MailboxPointer",
            mailbox(&two),
            "MailboxPointer.extensions",
        ),
        (
            "presence",
            "Presence",
            presence(&sealed),
            "Presence.extensions",
        ),
        (
            "rendezvous",
            "Rendezvous",
            rendezvous(&[9; 16], &sealed),
            "Rendezvous.extensions",
        ),
    ];
    let mut cases = Vec::new();
    for (slug, name, body, extensions) in &bodies {
        cases.push(whole(format!("{slug}/plain"), name, body));
        cases.extend(fault::cuts(slug, name, body));
        cases.extend(fault::extensions(slug, name, body, extensions));
    }
    cases.extend(particular());
    Suite {
        name: "advert",
        cases,
    }
}

fn particular() -> Vec<Case> {
    let most: Vec<Part> = (0..4).map(|_| longest().part()).collect();
    let name = "ServiceAdvert";
    let largest = [0xff; 1024];
    let mut cases = vec![
        whole("relay-advert/last-shard", "RelayAdvert", &relay(3)),
        whole(
            "relay-advert/one-family",
            "RelayAdvert",
            &relay_at(1, &v6(), None),
        ),
        whole(
            "service-advert/most",
            name,
            &service(&"n".repeat(64), &most),
        ),
        whole("service-advert/nothing", name, &service("", &[])),
        whole(
            "service-advert/not-ascii",
            name,
            &service("镜像", &most[..1]),
        ),
        whole("mailbox-pointer/most", "MailboxPointer", &mailbox(&most)),
        whole("presence/most", "Presence", &presence(&largest)),
        whole(
            "rendezvous/most",
            "Rendezvous",
            &rendezvous(&[0xff; 16], &largest),
        ),
        broken(
            "relay-advert/other-2",
            "RelayAdvert",
            &["DC-WIRE-006"],
            &relay_at(0, &v4(), None).replace("RelayAdvert.other", &[2]),
            "not-boolean",
        )
        .field(Some("RelayAdvert.other")),
        broken(
            "service-advert/name-not-utf-8",
            name,
            &["DC-WIRE-008"],
            &service("x", &[]).replace("ServiceAdvert.name", &[1, 0, 0, 0, 0, 0, 0, 0, 0xff]),
            "invalid",
        )
        .field(Some("ServiceAdvert.name")),
    ];
    let nowhere = [0; 18];
    for field in ["RelayAdvert.socket", "RelayAdvert.other"] {
        let bytes = match field {
            "RelayAdvert.socket" => relay(0).replace(field, &nowhere),
            _ => relay(0).replace(field, &[[1].as_slice(), &nowhere].concat()),
        };
        let place = field.rsplit('.').next().unwrap_or(field);
        let id = format!("relay-advert/{place}-nowhere");
        let case = broken(id, "RelayAdvert", &["DC-DHT-002"], &bytes, "invalid");
        cases.push(case.field(Some(field)));
    }
    for (slug, name, body, field, max) in [
        (
            "service-advert",
            name,
            service("", &[]),
            "ServiceAdvert.name",
            64,
        ),
        (
            "service-advert",
            name,
            service("", &[]),
            "ServiceAdvert.addresses",
            4,
        ),
        (
            "mailbox-pointer",
            "MailboxPointer",
            mailbox(&[]),
            "MailboxPointer.mailboxes",
            4,
        ),
        (
            "presence",
            "Presence",
            presence(&[]),
            "Presence.sealed",
            1024,
        ),
        (
            "rendezvous",
            "Rendezvous",
            rendezvous(&[0; 16], &[]),
            "Rendezvous.sealed",
            1024,
        ),
    ] {
        cases.extend(fault::counts(slug, name, &body, field, max));
    }
    cases
}
