//! Further requirements that cases check beside those of their suite.
//!
//! A requirement to refuse is also checked by what is just not refused, and a requirement to accept by
//! what is just not accepted: those cases stand here, at the requirement.

use crate::case::Suite;

/// A requirement, and the cases that check it too.
const CLAIMS: &[(&str, &[&str])] = &[
    // What is at the limit is whole.
    (
        "DC-WIRE-002",
        &[
            "hello/most-capabilities",
            "identify/most-addresses",
            "nat/most-candidates",
        ],
    ),
    (
        "DC-WIRE-003",
        &[
            "ping/extensions-most",
            "gossip-digest/plain",
            "frame/gossip-digest",
            "hello/version-1",
        ],
    ),
    (
        "DC-WIRE-006",
        &[
            "nat/punch-plain",
            "nat/punch-predicted",
            "identify/observed-ip4",
            "identify/nothing-observed",
        ],
    ),
    (
        "DC-WIRE-007",
        &[
            "hello/most-capabilities",
            "extension/sixteen",
            "group-keys/plain",
            "address-record/most",
        ],
    ),
    (
        "DC-WIRE-008",
        &[
            "chat-open/chinese-name",
            "chat-open/emoji-name",
            "service-advert/not-ascii",
        ],
    ),
    // All other flags leave a critical frame critical.
    ("DC-WIRE-012", &["stream/critical-among-other-flags"]),
    (
        "DC-WIRE-013",
        &["stream/cut-in-a-skipped-body", "stream/unknown-over-limit"],
    ),
    (
        "DC-WIRE-014",
        &[
            "stream/unknown-first",
            "stream/unknown-with-all-other-flags",
            "stream/type-0",
        ],
    ),
    (
        "DC-WIRE-015",
        &["frame/ping-at-the-limit", "frame/gossip-digest"],
    ),
    ("DC-WIRE-016", &["stream/unknown-at-the-limit"]),
    (
        "DC-WIRE-017",
        &["stream/one", "stream/three", "stream/every-type"],
    ),
    (
        "DC-WIRE-018",
        &[
            "stream/cut-in-the-second",
            "stream/critical-after-ping",
            "stream/body-too-short",
        ],
    ),
    (
        "DC-WIRE-019",
        &[
            "stream/nothing",
            "stream/one",
            "stream/unknown-last-and-empty",
        ],
    ),
    (
        "DC-WIRE-020",
        &[
            "extension/two-unknown",
            "extension/order-is-numeric",
            "extension/sixteen",
        ],
    ),
    (
        "DC-WIRE-021",
        &["extension/highest-kind", "record/unknown-extension"],
    ),
    (
        "DC-WIRE-022",
        &[
            "extension/two-unknown",
            "record/unknown-extension",
            "extension/extension-critical",
            "extension/critical-reserved",
        ],
    ),
    (
        "DC-WIRE-028",
        &["stream/unknown-at-the-limit", "envelope/longest-message"],
    ),
    (
        "DC-WIRE-029",
        &[
            "hello/most-capabilities",
            "address-record/most",
            "parcel/most-entries",
        ],
    ),
    // A point, its one encoding, an order that is not small.
    (
        "DC-ID-003",
        &["peer-id/alice", "peer-id/seed-0", "peer-id/seed-255"],
    ),
    ("DC-ID-004", &["peer-id/alice", "peer-id/bob"]),
    ("DC-ID-005", &["peer-id/alice", "peer-id/mixed-order"]),
    ("DC-ID-006", &["peer-id/text-multibase", "peer-id/text-cid"]),
    (
        "DC-ID-007",
        &["peer-id/alice-text", "peer-id/mixed-order-text"],
    ),
    (
        "DC-ID-009",
        &["signature/alice-short", "signature/bob-long"],
    ),
    (
        "DC-ID-010",
        &["signature/alice-short", "signature/bob-short"],
    ),
    ("DC-ID-011", &["signature/mixed-order-key"]),
    (
        "DC-ID-012",
        &["signature/alice-empty", "signature/bob-empty"],
    ),
    (
        "DC-ID-016",
        &[
            "record/one-millisecond",
            "record/end-of-time",
            "record/last-moment",
        ],
    ),
    (
        "DC-ID-022",
        &[
            "address/ip4-bytes",
            "address/ip6-bytes",
            "address/nat64-bytes",
        ],
    ),
    (
        "DC-ID-023",
        &[
            "address/port-1-bytes",
            "address/below-multicast-bytes",
            "address/above-multicast-bytes",
        ],
    ),
    (
        "DC-ID-024",
        &["address/ip4-with-peer-bytes", "address/relayed-bytes"],
    ),
    (
        "DC-ID-026",
        &["address/ip4", "address/ip6-with-peer", "address/relayed"],
    ),
    (
        "DC-ID-027",
        &["address/mapped-refused", "address/text-ip6-as-ip4"],
    ),
    ("DC-ID-038", &["certificate/alice"]),
    ("DC-ID-039", &["certificate/alice", "certificate/long-name"]),
    ("DC-ID-040", &["certificate/alice"]),
    ("DC-ID-041", &["certificate/alice"]),
    ("DC-CONN-024", &["version/touching", "version/widest"]),
    (
        "DC-CONN-025",
        &["hello/unknown-roles", "hello/unknown-capabilities"],
    ),
    (
        "DC-CONN-046",
        &["probe/answer-65", "probe/answer-1200", "probe/63-bytes"],
    ),
    ("DC-CONN-054", &["close-code/done", "close-code/myself"]),
    (
        "DC-NAT-001",
        &[
            "nat/every-kind",
            "nat/reach-from-here",
            "nat/reached-unable",
        ],
    ),
    (
        "DC-NAT-002",
        &["stun/allocate", "stun/read-without-address"],
    ),
    ("DC-NAT-004", &["stun/ours-v4"]),
    (
        "DC-NAT-018",
        &["stun/ours-v4", "stun/ours-v6", "stun/header-alone"],
    ),
    (
        "DC-NAT-019",
        &[
            "stun/most-attributes",
            "stun/longest",
            "stun/ours-v4",
            "stun/read-fingerprint",
        ],
    ),
    ("DC-RELAY-002", &["relay/refused-1", "relay/refused-9"]),
    (
        "DC-RELAY-012",
        &[
            "relay/datagram-whole-without-packet",
            "relay/datagram-first-without-packet",
        ],
    ),
    (
        "DC-RELAY-013",
        &[
            "relay/datagram-whole",
            "relay/datagram-first",
            "relay/datagram-second",
        ],
    ),
    ("DC-DHT-001", &["dht-refused/plain"]),
    (
        "DC-DHT-002",
        &[
            "dht-node/least-nonce",
            "dht-server/least-nonce",
            "relay-advert/plain",
        ],
    ),
    (
        "DC-DHT-042",
        &[
            "pulse/question-turned-into-an-answer",
            "pulse/id-changed",
            "pulse/nonce-changed",
        ],
    ),
    (
        "DC-GOSSIP-003",
        &["room/with-a-secret", "room/longest-secret"],
    ),
    ("DC-GOSSIP-005", &["room/lobby", "room/with-a-secret"]),
    (
        "DC-GOSSIP-019",
        &["item/first", "item/longest", "room-body/hello"],
    ),
    ("DC-GOSSIP-028", &["room-body/hello", "room-body/nothing"]),
    (
        "DC-WIRE-031",
        &[
            "nat/punch-plain",
            "gossip-open/plain",
            "nat/punch-answers-2",
            "punch/answers-is-255",
            "gossip-open/answer-2",
            "gossip-open/alone-is-2",
            "gossip-shuffle/answer-is-255",
            "gossip-pull/graft-is-2",
        ],
    ),
    (
        "DC-WIRE-032",
        &[
            "gossip-leave/reason-1",
            "gossip-leave/reason-4",
            "gossip-sketch/tips",
            "operation/create",
            "operation/policy",
            "group-operations/plain",
            "gossip-leave/reason-0",
            "gossip-leave/reason-5",
            "gossip-sketch/of-2",
            "operation/deed-0",
            "operation/deed-9",
            "operation/cut-descending",
            "operation/cut-twice-the-same",
            "group-operations/heads-descending",
            "group-operations/heads-twice-the-same",
            "group-operations/lacking-descending",
            "operation/after-descending",
            "relay/refused-10",
            "dht/refused-15",
            "nat/candidate-kind-4",
        ],
    ),
    (
        "DC-REG-001",
        &[
            "signature/other-context",
            "stream/critical-unknown",
            "reached/result-is-255",
        ],
    ),
];

/// Names the requirements at their cases.
pub(super) fn claim(suites: &mut [Suite]) {
    for case in suites.iter_mut().flat_map(|suite| &mut suite.cases) {
        for (requirement, ids) in CLAIMS {
            if ids.iter().any(|id| *id == case.id()) {
                case.checks(requirement);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_is_of_a_case_that_there_is() {
        let suites = crate::suites::all();
        let cases: Vec<&str> = suites
            .iter()
            .flat_map(|suite| suite.cases.iter().map(|case| case.id()))
            .collect();
        for id in CLAIMS.iter().flat_map(|(_, ids)| *ids) {
            assert!(cases.contains(id), "no case {id}");
        }
    }
}
