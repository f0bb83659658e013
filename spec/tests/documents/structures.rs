//! The tables of fields against the structures that the vectors spell out.

use crate::markdown::{document, folder};

/// Where a structure is laid out: document, text above its table, and a case that spells it out: file,
/// id, the name above its fields, and how deep those lie.
type Layout = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    usize,
);

/// Depth of the fields of a case's output.
const TOP: usize = 8;

const LAYOUTS: [Layout; 43] = [
    (
        "10-encoding",
        "## 5. Extensions",
        "ping",
        "ping/one-extension",
        "extensions",
        TOP + 4,
    ),
    (
        "20-identity",
        "## 4. Records",
        "record",
        "signed-record/device",
        "expected",
        TOP,
    ),
    (
        "20-identity",
        "`RecordBody`:",
        "record",
        "record-body/device",
        "expected",
        TOP,
    ),
    (
        "20-identity",
        "`AddressRecord`,",
        "record",
        "address-record/two",
        "expected",
        TOP,
    ),
    (
        "20-identity",
        "`DeviceRecord`,",
        "record",
        "device-record/plain",
        "expected",
        TOP,
    ),
    (
        "20-identity",
        "`base64url`",
        "invite",
        "invite/one-address",
        "expected",
        TOP,
    ),
    (
        "30-transport",
        "HELLO:",
        "hello",
        "hello/version-1",
        "expected",
        TOP,
    ),
    (
        "30-transport",
        "IDENTIFY and",
        "identify",
        "identify/observed-ip4",
        "expected",
        TOP,
    ),
    (
        "40-messaging",
        "CHAT_OPEN:",
        "chat-open",
        "chat-open/alice",
        "expected",
        TOP,
    ),
    (
        "40-messaging",
        "ENVELOPE:",
        "envelope",
        "envelope/opening",
        "expected",
        TOP,
    ),
    (
        "40-messaging",
        "## 4. Parcels",
        "parcel",
        "parcel/empty",
        "expected",
        TOP,
    ),
    (
        "40-messaging",
        "`Frontier`:",
        "parcel",
        "parcel/acknowledgement",
        "frontiers",
        TOP + 4,
    ),
    (
        "40-messaging",
        "`Entry`:",
        "parcel",
        "parcel/text",
        "entries",
        TOP + 4,
    ),
    (
        "40-messaging",
        "`Content`:",
        "parcel",
        "parcel/text",
        "content",
        TOP + 6,
    ),
    (
        "50-nat",
        "REACH:",
        "nat",
        "nat/reach-from-here",
        "expected",
        TOP,
    ),
    (
        "50-nat",
        "REACHED:",
        "nat",
        "nat/reached-sent",
        "expected",
        TOP,
    ),
    (
        "50-nat",
        "CANDIDATES:",
        "nat",
        "nat/every-kind",
        "expected",
        TOP,
    ),
    (
        "50-nat",
        "`NatClass`:",
        "nat",
        "nat/every-kind",
        "class",
        TOP + 2,
    ),
    (
        "50-nat",
        "`Candidate`:",
        "nat",
        "nat/every-kind",
        "candidates",
        TOP + 4,
    ),
    (
        "50-nat",
        "PUNCH:",
        "nat",
        "nat/punch-predicted",
        "expected",
        TOP,
    ),
    (
        "50-nat",
        "`Prediction`:",
        "nat",
        "nat/punch-predicted",
        "prediction",
        TOP + 2,
    ),
    (
        "60-relay",
        "RELAY_REFUSED:",
        "relay",
        "relay-refused/plain",
        "expected",
        TOP,
    ),
    (
        "60-relay",
        "RELAY_RESERVE:",
        "relay",
        "relay-reserve/plain",
        "expected",
        TOP,
    ),
    (
        "60-relay",
        "RELAY_RESERVED:",
        "relay",
        "relay-reserved/plain",
        "expected",
        TOP,
    ),
    (
        "60-relay",
        "The payload of the voucher:",
        "relay",
        "voucher/plain",
        "expected",
        TOP,
    ),
    (
        "60-relay",
        "RELAY_CONNECT:",
        "relay",
        "relay-connect/plain",
        "expected",
        TOP,
    ),
    (
        "60-relay",
        "RELAY_INCOMING:",
        "relay",
        "relay-incoming/plain",
        "expected",
        TOP,
    ),
    (
        "60-relay",
        "RELAY_ACCEPT:",
        "relay",
        "relay-accept/plain",
        "expected",
        TOP,
    ),
    (
        "60-relay",
        "RELAY_OPENED:",
        "relay",
        "relay-opened/plain",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "DHT_REFUSED:",
        "dht",
        "dht-refused/plain",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "`Node`:",
        "dht",
        "dht-node/both-families",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "`Server`,",
        "dht",
        "dht-server/both-families",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "DHT_FIND:",
        "dht",
        "dht-find/plain",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "DHT_NODES:",
        "dht",
        "dht-nodes/plain",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "DHT_GET:",
        "dht",
        "dht-get/plain",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "DHT_VALUES:",
        "dht",
        "dht-values/plain",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "DHT_PUT:",
        "dht",
        "dht-put/plain",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "DHT_STORED:",
        "dht",
        "dht-stored/plain",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "`RelayAdvert`,",
        "advert",
        "relay-advert/plain",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "`ServiceAdvert`,",
        "advert",
        "service-advert/plain",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "`MailboxPointer`,",
        "advert",
        "mailbox-pointer/plain",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "`Presence`,",
        "advert",
        "presence/plain",
        "expected",
        TOP,
    ),
    (
        "70-dht",
        "`Rendezvous`,",
        "advert",
        "rendezvous/plain",
        "expected",
        TOP,
    ),
];

/// Names of the fields below `above` in a case, in the order of the file, which is that of the bytes.
fn spelled_out(file: &str, id: &str, above: &str, depth: usize) -> Vec<String> {
    let path = folder().join("vectors").join(file).with_extension("json");
    let text = std::fs::read_to_string(path).unwrap();
    let from = text.find(&format!("\"id\": \"{id}\"")).unwrap();
    let from = from + text[from..].find("\"expected\"").unwrap();
    let from = from + text[from..].find(&format!("\"{above}\": ")).unwrap();
    let indent = |line: &str| line.len() - line.trim_start().len();
    text[from..]
        .lines()
        .skip(1)
        .skip_while(|line| indent(line) < depth)
        .take_while(|line| indent(line) >= depth)
        .filter(|line| indent(line) == depth)
        .filter_map(|line| line.trim().strip_prefix('"')?.split('"').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn tables_of_fields_are_complete_and_in_order() {
    for (name, heading, file, id, above, depth) in LAYOUTS {
        let fields: Vec<String> = document(name)
            .table(heading)
            .into_iter()
            .map(|row| row[0].clone())
            .collect();
        assert_eq!(
            fields,
            spelled_out(file, id, above, depth),
            "{name}: {heading}"
        );
    }
}
