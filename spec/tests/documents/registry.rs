//! The registry against the constants of the reference implementation.

use std::collections::BTreeMap;

use dchat_wire::advert::{MailboxPointer, Presence, RelayAdvert, Rendezvous, ServiceAdvert};
use dchat_wire::close::Code;
use dchat_wire::dht;
use dchat_wire::gossip::Parting;
use dchat_wire::group::Deed;
use dchat_wire::hash::Context;
use dchat_wire::hello::{VERSION, capability, role};
use dchat_wire::nat::{
    Allocation, CandidateKind, Filtering, Mapping, ReachFrom, ReachResult, reach_datagram,
};
use dchat_wire::probe::{self, ProbeKeys};
use dchat_wire::pulse::{self, PulseKey};
use dchat_wire::record::{self, AddressRecord, DeviceRecord, Payload};
use dchat_wire::relay::{Refusal, Voucher};
use dchat_wire::sign::Purpose;
use dchat_wire::{FrameType, invite, limits, parcel};

use crate::markdown::{self, document};

fn table(heading: &str) -> Vec<Vec<String>> {
    markdown::table("registry", heading)
}

fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

/// Checks DC-REG-001 (positive), DC-REG-002 (positive).
#[test]
fn frame_types() {
    let rows = table("## 1. Frame types");
    assert_eq!(rows.len(), FrameType::ALL.len());
    for row in rows {
        let frame = FrameType::from_code(number(&row[0]) as u16).unwrap();
        assert_eq!(row[1].replace('_', ""), frame.name().to_uppercase());
        assert_eq!(number(&row[3]), frame.max_body() as u64, "{}", row[1]);
    }
}

#[test]
fn close_codes() {
    let rows = table("## 3. Close codes");
    assert_eq!(rows.len(), Code::ALL.len());
    for row in rows {
        let code = Code::from_value(number(&row[0])).unwrap();
        assert_eq!(row[1], format!("{code:?}").to_uppercase());
        assert_eq!(row[2], code.text());
    }
}

#[test]
fn signature_contexts() {
    let rows = table("## 4. Signature contexts");
    let mut listed: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let mut known: Vec<&str> = Purpose::ALL.iter().map(|one| one.context()).collect();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
}

#[test]
fn digest_contexts() {
    let listed: Vec<String> = table("## 5. Digest contexts")
        .into_iter()
        .map(|row| row[1].clone())
        .collect();
    assert_eq!(listed, Context::ALL.map(Context::as_str));
}

#[test]
fn roles_and_capabilities() {
    let bits: Vec<u64> = table("## 6. Roles")
        .iter()
        .map(|row| number(&row[1]))
        .collect();
    assert_eq!(bits, [role::RELAY, role::MAILBOX, role::BOOTSTRAP]);
    let rows = table("## 7. Capabilities");
    let numbers: Vec<u64> = rows.iter().map(|row| number(&row[0])).collect();
    let known = [
        capability::CHAT,
        capability::PUNCH,
        capability::REACH,
        capability::DHT,
        capability::GOSSIP,
    ];
    assert_eq!(numbers, known.map(u64::from));
}

#[test]
fn record_and_entry_kinds() {
    let rows: Vec<(u64, u64)> = table("## 8. Record kinds")
        .iter()
        .map(|row| (number(&row[0]), number(&row[3])))
        .collect();
    let of = |kind: u16, lifetime: u64| (u64::from(kind), lifetime);
    let known = [
        of(AddressRecord::KIND, AddressRecord::MAX_LIFETIME),
        of(DeviceRecord::KIND, DeviceRecord::MAX_LIFETIME),
        of(Voucher::KIND, Voucher::MAX_LIFETIME),
        of(RelayAdvert::KIND, RelayAdvert::MAX_LIFETIME),
        of(ServiceAdvert::KIND, ServiceAdvert::MAX_LIFETIME),
        of(MailboxPointer::KIND, MailboxPointer::MAX_LIFETIME),
        of(Presence::KIND, Presence::MAX_LIFETIME),
        of(Rendezvous::KIND, Rendezvous::MAX_LIFETIME),
    ];
    assert_eq!(rows, known);
    let skew = format!("may be {} ms ahead", record::CLOCK_SKEW);
    assert!(document("registry").text().contains(&skew));
    let entries = table("## 9. Entry kinds");
    let listed: Vec<u64> = entries.iter().map(|row| number(&row[0])).collect();
    let known = [
        parcel::entry_kind::TEXT,
        parcel::entry_kind::GROUP_OPERATIONS,
        parcel::entry_kind::GROUP_KEYS,
    ];
    assert_eq!(listed, known.map(u64::from));
}

#[test]
fn other_values() {
    let rows: BTreeMap<String, String> = table("## 10. Other values")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let label = String::from_utf8_lossy(ProbeKeys::EXPORTER_LABEL).into_owned();
    let known = [
        ("protocol version", VERSION.to_string()),
        ("TLS exporter label", label),
        ("bytes exported", ProbeKeys::EXPORTED.to_string()),
        ("first byte of a probe", format!("{:#x}", probe::PROBE)),
        ("first byte of an answer", format!("{:#x}", probe::ANSWER)),
        (
            "first byte of a REACH datagram",
            format!("{:#x}", reach_datagram::KIND),
        ),
        (
            "TLS exporter label of pulses",
            String::from_utf8_lossy(PulseKey::EXPORTER_LABEL).into_owned(),
        ),
        ("bytes exported for pulses", PulseKey::EXPORTED.to_string()),
        (
            "first byte of a pulse that asks",
            format!("{:#x}", pulse::QUESTION),
        ),
        (
            "first byte of a pulse that answers",
            format!("{:#x}", pulse::ANSWER),
        ),
        ("version of an invite", invite::VERSION.to_string()),
        (
            "longest life of an invite in ms",
            invite::LIFETIME.to_string(),
        ),
    ];
    for (name, value) in known {
        assert_eq!(rows[name], value, "{name}");
    }
}

#[test]
fn limits_are_those_of_the_code() {
    let known = BTreeMap::from([
        ("FRAME_HEADER", limits::FRAME_HEADER),
        ("FRAME_BODY", limits::FRAME_BODY),
        ("UNKNOWN_BODY", limits::UNKNOWN_BODY),
        ("EXTENSIONS", limits::EXTENSIONS),
        ("EXTENSION_VALUE", limits::EXTENSION_VALUE),
        ("ADDRESS", limits::ADDRESS),
        ("ADDRESSES", limits::ADDRESSES),
        ("CANDIDATES", limits::CANDIDATES),
        ("INVITE_ADDRESSES", limits::INVITE_ADDRESSES),
        ("CAPABILITIES", limits::CAPABILITIES),
        ("NAME", limits::NAME),
        ("RECORD_PAYLOAD", limits::RECORD_PAYLOAD),
        ("RECORD_BODY", limits::RECORD_BODY),
        ("SESSIONS", limits::SESSIONS),
        ("ADVERT_ADDRESSES", limits::ADVERT_ADDRESSES),
        ("SEALED", limits::SEALED),
        ("RELAY_SHARDS", limits::RELAY_SHARDS.into()),
        ("DHT_NODES", limits::DHT_NODES),
        ("DHT_KNOWN", limits::DHT_KNOWN),
        ("DHT_RECORDS", limits::DHT_RECORDS),
        ("DHT_VALUES", limits::DHT_VALUES),
        ("GOSSIP_ADDRESSES", limits::GOSSIP_ADDRESSES),
        ("GOSSIP_PEERS", limits::GOSSIP_PEERS),
        ("GOSSIP_MARKS", limits::GOSSIP_MARKS),
        ("GOSSIP_CELLS", limits::GOSSIP_CELLS),
        ("GOSSIP_SPANS", limits::GOSSIP_SPANS),
        ("ROOM_SECRET_MIN", limits::ROOM_SECRET_MIN),
        ("ROOM_SECRET", limits::ROOM_SECRET),
        ("GROUP_MEMBERS", limits::GROUP_MEMBERS),
        ("GROUP_PARENTS", limits::GROUP_PARENTS),
        ("GROUP_TEXT", limits::GROUP_TEXT),
        ("GROUP_CUT", limits::GROUP_CUT),
        ("GROUP_OPERATION", limits::GROUP_OPERATION),
        ("GROUP_OPERATIONS", limits::GROUP_OPERATIONS),
        ("GROUP_KEYS", limits::GROUP_KEYS),
        ("TEXT", limits::TEXT),
        ("ENTRY_BODY", limits::ENTRY_BODY),
        ("PARCEL_ENTRIES", limits::PARCEL_ENTRIES),
        ("PARCEL_FRONTIERS", limits::PARCEL_FRONTIERS),
        ("HEADS", limits::HEADS),
        ("PARCEL", limits::PARCEL),
        ("PARCEL_MIN", limits::PARCEL_MIN),
        ("RATCHET_MESSAGE", limits::RATCHET_MESSAGE),
        ("PROBE", limits::PROBE),
        ("PROBE_PADDED", limits::PROBE_PADDED),
    ]);
    let rows: BTreeMap<String, usize> = table("## 11. Limits")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].parse().unwrap()))
        .collect();
    for (name, value) in known {
        assert_eq!(rows[name], value, "{name}");
    }
    let declared = include_str!("../../../wire/src/limits.rs");
    for line in declared
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "))
    {
        let name = line.split(':').next().unwrap();
        assert!(rows.contains_key(name), "{name} is not in the registry");
    }
}

/// Checks DC-NAT-001 (positive).
#[test]
fn codes_of_nat_traversal() {
    let rows = table("## 12. Codes of NAT traversal");
    let of = |field: &str| rows.iter().filter(|row| row[0] == field).count();
    let known = [
        ("mapping", Mapping::ALL.len()),
        ("filtering", Filtering::ALL.len()),
        ("allocation", Allocation::ALL.len()),
        ("candidate", CandidateKind::ALL.len()),
        ("from", ReachFrom::ALL.len()),
        ("result", ReachResult::ALL.len()),
    ];
    for (field, count) in known {
        assert_eq!(of(field), count, "{field}");
    }
    assert_eq!(
        rows.len(),
        known.iter().map(|(_, count)| *count).sum::<usize>()
    );
    let named = |field: &str, code: u8, name: &str| {
        let code = code.to_string();
        assert!(
            rows.iter().any(|row| row[..] == [field, &code, name]),
            "{field} {code} {name}"
        );
    };
    named(
        "mapping",
        Mapping::AddressAndPortDependent as u8,
        "address-and-port-dependent",
    );
    named(
        "filtering",
        Filtering::EndpointIndependent as u8,
        "endpoint-independent",
    );
    named("allocation", Allocation::Block as u8, "block");
    named("candidate", CandidateKind::Reflexive as u8, "reflexive");
    named("from", ReachFrom::OtherNode as u8, "another node");
    named("result", ReachResult::Limited as u8, "limited");
}

/// Each row is the number, name and text of one reason, in order.
fn check_refusals(
    heading: &str,
    reasons: impl ExactSizeIterator<Item = (u16, String, &'static str)>,
) {
    let rows = table(heading);
    assert_eq!(rows.len(), reasons.len());
    for (row, (code, name, text)) in rows.iter().zip(reasons) {
        assert_eq!(number(&row[0]), u64::from(code));
        assert_eq!(row[1].replace('_', ""), name.to_uppercase());
        assert_eq!(row[2], text);
    }
}

/// Checks DC-RELAY-002 (positive).
#[test]
fn refusals_of_relays() {
    let all = Refusal::ALL.iter();
    let all = all.map(|reason| (*reason as u16, format!("{reason:?}"), reason.text()));
    check_refusals("## 13. Refusals of relays", all);
}

/// Checks DC-DHT-001 (positive).
#[test]
fn refusals_of_the_dht() {
    let all = dht::Refusal::ALL.iter();
    let all = all.map(|reason| (*reason as u16, format!("{reason:?}"), reason.text()));
    check_refusals("## 14. Refusals of the DHT", all);
}

#[test]
fn partings_and_deeds() {
    let all = |heading: &str| -> Vec<(u64, String)> {
        let rows = table(heading);
        let row = |row: &Vec<String>| (number(&row[0]), row[1].replace('_', ""));
        rows.iter().map(row).collect()
    };
    let known: Vec<(u64, String)> = Parting::ALL
        .iter()
        .map(|one| (*one as u64, format!("{one:?}").to_uppercase()))
        .collect();
    assert_eq!(all("## 15. Partings"), known);
    let known: Vec<(u64, String)> = Deed::ALL
        .iter()
        .map(|one| (*one as u64, format!("{one:?}").to_uppercase()))
        .collect();
    assert_eq!(all("## 16. Deeds"), known);
}
