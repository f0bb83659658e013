//! Every field at its edges: least and greatest integers, bytes that are no boolean, codes that are
//! not assigned, and the extensions that each body may have.

use crate::actor::{ALICE, BOB, CAROL, filler};
use crate::case::{Case, Suite};
use crate::fault;
use crate::structure::Structure;

use super::address::{direct_v4, direct_v6};
use super::group::{LogCut, operation_of, seat};
use super::{advert, chat_open, dht, envelope, gossip, hello, identify, item, nat, ping};
use super::{record, relay, room, undecryptable};

/// A body, and what its fields may hold.
struct Body {
    slug: &'static str,
    name: &'static str,
    structure: Structure,
    /// Integers of any value.
    integers: &'static [&'static str],
    /// Booleans and options.
    booleans: &'static [&'static str],
    /// Codes, each with one that is not assigned.
    codes: &'static [(&'static str, u16)],
}

fn body(slug: &'static str, name: &'static str, structure: Structure) -> Body {
    Body {
        slug,
        name,
        structure,
        integers: &[],
        booleans: &[],
        codes: &[],
    }
}

impl Body {
    fn integers(self, integers: &'static [&'static str]) -> Self {
        Self { integers, ..self }
    }

    fn booleans(self, booleans: &'static [&'static str]) -> Self {
        Self { booleans, ..self }
    }

    fn codes(self, codes: &'static [(&'static str, u16)]) -> Self {
        Self { codes, ..self }
    }

    fn cases(&self) -> Vec<Case> {
        let Self { slug, name, .. } = *self;
        let structure = &self.structure;
        let integers = self.integers.iter().copied();
        let booleans = self.booleans.iter().copied();
        let codes = self.codes.iter().copied();
        let mut cases: Vec<Case> = integers
            .flat_map(|path| fault::edges(slug, name, structure, path))
            .chain(booleans.flat_map(|path| fault::neither(slug, name, structure, path)))
            .chain(codes.map(|(path, wrong)| fault::unassigned(slug, name, structure, path, wrong)))
            .collect();
        let last = structure.fields.last().map(|span| span.path);
        if let Some(path) = last.filter(|path| path.ends_with(".extensions")) {
            cases.extend(fault::extended(slug, name, structure, path));
            cases.extend(fault::overextended(slug, name, structure, path));
        }
        cases
    }
}

pub(super) fn suite() -> Suite {
    let bodies = [
        of_connections(),
        of_records(),
        of_paths(),
        of_dht(),
        of_rooms(),
        of_groups(),
    ];
    let bodies: Vec<Body> = bodies.into_iter().flatten().collect();
    let mut cases: Vec<Case> = bodies.iter().flat_map(Body::cases).collect();
    for body in bodies
        .iter()
        .filter(|body| body.slug.starts_with("gossip-"))
    {
        let Body {
            slug,
            name,
            structure,
            ..
        } = body;
        let last = structure.fields.last().map(|span| span.path);
        // Those of GOSSIP_OPEN are among its own faults.
        if let Some(path) =
            last.filter(|path| path.ends_with(".extensions") && *slug != "gossip-open")
        {
            cases.extend(fault::extensions(slug, name, structure, path));
        }
    }
    Suite {
        name: "edge",
        cases,
    }
}

fn of_connections() -> Vec<Body> {
    let observed = direct_v4().part();
    vec![
        body(
            "hello",
            "Hello",
            hello::hello(&hello::versions(1, 1), 0, &[1]),
        )
        .integers(&["Hello.roles"]),
        body(
            "identify",
            "Identify",
            identify::identify(2, Some(&observed), &[direct_v6().part()]),
        )
        .integers(&["Identify.revision"])
        .booleans(&["Identify.observed"]),
        body("ping", "Ping", ping::ping(1, &[])).integers(&["Ping.nonce"]),
        body(
            "chat-open",
            "ChatOpen",
            chat_open::chat_open("Alice", None, 0),
        )
        .booleans(&["ChatOpen.invite"]),
        body("envelope", "Envelope", envelope::envelope(1, &[3, 10]))
            .codes(&[("Envelope.stage", 2), ("Envelope.stage", 255)]),
        body(
            "undecryptable",
            "Undecryptable",
            undecryptable::undecryptable(&[]),
        ),
    ]
}

fn of_records() -> Vec<Body> {
    let two = [direct_v4().part(), direct_v6().part()];
    vec![
        body("record-body", "RecordBody", relay::voucher_record()).integers(&[
            "RecordBody.kind",
            "RecordBody.sequence",
            "RecordBody.issued_at",
            "RecordBody.expires_at",
        ]),
        body(
            "address-record",
            "AddressRecord",
            record::address_payload(&two),
        ),
        body("device-record", "DeviceRecord", record::device_payload(&[])),
        body("voucher", "Voucher", relay::voucher()),
        body("relay-advert", "RelayAdvert", advert::relay(0))
            .integers(&["RelayAdvert.shard"])
            .booleans(&["RelayAdvert.other"]),
        body(
            "service-advert",
            "ServiceAdvert",
            advert::service("mirror", &two),
        ),
        body("mailbox-pointer", "MailboxPointer", advert::mailbox(&two)),
        body("presence", "Presence", advert::presence(&[0x5e; 40])),
        body(
            "rendezvous",
            "Rendezvous",
            advert::rendezvous(&[9; 16], &[0x5e; 40]),
        ),
    ]
}

fn of_paths() -> Vec<Body> {
    let predicted = nat::punch(2, true, Some(&nat::prediction(1, 12)));
    vec![
        body("candidates", "Candidates", nat::candidates()).integers(&["Candidates.generation"]),
        body("punch", "Punch", predicted)
            .integers(&["Punch.round", "Punch.sockets"])
            .booleans(&["Punch.answers", "Punch.prediction"]),
        body("reach", "Reach", nat::reach(0, &direct_v4().part())).codes(&[("Reach.from", 255)]),
        body("reached", "Reached", nat::reached(0)).codes(&[("Reached.result", 255)]),
        body("relay-reserve", "RelayReserve", relay::reserve())
            .integers(&["RelayReserve.lifetime_s"]),
        body("relay-reserved", "RelayReserved", relay::reserved()).integers(&[
            "RelayReserved.lifetime_s",
            "RelayReserved.channels",
            "RelayReserved.bytes_per_s",
        ]),
        body("relay-refused", "RelayRefused", relay::refused(3))
            .integers(&["RelayRefused.retry_after_s"])
            .codes(&[("RelayRefused.reason", 0x0100)]),
        body("relay-connect", "RelayConnect", relay::connect()),
        body("relay-incoming", "RelayIncoming", relay::incoming())
            .integers(&["RelayIncoming.channel"]),
        body("relay-accept", "RelayAccept", relay::accept()),
        body("relay-opened", "RelayOpened", relay::opened())
            .integers(&["RelayOpened.channel", "RelayOpened.bytes_per_s"]),
    ]
}

fn of_dht() -> Vec<Body> {
    let at = dht::v4();
    let server = dht::server(1, &at, Some(&dht::v6()));
    vec![
        body("dht-node", "Node", dht::node(BOB, 77, &at, None))
            .integers(&["Node.nonce"])
            .booleans(&["Node.other"]),
        body("dht-server", "Server", server.clone())
            .integers(&["Server.nonce"])
            .booleans(&["Server.other"]),
        body("dht-find", "DhtFind", dht::find_of(20, &[], Some(&server)))
            .integers(&["DhtFind.want"])
            .booleans(&["DhtFind.server"]),
        body("dht-nodes", "DhtNodes", dht::nodes_of(&[], Some(&server)))
            .booleans(&["DhtNodes.server"]),
        body("dht-get", "DhtGet", dht::get())
            .integers(&["DhtGet.want"])
            .booleans(&["DhtGet.server"]),
        body("dht-values", "DhtValues", dht::values())
            .integers(&["DhtValues.held"])
            .booleans(&["DhtValues.server"]),
        body("dht-put", "DhtPut", dht::put()),
        body("dht-stored", "DhtStored", dht::stored()).integers(&["DhtStored.keep_s"]),
        body("dht-refused", "DhtRefused", dht::refused(2))
            .integers(&["DhtRefused.retry_after_s"])
            .codes(&[("DhtRefused.reason", 0x0100)]),
    ]
}

fn of_rooms() -> Vec<Body> {
    vec![
        body("gossip-open", "GossipOpen", gossip::open())
            .integers(&["GossipOpen.nonce"])
            .booleans(&["GossipOpen.answer", "GossipOpen.alone"]),
        body("gossip-leave", "GossipLeave", gossip::leave(2)),
        body("gossip-join", "GossipJoin", gossip::join()).integers(&["GossipJoin.hops"]),
        body("gossip-shuffle", "GossipShuffle", gossip::shuffle())
            .booleans(&["GossipShuffle.answer"]),
        body("gossip-push", "GossipPush", gossip::push(0)).integers(&["GossipPush.hops"]),
        body("mark", "Mark", gossip::mark(1, 2, 3)).integers(&["Mark.log", "Mark.seq", "Mark.age"]),
        body("want", "Want", gossip::want(1, 2, 9)).integers(&[
            "Want.log",
            "Want.after",
            "Want.upto",
        ]),
        body("gossip-pull", "GossipPull", gossip::pull()).booleans(&["GossipPull.graft"]),
        body("gossip-tree", "GossipTree", gossip::tree()),
        body("gossip-digest", "GossipDigest", gossip::digest()).integers(&[
            "GossipDigest.root",
            "GossipDigest.total",
            "GossipDigest.horizon",
        ]),
        body("gossip-sketch", "GossipSketch", gossip::sketch(0, &[0; 18]))
            .integers(&[
                "GossipSketch.salt",
                "GossipSketch.horizon",
                "GossipSketch.first",
            ])
            .codes(&[("GossipSketch.of", 255)]),
        body("gossip-more", "GossipMore", gossip::more()).integers(&[
            "GossipMore.salt",
            "GossipMore.have",
            "GossipMore.want",
        ]),
        body("gossip-proof", "GossipProof", gossip::proof()),
        body("place", "Place", gossip::place(1, 2)).integers(&["Place.lamport", "Place.hash"]),
        body("span", "Span", gossip::span()).integers(&["Span.count", "Span.sum"]),
        body("gossip-range", "GossipRange", gossip::range())
            .integers(&["GossipRange.salt", "GossipRange.newest"]),
        body("gossip-spans", "GossipSpans", gossip::spans()).integers(&["GossipSpans.salt"]),
        body("gossip-fetch", "GossipFetch", gossip::fetch()).integers(&["GossipFetch.most"]),
        body("item-head", "ItemHead", item::head()).integers(&["ItemHead.seq"]),
        body(
            "item-header",
            "ItemHeader",
            item::header().structure(ALICE, b"hello"),
        )
        .integers(&[
            "ItemHeader.seq",
            "ItemHeader.lamport",
            "ItemHeader.sent_at",
            "ItemHeader.keep_s",
            "ItemHeader.floor",
            "ItemHeader.kind",
            "ItemHeader.body_len",
        ]),
        body(
            "signed-item",
            "SignedItem",
            item::signed(ALICE, &item::header(), b"hello").0,
        )
        .booleans(&["SignedItem.body"]),
        body(
            "room-body",
            "RoomBody",
            room::body(ALICE, "Alice", b"hello"),
        ),
    ]
}

fn of_groups() -> Vec<Body> {
    vec![
        body("operation", "Operation", operation_of(ALICE, "accept"))
            .integers(&["Operation.seq", "Operation.at"])
            .booleans(&["Operation.subject", "Operation.seat"])
            .codes(&[("Operation.deed", 255)]),
        body("log-cut", "LogCut", LogCut([7; 16], 5).structure()).integers(&["LogCut.seq"]),
        body(
            "group-operations",
            "GroupOperations",
            gossip::operations(&[[1; 32]]),
        ),
        body("group-keys", "GroupKeys", gossip::keys(2)),
        body("seat", "Seat", seat(&filler(0x50), BOB, CAROL, "B")),
    ]
}
